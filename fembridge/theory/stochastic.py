"""Mean and variance of the error under mini-batch gradient descent, for a network whose tangent kernel stays fixed.

A step on a batch of b data, drawn uniformly with replacement, n_i times the datum i, is r' = r − (η/b) K D r with
D = diag(n). As E n_i = b/N and E n_i n_j = b(b − 1)/N² + δ_ij b/N, with M = 1 − ηK/N,

    E r' = M E r,        C' = M C M + (η²/b) K (diag(S)/N − S/N²) K,        S = E r rᵀ = C + E r (E r)ᵀ:

the covariance C of the error is contracted as gradient descent contracts errors, and fed by the covariance of the
gradients. What of r lies outside the range of K stays for ever, and keeps up a floor of the variance inside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fembridge.memory import require_memory
from fembridge.problem import Array, Complex
from fembridge.theory.prediction import check_steps
from fembridge.theory.rates import contraction
from fembridge.theory.tangents import CHUNK


@dataclass(frozen=True, eq=False)
class Moments:
    """The first two moments of the coefficients c = waves @ r at T steps and F frequencies.

    mean: (T, F), E c. variance: (T, F), E |c − E c|². floor: (F,), the variance for t → ∞; inf where not stable.
    stable: whether mean and variance stay bounded from any start. learning_rate: η.
    """

    steps: NDArray[np.integer]
    mean: Complex
    variance: Array
    floor: Array
    stable: bool
    learning_rate: float


@dataclass(frozen=True, eq=False)
class _Modes:
    """K = Q Λ Qᵀ without its zeros, Q (N, r); r_0 = Q start + rest, K rest = 0."""

    eigenvalues: Array
    q: Array
    start: Array
    rest: Array


def sgd_moments(
    kernel: ArrayLike, residual: ArrayLike, waves: ArrayLike, batch: int, steps: ArrayLike, learning_rate: float
) -> Moments:
    """The recursion of mean and covariance, exactly, and where it leads.

    kernel K (N, N), without a factor 1/N. residual r_0 = u − f (N,). waves (F, N). batch: b draws with replacement; the
    loss is the mean ½r² over the batch. For r nonzero eigenvalues a step costs 4Nr² operations, up to the last of the
    steps; the floor once 2N²r². Eigenvalues below N ε λ_max count as zero: they do not move in any number of steps that
    is run.

    Raises ValueError for steps that are no ascending row of whole numbers from 0 on, a batch below 1, a learning rate
    that is not positive, shapes that do not match and a kernel that is not symmetric; MemoryError for N² numbers that
    do not fit.

    >>> found = sgd_moments(np.eye(2), [1.0, 0.0], np.eye(2), 1, [0, 1], 1.0)
    >>> found.mean[1].real, found.variance[1]          # r_1 is 1 or 0, with probability one half
    (array([0.5, 0. ]), array([0.25, 0.  ]))
    """
    t = check_steps(steps)
    if not len(t) or not (np.diff(t) >= 0).all():
        raise ValueError(f"steps: expected ascending whole numbers, got {t.tolist()}")
    if not (isinstance(batch, int | np.integer) and batch >= 1):
        raise ValueError(f"batch: expected a whole number from 1 on, got {batch!r}")
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate: expected a positive number, got {learning_rate}")
    modes, readings = _modes(kernel, residual), np.asarray(waves, dtype=complex)
    if readings.ndim != 2 or readings.shape[1] != len(modes.rest):
        raise ValueError(f"waves: expected shape (F, {len(modes.rest)}), got {readings.shape}")
    seen = np.asarray(readings @ modes.q, dtype=complex)
    mean, variance = np.empty((len(t), len(seen)), complex), np.empty((len(t), len(seen)))
    for row, (z, C) in enumerate(_along(modes, t, int(batch), float(learning_rate))):
        mean[row] = readings @ modes.rest + seen @ z
        variance[row] = _variance(seen, C)
    stable, end = _stationary(modes, int(batch), float(learning_rate))
    floor = _variance(seen, end) if stable else np.full(len(seen), np.inf)
    return Moments(t, mean, variance, floor, stable, float(learning_rate))


def _modes(kernel: ArrayLike, residual: ArrayLike) -> _Modes:
    K, r = np.asarray(kernel, dtype=float), np.asarray(residual, dtype=float)
    if r.ndim != 1 or not len(r) or not np.isfinite(r).all():
        raise ValueError(f"residual: expected one row of finite numbers, got an array of shape {r.shape}")
    if K.shape != (len(r), len(r)) or not np.isfinite(K).all() or np.abs(K - K.T).max() > 1e-9 * np.abs(K).max():
        raise ValueError(f"kernel: expected a finite symmetric matrix {(len(r), len(r))}, got shape {K.shape}")
    require_memory(10 * 8.0 * len(r) ** 2, f"moments of the error at {len(r)} data")
    eigenvalues, q = np.linalg.eigh(K)
    keep = eigenvalues > len(r) * np.finfo(float).eps * max(eigenvalues[-1], 0)
    if not keep.any():
        raise ValueError(f"kernel: expected a positive matrix, got eigenvalues up to {eigenvalues[-1]:g}")
    start = q[:, keep].T @ r
    return _Modes(eigenvalues[keep], q[:, keep], start, q[:, ~keep] @ (q[:, ~keep].T @ r))


def _along(modes: _Modes, t: NDArray[np.integer], batch: int, eta: float) -> Iterator[tuple[Array, Array]]:
    """(Qᵀ E r, Qᵀ C Q) at each of the steps."""
    lam, q, N = modes.eigenvalues, modes.q, len(modes.rest)
    mu, z, C = 1 - eta * lam / N, modes.start, np.zeros((len(lam), len(lam)))
    contract, feed = np.outer(mu, mu), eta**2 / batch * np.outer(lam, lam)
    means = modes.start * contraction(lam, t, "gd", eta / N)
    with np.errstate(over="ignore", invalid="ignore"):
        for row, length in enumerate(np.diff(t, prepend=0)):
            for _ in range(int(length)):
                s = ((q @ C) * q).sum(axis=1) + (modes.rest + q @ z) ** 2
                C = contract * C + feed * (q.T @ (s[:, None] * q) / N - (C + np.outer(z, z)) / N**2)
                z = mu * z
            yield means[row], C


def _variance(seen: Array | Complex, C: Array) -> Array:
    """E |c − E c|² of readings `seen` (F, r) of the modes."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(((seen @ C) * seen.conj()).sum(axis=1).real)


def _stationary(modes: _Modes, batch: int, eta: float) -> tuple[bool, Array]:
    """Whether the second moment is stable, and then the stationary covariance of the modes.

    Where E r has come to rest, C_ij = G_ij Σ_p Q_pi s_p Q_pj with G_ij = (η/b) / (1/λ_i + 1/λ_j − η(1 − 1/b)/N) and
    s = diag(Q C Qᵀ) + rest²: N equations (1 − P) s = rest², P_pq = Σ_ij Q_pi Q_qi G_ij Q_pj Q_qj ≥ 0, symmetric.
    For η < 2N/λ_max the step C ↦ L C of the covariance and G∘ preserve positive matrices, and 1 − L = (1/G)∘ − B with
    B ≥ 0 is a regular splitting: the spectral radius of L is below 1 if and only if that of G∘B is, which is P's.
    """
    lam, q, N = modes.eigenvalues, modes.q, len(modes.rest)
    if not eta * lam[-1] < 2 * N:
        return False, np.empty((0, 0))
    G = eta / batch / (np.add.outer(1 / lam, 1 / lam) - eta * (1 - 1 / batch) / N)
    P, step = np.empty((N, N)), max(1, CHUNK // q.size)
    for i in range(0, N, step):
        pairs = (q[i : i + step, None] * q).reshape(-1, len(lam))
        P[i : i + step] = ((pairs @ G) * pairs).sum(axis=1).reshape(-1, N)
    if not np.linalg.eigvalsh((P + P.T) / 2)[-1] < 1:
        return False, np.empty((0, 0))
    s = np.linalg.solve(np.eye(N) - P, modes.rest**2)
    return True, G * (q.T @ (s[:, None] * q))
