"""Dual activations: the mean product of an activation at two correlated normal numbers, of which kernels are made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array

Function = Callable[[Array], Array]


def step_dual(correlation: ArrayLike) -> Array:
    """E H(a) H(b) = (π − arccos ρ)/2π for standard normal a, b of correlation ρ, H the step, the slope of ReLU.

    Source: Y. Cho, L. Saul, Kernel Methods for Deep Learning (NIPS 2009).

    >>> step_dual([-1.0, 0.0, 1.0])
    array([0.  , 0.25, 0.5 ])
    """
    return np.asarray((np.pi - np.arccos(np.clip(correlation, -1, 1))) / (2 * np.pi))


def relu_dual(correlation: ArrayLike) -> Array:
    """E a₊ b₊ = (√(1 − ρ²) + ρ(π − arccos ρ))/2π for standard normal a, b of correlation ρ.

    Source: Y. Cho, L. Saul, Kernel Methods for Deep Learning (NIPS 2009).

    >>> relu_dual([-1.0, 0.0, 1.0]) * 2 * np.pi
    array([0.        , 1.        , 3.14159265])
    """
    rho = np.clip(np.asarray(correlation, dtype=float), -1, 1)
    return np.asarray(np.sqrt(1 - rho**2) / (2 * np.pi) + rho * step_dual(rho))


def dual(sigma: Function, variance: float, correlation: ArrayLike, points: int = 200) -> Array:
    """E σ(a) σ(b) for normal a, b of one variance and a correlation ρ each, by Gauss–Hermite quadrature in two
    dimensions.

    For smooth σ; points: of each dimension. Its error is that of σ's best polynomial of degree 2·points − 1.

    Raises ValueError unless the variance is positive.

    >>> dual(lambda z: z**3, 2.0, [0.5]) / 8                      # 9ρ + 6ρ³
    array([5.25])
    """
    if not variance > 0:
        raise ValueError(f"variance: expected a positive number, got {variance:g}")
    z, w = np.polynomial.hermite_e.hermegauss(points)
    w, deviation = w / w.sum(), np.sqrt(variance)
    rho = np.clip(np.asarray(correlation, dtype=float), -1, 1).reshape(-1, 1, 1)
    other = sigma(deviation * (rho * z[:, None] + np.sqrt(1 - rho**2) * z))
    return np.asarray(np.einsum("i,j,i,cij->c", w, w, sigma(deviation * z), other)).reshape(np.shape(correlation))
