"""Threshold units on equispaced knots: eigenvalues of step features in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array


def eigenvalues(n: int, index: ArrayLike | None = None) -> Array:
    """Of G_ij = ∫₀¹ 1[x ≥ i/n] 1[x ≥ j/n] dx = 1 − max(i, j)/n, i, j = 0 … n−1: descending, all or those of index ≥ 1,

        λ_j = 1/(4n sin²((2j−1)π/(4n+2))) ,        λ_j/n → ((j − ½)π)⁻² .

    In reverse order G = min(i, j)/n, i, j = 1 … n, and G⁻¹/n is the second difference, with a zero at one end and a
    mirror at the other: eigenvectors sin((2j−1)iπ/(2n+1)). The mean over samples at the middles of mn equal parts, m a
    whole number, is the integral itself.

    Raises ValueError for fewer than one knot.

    >>> eigenvalues(1), (eigenvalues(10_000, [1]) / 10_000 * (np.pi / 2) ** 2).round(3)
    (array([1.]), array([1.]))
    """
    if n < 1:
        raise ValueError(f"n: expected a whole number from 1 on, got {n}")
    j = np.arange(1, n + 1) if index is None else np.asarray(index)
    return np.asarray(1 / (4 * n * np.sin((2 * j - 1) * np.pi / (4 * n + 2)) ** 2))


def string(n: int, index: ArrayLike) -> Array:
    """The limit n ((j − ½)π)⁻² of the eigenvalues: a string that is fixed at one end and free at the other.

    >>> bool(abs(string(1000, 3) / eigenvalues(1000, 3) - 1) < 2e-3)
    True
    """
    return np.asarray(n * ((np.asarray(index) - 0.5) * np.pi) ** -2.0)
