"""Block Lanczos with full orthogonalisation, for the largest eigenvalues of T = A⁻¹M."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh, solve_triangular
from scipy.sparse import csr_array

from fembridge.problem import Array

BLOCK = 8  # starting vectors: as many copies of one eigenvalue are found at once, and the solver's blocks are read once
NEGLIGIBLE = 1e-12  # of the largest eigenvalue: what a block adds less than this to, it has exhausted


def columns_held(known: int, room: int) -> int:
    """Most columns of n numbers that a search and its results hold: its basis (3 room and some blocks), what replaces
    it when it is full (2 room), and copies of the vectors and their residuals at the end.
    """
    return known + 10 * room + 22 * BLOCK


class Krylov:
    """A growing M-orthonormal basis V, the projection H = Vᵀ M A⁻¹M V and its eigenpairs (Ritz pairs).

    solve: X ↦ A⁻¹X for A symmetric positive definite. known, values: eigenvectors known beforehand, M-orthonormal, and
    their eigenvalues: they are in V from the start. room: pairs that will be asked for, 2 room at most; where V is full
    it is contracted to its best Ritz vectors (thick restart, Wu and Simon 2000).

    theta: Ritz values, descending. residual: ‖T v − θ v‖_M of each. columns: solves so far.
    """

    def __init__(self, solve: Callable[[Array], Array], m: csr_array, known: Array, values: Array, room: int) -> None:
        n, c = known.shape
        self.solve, self.m, self.room = solve, m, room
        self.capacity = min(c + 3 * room + 16 * BLOCK, n - BLOCK)
        self.basis = np.empty((n, self.capacity), order="F")
        self.projection = np.zeros((self.capacity, self.capacity))
        self.basis[:, :c], self.projection[range(c), range(c)] = known, values
        self.size, self.coupled, self.columns = c, 0, 0
        self.theta, self.residual, self.ritz = values, np.zeros(c), np.eye(c)
        self.random = np.random.default_rng(0)
        self.block, self.overlap = self._fresh(np.empty((n, 0)), BLOCK), np.zeros((BLOCK, BLOCK))

    def advance(self, wanted: int, tolerance: float) -> bool:
        """Steps until the `wanted` largest pairs have residual ≤ tolerance·θ: whether they do after 40 room solves."""
        self.room = max(self.room, wanted)
        last = self.columns + 40 * self.room
        while not self._converged(wanted, tolerance):
            if self.columns >= last:
                return False
            grown = self.size * 1.05
            self._step()
            while self.size < min(max(grown, wanted + 2 * BLOCK), self.capacity - BLOCK):
                self._step()
            h = self.projection[: self.size, : self.size]
            values, vectors = eigh(np.triu(h) + np.triu(h, 1).T)
            self.theta, self.ritz = values[::-1], vectors[:, ::-1]
            self.residual = np.linalg.norm(self.overlap @ self.ritz[-BLOCK:], axis=0)
        return True

    def vectors(self, count: int) -> Array:
        """The first `count` Ritz vectors, M-orthonormal."""
        return np.asarray(self.basis[:, : len(self.ritz)] @ self.ritz[:, :count])

    def renew(self, keep: int) -> None:
        """Keep the first Ritz vectors, and go on with a random block, which has part in every copy of an eigenvalue."""
        self._contract(keep)
        self.block = self._fresh(np.empty((len(self.basis), 0)), BLOCK)

    def _converged(self, wanted: int, tolerance: float) -> bool:
        pairs = min(wanted, len(self.theta))
        return self.columns > 0 and pairs == wanted and bool((self.residual <= tolerance * self.theta)[:wanted].all())

    def _step(self) -> None:
        """V gains the block Q, and T Q less its part in V is the next: T Q = V h + Q₊ B."""
        if self.size + BLOCK > self.capacity:
            self._contract(self.room + 2 * BLOCK)
        old, self.size = self.size, self.size + BLOCK
        new = slice(old, self.size)
        self.basis[:, new] = self.block
        w = self.solve(self.m @ self.block)
        self.columns += BLOCK
        self.projection[:, new] = 0
        for first in (self.coupled, 0):  # exactly, T Q has a part in the last two blocks alone; round-off, in all
            v = self.basis[:, first : self.size]
            h = v.T @ (self.m @ w)
            w -= v @ h
            self.projection[first : self.size, new] += h
        self.coupled = old
        self.block, self.overlap = self._orthonormal(w)

    def _contract(self, keep: int) -> None:
        """V becomes its `keep` best Ritz vectors; the projection on them is diagonal."""
        if len(self.ritz) < self.size:  # steps since the last look at the projection
            h = self.projection[: self.size, : self.size]
            values, vectors = eigh(np.triu(h) + np.triu(h, 1).T)
            self.theta, self.ritz = values[::-1], vectors[:, ::-1]
        self.basis[:, :keep] = self.vectors(keep)
        self.projection[:] = 0
        self.projection[range(keep), range(keep)] = self.theta[:keep]
        self.size, self.coupled, self.ritz = keep, 0, np.eye(keep)
        self.theta, self.residual = self.theta[:keep], self.residual[:keep]

    def _orthonormal(self, w: Array) -> tuple[Array, Array]:
        """Q M-orthonormal and B with W = Q B; where W is deficient in rank, Q has random columns and B zero rows."""
        g, z = eigh(w.T @ (self.m @ w))
        largest = self.projection.diagonal().max()
        full = g > (NEGLIGIBLE * largest) ** 2
        q, b = w @ (z[:, full] / np.sqrt(g[full])), np.sqrt(g[full])[:, None] * z[:, full].T
        lower = np.linalg.cholesky(q.T @ (self.m @ q))
        q, b = solve_triangular(lower, q.T, lower=True).T, lower.T @ b
        missing = BLOCK - q.shape[1]
        if missing:
            self.coupled = 0
            q, b = self._fresh(q, missing), np.vstack([b, np.zeros((missing, BLOCK))])
        return q, b

    def _fresh(self, q: Array, count: int) -> Array:
        """Q and `count` random columns more, smoothed by T, M-orthonormal to V and to Q."""
        w = self.solve(self.m @ self.random.standard_normal((len(q), count)))
        v = self.basis[:, : self.size]
        for _ in range(3):
            for u in (v, q):
                w -= u @ (u.T @ (self.m @ w))
            w = solve_triangular(np.linalg.cholesky(w.T @ (self.m @ w)), w.T, lower=True).T
        return np.hstack([q, w])
