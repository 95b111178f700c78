"""Jacobians of shallow spline networks in O(N + n) a product: J u and Jᵀ g from sums along the sorted data.

    f(x) = Σ_j v_j σ(w_j x + c_j) + d

On the sorted data x_i each polynomial piece of σ covers a range of neighbours, for each neuron, and the neuron is a
polynomial in x there. J u adds its coefficients where the range starts, takes them away where it stops, and sums
along the data; Jᵀ g takes the difference, between start and stop, of the running sums of g_i x_i^q.

Which range a sample falls in is asked of z = w_j x_i + c_j, rounded as PyTorch does on a CPU, the product and then the
sum, so that samples on kinks get the derivatives that automatic differentiation gives them. All is float64, whatever
the dtype of the model: a float32 model may round a sample on a kink to its other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.polynomial.polynomial import polyder, polyval
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array, triu
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn

from fembridge.memory import require_memory
from fembridge.networks.shallow import Network, numpy_copy, read
from fembridge.problem import Array

_Indices = NDArray[np.intp]
_Expansion = tuple[Array, list[csr_array]]

AMPLIFICATION = 1e3  # of round-off by monomials, at the most: three digits of sixteen
PAIRS = 4  # a piece and a sample in it cost about a quarter of what running sums cost for each piece and each sample
DEEPEST = 2.0**48  # cells, for samples that are one point to round-off


class _Ranges(NamedTuple):
    """Neuron j, ascending, is the polynomial of column m, not zero, at the sorted samples start ≤ i < stop."""

    j: _Indices
    m: _Indices
    start: _Indices
    stop: _Indices


@dataclass(frozen=True)
class _Features:
    """S[i, j] = σ⁽ᵈ⁾(w_j t_i + c_j) on sorted data, for one order d of the derivative.

    S = direct + Σ_levels Σ_q diag(s^q) L jumps_q, with L the running sum along the data.
    """

    direct: csr_array
    expansions: Sequence[_Expansion]

    def apply(self, u: Array) -> Array:
        """S u, for one column or many."""
        y = self.direct @ u
        for s, jumps in self.expansions:
            coefficients = (np.cumsum(jump @ u, axis=0) for jump in reversed(jumps))
            part = next(coefficients)
            for coefficient in coefficients:
                part = _scale(s, part) + coefficient
            y += part
        return y

    def adjoint(self, g: Array) -> Array:
        """Sᵀ g, for one column or many."""
        out = self.direct.T @ g
        for s, jumps in self.expansions:
            moment = g
            for q, jump in enumerate(jumps):
                moment = _scale(s, moment) if q else g
                out += jump.T @ np.cumsum(moment[::-1], axis=0)[::-1]
        return out


def jacobian(model: nn.Module, x: ArrayLike | Tensor) -> LinearOperator:
    """J[i, θ] = ∂f(x_i)/∂θ as an operator (N, P), float64: no factor 1/N. Rows in the order of x (N,), columns in
    that of model.named_parameters(): w, c, v, d, those there are, whether they require a gradient or not.

        ∂f/∂w_j = v_j σ'(z_j) x,   ∂f/∂c_j = v_j σ'(z_j),   ∂f/∂v_j = σ(z_j),   ∂f/∂d = 1,   z_j = w_j x + c_j

    A product takes O(N + nK) for K knots, O(N log N + nK) at the worst where pieces of degree p ≥ 2 have very
    different widths. At kinks σ' is PyTorch's: from the right, and 0 for ReLU, the left slope for LeakyReLU.

    Raises ValueError unless x is one row of finite numbers, the model is `supported` and its parameters are finite;
    MemoryError where the operator would not fit.

    >>> from fembridge.networks.models import shallow
    >>> J = jacobian(shallow(nn.ReLU(), [1.0, -2.0], [0.0, 1.0], [3.0, 1.0]), [0.25, 1.0])
    >>> J @ np.eye(6)
    array([[0.75, 0.25, 3.  , 1.  , 0.25, 0.5 ],
           [3.  , 0.  , 3.  , 0.  , 1.  , 0.  ]])
    """
    network, points = read(model), _row("x", x)
    order = np.argsort(points)
    rank, t = np.argsort(order), points[order]
    ranges = _covered(network, t)
    value, slope = (_features(network, t, ranges, k) for k in (0, 1))
    n, groups, v = len(network.v), 2 + network.inner_bias, network.v

    def apply(u: Array) -> Array:
        u_w, *u_c, u_v = np.split(u[: groups * n], groups)
        y = value.apply(u_v) + _scale(t, slope.apply(_scale(v, u_w))) + u[groups * n :].sum(axis=0)
        for u_b in u_c:
            y += slope.apply(_scale(v, u_b))
        return y[rank]

    def adjoint(g: Array) -> Array:
        g = g[order]
        w = _scale(v, slope.adjoint(_scale(t, g)))
        c = [_scale(v, slope.adjoint(g))] if network.inner_bias else []
        d = [g.sum(axis=0, keepdims=True)] if network.outer_bias else []
        return np.concatenate([w, *c, value.adjoint(g), *d])

    shape = len(t), groups * n + network.outer_bias
    return LinearOperator(shape, apply, rmatvec=adjoint, matmat=apply, rmatmat=adjoint, dtype=np.dtype(float))


def residual_curvature(model: nn.Module, x: ArrayLike | Tensor, r: ArrayLike | Tensor) -> csr_array:
    """Σ_i r_i ∇²f(x_i), symmetric, sparse (P, P), float64: no factor 1/N. Parameters ordered as in `jacobian`.

    A neuron couples with itself alone, and f is linear in v and d. With sums over the samples,

        ∂²/∂w² = v Σ r σ'' x²,  ∂²/∂w∂c = v Σ r σ'' x,  ∂²/∂c² = v Σ r σ'',  ∂²/∂w∂v = Σ r σ' x,  ∂²/∂c∂v = Σ r σ'

    σ'' is that of each piece, as automatic differentiation takes it: 0 for a piecewise linear σ, kinks and all.

    Raises as `jacobian` does, and ValueError unless r is one row of finite numbers as long as x.

    >>> from fembridge.networks.models import shallow
    >>> residual_curvature(shallow(nn.ReLU(), [1.0], [0.0], [3.0]), [0.5, 2.0], [1.0, -1.0]).toarray()
    array([[ 0. ,  0. , -1.5],
           [ 0. ,  0. ,  0. ],
           [-1.5,  0. ,  0. ]])
    """
    network, points, residual = read(model), _row("x", x), _row("r", r)
    if len(residual) != len(points):
        raise ValueError(f"r: expected one number for each of the {len(points)} points, got {len(residual)}")
    order = np.argsort(points)
    t, residual, n = points[order], residual[order], len(network.v)
    ranges = _covered(network, t)
    slope, bend = (_features(network, t, ranges, k) for k in (1, 2))
    w, *c, v = np.split(np.arange((2 + network.inner_bias) * n), 2 + network.inner_bias)
    entries = [(w, w, network.v * bend.adjoint(residual * t**2)), (w, v, slope.adjoint(residual * t))]
    for b in c:
        entries += [(w, b, network.v * bend.adjoint(residual * t)), (b, b, network.v * bend.adjoint(residual))]
        entries += [(b, v, slope.adjoint(residual))]
    i, j, sums = (np.concatenate(part) for part in zip(*entries, strict=True))
    size = v[-1] + 1 + network.outer_bias
    upper = coo_array((sums, (i, j)), shape=(size, size))
    return csr_array(upper + triu(upper, 1).T)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def _features(network: Network, t: Array, ranges: _Ranges, order: int) -> _Features:
    """S for this order of derivative: ranges with few samples entry by entry, the others through running sums."""
    level, count = _levels(network, t, ranges), ranges.stop - ranges.start
    few = (np.bincount(level, count) <= PAIRS * (len(t) + np.bincount(level)))[level]
    deep = np.unique(level[~few])
    # each power has a jump up and one down, in up to two cells; an index and a number, and twice that to assemble them
    entries = count[few].sum() + (2 + 2 * (level[~few] > 0)).sum() * len(network.pieces)
    require_memory(36.0 * entries + 100.0 * len(level) + 8.0 * len(t) * len(deep), "the Jacobian")
    direct = _evaluated(network, t, _taken(ranges, few), order)
    expansions = [_expanded(network, t, _taken(ranges, ~few & (level == k)), order, 2.0**k) for k in deep]
    matrices = direct, *(jump for _, jumps in expansions for jump in jumps)
    if not all(np.isfinite(matrix.data).all() for matrix in matrices):
        raise ValueError("model: expected derivatives within float64 at these points, got some that overflow")
    return _Features(direct, expansions)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def _covered(network: Network, t: Array) -> _Ranges:
    """The ranges, by bisection on z ≥ knot: the module's rounded z is monotone in x as well, downwards for w < 0."""
    w, knots = network.w, network.knots[:, None]
    if not np.isfinite(4 * (1 + np.abs(w).max()) * np.abs(t).max() + np.abs(network.c).max()):
        raise ValueError("x: expected points at which w x + c is within float64, got some where it overflows")
    before = np.zeros((len(knots), len(w)), dtype=np.intp)
    for step in 2 ** np.arange(len(t).bit_length())[::-1]:
        further = before + step
        z = w * t[np.minimum(further, len(t)) - 1] + network.c
        before = np.where((further <= len(t)) & ((z >= knots) == (w < 0)), further, before)
    end = np.where(w < 0, len(t), 0)[None]
    edges = np.concatenate([end, before, len(t) - end]).T
    start, stop = np.minimum(edges[:, :-1], edges[:, 1:]), np.maximum(edges[:, :-1], edges[:, 1:])
    j, m = np.nonzero((start < stop) & network.pieces.any(axis=0))
    return _Ranges(j, m, start[j, m], stop[j, m])


def _levels(network: Network, t: Array, ranges: _Ranges) -> _Indices:
    """Into how many cells, 2^level, the data are to be cut for each range.

    With a coordinate s in [−1, 1] on a cell, z − left = A s + B, and monomials in s multiply the round-off of
    (z − left)^p by at most ((|A| + |B|)/R)^p ≤ (1 + 2|A|/R)^p, R the largest |z − left| on the range. The level is
    the first multiple of a stride to keep this below AMPLIFICATION. The stride is short enough for cells at least as
    wide as the range, which so meets two of them at the most.
    """
    base = max(AMPLIFICATION ** (1 / (max(len(network.pieces) - 1, 1))), 3.0) - 1
    stride = int(np.log2(base))
    ends, span = np.stack([t[ranges.start], t[ranges.stop - 1]]), t[-1] - t[0]
    ratio = np.abs(network.w[ranges.j]) * span / np.abs(_inner(network, ranges, ends)).max(axis=0)  # 2|A|/R, one cell
    ratio = np.fmin(np.fmin(ratio, span / (ends[1] - ends[0])), DEEPEST)
    return (stride * np.ceil(np.log2(np.maximum(ratio / base, 1)) / stride)).astype(np.intp)


def _expanded(network: Network, t: Array, ranges: _Ranges, order: int, cells: float) -> _Expansion:
    """Coordinates s (N,) on so many cells, and for each power of s its coefficient's jumps (N, n) along the data."""
    span = t[-1] - t[0]
    half = span / 2 / cells
    unit = half or 1.0  # where all data are one point
    cell = np.minimum(np.floor((t - t[0]) / (span or 1.0) * cells), cells - 1)
    s = (t - (t[0] + (2 * cell + 1) * half)) / unit
    first = cell[ranges.start]
    index, k = _counted(first, cell[ranges.stop - 1] - first + 1)
    j, m, start, stop = part = _taken(ranges, index)
    start, stop = np.maximum(start, np.searchsorted(cell, k)), np.minimum(stop, np.searchsorted(cell, k, "right"))
    begun = start < stop  # not so in a cell without data
    ended = begun & (stop < len(t))
    place = np.concatenate([start[begun], stop[ended]]), np.concatenate([j[begun], j[ended]])
    a, b = network.w[j] * unit, _inner(network, part, t[0] + (2 * k + 1) * half)
    factors = polyder(network.pieces, order)[:, m]
    polynomial = factors[-1:]
    for factor in factors[-2::-1]:  # Horner's rule in z − left = a s + b, on polynomials in s
        polynomial = np.pad(b * polynomial, ((0, 1), (0, 0))) + np.pad(a * polynomial, ((1, 0), (0, 0)))
        polynomial[0] += factor
    steps = (np.concatenate([row[begun], -row[ended]]) for row in polynomial)
    return s, [csr_array((step, place), shape=(len(t), len(network.w))) for step in steps]


def _evaluated(network: Network, t: Array, ranges: _Ranges, order: int) -> csr_array:
    """S of these ranges alone, entry by entry."""
    index, i = _counted(ranges.start, ranges.stop - ranges.start)
    each = _taken(ranges, index)
    factors = polyder(network.pieces, order)[:, each.m]
    entries = np.asarray(polyval(_inner(network, each, t[i]), factors, tensor=False))
    return csr_array((entries, (i, each.j)), shape=(len(t), len(network.w)))


def _taken(ranges: _Ranges, index: NDArray) -> _Ranges:
    return _Ranges(*(field[index] for field in ranges))


def _inner(network: Network, ranges: _Ranges, x: Array) -> Array:
    """z − left, as the module rounds it."""
    return network.w[ranges.j] * x + network.c[ranges.j] - network.left[ranges.m]


def _counted(first: NDArray, length: NDArray) -> tuple[_Indices, NDArray]:
    """The numbers first, …, first + length − 1 of each range in turn, behind the index of the range."""
    index = np.repeat(np.arange(len(first)), length.astype(np.intp))
    return index, np.arange(len(index)) - (np.cumsum(length) - length - first)[index]


def _scale(factor: Array, y: Array) -> Array:
    """diag(factor) y, for one column or many."""
    return (factor * y.T).T


def _row(name: str, values: ArrayLike | Tensor) -> Array:
    numbers = numpy_copy(values) if isinstance(values, Tensor) else np.asarray(values, dtype=float)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError(f"{name}: expected one row of finite numbers, got an array of shape {numbers.shape}")
    return numbers
