"""Even trigonometric polynomials that approximate a positive function with the least relative deviation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from fembridge.problem import Array

Index = NDArray[np.intp]
Function = Callable[[Array], Array]
FINE = 64  # grid points for each degree
EPS = float(np.finfo(float).eps)
NEGLIGIBLE = 1e-6  # a deviation of functions with fine kinks, on which the exchange does not settle


class Minimax(NamedTuple):
    """q(θ) = Σ_k coefficients[k] cos kθ with |q w − 1| ≤ deviation on the band; no q of this degree has less than
    `least`.
    """

    coefficients: Array
    deviation: float
    least: float

    def __call__(self, theta: Array) -> Array:
        """q(θ)."""
        return np.asarray(chebyshev.chebval(np.cos(theta), self.coefficients))


def minimax(weight: Function, degree: int, band: tuple[float, float] = (0.0, np.pi)) -> Minimax:
    """The q(θ) = Σ_{k ≤ degree} q_k cos kθ that minimises max |q w − 1| over a band of [0, π], w > 0, by E. Remez's
    exchange: at degree + 2 points the deviation is ±δ by turns.

    Any q deviates somewhere by the least of such deviations of alternate sign (de la Vallée Poussin): `least`.
    Extrema are sought on a grid, and then by parabolas; where w has kinks finer than that, the best of fifty exchanges
    is given, between `least` and its deviation.

    Raises ArithmeticError where the exchange does not come to rest.

    Source: E. W. Cheney, Introduction to Approximation Theory (1966), chapter 3.

    >>> q = minimax(lambda theta: (2 + np.cos(theta)) / 3, 2)      # |q w − 1| = |T_3(cos θ)|/T_3(2)
    >>> bool(abs(q.deviation * 26 - 1) < 1e-9)
    True
    """
    signs = (-1.0) ** np.arange(degree + 2)
    grid = np.linspace(*band, FINE * (degree + 8) + 1)
    on_grid = weight(grid)
    reference = _chebyshev_points(band, degree + 2)
    best = Minimax(np.zeros(degree + 1), np.inf, 0.0)
    for _ in range(50):
        w = weight(reference)
        basis = chebyshev.chebvander(np.cos(reference), degree) * w[:, None]
        solution = np.linalg.solve(np.column_stack([basis, signs]), np.ones(degree + 2))
        q, least = np.asarray(solution[:-1]), max(best.least, float(abs(solution[-1])))
        error = chebyshev.chebval(np.cos(grid), q) * on_grid - 1
        rounding = EPS * (1 + np.abs(q).sum() * float(on_grid.max()))
        extrema = _exchange(error, degree + 2)
        lost = extrema is None or np.abs(error).max() <= 100 * rounding  # signs of the error are those of rounding
        if extrema is not None:
            reference = _refined(error, grid, extrema)
            error = np.append(error, chebyshev.chebval(np.cos(reference), q) * weight(reference) - 1)
        largest = float(np.abs(error).max())
        best = Minimax(q if largest < best.deviation else best.coefficients, min(largest, best.deviation), least)
        if lost or best.deviation <= least * (1 + 1e-10) + rounding:
            break
    if best.deviation > max(2 * best.least, NEGLIGIBLE):
        raise ArithmeticError(f"minimax: the exchange of degree {degree} did not come to rest")
    return best._replace(least=min(best.least, best.deviation))


def _chebyshev_points(band: tuple[float, float], count: int) -> Array:
    """θ of the extrema of the Chebyshev polynomial of cos θ on a band."""
    low, high = np.cos(band[1]), np.cos(band[0])
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.arange(count) * np.pi / (count - 1))
    return np.asarray(np.arccos(x.clip(-1, 1)))


def _exchange(error: Array, count: int) -> Index | None:
    """Indices of `count` extrema of alternate sign, the largest one among them; None where there are not so many."""
    parts = np.split(np.arange(len(error)), np.flatnonzero(np.diff(np.sign(error)) != 0) + 1)
    extrema = [int(part[np.argmax(np.abs(error[part]))]) for part in parts]
    while len(extrema) > count:
        sizes = np.abs(error[extrema])
        i, last = int(np.argmin(sizes)), len(extrema) - 1
        if len(extrema) == count + 1 or i in (0, last):  # one at an end, the signs of the others alternate still
            extrema.pop(0 if sizes[0] < sizes[-1] else -1)
        else:  # or the smallest with a neighbour
            first = i - int(sizes[i - 1] < sizes[i + 1])
            del extrema[first : first + 2]
    return np.array(extrema) if len(extrema) == count else None


def _refined(error: Array, grid: Array, extrema: Index) -> Array:
    """Extrema between grid points, by the parabola through three of them; ends stay where they are."""
    inner = extrema.clip(1, len(grid) - 2)
    left, middle, right = (error[inner + i] for i in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend == 0, 0, (left - right) / (2 * np.where(bend == 0, 1, bend)))
    moved = grid[inner] + shift.clip(-1, 1) * (grid[1] - grid[0])
    return np.where(inner == extrema, moved, grid[extrema])
