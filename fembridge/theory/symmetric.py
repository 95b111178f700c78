"""Eigenvalues of an assembled symmetric matrix, by LAPACK, with bounds relative to the largest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigvals_banded, eigvalsh, eigvalsh_tridiagonal
from scipy.sparse import csr_array

from fembridge.problem import Array

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """All eigenvalues of a Gram matrix, descending.

    error: bound on |λ̂_k − λ_k|/λ_k, first order in the unit round-off; 1 or more where no digit is certain.
    noise_floor: eigenvalues smaller than this are not resolved by the method (0 where it resolves all of them).
    """

    eigenvalues: Array
    error: Array
    method: str
    noise_floor: float

    @property
    def condition_number(self) -> float:
        """λ_max/λ_min; infinite where the smallest eigenvalue is not positive."""
        smallest = self.eigenvalues[-1]
        return float(self.eigenvalues[0] / smallest) if smallest > 0 else float("inf")


def dense_symmetric(matrix: Array, reach: float = 0.0) -> Spectrum:
    """All eigenvalues of a symmetric matrix by LAPACK, |λ̂ − λ| ≤ (n + 4 reach) ε λ_max.

    n ε covers the sums of n terms that formed the matrix and the backward error of the solver; reach ε is what the
    rounding of w x + c leaves in the features. Eigenvalues below that have no certain digit and may be negative.
    """
    values = np.asarray(eigvalsh(matrix)[::-1], dtype=float)
    return absolute(values, (len(values) + 4 * reach) * EPS * np.abs(values).max(), "dense symmetric (LAPACK syevr)")


def banded(matrix: csr_array, reach: float = 0.0) -> Spectrum:
    """All eigenvalues of a sparse symmetric matrix with few diagonals, in O(n²) time and O(n) memory.

    |λ̂ − λ| ≤ (√n + width + 4 reach) ε λ_max; reach as in `dense_symmetric`.
    """
    lower = diagonals(matrix)
    width = len(lower) - 1
    if width == 0:
        return absolute(np.sort(lower[0])[::-1], 4 * reach * EPS * lower[0].max(), "diagonal")
    if 4 * width > matrix.shape[0]:
        return dense_symmetric(matrix.toarray(), reach)
    values = np.asarray(eigvals_banded(lower, lower=True)[::-1], dtype=float)
    return absolute(
        values,
        (np.sqrt(len(values)) + width + 4 * reach) * EPS * np.abs(values).max(),
        "banded symmetric (LAPACK sbevd)",
    )


def extreme_eigenvalues(matrix: csr_array) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of a sparse symmetric tridiagonal matrix.

    By bisection in O(n), to a few ε λ_max. Raises ValueError for a matrix with more diagonals.

    >>> low, high = extreme_eigenvalues(csr_array(np.array([[2.0, 1.0], [1.0, 2.0]])))
    >>> round(low, 12), round(high, 12)
    (1.0, 3.0)
    """
    lower, n = diagonals(matrix), matrix.shape[0]
    if len(lower) != 2:
        raise ValueError(f"extreme_eigenvalues: expected a tridiagonal matrix, got {2 * len(lower) - 1} diagonals")
    d, e = lower[0], lower[1, :-1]
    low, high = (float(eigvalsh_tridiagonal(d, e, select="i", select_range=(i, i))[0]) for i in (0, n - 1))
    return low, high


def diagonals(matrix: csr_array, width: int | None = None) -> Array:
    """The main diagonal and `width` below it, as LAPACK stores a lower band; all that are not zero if left out."""
    if width is None:
        rows, columns = matrix.nonzero()
        width = int(np.abs(rows - columns).max())
    return np.stack([np.append(matrix.diagonal(-k), np.zeros(k)) for k in range(width + 1)])


def absolute(values: Array, bound: float, method: str) -> Spectrum:
    """A spectrum with one bound on all absolute errors."""
    with np.errstate(over="ignore"):
        return Spectrum(values, bound / np.maximum(np.abs(values), np.finfo(float).tiny), method, float(bound))
