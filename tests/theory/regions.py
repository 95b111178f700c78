"""Linear regions of small ReLU networks over a box, counted in three ways that share nothing with the package.

A region is where one activation pattern holds, if that has an interior; a pre-activation that vanishes identically
counts as off. Every region is convex, so patterns count regions. Networks are given by the (W, b) of their hidden
layers: the output bends nothing. The numbers are taken as they stand: kinks that meet up to rounding alone do not meet
here.

- `arrangement`: one hidden layer in any dimension up to 3, from intersections alone, in exact arithmetic.
- `cells`: any depth in 1 and 2 dimensions, by cutting, in exact arithmetic.
- `patterns`: any depth in any dimension, by linear programs, down to a stated size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from itertools import combinations, pairwise
from operator import mul
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

Layers = Sequence[tuple[np.ndarray, np.ndarray]]
Box = Sequence[tuple[float, float]]
Flat = tuple[tuple[Fraction, ...], ...]
Line = tuple[int, ...]

SOLVER = 1e-10  # of HiGHS, the least it takes: how far its constraints may be violated
MARGIN = 100 * SOLVER


# One hidden layer: intersections


def arrangement(weight: np.ndarray, bias: np.ndarray, box: Box) -> int:
    """Cells of the hyperplanes Wx + b = 0 in a box: Σ |μ(F)| over the flats F that meet its interior (Zaslavsky 1975).

    Flats are intersections of hyperplanes, the whole space among them, and μ(F) = −Σ μ(G) over all G ⊋ F. In general
    position each |μ| is 1: in the plane 1 + lines + points. Coincident hyperplanes are one flat, m lines through a
    point count m − 1.
    """
    rows = {echelon([[Fraction(float(x)) for x in row]]) for row in np.column_stack([weight, bias])} - {None}
    planes = sorted(plane for plane in rows if meets(plane, box))
    flat: dict[tuple[int, ...], Flat | None] = {(): ()}
    mobius: dict[Flat, int] = {(): 1}
    for codimension in range(1, len(box) + 1):
        through = defaultdict(set)
        for chosen in combinations(range(len(planes)), codimension):
            flat[chosen] = echelon([planes[i][0] for i in chosen])
            if flat[chosen] is not None and meets(flat[chosen], box):
                through[flat[chosen]] |= set(chosen)
        for found, all_through in through.items():
            wider = {flat[c] for r in range(codimension) for c in combinations(sorted(all_through), r)} - {None}
            mobius[found] = -sum(mobius[other] for other in wider)
    return sum(map(abs, mobius.values()))


def echelon(rows: Sequence[Sequence[Fraction]]) -> Flat | None:
    """The reduced row echelon form of hyperplanes (w, b), one and the same for all that meet in one flat.

    None where their normals are linearly dependent.
    """
    done: list[list[Fraction]] = []
    for row in map(list, rows):
        for other in done:
            row = _minus(row, other, _pivot(other))
        p = _pivot(row)
        if p is None:
            return None
        row = [x / row[p] for x in row]
        done = [_minus(other, row, p) for other in done] + [row]
    return tuple(map(tuple, sorted(done, key=_pivot)))


def _pivot(row: Sequence[Fraction]) -> int | None:
    return next((i for i, x in enumerate(row[:-1]) if x), None)


def _minus(row: list[Fraction], other: list[Fraction], p: int) -> list[Fraction]:
    return [x - row[p] * y for x, y in zip(row, other, strict=True)] if row[p] else row


def meets(flat: Flat, box: Box) -> bool:
    """Whether a hyperplane, a line or a point has a point inside a box."""
    intervals = [(Fraction(float(low)), Fraction(float(high))) for low, high in box]
    if len(flat) == 1:
        *w, b = flat[0]
        ends = [(x * low, x * high) for x, (low, high) in zip(w, intervals, strict=True)]
        return sum(map(min, ends)) + b < 0 < sum(map(max, ends)) + b
    pivots = {_pivot(row): row for row in flat}
    free = [i for i in range(len(box)) if i not in pivots]
    assert len(free) < 2
    first, last = intervals[free[0]] if free else (Fraction(-1), Fraction(1))
    for p, row in pivots.items():  # low < −(slope t + b) < high, t the free coordinate
        slope, (low, high) = (-row[free[0]] if free else 0), intervals[p]
        if slope:
            ends = sorted([(low + row[-1]) / slope, (high + row[-1]) / slope])
            first, last = max(first, ends[0]), min(last, ends[1])
        elif not low < -row[-1] < high:
            return False
    return first < last


# Any depth, 1 and 2 dimensions: exact cuts


class Cell(NamedTuple):
    """An interval or a convex polygon: the pattern on it, its edges in order and its corners, all homogeneous.

    Corner i, between the edges i and i+1, is their cross product: numbers never grow with the number of cuts.
    """

    pattern: tuple[bool, ...]
    edges: tuple[Line, ...]
    corners: tuple[Line, ...]


def cells(layers: Layers, box: Box) -> list[Cell]:
    """Every region, neuron by neuron, in whole numbers: a float is one times a power of 2."""
    d, sides = len(box), integers(np.array(box).ravel())
    unit = sides[1]
    edges = [(unit, -x) for x in sides[0]]
    if d == 2:
        left, right, bottom, top = sides[0]
        edges = [(unit, 0, -left), (0, unit, -bottom), (unit, 0, -right), (0, unit, -top)]
    start = np.array([[int(i == j) for j in range(d + 1)] for i in range(d)], dtype=object)
    found, scale = [(_cell((), edges), np.ones(d, dtype=bool), start)], 1  # what is active, as lines
    for weight, bias in layers:
        whole, by = integers(np.column_stack([weight, bias]))
        finer = []
        for cell, active, maps in found:
            lines = whole[:, :-1][:, active].dot(maps)
            lines[:, -1] += whole[:, -1] * scale
            for part in cut(cell, lines):
                on = np.array(part.pattern[len(cell.pattern) :], dtype=bool)
                finer.append((part, on, lines[on]))
        found, scale = finer, scale * by
    return [cell for cell, _, _ in found]


def cut(cell: Cell, lines: np.ndarray) -> list[Cell]:
    """The parts of a cell, and in the pattern of each one more entry for each line: whether it is positive there."""
    parts, corners = [cell], np.array(cell.corners, dtype=object)
    for line, values in zip(lines, lines.dot(corners.T), strict=True):
        crossing, finer = min(values) < 0 < max(values), []
        for part in parts:
            signs = [sum(map(mul, line, corner)) for corner in part.corners] if crossing else values
            if min(signs) < 0 < max(signs):
                finer.append(_cell((*part.pattern, True), _side(part.edges, tuple(line), signs)))
                finer.append(_cell((*part.pattern, False), _side(part.edges, tuple(line), [-s for s in signs])))
            else:
                finer.append(part._replace(pattern=(*part.pattern, bool(max(signs) > 0))))
        parts = finer
    return parts


def _side(edges: tuple[Line, ...], line: Line, signs: Sequence[int]) -> list[Line]:
    """The edges of the part on the positive side of a line, from the signs at the corners."""
    if len(line) == 2:
        return [edges[0], line] if signs[0] > 0 else [line, edges[1]]
    n = len(edges)
    first = next(i for i in range(n) if signs[i - 1] <= 0 < signs[i])  # the ends of edge i are the corners i−1 and i
    ring = [i % n for i in range(first, first + n)]
    return [*(edges[i] for i in ring if signs[i - 1] > 0 or signs[i] > 0), line]


def _cell(pattern: tuple[bool, ...], edges: Sequence[Line]) -> Cell:
    if len(edges[0]) == 2:
        corners = [(-b, w) for w, b in edges]
    else:
        corners = [cross(one, other) for one, other in pairwise([*edges, edges[0]])]
    return Cell(pattern, tuple(edges), tuple(c if c[-1] > 0 else tuple(-x for x in c) for c in corners))


def cross(a: Line, b: Line) -> Line:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def measure(cell: Cell) -> Fraction:
    """Length or area."""
    points = [[Fraction(x, corner[-1]) for x in corner[:-1]] for corner in cell.corners]
    if len(points[0]) == 1:
        return abs(points[1][0] - points[0][0])
    return abs(sum(a[0] * b[1] - a[1] * b[0] for a, b in pairwise([*points, points[0]]))) / 2


def integers(numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """Whole numbers, and the power of 2 that they are to be divided by."""
    ratios = [float(x).as_integer_ratio() for x in np.ravel(numbers)]
    by = reduce(max, (q for _, q in ratios), 1)
    whole = np.empty(len(ratios), dtype=object)
    whole[:] = [p * (by // q) for p, q in ratios]
    return whole.reshape(np.shape(numbers)), by


# Any depth, any dimension: linear programs


class Region(NamedTuple):
    """A pattern, its half-spaces n·x + c ≥ 0 as rows (n, c), |n| = 1, and the largest ball inside."""

    pattern: tuple[bool, ...]
    halfspaces: np.ndarray
    center: np.ndarray
    radius: float


class Enumeration(NamedTuple):
    """The regions found; and the largest radius among the patterns that were refused (−∞: none was)."""

    regions: list[Region]
    refused: float


def patterns(layers: Layers, box: Box, margin: float = MARGIN) -> Enumeration:
    """Every pattern that holds on a ball of more than this radius, neuron by neuron.

    The count is beyond doubt where all radii kept are well above the margin, and `refused` well below it: zero up to
    the tolerance of the solver where kinks coincide, else negative.
    """
    low, high = np.array(box, dtype=float).T
    sides = np.vstack([np.column_stack([np.eye(len(box)), -low]), np.column_stack([-np.eye(len(box)), high])])
    whole, refused = Region((), sides, *largest_ball(sides)), -np.inf
    found = [(whole, np.column_stack([np.eye(len(box)), np.zeros(len(box))]))]
    for weight, bias in layers:
        finer = []
        for region, maps in found:
            planes = weight @ maps
            planes[:, -1] += bias
            parts = [region]
            for plane in planes:
                halves = [half for part in parts for half in _halves(part, plane)]
                refused = max([refused, *(half.radius for half in halves if half.radius <= margin)])
                parts = [half for half in halves if half.radius > margin]
            on = [np.array(part.pattern[len(region.pattern) :], dtype=bool) for part in parts]
            finer += [(part, np.where(active[:, None], planes, 0)) for part, active in zip(parts, on, strict=True)]
        found = finer
    return Enumeration([region for region, _ in found], refused)


def _halves(region: Region, plane: np.ndarray) -> list[Region]:
    """A region on both sides of a plane; a constant leaves it whole."""
    if not plane[:-1].any():
        return [region._replace(pattern=(*region.pattern, bool(plane[-1] > 0)))]
    unit = plane / np.linalg.norm(plane[:-1])
    halves = []
    for on in (True, False):
        side = unit if on else -unit
        halfspaces = np.vstack([region.halfspaces, side])
        whole = side[:-1] @ region.center + side[-1] >= region.radius  # the ball of the region lies on this side
        ball = (region.center, region.radius) if whole else largest_ball(halfspaces)
        halves.append(Region((*region.pattern, on), halfspaces, *ball))
    return halves


def largest_ball(halfspaces: np.ndarray) -> tuple[np.ndarray, float]:
    """max r with n·x + c ≥ r for all (n, c): its centre and radius, which is negative where nothing is inside."""
    normals, c = halfspaces[:, :-1], halfspaces[:, -1]
    d = normals.shape[1]
    options = {"primal_feasibility_tolerance": SOLVER, "dual_feasibility_tolerance": SOLVER}
    a = np.column_stack([-normals, np.ones(len(c))])
    program = linprog([0.0] * d + [-1.0], A_ub=a, b_ub=c, bounds=(None, None), options=options)
    assert program.success, program.message
    return program.x[:-1], float(program.x[-1])
