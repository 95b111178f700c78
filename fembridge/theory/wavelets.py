"""The linear B-spline wavelet, and its reflected shifts of all scales on [0, 1]: values, moments, eigenvalues.

Sources: C. K. Chui, J.-Z. Wang, On compactly supported spline wavelets and a duality principle, Trans. AMS 330 (1992);
as slope jumps of a linear spline, (1, −8, 23, −32, 23, −8, 1)/6, the activation BW-ReLU.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from fembridge.problem import Array
from fembridge.theory.splines import Spline, shift_symbol, spline


def wavelet() -> Spline:
    """ψ = (1, −6, 10, −6, 1)/12 times the hats of width 1 on the knots 0, ½, …, 3: orthogonal to all whole shifts of
    the hat of width 2.

    >>> (6 * wavelet().jumps()[:, 1]).round(12)
    array([  1.,  -8.,  23., -32.,  23.,  -8.,   1.])
    """
    return spline(np.arange(7) / 2, np.array([1.0, -6.0, 10.0, -6.0, 1.0]) / 12, 1, name="wavelet")


def moments(sigma: Spline, count: int) -> Array:
    """∫ x^m σ(x) dx, m < count, of a σ of compact support: with the jumps s_r of σ^(r) at the knots τ,

        ∫ x^m σ = Σ_τ Σ_r (−1)^{r+1} m!/(m+r+1)! s_r(τ) τ^{m+r+1} ,        by parts, as often as there are derivatives.

    Raises ValueError where σ does not vanish outside its knots.

    >>> moments(spline([0, 1, 2], [1.0], 1), 2)          # the hat
    array([1., 1.])
    """
    if not sigma.compact:
        raise ValueError(f"moments: expected an activation of compact support, got {sigma.name}")

    def moment(m: int) -> float:
        powers = range(sigma.degree + 1)
        factors = [(-1) ** (r + 1) * factorial(m) / factorial(m + r + 1) for r in powers]
        return sum(factors[r] * float(sigma.jumps()[:, r] @ sigma.knots ** (m + r + 1)) for r in powers)

    return np.array([moment(m) for m in range(count)])


def features(x: Array, levels: int) -> Array:
    """φ_{l,j}(x) = 2^{l/2} Σ ± ψ(2^l x − j + 1), j = 0 … 2^l − 1, l < levels, (len(x), 2^levels − 1), level by level.

    The sum is over ψ, whose middle is at (j + ½)/2^l, and its reflections in 0 and 1, with the sign − for each: the
    odd continuation. Together they span the linear splines on the grid of step 2^−levels that vanish at 0 and 1.

    >>> np.linalg.matrix_rank(features(np.arange(1, 8) / 8, 3))
    np.int64(7)
    """
    psi, columns = wavelet(), []
    for scale in 2 ** np.arange(levels):
        middle = np.arange(scale) + 0.5
        image = np.stack([middle, -middle, 2 * scale - middle])
        z = scale * np.asarray(x)[:, None, None] - image + 1.5
        columns.append(np.sqrt(scale) * np.einsum("i,qij->qj", [1.0, -1.0, -1.0], psi(z)))
    return np.concatenate(columns, axis=1)


def eigenvalues(levels: int) -> Array:
    """Of ∫₀¹ φφᵀ, descending: s(πm/2^l), m = 1 … 2^l, l < levels, with the symbol s of the shifts of ψ.

    Levels are orthogonal; the odd continuation makes each a circulant matrix on the circle of length 2, whose odd
    eigenvectors are sines of half a sample. s falls from 1/3 to 4/27, so that the condition number stays below 9/4.

    >>> s = eigenvalues(8)
    >>> bool(s[0] < 1 / 3), (s[-1] * 27).round(12)
    (True, np.float64(4.0))
    """
    scales = 2 ** np.arange(levels)
    angles = np.concatenate([np.pi * np.arange(1, scale + 1) / scale for scale in scales])
    return np.sort(shift_symbol(wavelet(), angles))[::-1]
