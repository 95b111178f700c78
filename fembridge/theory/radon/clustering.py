"""Zero-planes that cluster at data points: where an offset lies in the gap between the data along its own normal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fembridge.problem import Array

Law = Callable[[Array], Array]


def offset_law(d: int, ratio: float = 1.0) -> Law:
    """The distribution function of γ = −b/‖w‖ for w of d numbers N(0, σ_w²) and b from N(0, σ_b²), ratio = σ_b/σ_w.

    γ is independent of the direction w/‖w‖, and γ √d/ratio has Student's law of d degrees of freedom: b/σ_b is normal,
    ‖w‖²/σ_w² is χ²_d. In one dimension it is Cauchy's (Sahs et al., arXiv 2008.01772).

    Raises ValueError unless d is a whole number from 1 on and the ratio is positive.

    >>> float(offset_law(1)(np.array(1.0)))  # ½ + arctan(1)/π
    0.75
    """
    if d < 1 or d != int(d) or not ratio > 0:
        raise ValueError(f"offset_law: expected a dimension from 1 on and a positive ratio, got {d} and {ratio:g}")
    return lambda gamma: np.asarray(stats.t.cdf(np.asarray(gamma) * np.sqrt(d) / ratio, d))


def nearness(directions: ArrayLike, offsets: ArrayLike, points: ArrayLike, law: Law) -> Array:
    """How near each plane ξ·x = γ is to a datum in its gap, (n,): 0 on the datum, 1 in the middle of the gap.

    Along ξ the data lie at ξ·x_1 … ξ·x_N; let a < γ ≤ b be the neighbours of γ among them, and F the law of offsets.
    Then u = (F(γ) − F(a))/(F(b) − F(a)) is uniform on (0, 1) where γ follows the law, whatever the direction and the
    data, and so is the nearness 2 min(u, 1 − u). It is nan for planes that have no data on one side.

    Raises ValueError for shapes that do not match.

    >>> nearness([[1.0]] * 3, [0.1, 0.5, 7.0], [[0.0], [1.0]], law=lambda x: x)
    array([0.2, 1. , nan])
    """
    xi, gamma, x = (np.asarray(numbers, dtype=float) for numbers in (directions, offsets, points))
    if xi.ndim != 2 or gamma.shape != xi.shape[:1] or x.ndim != 2 or x.shape[1:] != xi.shape[1:]:
        raise ValueError(f"nearness: expected (n, d), (n,) and (N, d), got {xi.shape}, {gamma.shape} and {x.shape}")
    along = xi @ x.T
    below = np.where(along < gamma[:, None], along, -np.inf).max(axis=1)
    above = np.where(along < gamma[:, None], np.inf, along).min(axis=1)
    inside = np.isfinite(below) & np.isfinite(above)
    out = np.full(len(gamma), np.nan)
    low, at, high = (law(values[inside]) for values in (below, gamma, above))
    u = (at - low) / (high - low)
    out[inside] = 2 * np.minimum(u, 1 - u)
    return out


class Clustering(NamedTuple):
    """planes: those between data. fraction: of them, nearer to a datum than `part` of the half-gap. expected: of
    offsets that follow their law, `part`. p_value: the probability that as many or more do by chance.
    """

    planes: int
    fraction: float
    expected: float
    p_value: float


def clustering(near: ArrayLike, part: float = 0.1) -> Clustering:
    """Count the planes of a nearness below `part`: a binomial number of independent offsets that follow their law.

    nan is left out; the fraction of nothing is nan.

    Raises ValueError unless 0 < part < 1.

    >>> clustering([0.01, 0.02, 0.7, np.nan])
    Clustering(planes=3, fraction=0.6666666666666666, expected=0.1, p_value=0.028...)
    """
    if not 0 < part < 1:
        raise ValueError(f"part: expected a number between 0 and 1, got {part:g}")
    values = np.asarray(near, dtype=float)
    values = values[~np.isnan(values)]
    hits, n = int((values < part).sum()), len(values)
    return Clustering(n, hits / n if n else np.nan, part, float(stats.binom.sf(hits - 1, n, part)))
