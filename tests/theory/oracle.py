"""Sixty-digit oracles for the Gram matrices of ReLUs, from exact entries and by other formulas than the package's.

Counts: G has the eigenvalues of the banded pencil A − λ DᵀW⁻²D of nodal values, A = αM + βK, D the jumps of the slope;
its positive pivots are counted by Sylvester's law of inertia, in decimal arithmetic. Dense: closed-form entries and
mpmath.eigsy, for a few knots, with eigenvectors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
from mpmath import mp, mpf

DIGITS = 60
ALPHA_BETA = {"mass": (1, 0), "stiffness": (0, 1), "h1": (1, 1)}

Number = float | Decimal | mpf
Bands = tuple[list[Decimal], list[Decimal], list[Decimal]]


def decimal(x: Number) -> Decimal:
    return Decimal(mp.nstr(x, DIGITS)) if isinstance(x, mpf) else x if isinstance(x, Decimal) else Decimal(float(x))


def pencil(
    knots: Sequence[Number],
    end: float,
    weights: Sequence[float] | None = None,
    form: str = "mass",
    constant: bool = False,
) -> tuple[Bands, Bands]:
    """Bands (main, first, second) of A and B = DᵀW⁻²D, from sorted knots as given. constant: the function 1 as well."""
    with localcontext() as context:
        context.prec = mp.dps = DIGITS
        nodes = [decimal(x) for x in (*knots, end)]
        h = [right - left for left, right in pairwise(nodes)]
        alpha, beta = ALPHA_BETA[form]
        a, b = defaultdict(Decimal), defaultdict(Decimal)  # [i, k], i ≤ k, over the nodal values u_0 … u_n
        for j, step in enumerate(h):
            for i, k, mass, stiffness in ((j, j, 2, 1), (j, j + 1, 1, -1), (j + 1, j + 1, 2, 1)):
                a[i, k] += alpha * step * mass / 6 + beta * stiffness / step
            row = {j + 1: 1 / step, j: -1 / step}
            if j:
                row[j] -= 1 / h[j - 1]
                row[j - 1] = 1 / h[j - 1]
            square = Decimal(1) if weights is None else Decimal(float(weights[j])) ** 2
            for i in row:
                for k in row:
                    if i <= k:
                        b[i, k] += row[i] * row[k] / square
        if constant:
            b[0, 0] += 1
        first = 0 if constant else 1
        kept = range(first, len(h) + 1)
        both = [tuple([m[i, i + d] for i in kept if i + d <= len(h)] for d in range(3)) for m in (a, b)]
        return both[0], both[1]


def count_above(bands: tuple[Bands, Bands], value: Number) -> int:
    """The number of eigenvalues of A − λB above `value`: positive pivots of LDLᵀ of A − value·B."""
    with localcontext() as context:
        context.prec = DIGITS
        at = decimal(value)
        main, first, second = ([x - at * y for x, y in zip(*band, strict=True)] for band in zip(*bands, strict=True))
        positive = 0
        for i in range(len(main)):
            pivot = main[i]
            positive += pivot > 0
            if i + 1 < len(main):
                l1 = first[i] / pivot
                main[i + 1] -= l1 * first[i]
                if i + 2 < len(main):
                    first[i + 1] -= l1 * second[i]
                    main[i + 2] -= second[i] ** 2 / pivot
        return positive


def outside(
    bands: tuple[Bands, Bands],
    eigenvalues: np.ndarray,
    tolerance: float | np.ndarray,
    indices: Iterable[int] | None = None,
) -> list[int]:
    """Those of the indices (all) at which the k-th eigenvalue (descending) is not within its relative tolerance of the
    exact one: λ_k ∈ λ̂_k (1 ± tolerance_k).
    """
    bounds, wrong = np.broadcast_to(tolerance, len(eigenvalues)), []
    assert len(eigenvalues) == len(bands[0][0])
    for k in range(len(eigenvalues)) if indices is None else indices:
        value, delta = Decimal(float(eigenvalues[k])), Decimal(float(bounds[k]))
        inside = count_above(bands, value * (1 + delta)) <= k < count_above(bands, value * (1 - delta))
        if not (value > 0 and inside):
            wrong.append(int(k))
    return wrong


def gram(
    knots: Sequence[float],
    end: float,
    weights: Sequence[float] | None = None,
    form: str = "mass",
    constant: bool = False,
) -> mp.matrix:
    """G from closed forms: with ℓ = end − max(s, t) and d = |s − t|, ∫(x−s)₊(x−t)₊ = ℓ³/3 + dℓ²/2, of derivatives ℓ;
    with the constant (first row): ∫(x−t)₊ = ℓ²/2, ∫1 = end − knots[0].
    """
    mp.dps = 100
    alpha, beta = ALPHA_BETA[form]
    t, w = (
        [mpf(float(x)) for x in knots],
        [mpf(1)] * len(knots) if weights is None else [mpf(float(x)) for x in weights],
    )
    last, c, n = mpf(float(end)), int(constant), len(knots)
    g = mp.matrix(n + c, n + c)
    if constant:
        g[0, 0] = alpha * (last - t[0])
    for i in range(n):
        if constant:
            g[0, i + 1] = g[i + 1, 0] = alpha * w[i] * (last - t[i]) ** 2 / 2
        for j in range(n):
            length, apart = last - max(t[i], t[j]), abs(t[i] - t[j])
            g[i + c, j + c] = w[i] * w[j] * (alpha * (length**3 / 3 + apart * length**2 / 2) + beta * length)
    return g


def eigenpairs(matrix: mp.matrix) -> tuple[list[mpf], np.ndarray]:
    """Eigenvalues, descending, as they are, and unit eigenvectors (n, n) as floats."""
    mp.dps = 100
    values, vectors = mp.eigsy(matrix)
    n = len(values)
    return list(values)[::-1], np.array([[float(vectors[i, n - 1 - k]) for k in range(n)] for i in range(n)])
