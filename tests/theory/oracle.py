"""Sixty-digit oracles for the Gram matrices of ReLUs, from exact entries and by other formulas than the package's.

Counts: G has the eigenvalues of the banded pencil A − λ DᵀW⁻²D of nodal values, A = αM + βK, D the jumps of the slope;
its positive pivots are counted by Sylvester's law of inertia, in decimal arithmetic. Dense: closed-form entries and
mpmath.eigsy, for a few knots, with eigenvectors. Equispaced knots: the determinant of four end conditions on waves.
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


def dispersion(value: mpf, n: int, constant: bool = False) -> mpf:
    """det of the four end conditions of M y = λ DᵀD y in the waves cos θi, sin θi, e^{−μi}, e^{μ(i−n)}, h = 1/n.

    With d_j = y_{j+1} − 2y_j + y_{j−1} and σ = 6λ/h³ the interior rows are y_{i−1} + 4y_i + y_{i+1} = σ δ²d_i, so
    w = z + 1/z − 2 solves w + 6 = σw². Without the constant y_0 = y_{−1} = 0 continue them to the left; with it
    y_{−1} = y_0 (the slope begins at knot 0) and row 0 is (2y_0 + y_1)h/6 = λ(y_0 + (d_1 − d_0)/h²). On the right
    d_n = 0, and the last row is y_{n−1} + 2y_n = σ d_{n−1}.
    """
    h = mpf(1) / n
    sigma = 6 * value / h**3
    root = mp.sqrt(1 + 24 * sigma)
    theta = 2 * mp.asin(mp.sqrt((root - 1) / (2 * sigma)) / 2)
    mu = 2 * mp.asinh(mp.sqrt((root + 1) / (2 * sigma)) / 2)
    columns = []
    for wave in (
        lambda i: mp.cos(theta * i),
        lambda i: mp.sin(theta * i),
        lambda i: mp.exp(-mu * i),
        lambda i: mp.exp(mu * (i - n)),
    ):
        y = {i: wave(i) for i in (-1, 0, 1, 2, n - 2, n - 1, n, n + 1)}
        d = {i: y[i + 1] - 2 * y[i] + y[i - 1] for i in (0, 1, n - 1, n)}
        first = (2 * y[0] + y[1]) * h / 6 - value * (y[0] + (d[1] - d[0]) / h**2)
        left = [y[-1] - y[0], first] if constant else [y[-1], y[0]]
        columns.append([*left, d[n], y[n - 1] + 2 * y[n] - sigma * d[n - 1]])
    return mp.det(mp.matrix(columns))


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
