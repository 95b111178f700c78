"""Intervals cut at once where they would be cut one after another."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.intervals import Intervals

UNIT = 2.0**-53


def line(nodes: list[float], gaps: tuple[int, ...] = ()) -> Intervals:
    return Intervals(np.array(nodes), ~np.isin(np.arange(len(nodes) - 1), gaps))


def cut(body: Intervals, places: list[float], label: int = 0, slope: float = 1.0) -> tuple[int, float]:
    return body.cut(slope * (body.points.rows - places), np.full(len(places), UNIT), 4, label)


def nodes(body: Intervals) -> list[float]:
    assert len(body.points) == len(body.labels) == len(body.inside) + 1
    return body.points.rows[:, 0].tolist()


@pytest.mark.parametrize("seed", range(4))
def test_at_once_is_one_after_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.uniform(-1.2, 1.2, 40).round(1).tolist()  # many more than once, some outside
    start = [-1.0, -0.5, 0.2, 0.3, 1.0]
    once, others = line(start, (2,)), line(start, (2,))
    cut(once, places)
    for label, place in enumerate(places):
        cut(others, [place], label)
    assert np.abs(np.subtract(nodes(once), nodes(others))).max() < 4 * UNIT
    assert np.array_equal(once.labels.rows, others.labels.rows) or len(set(places)) < len(places)
    assert np.array_equal(once.labels.rows >= 0, others.labels.rows >= 0)
    assert np.array_equal(once.inside, others.inside)
    inner = {p for p in places if -1 < p < 1 and not 0.2 <= p <= 0.3}
    assert {round(nodes(once)[i], 1) for i in np.flatnonzero(once.labels.rows >= 0)} == inner
    assert once.joined()[0] == others.joined()[0] == len(inner) + 2


def test_the_first_of_several_names_a_kink() -> None:
    body = line([0.0, 0.5, 1.0])
    cut(body, [0.75, 0.5, 0.75, 0.5, 2.0], label=3)
    assert nodes(body) == [0, 0.5, 0.75, 1] and body.labels.rows.tolist() == [-1, 4, 3, -1]
    cut(body, [0.5, 0.75, 0.25], label=9)
    assert nodes(body) == [0, 0.25, 0.5, 0.75, 1] and body.labels.rows.tolist() == [-1, 11, 4, 3, -1]


def test_what_is_within_rounding_is_one() -> None:
    """Of zeros in a row, each is measured from the last that was kept."""
    body, places = line([0.0, 1.0]), (0.5 + 3 * UNIT * np.arange(9)).tolist()
    snapped, moved = cut(body, places)
    kept = np.diff(nodes(body)[1:-1])
    assert (kept > 4 * UNIT).all() and (kept <= 8 * UNIT).all()
    assert snapped == 9 - (len(kept) + 1) and 0 < moved <= 4
    body = line([0.0, 0.5, 1.0])
    assert cut(body, [0.5 + 4 * UNIT, 0.5 - 2 * UNIT]) == (2, 4.0)
    assert nodes(body) == [0, 0.5, 1] and body.labels.rows.tolist() == [-1, 0, -1]
    assert cut(body, [0.5 + 6 * UNIT]) == (0, 0.0) and len(nodes(body)) == 4
    steep = line([0.0, 0.5, 1.0])
    assert cut(steep, [0.5 + 4 * UNIT], slope=2.0) == (0, 0.0) and len(nodes(steep)) == 4


def test_gaps_are_not_cut() -> None:
    body = line([0.0, 1.0, 2.0, 3.0], (1,))
    cut(body, [1.5, 1.0, 2.0, 2.5])
    assert nodes(body) == [0, 1, 2, 2.5, 3] and body.inside.tolist() == [True, False, True, True]
    assert len(body) == 3 and body.labels.rows.tolist() == [-1, -1, -1, 3, -1]
    count, part = body.joined()
    assert (count, part.tolist()) == (3, [0, 1, 2])
    cells, number = body.simplices(1)
    assert cells.tolist() == [[0, 1], [2, 3], [3, 4]] and number.tolist() == [0, 1, 2]
    points, number = body.simplices(0)
    assert points.ravel().tolist() == number.tolist() == [0, 1, 2, 3, 4]


def test_an_interval_thinner_than_rounding_is_no_hole() -> None:
    body = line([0.0, 0.5, 0.5 + UNIT, 1.0])
    cut(body, [0.5])
    assert body.labels.rows.tolist() == [-1, -1, 0, -1] and body.joined()[0] == 2


def test_nothing_to_cut() -> None:
    body = line([0.0, 1.0])
    zero = np.array([[0.0, 1.0, -1.0, 0.0], [0.0, 2.0, -1.0, 1.0]])
    assert body.cut(zero, np.zeros(4), 4, 0) == (0, 0.0)
    assert body.cut(np.empty((2, 0)), np.zeros(0), 4, 0) == (0, 0.0)
    assert nodes(body) == [0, 1] and body.joined()[0] == 1
