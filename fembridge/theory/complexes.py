"""Complexes of convex polytopes in 2 or 3 dimensions, cut by one function after another, and pulled into simplices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fembridge.problem import Array, Interval
from fembridge.theory.rows import Index, Rows, Stack, distinct, ranges

BOUNDARY, SEAM = -1, -2  # labels of facets that no cut has made: on the boundary, between cells that were there first
PLUS, MINUS, ZERO = 1, 2, 4  # bits: a face has vertices where the function is positive, negative, zero
BOTH = PLUS | MINUS


class _Level(NamedTuple):
    """The k-faces of a complex under a function: bits of all, `rows` those to be split, and their (k−1)-faces.

    row, below: pairs of a place in `rows` and a (k−1)-face. owner, end: pairs of a place in `rows` and what bounds its
    section, a (k−2)-face on which the function vanishes or, as ~i, the section of the i-th (k−1)-face to be split.
    """

    bits: NDArray
    rows: Index
    row: Index
    below: Index
    owner: Index
    end: Index


class Complex:
    """Convex cells of dimension d ≥ 2 that meet in common faces, and all faces of theirs.

    points: (V, d). edges: (E, 2) vertices. faces[k], k = 2 … d: a row of (k−1)-faces for each k-face; cells are
    faces[d]. labels: a number for each facet, the faces of dimension d − 1.

    >>> square = box([(0.0, 1.0), (0.0, 1.0)])
    >>> for z in (lambda x, y: x - y, lambda x, y: x + y - 0.5):
    ...     _ = square.cut(z(*square.points.rows.T), label=0)
    >>> len(square), len(square.simplices(2)[0])
    (4, 6)
    """

    def __init__(self, points: Array, edges: Index, faces: Sequence[Rows], labels: Index) -> None:
        self.points, self.edges, self.labels = Stack(points), Stack(edges), Stack(labels)
        self.faces = dict(enumerate(faces, start=2))

    @property
    def dimension(self) -> int:
        return int(self.points.rows.shape[1])

    def __len__(self) -> int:
        return len(self.faces[self.dimension])

    def cut(self, z: Array, label: int) -> tuple[Index, Index, Array]:
        """Split every cell in which z, a function that is affine on each cell, has both signs.

        z: (V,) values at the vertices; those on the zero set are exactly 0. New vertices stand on edges alone, where z
        changes sign, so the complex stays conforming. Every face that is split keeps its number for its positive part.
        The new facets get the label, and so do seams on which z vanishes and across which it changes sign. Where
        rounding has left a z that no affine function has on some cell, all cells are divided into simplices first.

        Returns a, b, t of the new vertices, (1 − t) points[a] + t points[b].
        """
        levels = self._plan(z)
        if levels is None:
            self.divide()
            levels = self._plan(z)
            assert levels is not None  # on a simplex there is an affine function for all values
        self._relabel(levels, label)

        ends = self.edges.rows[levels[0].rows]
        a, b = np.where(z[ends[:, :1]] > 0, ends, ends[:, ::-1]).T
        t = z[a] / (z[a] - z[b])
        x, y = self.points.rows[a], self.points.rows[b]
        # From the nearer end, so that a zero near a vertex is as exact as the vertex.
        section = self.points.append(
            np.where(t[:, None] < 0.5, x + t[:, None] * (y - x), y - (1 - t)[:, None] * (y - x))
        )
        self.edges.rows[levels[0].rows] = np.stack([a, section], axis=1)
        child = self.edges.append(np.stack([section, b], axis=1))
        for k, level in enumerate(levels[1:], start=2):
            if k == self.dimension:
                self.labels.append(self.labels.rows[levels[k - 2].rows])
            ends, new = level.end.copy(), level.end < 0
            ends[new] = section[~ends[new]]
            section = self._append(k - 1, np.bincount(level.owner, minlength=len(level.rows)), ends)
            child = self._split(k, level, levels[k - 2], child, section)
        self.labels.append(np.full(len(section), label))
        return a, b, t

    def _plan(self, z: Array) -> list[_Level] | None:
        """What is to be split, in each dimension; None where rounding keeps a face from being split."""
        nothing = np.empty(0, dtype=np.intp)
        vertices = np.array([MINUS, ZERO, PLUS], dtype=np.int8)[np.sign(z).astype(np.int8) + 1]
        bits = vertices[self.edges.rows[:, 0]] | vertices[self.edges.rows[:, 1]]
        levels = [_Level(bits, np.flatnonzero(bits == BOTH), nothing, nothing, nothing, nothing)]
        lower = vertices  # of the (k−2)-faces
        for k, faces in self.faces.items():
            mixed = faces.holders((bits != PLUS) & (bits != MINUS))
            row, below = faces.members(mixed)
            length = faces.lengths(mixed)
            own = np.bitwise_or.reduceat(bits[below], np.cumsum(length) - length) if len(mixed) else bits[:0]
            if k == 2 and _bent(row, bits[below], own).any():
                return None
            split = own & BOTH == BOTH
            kept = split[row]
            row, below = (np.cumsum(split) - 1)[row[kept]], below[kept]
            owner, end = self._section(k, row, below, lower, levels[-1])
            lower = bits
            if k < self.dimension:
                bits = bits[faces.first()]
                bits[mixed] = own
            level = _Level(bits, mixed[split], row, below, owner, end)
            if k == 3 and self._torn(level, levels[-1]):
                return None
            levels.append(level)
        return levels

    def _section(self, k: int, row: Index, below: Index, lower: NDArray, level: _Level) -> tuple[Index, Index]:
        """Pairs (owner, end) of a `_Level`. lower: bits of (k−2)-faces; level: of the (k−1)-faces."""
        split = level.bits[below] & BOTH == BOTH
        owner, end = row[split], ~np.searchsorted(level.rows, below[split])
        touching = level.bits[below] & ZERO != 0
        if touching.any():
            at, face = self._members(k - 1, below[touching])
            zero = lower[face] == ZERO
            pairs = distinct(np.stack([row[touching][at[zero]], face[zero]], axis=1))[0]
            owner, end = np.concatenate([owner, pairs[:, 0]]), np.concatenate([end, pairs[:, 1]])
        order = np.argsort(owner, kind="stable")
        return owner[order], end[order]

    def _torn(self, level: _Level, below: _Level) -> bool:
        """Whether the section of a cell is no polygon, as many corners as sides and two sides at each, or a facet."""
        if (below.bits[level.below] == ZERO).any():
            return True
        new = level.end < 0
        pairs = below.end.reshape(-1, 2)[~level.end[new]], self.edges.rows[level.end[~new]]
        owner = np.repeat(np.concatenate([level.owner[new], level.owner[~new]]), 2)
        first, width = len(self.edges), len(self.edges) + len(self.points)  # a new corner is ~(number of its edge)
        corners, used = np.unique(owner * width + first + np.concatenate(pairs).ravel(), return_counts=True)
        sides = np.bincount(level.owner, minlength=len(level.rows))
        count = np.bincount(corners // width, minlength=len(sides))
        return bool((used != 2).any() or (sides < 3).any() or (count != sides).any())

    def divide(self) -> None:
        """Divide every cell into simplices. Facets keep their labels, those within a cell are seams."""
        d = self.dimension
        facets, owner = self.simplices(d - 1)
        fresh = simplicial(self.points.rows, self.simplices(d)[0])
        both = np.concatenate([fresh.simplices(d - 1)[0], np.sort(facets, axis=1)])
        place = distinct(both)[1][len(fresh.labels) :]
        fresh.labels.rows[place] = self.labels.rows[owner]
        self.edges, self.faces, self.labels = fresh.edges, fresh.faces, fresh.labels

    def _relabel(self, levels: list[_Level], label: int) -> None:
        """Give the label to seams on which the function vanishes between a cell where it is positive and one where not.

        That is where it is negative, but for cells thinner than rounding, where it is zero.
        """
        d = self.dimension
        seams = np.flatnonzero((levels[d - 2].bits == ZERO) & (self.labels.rows == SEAM))
        if not len(seams):
            return
        chosen = np.zeros(len(self.labels), dtype=bool)
        chosen[seams] = True
        cells = self.faces[d].holders(chosen)
        row, facet = self.faces[d].members(cells)
        plus = np.bincount(row, levels[d - 2].bits[facet] & PLUS != 0) > 0
        positive = np.bincount(facet, plus[row], minlength=len(self.labels))
        self.labels.rows[seams[positive[seams] == 1]] = label

    def _split(self, k: int, level: _Level, below: _Level, child: Index, section: Index) -> Index:
        """Replace faces by their positive parts, append the negative ones and return their numbers."""
        bits, every = below.bits[level.below], np.arange(len(level.rows))
        both = bits & BOTH == BOTH
        negative = level.below.copy()
        negative[both] = child[np.searchsorted(below.rows, level.below[both])]
        parts = []
        for sign, part in ((PLUS, level.below), (MINUS, negative)):
            mine = bits & sign != 0
            owner = np.concatenate([level.row[mine], every])
            members = np.concatenate([part[mine], section])[np.argsort(owner, kind="stable")]
            parts.append((np.bincount(owner, minlength=len(every)), members))
        self.faces[k].replace(level.rows, *parts[0])
        return self.faces[k].append(*parts[1])

    def _append(self, k: int, lengths: Index, members: Index) -> Index:
        return self.edges.append(members.reshape(-1, 2)) if k == 1 else self.faces[k].append(lengths, members)

    def _members(self, k: int, faces: Index) -> tuple[Index, Index]:
        """The place in `faces`, and the number, of each (k−1)-face of these k-faces."""
        if k == 1:
            return np.repeat(np.arange(len(faces)), 2), self.edges.rows[faces].ravel()
        return self.faces[k].members(faces)

    def cells_of_facets(self) -> tuple[Index, Index]:
        """Pairs (cell, facet) of every cell with each of its facets."""
        return self.faces[self.dimension].members(np.arange(len(self)))

    def joined(self) -> tuple[int, Index]:
        """The parts into which the labelled facets alone divide the cells: their number, and that of each cell."""
        cell, facet = self.cells_of_facets()
        seam = self.labels.rows[facet] == SEAM
        pairs = facet[seam].argsort()
        i, j = cell[seam][pairs].reshape(-1, 2).T
        beside = coo_array((np.ones(len(i)), (i, j)), shape=(len(self), len(self)))
        count, part = connected_components(beside, directed=False)
        return int(count), part.astype(np.intp)

    def simplices(self, k: int) -> tuple[Index, Index]:
        """The k-faces divided into simplices (T, k+1), and the number of the face of each, ascending.

        By pulling: a face is the cone from its vertex of the lowest number over those of its facets that do not hold
        it, and these are divided first. So neighbours divide a common face alike, and no vertices are added.

        Source: J. A. De Loera, J. Rambau, F. Santos, Triangulations (2010), section 4.3.2.
        """
        lowest, simplices, owner = self.edges.rows.min(axis=1), self.edges.rows.copy(), np.arange(len(self.edges))
        for j in range(2, k + 1):
            row, below = self.faces[j].members(np.arange(len(self.faces[j])))
            apex = np.minimum.reduceat(lowest[below], np.flatnonzero(np.diff(row, prepend=-1)))
            opposite = lowest[below] != apex[row]
            row, below = row[opposite], below[opposite]
            count = np.bincount(owner, minlength=len(lowest))
            place, at = ranges((np.cumsum(count) - count)[below], count[below])
            lowest, owner = apex, row[place]
            simplices = np.column_stack([apex[owner], simplices[at]])
        return simplices, owner


def _bent(row: Index, below: NDArray, own: NDArray) -> NDArray[np.bool_]:
    """Which polygons have values that no affine function has: it vanishes at a corner, on a side, or on both sides of
    it all at two places. below: bits of the sides of polygon `row`. own: bits of the polygons.
    """
    places = np.bincount(row, np.array([0, 0, 0, 2, 2, 1, 1])[below], minlength=len(own))  # twice: a corner has 2 sides
    flat = np.bincount(row[below == ZERO], minlength=len(own)) > 0
    return (own != ZERO) & ((places > 4) | ((places == 4) & (flat == (own & BOTH == BOTH))))


def box(domain: Sequence[Interval]) -> Complex:
    """One cell: the box of these intervals."""
    d = len(domain)
    # A face holds 0 or 1 where a coordinate is at an end of its interval, and 2 where it is free.
    codes = [[code for code in product((0, 1, 2), repeat=d) if code.count(2) == k] for k in range(d + 1)]
    number = [{code: i for i, code in enumerate(level)} for level in codes]
    below = [
        np.array(
            [[number[k - 1][(*code[:i], end, *code[i + 1 :])] for i in range(d) if code[i] == 2 for end in (0, 1)]
             for code in codes[k]]
        )
        for k in range(1, d + 1)
    ]  # fmt: skip
    points = np.array([[interval[end] for interval, end in zip(domain, code, strict=True)] for code in codes[0]])
    return _made(points, below, np.full(len(codes[d - 1]), BOUNDARY))


def simplicial(points: Array, simplices: Index) -> Complex:
    """The complex of simplices (T, d+1) that meet in common faces. Facets between two of them are seams.

    Raises ValueError for three simplices at a facet.
    """
    faces, below = np.sort(simplices, axis=1), []
    for k in range(simplices.shape[1] - 1, 1, -1):
        subsets = np.concatenate([faces[:, list(kept)] for kept in combinations(range(k + 1), k)])
        lower, number = distinct(subsets)
        below.append(number.reshape(k + 1, len(faces)).T)
        faces = lower
    used = np.bincount(below[0].ravel())
    if used.max() > 2:
        raise ValueError(f"domain: expected at most two simplices at a facet, got {used.max()}")
    return _made(points, [faces, *below[::-1]], np.where(used == 1, BOUNDARY, SEAM))


def _made(points: Array, below: Sequence[Index], labels: Index) -> Complex:
    rows = [Rows(np.full(len(level), level.shape[1]), level.ravel()) for level in below[1:]]
    return Complex(points, below[0], rows, labels)
