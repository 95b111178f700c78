"""Rows of different lengths, against lists."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from fembridge.theory.rows import Rows, Stack, distinct, ranges


def flat(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([len(row) for row in rows], dtype=np.intp), np.array(list(chain(*rows)), dtype=np.intp)


@pytest.mark.parametrize("shape", [(), (2,), (3, 2)])
def test_a_stack_is_what_was_appended(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.random((size, *shape)) for size in (3, 0, 1, 40, 2)]
    start = parts[0].copy()
    stack = Stack(start)
    for part in parts[1:]:
        before = len(stack)
        assert np.array_equal(stack.append(part), np.arange(before, before + len(part)))
    assert np.array_equal(stack.rows, np.concatenate(parts)) and len(stack) == 46
    stack.rows[0] = 7
    assert np.array_equal(start, parts[0])  # what it was made from is left alone
    assert (stack.rows[0] == 7).all()


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_lists(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some(count: int) -> list[list[int]]:
        return [rng.integers(0, 12, size=rng.integers(1, 5)).tolist() for _ in range(count)]

    held = some(4)
    rows = Rows(*flat(held))
    for _ in range(20):
        if rng.random() < 0.5:
            new = some(int(rng.integers(0, 4)))
            assert rows.append(*flat(new)).tolist() == list(range(len(held), len(held) + len(new)))
            held += new
        else:
            chosen = rng.permutation(len(held))[: rng.integers(0, 4)]
            new = some(len(chosen))
            rows.replace(chosen, *flat(new))
            for i, row in zip(chosen, new, strict=True):
                held[i] = row
        asked = rng.integers(0, len(held), size=6)
        place, members = rows.members(asked)
        assert len(rows) == len(held) and rows.lengths(asked).tolist() == [len(held[i]) for i in asked]
        assert members.tolist() == list(chain(*(held[i] for i in asked)))
        assert place.tolist() == [k for k, i in enumerate(asked) for _ in held[i]]
        assert rows.first().tolist() == [row[0] for row in held]
        marked = rng.random(12) < 0.2
        assert rows.holders(marked).tolist() == [i for i, row in enumerate(held) if marked[row].any()]


def test_ranges_may_be_empty() -> None:
    place, numbers = ranges(np.array([5, 0, 7, 2]), np.array([0, 2, 0, 1]))
    assert place.tolist() == [1, 1, 3] and numbers.tolist() == [0, 1, 2]
    place, numbers = ranges(np.array([3]), np.array([0]))
    assert not len(place) and not len(numbers)


@pytest.mark.parametrize("shape", [(0, 2), (1, 1), (50, 1), (200, 2), (300, 3)])
def test_distinct_rows_are_those_of_numpy(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).integers(0, 7, shape)
    found, number = distinct(rows)
    expected, inverse = np.unique(rows, axis=0, return_inverse=True)
    assert np.array_equal(found, expected) and np.array_equal(number, inverse.ravel())
    large, _ = distinct(rows + 2**40)  # products of numbers of this size would not fit
    assert np.array_equal(large, expected + 2**40)
