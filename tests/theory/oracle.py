"""Sixty-digit oracle for ReLU Grams: eigenvalue counts of the banded pencil M − λ DᵀD by Sylvester's law of inertia."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from mpmath import mp, mpf


def pencil(knots: np.ndarray, end: float, digits: int = 60) -> tuple[list, list]:
    """Lower bands (main, first, second) of M and of B = DᵀD, D = C⁻¹, exactly from the knots as given; G and (M, B)
    share eigenvalues.
    """
    mp.dps = digits
    nodes = [x if isinstance(x, mpf) else mpf(float(x)) for x in (*knots, end)]
    h = [right - left for left, right in pairwise(nodes)]
    n = len(h)
    following = [*h[1:], mpf(0)]
    m0 = [(a + b) / 3 for a, b in zip(h, following, strict=True)]
    m1 = [b / 6 for b in h[1:]]
    # Row j of D: u_{j+1}/h_j − u_j (1/h_j + 1/h_{j−1}) + u_{j−1}/h_{j−1}, with u_0 = 0 and columns u_1 … u_n.
    d0 = [1 / x for x in h]
    d1 = [-(1 / h[j] + 1 / h[j - 1]) for j in range(1, n)]
    d2 = [1 / h[j - 1] for j in range(2, n)]
    b0 = [d0[i] ** 2 + (d1[i] ** 2 if i < n - 1 else 0) + (d2[i] ** 2 if i < n - 2 else 0) for i in range(n)]
    b1 = [d1[i] * d0[i + 1] + (d2[i] * d1[i + 1] if i < n - 2 else 0) for i in range(n - 1)]
    b2 = [d2[i] * d0[i + 2] for i in range(n - 2)]
    return [m0, m1, [mpf(0)] * (n - 2)], [b0, b1, b2]


def count_above(bands: tuple[list, list], value: mpf) -> int:
    """The number of eigenvalues of M − λB above `value`: positive pivots of LDLᵀ of M − value·B."""
    (a0, a1, a2), (b0, b1, b2) = bands
    n, positive = len(a0), 0
    d1 = d2 = l1 = l1_before = l2 = mpf(1)
    for i in range(n):
        pivot = a0[i] - value * b0[i]
        first = a1[i - 1] - value * b1[i - 1] if i >= 1 else mpf(0)
        if i >= 2:
            second = a2[i - 2] - value * b2[i - 2]
            l2 = second / d2
            first -= l2 * d2 * l1_before
            pivot -= l2**2 * d2
        if i >= 1:
            l1 = first / d1
            pivot -= l1**2 * d1
        d2, d1, l1_before = d1, pivot, l1
        positive += pivot > 0
    return positive


def wrong_eigenvalues(
    knots: np.ndarray, end: float, eigenvalues: np.ndarray, tolerance: float, indices: np.ndarray
) -> list[int]:
    """Those of the indices at which the k-th eigenvalue (descending) is not within a relative `tolerance` of the exact
    one.
    """
    bands = pencil(knots, end)
    wrong = []
    for k in indices:
        value = mpf(float(eigenvalues[k]))
        inside = (
            count_above(bands, value * (1 + mpf(tolerance))) <= k < count_above(bands, value * (1 - mpf(tolerance)))
        )
        if not (value > 0 and inside):
            wrong.append(int(k))
    return wrong
