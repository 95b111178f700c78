"""Modes that a function is analysed in: Fourier modes of the domain, and the beam modes of ReLU networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from skfem import Basis, LinearForm

from fembridge.problem import Array, Complex, Interval


def fourier(x: Array, frequencies: Sequence[int], domain: Interval) -> Complex:
    """2 exp(−2πik(x−a)/(b−a)), shape (F, len(x)): its mean product with A sin(2πk(x−a)/(b−a) + φ) has modulus A.

    >>> x = np.arange(16) / 16
    >>> abs(fourier(x, [3], (0.0, 1.0)) @ (5 * np.sin(6 * np.pi * x + 0.3)) / 16).round(12)
    array([5.])
    """
    a, b = domain
    return np.asarray(
        2 * np.exp(-2j * np.pi * np.multiply.outer(np.asarray(frequencies, dtype=float), (x - a) / (b - a)))
    )


def fourier_functionals(basis: Basis, frequencies: Sequence[int], domain: Interval) -> Complex:
    """q[k, i] = 2/(b−a) ∫ ψ_i exp(−2πik(x−a)/(b−a)) dx, shape (F, dofs).

    The amplitude of u at frequency k is |q[k] @ u|. Exact to round-off where the basis integrates with enough points
    for the phase across a cell.
    """
    length = domain[1] - domain[0]

    def functional(k: int) -> Complex:
        return LinearForm(
            lambda v, w: fourier(w.x[0].ravel(), [k], domain).reshape(w.x[0].shape) * v, dtype=complex
        ).assemble(basis)

    return np.stack([functional(k) for k in frequencies]) / length


def beam_roots(count: int) -> Array:
    """The first positive roots of cos β cosh β = −1, the cantilever beam.

    λ_k/n → β_k⁻⁴ for the Gram matrix of n equispaced ReLU features on [0, 1].

    >>> beam_roots(3).round(5)
    array([1.8751 , 4.69409, 7.85476])
    """

    def characteristic(beta: float) -> float:
        return float(np.cos(beta) + 1 / np.cosh(beta))

    middles = (np.arange(count) + 0.5) * np.pi
    return np.array([brentq(characteristic, m - 0.5, m + 0.5, xtol=1e-14, rtol=1e-15) for m in middles])
