"""Sparse symmetric factorisations by nested dissection: a Cholesky solver, and the inertia of an indefinite matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf, dsysv, dsysv_lwork
from scipy.sparse import csc_array, csr_array, tril

from fembridge.memory import require_memory
from fembridge.problem import Array

Indices = NDArray[np.int64]
EPS = float(np.finfo(float).eps)
LEAF = 60  # unknowns below which a part is one dense block: larger ones store more, smaller ones call LAPACK more often


@dataclass(frozen=True, eq=False)
class Dissection:
    """An order of elimination, cut into blocks, each with the later unknowns that its elimination couples.

    order[i]: the unknown that is eliminated i-th. Block f eliminates starts[f] … starts[f+1]; boundaries[f] are the
    positions, ascending, of the rows that its columns of the factor fill below it; children[f] are the blocks whose
    update lands in f first.
    """

    order: Indices
    starts: Indices
    boundaries: list[Indices]
    children: list[list[int]]

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """Of each block: how many unknowns it eliminates, and how many it updates."""
        return [(int(n), len(b)) for n, b in zip(np.diff(self.starts), self.boundaries, strict=True)]

    @property
    def fill(self) -> int:
        """Entries that a factor stores: counted block by block, not guessed."""
        return sum(n * (n + b) for n, b in self.sizes)

    @property
    def peak(self) -> int:
        """Most entries of updates and fronts alive at once while a factor is computed."""
        alive = most = 0
        for (n, b), children in zip(self.sizes, self.children, strict=True):
            most = max(most, alive + 2 * (n + b) ** 2)
            alive += b**2 - sum(self.sizes[child][1] ** 2 for child in children)
        return most

    @property
    def chain(self) -> int:
        """Most additions, one on another, that end in one entry: what its rounding is in proportion to."""
        lengths: list[int] = []
        for (n, _), children in zip(self.sizes, self.children, strict=True):
            lengths.append(n + len(children) + max((lengths[child] for child in children), default=0))
        return max(lengths)


def dissect(matrix: csr_array, points: Array) -> Dissection:
    """Nested dissection of a symmetric matrix by the coordinates (dim, n) of its unknowns.

    Each part is cut at the median of its longest side; the unknowns on the lower side that touch the upper one
    separate the two and are eliminated after both. Every part of a level at once. A code of base 3 (lower 0, upper 1,
    separator 2, one digit a level) sorts the unknowns into this order. Fill is O(n log n) in the plane and O(n^{4/3})
    in space (George 1973; Lipton, Rose and Tarjan 1979).
    """
    n = matrix.shape[0]
    pairs = tril(matrix, -1).tocoo()
    row, column = pairs.row.astype(np.int64), pairs.col.astype(np.int64)
    code, part = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)  # part −1: no longer cut
    for _ in range(38):  # digits that an int64 holds
        live = np.flatnonzero(part >= 0)
        live = live[np.argsort(part[live], kind="stable")]
        first = np.flatnonzero(np.diff(part[live], prepend=-1))
        size = np.diff(np.append(first, len(live)))
        if not (size > LEAF).any():
            break
        group = np.repeat(np.arange(len(first)), size)
        x = points[:, live]
        sides = np.maximum.reduceat(x, first, axis=1) - np.minimum.reduceat(x, first, axis=1)
        along = x[sides.argmax(axis=0)[group], np.arange(len(live))]
        ranked = along[np.lexsort((along, group))]
        cut = ranked[first + size // 2]
        upper = (along >= cut[group]) & (along > ranked[first][group])  # where half are equal, these are the lower side
        half = np.full(n, -1)
        half[live] = np.where((size > LEAF)[group], upper, -1)
        crosses = (half[row] >= 0) & (half[column] >= 0) & (half[row] != half[column])
        separator = np.where(half[row] == 0, row, column)[crosses]
        digit = np.maximum(half, 0)
        digit[separator] = 2
        code = 3 * code + digit
        part = np.where((half < 0) | (digit == 2), -1, 2 * part + digit)
        inside = (part[row] >= 0) & (part[row] == part[column])
        row, column = row[inside], column[inside]
    order = np.argsort(code, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(code[order])) + 1, [n]])
    return _fill(_lower(matrix, order), order, starts)


def _lower(matrix: csr_array, order: Indices) -> csc_array:
    return csc_array(tril(csr_array(matrix)[order][:, order], format="csc"))


def _fill(lower: csc_array, order: Indices, starts: Indices) -> Dissection:
    blocks = len(starts) - 1
    owner = np.repeat(np.arange(blocks), np.diff(starts))
    boundaries: list[Indices] = []
    children: list[list[int]] = [[] for _ in range(blocks)]
    for f in range(blocks):
        below = [lower.indices[lower.indptr[starts[f]] : lower.indptr[starts[f + 1]]].astype(np.int64)]
        rows = np.unique(np.concatenate(below + [boundaries[child] for child in children[f]]))
        boundaries.append(rows[np.searchsorted(rows, starts[f + 1]) :])
        if len(boundaries[f]):
            children[owner[boundaries[f][0]]].append(f)
    return Dissection(order, starts, boundaries, children)


def _fronts(matrix: csr_array, tree: Dissection, eliminate: Callable[[int, Array, int], Array]) -> None:
    """Run `eliminate(f, front, n)` over all blocks: it gets the rows and columns of block f (n unknowns, then its
    boundary), with all earlier updates in them, and returns what is left on the boundary (the Schur complement).
    """
    require_memory(8 * tree.peak, f"the fronts of {len(tree.order)} unknowns")
    lower, starts = _lower(matrix, tree.order), tree.starts
    place = np.empty(len(tree.order), dtype=np.int64)
    updates: dict[int, Array] = {}
    for f, (n, b) in enumerate(tree.sizes):
        place[starts[f] : starts[f + 1]] = np.arange(n)
        place[tree.boundaries[f]] = n + np.arange(b)
        entries = slice(lower.indptr[starts[f]], lower.indptr[starts[f + 1]])
        i = place[lower.indices[entries]]
        j = np.repeat(np.arange(n), np.diff(lower.indptr[starts[f] : starts[f + 1] + 1]))
        front = np.zeros((n + b, n + b))
        front[i, j] = front[j, i] = lower.data[entries]
        for child in tree.children[f]:
            at = place[tree.boundaries[child]]
            front[at[:, None], at] += updates.pop(child)
        updates[f] = eliminate(f, front, n)


@dataclass(frozen=True, eq=False)
class Cholesky:
    """A = L Lᵀ of a positive definite matrix: block f holds the triangle L_f and W_f = L_f⁻¹ A_{f,boundary}."""

    tree: Dissection
    triangles: list[Array]
    panels: list[Array]

    def solve(self, right: Array) -> Array:
        """A⁻¹ times the columns of `right`, shape (n, m). Many columns at once cost less than one by one."""
        x = right[self.tree.order]
        for inside, boundary, triangle, panel in self._blocks():
            x[inside] = dtrsm(1.0, triangle, x[inside], lower=1)
            x[boundary] -= panel.T @ x[inside]
        for inside, boundary, triangle, panel in reversed(list(self._blocks())):
            x[inside] = dtrsm(1.0, triangle, x[inside] - panel @ x[boundary], lower=1, trans_a=1)
        solution = np.empty_like(x)
        solution[self.tree.order] = x
        return solution

    def _blocks(self) -> Iterator[tuple[slice, Indices, Array, Array]]:
        starts = self.tree.starts
        inside = [slice(a, b) for a, b in pairwise(starts)]
        return zip(inside, self.tree.boundaries, self.triangles, self.panels, strict=True)


def cholesky(matrix: csr_array, tree: Dissection) -> Cholesky:
    """The factor of a positive definite matrix. The multifrontal method: dense LAPACK on each block (Liu 1992).

    Raises ValueError where a pivot is not positive; MemoryError before a factor that would not fit is computed.
    """
    require_memory(8 * (tree.fill + tree.peak), f"the factor of {len(tree.order)} unknowns")
    triangles: list[Array] = []
    panels: list[Array] = []

    def eliminate(f: int, front: Array, n: int) -> Array:
        triangle, failed = dpotrf(front[:n, :n].T, lower=1)
        if failed:
            raise ValueError(
                f"cholesky: the matrix is not positive definite at its unknown {tree.order[tree.starts[f]]}"
            )
        triangles.append(triangle)
        panels.append(dtrsm(1.0, triangle, front[n:, :n].T, lower=1))
        return np.asarray(front[n:, n:] - panels[f].T @ panels[f])

    _fronts(matrix, tree, eliminate)
    return Cholesky(tree, triangles, panels)


def inertia(matrix: csr_array, tree: Dissection, scale: Array) -> tuple[int, float]:
    """The number of negative eigenvalues of A + E, and a bound on ‖S⁻¹ E S⁻¹‖₂ for S = diag(scale): Sylvester's law.

    E is what rounding adds while A is reduced by congruence to the diagonal. A block with positive pivots adds at most
    γ |L||Lᵀ|, γ the longest chain of additions times ε; any other is solved with Bunch–Kaufman pivots, and its residual
    is in E as computed. Row sums of |S⁻¹ E S⁻¹| are kept: the largest of them bounds the norm. First order in ε; the
    pivots of Bunch and Kaufman are taken to grow by 10 at most. Nothing is stored beyond the fronts.
    """
    negative, rows, d, gamma = 0, np.zeros(len(scale)), 1 / scale[tree.order], (tree.chain + 2) * EPS

    def eliminate(f: int, front: Array, n: int) -> Array:
        nonlocal negative
        inside, boundary = slice(tree.starts[f], tree.starts[f + 1]), tree.boundaries[f]
        block, side = front[:n, :n], front[:n, n:]
        triangle, failed = dpotrf(block.T, lower=1, clean=1)
        if not failed:
            panel = dtrsm(1.0, triangle, side, lower=1)
            across = np.abs(triangle).T @ d[inside] + np.abs(panel) @ d[boundary]
            rows[inside] += gamma * (np.abs(triangle) @ across)
            rows[boundary] += gamma * (np.abs(panel).T @ across)
            return np.asarray(front[n:, n:] - panel.T @ panel)
        right = side if len(boundary) else np.zeros((n, 1))
        pivots, kind, solution, singular = dsysv(block, right, lwork=int(dsysv_lwork(n)[0]), lower=1)
        # A 2×2 pivot has one eigenvalue of each sign; a pivot that is exactly zero leaves no certain count.
        negative += int((np.diagonal(pivots)[kind >= 0] < 0).sum() + (kind < 0).sum() // 2)
        rows[inside] += 10 * gamma * (np.abs(block) @ d[inside]) + (np.inf if singular > 0 else 0.0)
        if not len(boundary):
            return np.zeros((0, 0))
        rest, size = np.abs(block @ solution - side), np.abs(solution)
        rows[inside] += rest @ d[boundary]
        rows[boundary] += rest.T @ d[inside] + rest.T @ (size @ d[boundary]) + size.T @ (rest @ d[boundary])
        rows[boundary] += gamma * (np.abs(side).T @ (size @ d[boundary]) + np.abs(front[n:, n:]) @ d[boundary])
        return np.asarray(front[n:, n:] - side.T @ solution)

    _fronts(matrix, tree, eliminate)
    return negative, float((d * rows).max())
