"""What gradient flow on all parameters of a small initial network is drawn to: the interpolating spline of least norm.

½ Σ (v_i² + w_i² + b_i²) is, at a given function Σ v_i ReLU(w_i x + b_i), the least where the two sides of each neuron
are equal, v_i² = w_i² + b_i², as gradient flow leaves them from 0 on. It is then Σ |v_i| |(w_i, b_i)|, in breakpoints
and delta-slopes Σ |μ_i| √(1 + β_i²). Among the interpolants of data it is least for linear splines of few knots
(Savarese et al., arXiv 1902.05040; the weight √(1 + β²), of biases that count: Boursier and Flammarion, arXiv
2303.01353). Where the slope rises twice in a row, one knot between two samples costs less than two at the samples,
√(1 + β²) being convex; where it rises and falls by turns, each sample has its knot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from fembridge.problem import Array, check_whole

UNUSED = 1e-9  # of the largest |μ|: what linear programming leaves of a knot that is not there


@dataclass(frozen=True, eq=False)
class LeastNorm:
    """f(x) = Σ_i s_i μ_i ReLU(s_i (x − β_i)): breakpoints β, delta-slopes μ, orientations s = ±1, (n,) each, ascending
    in β. norm: Σ |μ_i| √(1 + β_i²).
    """

    breakpoints: Array
    delta_slopes: Array
    orientations: Array
    norm: float

    def __call__(self, x: ArrayLike) -> Array:
        """f (…) at points (…)."""
        s = self.orientations
        active = np.maximum(s * (np.asarray(x, dtype=float)[..., None] - self.breakpoints), 0)
        return np.asarray(active @ (s * self.delta_slopes))


def least_norm(x: ArrayLike, y: ArrayLike, angles: int = 4096) -> LeastNorm:
    """The spline through data x (N,), y (N,) of least Σ |μ_i| √(1 + β_i²), by linear programming.

    Breakpoints β = −tan φ are taken from `angles` equispaced φ, midpoints that leave out the vertical, and from the
    data; a knot that lies between two of them is shared by both, at a norm greater by the square of π/angles.

    Raises ValueError for data that are not finite, not of one length, or twice at one place.

    >>> f = least_norm([0.0, 1.0, 2.0], [0.0, 0.0, 1.0])
    >>> f.breakpoints, f.delta_slopes, round(f.norm, 12) == round(2**0.5, 12)
    (array([1.]), array([1.]), True)
    """
    at, goal = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if at.ndim != 1 or at.shape != goal.shape or not len(at) or not np.isfinite([at, goal]).all():
        raise ValueError(f"data: expected finite x (N,) and y (N,), got shapes {at.shape} and {goal.shape}")
    if len(np.unique(at)) < len(at):
        raise ValueError("data: expected different x, got some twice")
    count = check_whole("angles", [angles])[0]
    phi = np.pi * ((np.arange(count) + 0.5) / count - 0.5)
    beta = np.unique(np.concatenate([np.tan(phi[np.abs(np.cos(phi)) > 1e-12]), at]))
    knots, s = np.tile(beta, 2), np.repeat([1.0, -1.0], len(beta))
    unit = np.maximum(s * np.subtract.outer(at, knots), 0) / np.hypot(1, knots)  # of norm 1
    found = linprog(np.ones(2 * len(knots)), A_eq=np.hstack([unit, -unit]), b_eq=goal, method="highs")
    if found.x is None or found.fun is None:
        raise ValueError(f"data: expected some that splines interpolate, got none: {found.message}")
    slopes = s * (found.x[: len(knots)] - found.x[len(knots) :]) / np.hypot(1, knots)
    used = np.flatnonzero(np.abs(slopes) > UNUSED * np.abs(slopes).max())
    used = used[np.argsort(knots[used], kind="stable")]
    return LeastNorm(knots[used], slopes[used], s[used], float(found.fun))
