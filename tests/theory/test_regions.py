"""The three ways to count linear regions, against counts by hand and against each other."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb

import numpy as np
import pytest

from tests.theory.known_regions import CUBE, KNOWN, LINE, SQUARE, Known, layer
from tests.theory.regions import MARGIN, SOLVER, Layers, arrangement, cells, echelon, measure, patterns


def network(seed: int, *widths: int) -> Layers:
    """Hidden layers, uniform in ±1/√m, with biases so small that most kinks meet the box."""
    rng = np.random.default_rng(seed)
    return [
        (rng.uniform(-1, 1, (n, m)) / np.sqrt(m), rng.uniform(-0.5, 0.5, n) / np.sqrt(m)) for m, n in pairwise(widths)
    ]


@pytest.mark.parametrize("known", KNOWN, ids=str)
def test_counts_by_hand(known: Known) -> None:
    enumeration = patterns(known.layers, known.box)
    assert len(enumeration.regions) == known.regions
    assert min(region.radius for region in enumeration.regions) > 100 * MARGIN
    assert enumeration.refused <= 10 * SOLVER  # where kinks coincide it is zero
    if len(known.box) < 3:
        found = cells(known.layers, known.box)
        assert {cell.pattern for cell in found} == {region.pattern for region in enumeration.regions}
        assert len(found) == known.regions
        assert sum(map(measure, found)) == np.prod([high - low for low, high in known.box])
    if len(known.layers) == 1:
        assert arrangement(*known.layers[0], known.box) == known.regions


@pytest.mark.parametrize("widths", [(1, 12), (2, 9), (3, 7), (1, 6, 6), (2, 5, 4), (2, 3, 3, 3)])
def test_the_ways_agree_in_general_position(widths: tuple[int, ...]) -> None:
    layers, box = network(3, *widths), [(-1.0, 1.0)] * widths[0]
    enumeration = patterns(layers, box)
    assert len(enumeration.regions) > 5
    assert min(region.radius for region in enumeration.regions) > 100 * MARGIN > MARGIN > enumeration.refused
    if widths[0] < 3:
        found = cells(layers, box)
        assert {cell.pattern for cell in found} == {region.pattern for region in enumeration.regions}
        assert sum(map(measure, found)) == 2 ** widths[0]
    if len(widths) == 2:
        assert arrangement(*layers[0], box) == len(enumeration.regions)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_all_of_general_position(d: int) -> None:
    """Where all of them meet inside, n hyperplanes have Σ_{k ≤ d} C(n, k) cells."""
    n, rng = 9, np.random.default_rng(0)
    weight, bias = rng.standard_normal((n, d)), rng.standard_normal(n)
    assert arrangement(weight, bias, [(-1e6, 1e6)] * d) == sum(comb(n, k) for k in range(d + 1))


def test_lines_and_points_of_floats() -> None:
    """1 + lines + points in the square, from 2×2 systems in float64; and 4 corners a region, where none meet twice."""
    weight, bias = network(0, 2, 40)[0]
    crosses = np.abs(weight).sum(axis=1) > np.abs(bias)
    points = [np.linalg.solve(weight[[i, j]], -bias[[i, j]]) for i, j in combinations(range(40), 2)]
    count = 1 + crosses.sum() + sum(np.abs(point).max() < 1 for point in points)
    found = cells([(weight, bias)], SQUARE)
    assert count == arrangement(weight, bias, SQUARE) == len(found)
    assert sum(len(cell.corners) for cell in found) == 4 * count


def test_networks_side_by_side_multiply() -> None:
    """u_1(x_1) + u_2(x_2) + u_3(x_3): a deep network of three inputs."""
    parts = [network(seed, 1, 2, 2) for seed in (1, 2, 5)]
    counts = [len(cells(part, LINE)) for part in parts]
    blocks = [tuple(zip(*(part[depth] for part in parts), strict=True)) for depth in range(2)]
    together = []
    for weights, biases in blocks:
        rows, columns = zip(*(w.shape for w in weights), strict=True)
        weight = np.zeros((sum(rows), sum(columns)))
        for i, w in enumerate(weights):
            weight[sum(rows[:i]) : sum(rows[: i + 1]), sum(columns[:i]) : sum(columns[: i + 1])] = w
        together.append((weight, np.concatenate(biases)))
    assert min(counts) > 1
    assert len(patterns(together, CUBE).regions) == np.prod(counts)


def test_what_the_margin_hides() -> None:
    """A strip 2⁻²⁰ wide is a region for exact arithmetic, and for programs of a smaller margin than its half width."""
    strip = [layer((1, 0, 0), (1, 0, -(2.0**-20)))]
    assert arrangement(*strip[0], SQUARE) == len(cells(strip, SQUARE)) == len(patterns(strip, SQUARE).regions) == 3
    hidden = patterns(strip, SQUARE, margin=1e-6)
    assert len(hidden.regions) == 2 and abs(hidden.refused - 2.0**-21) < 10 * SOLVER


def test_one_form_for_one_flat() -> None:
    """Any two of three planes through a line; none for parallel ones."""
    planes = [(1, 0, 0, 2), (0, 1, 0, 3), (1, 1, 0, 5)]
    assert len({echelon(pair) for pair in combinations(planes, 2)}) == 1
    assert echelon([(1, 2, 3, 4), (2, 4, 6, 0)]) is None
