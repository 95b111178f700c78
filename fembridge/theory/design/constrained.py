"""Taps under demands that |c(θ)|² alone does not see: a bound on the slope, symmetry, zero mean; or least squares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint, NonlinearConstraint, minimize

from fembridge.problem import Array
from fembridge.theory.splines import bspline

POINTS = 8  # of θ for each tap, and of z for each cell
STARTS = 8


@dataclass(frozen=True)
class Demands:
    """What is asked of σ = Σ_m c_m B_p(· − m) besides its symbol; taps: 0 for as few as will do."""

    degree: int
    taps: int
    symmetric: bool
    zero_mean: bool
    lipschitz: float | None
    band: tuple[float, float]
    least_squares: bool

    @property
    def fewest(self) -> int:
        """Taps below which no demand can be met."""
        return 1 + self.zero_mean * (1 + self.symmetric)

    @property
    def free(self) -> bool:
        """Whether the symbol is all that counts."""
        return self.lipschitz is None and not self.least_squares

    def of(self, taps: int) -> Demands:
        """The same of so many taps."""
        return replace(self, taps=taps)


def constrained(starts: Sequence[Array], weight: Callable[[Array], Array], demands: Demands) -> Array:
    """Taps c that minimise max |r − 1|, or the mean of (r − 1)², r = |c(θ)|² weight(θ), under the demands.

    By sequential quadratic programming from several starts, of which the best end is kept: a local minimum, for c
    enters by squares. Slopes are bounded at points, eight in a cell.
    """
    theta = np.pi * np.linspace(*demands.band, POINTS * (demands.taps + 8))
    w = weight(theta)
    fold = _fold(demands)
    waves = np.exp(-1j * np.multiply.outer(theta, np.arange(demands.taps))) @ fold

    def ratio(a: Array) -> Array:
        return np.asarray(w * np.abs(waves @ a) ** 2)

    def gradient(a: Array) -> Array:
        return np.asarray(2 * w[:, None] * ((waves @ a)[:, None].conj() * waves).real)

    ends = [_descend(np.asarray(np.linalg.lstsq(fold, c)[0]), ratio, gradient, _linear(demands, fold), demands)
            for c in starts[:STARTS]]  # fmt: skip
    return np.asarray(fold @ min(ends, key=lambda end: round(end[1], 12))[0])


def _descend(
    start: Array,
    ratio: Callable[[Array], Array],
    gradient: Callable[[Array], Array],
    linear: list[tuple[Array, float]],
    demands: Demands,
) -> tuple[Array, float]:
    """Taps and the objective, from one start; with the deviation δ as one more unknown for the largest deviation."""
    n = len(start)
    bounds: list[Any] = [LinearConstraint(np.pad(matrix, ((0, 0), (0, 1))), -most, most) for matrix, most in linear]
    start = start * min([1.0, *(most / max(np.abs(m @ start).max(), most) for m, most in linear if most)])

    def mean(x: Array) -> tuple[float, Array]:
        error = ratio(x[:n]) - 1
        return float(np.mean(error**2)), np.append(2 * error @ gradient(x[:n]) / len(error), 0.0)

    def largest(x: Array) -> tuple[float, Array]:
        return float(x[n]), np.eye(n + 1)[n]

    def margins(x: Array) -> Array:
        error = ratio(x[:n]) - 1
        return np.concatenate([x[n] - error, x[n] + error])

    def margin_slopes(x: Array) -> Array:
        slope = gradient(x[:n])
        return np.column_stack([np.concatenate([-slope, slope]), np.ones(2 * len(slope))])

    objective = mean if demands.least_squares else largest
    if not demands.least_squares:
        bounds.append(NonlinearConstraint(margins, 0, np.inf, jac=margin_slopes))
    x = np.append(start, np.abs(ratio(start) - 1).max())
    found = minimize(
        objective, x, jac=True, constraints=bounds, method="SLSQP", options={"maxiter": 500, "ftol": 1e-14}
    )
    a = found.x[:n]
    met = all(np.abs(matrix @ a).max() <= most * (1 + 1e-6) + 1e-9 for matrix, most in linear)
    return a, objective(np.append(a, np.abs(ratio(a) - 1).max()))[0] if met else np.inf


def _linear(demands: Demands, fold: Array) -> list[tuple[Array, float]]:
    """Matrices and the largest size of what they make of the unknowns: slopes, and the mean."""
    found = []
    if demands.zero_mean:
        found.append((fold.sum(axis=0)[None], 0.0))
    if demands.lipschitz is not None:
        p, m = demands.degree, demands.taps
        z = (np.arange(POINTS * (m + p)) + 0.5) / POINTS if p == 1 else np.linspace(0, m + p, POINTS * (m + p) + 1)
        slopes = bspline(p).derivative()(np.subtract.outer(z, np.arange(m)))
        found.append((slopes @ fold, demands.lipschitz))
    return found


def _fold(demands: Demands) -> Array:
    """c = fold @ unknowns."""
    identity = np.eye(demands.taps)
    if not demands.symmetric:
        return identity
    half = (demands.taps + 1) // 2
    return np.asarray((identity + identity[::-1])[:, :half] / np.where(np.arange(half) == half - 1, 2, 1))
