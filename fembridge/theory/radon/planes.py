"""Functions as sums of ridges, Σ_i μ_i σ(ξ_i·x − γ_i), from directions, offsets and delta-slopes."""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array


def ridge_sum(
    directions: ArrayLike, offsets: ArrayLike, delta_slopes: ArrayLike, x: ArrayLike, degree: int = 1, leak: float = 0.0
) -> Array:
    """Σ_i μ_i σ(ξ_i·x − γ_i) at points x (N, d), with σ(z) = z^k for z > 0 and a z^k for z < 0, (N,) or (N, C).

    directions: ξ (n, d), unit vectors. offsets: γ (n,). delta_slopes: μ (n,), or (n, C) of C outputs. degree: k, with
    0⁰ = 1. leak: a.

    Source: Sahs, Pyle, Anselmi, Patel, arXiv 2503.10587.

    >>> ridge_sum([[1.0, 0.0]], [1.0], [2.0], [[3.0, 5.0], [0.0, 5.0]])
    array([4., 0.])
    """
    z = np.asarray(x, dtype=float) @ np.asarray(directions, dtype=float).T - offsets
    return np.asarray(np.where(z >= 0, 1.0, leak) * z**degree @ np.asarray(delta_slopes, dtype=float))


def plane_jumps(delta_slopes: ArrayLike, degree: int = 1, leak: float = 0.0) -> Array:
    """By how much the k-th derivative along ξ jumps on each plane: k!(1 − a)μ, the masses of the deltas of the next.

    >>> plane_jumps([2.0], degree=2)
    array([4.])
    """
    return factorial(degree) * (1 - leak) * np.asarray(delta_slopes, dtype=float)
