"""Intervals in a row, cut where many functions vanish, at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fembridge.problem import Array
from fembridge.theory.rows import Index, Stack


class Intervals:
    """Intervals from left to right, the cells of a domain in one dimension: what a `Complex` is in more.

    points (V, 1): their ends, ascending. inside (V − 1,): whether an interval lies between two neighbours, or a gap.
    labels (V,): which function made a point a kink; −1 for none.
    """

    dimension = 1

    def __init__(self, nodes: Array, inside: NDArray[np.bool_]) -> None:
        self.points, self.inside, self.labels = Stack(nodes[:, None]), inside, Stack(np.full(len(nodes), -1))

    def __len__(self) -> int:
        return int(self.inside.sum())

    def cut(self, z: Array, unit: Array, tolerance: float, label: int) -> tuple[int, float]:
        """Make a node of every point where one of some functions changes sign, and give it that function's label.

        z: (V, K) values of functions that are affine on each interval. One vanishes at a node if |z| ≤ tolerance unit,
        unit (K,), so a zero that near to another is not a node of its own. Returns how many values other than zero were
        so taken for it, and the largest |z|/unit of these.

        >>> line = Intervals(np.array([0.0, 1.0]), np.array([True]))
        >>> line.cut(line.points.rows - [0.5, 0.25, 0.25 + 2**-54], np.full(3, 2.0**-53), 4, label=7)
        (1, 0.5)
        >>> line.points.rows.ravel(), line.labels.rows
        (array([0.  , 0.25, 0.5 , 1.  ]), array([-1,  8,  7, -1]))
        """
        nodes, labels = self.points.rows[:, 0], self.labels.rows
        both = np.flatnonzero((z > 0).any(axis=0) & (z < 0).any(axis=0))
        z, unit = z[:, both], unit[both]
        near = np.abs(z) <= tolerance * unit
        sign = np.sign(np.where(near, 0, z)).astype(np.int8)
        seam = self.inside[:-1] & self.inside[1:] & (labels[1:-1] < 0)
        on, k = np.nonzero(((sign[:-2] > 0) != (sign[2:] > 0)) & (sign[1:-1] == 0) & seam[:, None])
        labels[on[::-1] + 1] = label + both[k[::-1]]  # of several the first, which is written last

        cell, k = np.nonzero((sign[:-1] * sign[1:] < 0) & self.inside[:, None])
        a, b, x, h = z[cell, k], z[cell + 1, k], nodes[cell], np.diff(nodes)[cell]
        t = a / (a - b)
        x = np.where(t < 0.5, x + t * h, nodes[cell + 1] - (1 - t) * h)  # from the nearer end
        order = np.lexsort((x, cell))
        cell, k, x, slope = cell[order], k[order], x[order], (np.abs(b - a) / h)[order]
        first = np.arange(len(x))  # the node that each of them becomes
        for i in np.flatnonzero((np.diff(x) * slope[1:] <= tolerance * unit[k[1:]]) & (np.diff(cell) == 0)) + 1:
            if (x[i] - x[first[i - 1]]) * slope[i] <= tolerance * unit[k[i]]:
                first[i] = first[i - 1]
        new, apart = first == np.arange(len(x)), (x - x[first]) * slope
        at, column = np.nonzero(near & (z != 0))
        values = np.concatenate([np.abs(z[at, column]) / unit[column], apart[apart > 0] / unit[k[apart > 0]]])

        self.points = Stack(np.insert(nodes, cell[new] + 1, x[new])[:, None])
        self.labels = Stack(np.insert(labels, cell[new] + 1, label + both[k[new]]))
        self.inside = np.insert(self.inside, cell[new], True)
        return len(values), float(values.max(initial=0.0))

    def simplices(self, k: int) -> tuple[Index, Index]:
        """The ends (T, 2) of all intervals, or for k = 0 all points (V, 1), behind it their numbers."""
        left = np.flatnonzero(self.inside) if k else np.arange(len(self.points))
        return left[:, None] + np.arange(k + 1), np.arange(len(left))

    def joined(self) -> tuple[int, Index]:
        """The parts into which kinks and gaps divide the intervals: their number, and that of each interval."""
        begins = self.inside & np.concatenate([[True], (self.labels.rows[1:-1] >= 0) | ~self.inside[:-1]])
        return int(begins.sum()), (np.cumsum(begins) - 1)[self.inside]
