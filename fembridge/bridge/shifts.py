"""Shifts σ(x/h − j) of an activation on [0, 1]: the spectrum of their Gram matrix and its symbol, predicted, measured.

All Gram matrices are integrals over x in [0, 1] unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from fembridge.bridge.subjects import Subject
from fembridge.networks.models import shallow
from fembridge.networks.tangents import exact_points, features
from fembridge.problem import Array, composite_gauss
from fembridge.theory import smooth, splines
from fembridge.theory.features import Features
from fembridge.theory.radon.transforms import SMOOTH
from fembridge.theory.spectra import spectrum

EPS = float(np.finfo(float).eps)
UNIT = (0.0, 1.0)
POINTS = 10  # of a Gauss rule on half a step
WINDOW = 64  # shifts to each side of the one that is looked at
DECAYED, CUT = (
    1e-10,
    1e-4,
)  # of a difference at the end of the window: lost in rounding; small enough to be seen through
HIGHEST = 3  # order of the differences that are tried


@dataclass(frozen=True, eq=False)
class Shifts:
    """n features σ(x/h − j + left): all of them that lie in [0, 1] whole where σ has compact support; else h = 1/n."""

    weights: Array
    biases: Array

    @property
    def h(self) -> float:
        return 1 / float(self.weights[0])


def shifts(subject: Subject, n: int) -> Shifts:
    """The first n of them.

    >>> from fembridge.bridge.subjects import of_name
    >>> shifts(of_name("hat"), 3).h, shifts(of_name("relu"), 4).h           # [0, ½], [¼, ¾], [½, 1] and [j/4, 1]
    (0.25, 0.25)
    """
    left, right = subject.spline.support if subject.spline and subject.compact else (0.0, 1.0)
    return Shifts(np.full(n, n + right - left - 1), left - np.arange(n, dtype=float))


def network(subject: Subject, found: Shifts) -> nn.Sequential:
    """These features as the hidden layer of a network, whose output is 0."""
    return shallow(subject.module, found.weights, found.biases)


def rule(subject: Subject, model: nn.Module, n: int) -> tuple[Array, Array]:
    """Points and weights of ∫ over [0, 1]: exact for splines, on half steps for others."""
    return exact_points(model, UNIT) if subject.spline else composite_gauss(np.linspace(0, 1, 2 * n + 1), POINTS)


def measured_spectrum(subject: Subject, n: int) -> Array:
    """Eigenvalues (n,) of ∫σ_iσ_j, descending, as squared singular values of √w_q σ_j(x_q), of the module; nan where
    they are lost in rounding, below (n ε)² λ_1.
    """
    model = network(subject, shifts(subject, n))
    x, w = rule(subject, model, n)
    phi = features(model, x).detach().numpy()
    found = np.linalg.svd(np.sqrt(w)[:, None] * phi, compute_uv=False)
    return np.where(found > n * EPS * found[0], found, np.nan) ** 2


def predicted_spectrum(subject: Subject, n: int) -> Array | None:
    """The same from theory: of splines exactly, nan where the error is above a tenth; of smooth activations the symbol
    h s((k − ½)π/n), as though there were no ends; None where there is no closed form.
    """
    at = shifts(subject, n)
    if subject.spline:
        found = spectrum(Features(subject.spline, at.weights, at.biases, UNIT))
        return np.where(found.error < 0.1, found.eigenvalues, np.nan)
    symbol = predicted_symbol(subject, (np.arange(n) + 0.5) * np.pi / n)
    return None if symbol is None else np.sort(at.h * symbol)[::-1]


def condition(eigenvalues: Array | None) -> float:
    """λ_1/λ_n, nan where that is not known."""
    return float(eigenvalues[0] / eigenvalues[-1]) if eigenvalues is not None else np.nan


def predicted_symbol(subject: Subject, theta: Array) -> Array | None:
    """s(θ) = Σ_m |σ̂(θ + 2πm)|² of the integer shifts σ(· − j); None where σ̂ has no closed form."""
    if subject.spline:
        return splines.shift_symbol(subject.spline, theta)
    return smooth.shift_symbol(subject.name, theta) if subject.kind == "smooth" and subject.name in SMOOTH else None


def measured_symbol(subject: Subject, theta: Array) -> tuple[Array, int] | None:
    """s(θ), read off the Gram of the module's integer shifts on the line, and the order q of differences in it.

    The differences Δ^q of shifts that grow decay, so that row 0 of their Gram, c_k, is that of a Toeplitz matrix:
    s = (c_0 + 2 Σ_k c_k cos kθ)/(2 sin(θ/2))^{2q}. q: the least for which they decay within 64 shifts. None where
    differences of order 3 do not, as those of a sine.
    """
    j = np.arange(-WINDOW, WINDOW + 1, dtype=float)
    model = shallow(subject.module, np.ones(len(j)), -j)
    ends = np.unique(np.concatenate([np.arange(-2 * WINDOW, 2 * WINDOW + 0.5, 0.5), _bends(subject, j)]))
    x, w = composite_gauss(ends, POINTS)
    phi, far = (features(model, at).detach().numpy().T for at in (x, np.array([-2.0, 2.0]) * WINDOW))
    for q in range(HIGHEST + 1):
        row = _row((phi * w) @ phi.T)
        left = max(float(np.abs(row[-8:]).max()), float(np.abs(far[len(far) // 2]).max() ** 2)) / row[0]
        if left < DECAYED or (q == HIGHEST and left < CUT):
            lags = np.concatenate([row[:1], 2 * row[1:]])
            waves = np.cos(np.multiply.outer(theta, np.arange(len(row)))) @ lags
            return waves / (2 * np.sin(theta / 2)) ** (2 * q), q
        phi, far = np.diff(phi, axis=0), np.diff(far, axis=0)
    return None


def _bends(subject: Subject, j: Array) -> Array:
    return np.add.outer(subject.breakpoints, j).ravel() if subject.spline else np.empty(0)


def _row(matrix: Array) -> Array:
    """From the diagonal on, of the middle row of a matrix that is Toeplitz there: the mean to both sides."""
    middle = len(matrix) // 2
    right, left = matrix[middle, middle:], matrix[middle, middle::-1]
    length = min(len(right), len(left))
    return np.asarray(right[:length] + left[:length]) / 2
