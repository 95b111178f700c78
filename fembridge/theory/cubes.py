"""Kernels on the Boolean cube {±1}^m: diagonal in parities, with one eigenvalue for each degree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import comb

from fembridge.problem import Array


def overlaps(m: int) -> Array:
    """⟨x, y⟩/m = 1 − 2t/m of points that differ in t = 0 … m coordinates, (m + 1,).

    >>> overlaps(2)
    array([ 1.,  0., -1.])
    """
    return np.asarray(1 - 2 * np.arange(m + 1) / m)


def krawtchouk(m: int) -> Array:
    """K_k(t) = Σ_j (−1)^j C(t, j) C(m − t, k − j), (m + 1, m + 1) at [k, t]: the sum of the parities of degree k at a
    point that has t coordinates −1.

    >>> krawtchouk(2)
    array([[ 1.,  1.,  1.],
           [ 2.,  0., -2.],
           [ 1., -1.,  1.]])
    """
    k, t, j = np.ogrid[: m + 1, : m + 1, : m + 1]
    return np.asarray(((-1.0) ** j * comb(t, j) * comb(m - t, k - j)).sum(axis=2))


def parity_eigenvalues(kernel: ArrayLike) -> Array:
    """μ_k = 2^{−m} Σ_t C(m, t) κ(1 − 2t/m) K_k(t)/C(m, k), k = 0 … m, from κ at `overlaps` (m + 1,).

    The eigenvalue of x ↦ Π_{i∈S} x_i, |S| = k, under the mean over the 2^m points of the cube: of K(x, y)/2^m.

    Source: G. Yang, H. Salman, A Fine-Grained Spectral Perspective on Neural Networks, arXiv 1907.10599.

    Raises ValueError unless κ is one row of two numbers or more.

    >>> parity_eigenvalues(overlaps(4) ** 2)      # (Σ x_i y_i)² / 16 = (4 + 2 Σ_{i<j} x_i x_j y_i y_j)/16
    array([0.25 , 0.   , 0.125, 0.   , 0.   ])
    """
    values = np.asarray(kernel, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"kernel: expected one row of two numbers or more, got an array of shape {values.shape}")
    m = len(values) - 1
    count = comb(m, np.arange(m + 1))
    return np.asarray(krawtchouk(m) @ (count * values) / count / 2.0**m)
