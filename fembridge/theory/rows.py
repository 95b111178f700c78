"""Rows of different lengths that are split and appended, and arrays that grow: what a complex is stored in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]


class Stack:
    """An array to which rows are appended in amortised constant time each.

    >>> stack = Stack(np.array([1, 2]))
    >>> stack.append(np.array([5])), stack.rows
    (array([2]), array([1, 2, 5]))
    """

    def __init__(self, rows: NDArray) -> None:
        self._store, self._count = np.array(rows), len(rows)

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> NDArray:
        """All of them: a view, which the next `append` may leave behind."""
        return self._store[: self._count]

    def append(self, rows: NDArray) -> Index:
        """Append rows and return their numbers."""
        first, self._count = self._count, self._count + len(rows)
        if self._count > len(self._store):
            wider = np.empty((2 * self._count, *self._store.shape[1:]), self._store.dtype)
            wider[:first] = self._store[:first]
            self._store = wider
        self._store[first : self._count] = rows
        return np.arange(first, self._count)


class Rows:
    """Rows of numbers, of any length from 1 on. What a replaced row held stays behind, without an owner.

    >>> triangles = Rows(np.array([3, 3]), np.array([0, 1, 2, 2, 3, 4]))
    >>> triangles.replace(np.array([0]), np.array([2]), np.array([7, 8]))
    >>> triangles.members(np.array([1, 0]))
    (array([0, 0, 0, 1, 1]), array([2, 3, 4, 7, 8]))
    """

    def __init__(self, lengths: Index, members: Index) -> None:
        self._start, self._length = Stack(np.cumsum(lengths) - lengths), Stack(lengths)
        self._members, self._owner = Stack(members), Stack(np.repeat(np.arange(len(lengths)), lengths))

    def __len__(self) -> int:
        return len(self._start)

    def lengths(self, rows: Index) -> Index:
        return np.asarray(self._length.rows[rows])

    def members(self, rows: Index) -> tuple[Index, Index]:
        """The place in `rows`, and the number, of each member of these rows."""
        place, at = ranges(self._start.rows[rows], self._length.rows[rows])
        return place, self._members.rows[at]

    def first(self) -> Index:
        """The first member of every row."""
        return np.asarray(self._members.rows[self._start.rows])

    def holders(self, chosen: NDArray[np.bool_]) -> Index:
        """The rows that have a chosen member, ascending."""
        owner = self._owner.rows[np.flatnonzero(chosen[self._members.rows])]
        return np.unique(owner[owner >= 0])

    def append(self, lengths: Index, members: Index) -> Index:
        """Append rows and return their numbers."""
        start = len(self._members) + np.cumsum(lengths) - lengths
        self._length.append(lengths)
        numbers = self._start.append(start)
        self._members.append(members)
        self._owner.append(np.repeat(numbers, lengths))
        return numbers

    def replace(self, rows: Index, lengths: Index, members: Index) -> None:
        """Give rows new members."""
        self._owner.rows[ranges(self._start.rows[rows], self._length.rows[rows])[1]] = -1
        self._start.rows[rows] = len(self._members) + np.cumsum(lengths) - lengths
        self._length.rows[rows] = lengths
        self._members.append(members)
        self._owner.append(np.repeat(rows, lengths))


def ranges(first: Index, length: Index) -> tuple[Index, Index]:
    """The numbers first, …, first + length − 1 of each range in turn, behind the place of the range.

    >>> ranges(np.array([4, 9]), np.array([2, 1]))
    (array([0, 0, 1]), array([4, 5, 9]))
    """
    place = np.repeat(np.arange(len(first)), length)
    return place, np.arange(len(place)) + (first - (np.cumsum(length) - length))[place]


def distinct(rows: Index) -> tuple[Index, Index]:
    """The different rows of numbers ≥ 0, in lexicographic order, and for each row the number of its like.

    >>> distinct(np.array([[1, 2], [0, 5], [1, 2]]))
    (array([[0, 5],
           [1, 2]]), array([1, 0, 1]))
    """
    number, above = np.zeros(len(rows), dtype=np.intp), rows.max(initial=0) + 1
    for column in rows.T:
        number = np.unique(number * above + column, return_inverse=True)[1]
    found = np.empty((number.max(initial=-1) + 1, rows.shape[1]), dtype=rows.dtype)
    found[number] = rows
    return found, number
