"""The tangent kernel of a wide shallow ReLU network on the circle, and its eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array


def tangent_kernel(angle: ArrayLike, bias: bool = True) -> Array:
    """κ(θ) = (cos θ + 1)(π − θ)/2π of two points at an angle θ; without biases, cos θ (π − θ)/2π.

    The limit m → ∞ of Σ ∂u ∂u over the first layer of u(x) = m^{−½} Σ_j ±σ(w_j·x + b_j), σ = ReLU, where the directions
    of w are uniform and b = 0 at the start.

    Source: Basri et al. 2019, arXiv 1906.00425, section 3.

    >>> tangent_kernel([0.0, np.pi])
    array([1., 0.])
    """
    theta = np.arccos(np.clip(np.cos(np.asarray(angle, dtype=float)), -1, 1))
    return np.asarray((np.cos(theta) + bias) * (np.pi - theta) / (2 * np.pi))


def tangent_eigenvalues(k: ArrayLike, bias: bool = True) -> Array:
    """c_k = (1/2π) ∫ κ(θ) cos kθ dθ: the eigenvalue of cos kθ and sin kθ under the mean over the circle.

        k even      (k² + 1)/(π²(k² − 1)²), and ¼ more at k = 0 with biases
        k odd ≥ 3   1/(π²k²) with biases, 0 without
        k = 1       1/8, and 1/π² more with biases

    Source: Basri et al. 2019, arXiv 1906.00425, section 4, whose a_k have another factor at k = 0.

    >>> bool(np.isclose(tangent_eigenvalues(0), 1 / 4 + 1 / np.pi**2)), tangent_eigenvalues([1, 3], bias=False)
    (True, array([0.125, 0.   ]))
    """
    n: Array = np.abs(np.asarray(k, dtype=float))
    square = np.where(n == 1, 4.0, n**2)  # at k = 1 the formula of even k, which does not apply, has a pole
    even = (square + 1) / (np.pi * (square - 1)) ** 2 + 0.25 * bias * (n == 0)
    odd = bias / (np.pi * np.maximum(n, 1)) ** 2 + (n == 1) / 8
    return np.where(n % 2 == 0, even, odd)


def sampled_eigenvalues(n: int, bias: bool = True) -> Array:
    """Eigenvalues (n,) of κ(θ_i − θ_j)/n at n equispaced points, in the order of `numpy.fft`: Σ_m c_{k+mn}.

    >>> bool(np.allclose(sampled_eigenvalues(4096)[:9], tangent_eigenvalues(range(9)), rtol=1e-4))
    True
    """
    return np.asarray(np.fft.fft(tangent_kernel(2 * np.pi * np.arange(n) / n, bias)).real / n)


def loss_on_circle(residual: Array, learning_rate: float, steps: ArrayLike, bias: bool = True) -> Array:
    """½ mean r² (T,) after t steps of gradient descent on ½ mean r², from an error r (n,) at n equispaced points:

        ½ Σ_k |r̂_k|² (1 − ηλ_k)^{2t},   r̂ = fft(r)/n,   λ = sampled_eigenvalues(n)

    >>> r = np.sqrt(2) * np.sin(2 * np.pi * np.arange(8) / 8)
    >>> loss_on_circle(r, 1.0, [0, 1]) / [0.5, 0.5 * (1 - sampled_eigenvalues(8)[1]) ** 2]
    array([1., 1.])
    """
    power = np.abs(np.fft.fft(residual) / len(residual)) ** 2
    factors = 1 - learning_rate * sampled_eigenvalues(len(residual), bias)
    return np.asarray((np.abs(factors) ** (2 * np.asarray(steps, dtype=float)[:, None])) @ power / 2)
