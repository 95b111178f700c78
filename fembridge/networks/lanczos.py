"""Leading eigenpairs of a large symmetric operator: Lanczos with thick restarts, and a check that none was missed.

From one starting vector a Krylov space holds one vector of each eigenspace: of a multiple eigenvalue it finds one
copy, small residuals and all, and leaves the others to round-off. So what has converged is checked from a random
vector r of norm 1 on the complement, of dimension N, of a space V. With B what A is there, T the tridiagonal matrix of
m Lanczos steps, θ_i its eigenvalues and β_i what stands beside its diagonal, the one that would come next included, an
eigenvector v of B whose eigenvalue λ is above all θ_i has

    |⟨v, r⟩| = |β_m e_1ᵀ (λ − T)⁻¹ e_m ⟨v, q_{m+1}⟩| ≤ φ(λ) = Π β_i / Π (λ − θ_i),

and a random r has so small a part in a given v with a chance of √(2N/π) φ at the most. V holds the k pairs and
approximate ones, of values θ below c and residual vectors E. A has no more than k eigenvalues above c if B has none
above c − μ, with μ the largest eigenvalue of D^(−½) EᵀE D^(−½), D = c − θ: by Cauchy's interlacing and the Schur
complement of B. Thick restarts: K. Wu and H. Simon, SIAM J. Matrix Anal. Appl. 22 (2000).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh, eigvalsh, eigvalsh_tridiagonal, qr

from fembridge.memory import fits
from fembridge.problem import Array

CHANCE = 1e-6  # that a check passes and an eigenvalue was missed
STEPS = 2000  # of a check, before it is given up
WIDEST = 16  # vectors at once: doubled whenever a check finds copies, that many rounds are few
LOOK = 4  # steps between looks at the Ritz pairs


class Lanczos:
    """An orthonormal basis V of at most `room` vectors, A V, and H = VᵀAV, whose eigenpairs are the Ritz pairs.

    product: X (n, b) ↦ A X. k: pairs wanted, the largest or, if `both`, those of the largest magnitude.
    values (k,), residuals (k,), products: what came out, best first; the vectors are the first k of V.
    """

    def __init__(self, product: Callable[[Array], Array], n: int, k: int, room: int, both: bool) -> None:
        self.product, self.k, self.both = product, k, both
        self.v, self.av, self.h = np.empty((n, 0)), np.empty((n, 0)), np.empty((0, 0))
        self.size = self.products = 0
        self._enlarge(room)
        self.scale, self.skew = 1.0, 0.0  # the largest Ritz value; how far A, as it is computed, is from symmetric
        self.random = np.random.default_rng(0)

    def solve(self, tolerance: float, restarts: int) -> bool:
        """Until every residual is at most tolerance·|θ|, or round-off; then whether the check came to an end.

        Raises RuntimeError where fewer than k pairs converge.
        """
        width, block = 1, self._noise(1)
        for _ in range(restarts):
            self._grow(block, tolerance)
            error = self._contract()
            while (done := self.residuals <= self._accepted(tolerance)).all():
                more = self._check(error[:, self.k :], float(self._accepted(tolerance)[-1]))
                if not more:
                    return more is False
                width = min(2 * width, WIDEST)
                error = self._contract()
            missing = error[:, : self.k][:, ~done][:, :width]
            block = np.hstack([missing / self.residuals[~done][:width], self._noise(width - missing.shape[1])])
        raise RuntimeError(
            f"{done.sum()} of {self.k} eigenvalues converged to {tolerance:g} in {restarts} restarts:"
            " allow more restarts or a larger tolerance"
        )

    def _accepted(self, tolerance: float) -> Array:
        """The residuals that count as converged."""
        roundoff = max(np.finfo(float).eps * self.scale, 2 * self.skew) * len(self.v) ** 0.5
        return np.maximum(tolerance * np.abs(self.values), roundoff)

    def _grow(self, block: Array, tolerance: float) -> None:
        """Lanczos steps from a block until V is full or the leading pairs seem to have converged."""
        q, steps = self._outside(block), 0
        while self.size + q.shape[1] <= self.v.shape[1]:
            after = self._step(q)
            q, steps, last = self._outside(after), steps + 1, q.shape[1]
            if self.size >= self.k and (steps % LOOK == 0 or not q.size):
                values, ritz = self._ritz()
                error = np.linalg.norm((q.T @ after) @ ritz[-last:, : self.k], axis=0)
                self.values = values[: self.k]
                if (error <= self._accepted(tolerance)).all():
                    return
            q = q if q.size else self._outside(self._noise(1))

    def _step(self, q: Array) -> Array:
        """V gains Q; returns the part of A Q outside of V."""
        new = slice(self.size, self.size + q.shape[1])
        self.size = new.stop
        self.v[:, new], self.av[:, new] = q, self.product(q)
        self.products += q.shape[1]
        v = self.v[:, : self.size]
        h = v.T @ self.av[:, new]
        self.h[: self.size, new], self.h[new, : self.size] = h, h.T
        self.scale = float(np.abs(self.h[: self.size, : self.size].diagonal()).max()) or 1.0
        return np.asarray(self.av[:, new] - v @ h)

    def _outside(self, x: Array) -> Array:
        """An orthonormal basis of the part of X outside of V, but for round-off of A."""
        v, before = self.v[:, : self.size], np.linalg.norm(x, axis=0)
        x = x - v @ (v.T @ x)
        norms = np.linalg.norm(x, axis=0)
        x = x[:, norms > 10 * np.finfo(float).eps * np.maximum(before, self.scale)]
        if x.shape[1] == 0:
            return x
        if x.shape[1] == 1 and norms[0] > 0.1 * before[0]:
            return np.asarray(x / norms[0])
        x /= np.linalg.norm(x, axis=0)
        y, r, _ = qr(x - v @ (v.T @ x), mode="economic", pivoting=True)
        x = np.asarray(y, dtype=float)[:, np.abs(r.diagonal()) > 1e-3]
        return np.asarray(qr(x - v @ (v.T @ x), mode="economic")[0])

    def _noise(self, count: int) -> Array:
        """Random vectors of the size of A, which round-off of A does not hide."""
        return self.scale * self.random.standard_normal((len(self.v), count))

    def _score(self, values: Array) -> Array:
        """The larger the more wanted."""
        return np.abs(values) if self.both else values

    def _ritz(self) -> tuple[Array, Array]:
        """The Ritz values, the most wanted first, and their vectors in V."""
        values, vectors = eigh(self.h[: self.size, : self.size])
        order = np.argsort(-self._score(values), kind="stable")
        return values[order], vectors[:, order]

    def _contract(self) -> Array:
        """V becomes the best Ritz vectors, a third of the room besides k; returns their residual vectors."""
        values, ritz = self._ritz()
        v, av = self.v[:, : self.size], self.av[:, : self.size]
        self.skew = max(self.skew, float(np.sqrt(np.mean((v.T @ av[:, -2:] - av.T @ v[:, -2:]) ** 2))))
        keep = min(self.k + (len(self.h) - self.k) // 3, self.size)
        for basis in (self.v, self.av):
            basis[:, :keep] = basis[:, : self.size] @ ritz[:, :keep]
        self.h[:] = 0
        self.h[range(keep), range(keep)] = values[:keep]
        self.size, self.values = keep, values[: self.k]
        error = self.av[:, :keep] - self.v[:, :keep] * values[:keep]
        self.residuals = np.linalg.norm(error[:, : self.k], axis=0)
        return np.asarray(error)

    def _check(self, error: Array, slack: float) -> bool | None:
        """Whether A has more than k eigenvalues above c = θ_k + slack; None where that stays open.

        error: the residual vectors of the approximate pairs. As many of these stay in V as leave the most room between
        c − μ and the first that does not; where B reaches into that gap, those alone that have all but converged.
        """
        level = float(self._score(self.values)[-1]) + slack
        below = level - self._score(self.h.diagonal()[self.k : self.size])
        gram = (error.T @ error) / np.sqrt(np.outer(below, below))
        mu = np.array([eigvalsh(gram[:j, :j])[-1] if j else 0.0 for j in range(max(len(below), 1))])
        kept = int(np.argmax(below - mu)) if len(below) else 0
        more = self._probe(self.k + kept, level - mu[kept], level)
        if more is None and mu[kept] > slack / 2:
            kept = int(np.argmax(mu > slack / 2)) - 1
            more = self._probe(self.k + kept, level - mu[kept], level)
        return more

    def _probe(self, start: int, limit: float, level: float) -> bool | None:
        """Whether A has an eigenvalue above `level`, or B none above `limit`, B on the complement of the first of V."""
        self.size = start
        q, chance = self._outside(self._noise(1)), 0.5 * np.log(2 / np.pi * (len(self.v) - start))
        betas: list[float] = []
        while q.size and len(betas) < STEPS and self._has_room():
            after = self._step(q)
            q = self._outside(after)
            betas.append(float(np.linalg.norm(q.T @ after)) if q.size else 0.0)
            m = len(betas)
            if m > 32 and m % 8 and q.size:
                continue
            theta: Array = eigvalsh_tridiagonal(self.h.diagonal()[start : self.size], betas[:-1]).astype(float)
            top = float(self._score(theta).max())
            if top >= limit:
                return True if top > level else None
            sides = [limit - theta, limit + theta] if self.both else [limit - theta]
            phi = [np.log(betas).sum() - np.log(side).sum() for side in sides] if q.size else [-np.inf]
            if np.logaddexp.reduce(phi) + chance <= np.log(CHANCE):
                return False
        return None

    def _has_room(self) -> bool:
        """Whether V holds one vector more, after doubling it where it is full and memory allows."""
        n, room = self.v.shape
        if self.size == room < n and fits(8.0 * n * 6 * room):
            self._enlarge(min(2 * room, n))
        return self.size < self.v.shape[1]

    def _enlarge(self, room: int) -> None:
        """Give V so much room."""
        used, n = self.size, len(self.v)
        v, av, h = np.empty((n, room), order="F"), np.empty((n, room), order="F"), np.zeros((room, room))
        for new, old in ((v, self.v), (av, self.av), (h, self.h)):
            new[: len(old), :used] = old[:, :used]
        self.v, self.av, self.h = v, av, h
