"""Predicted training of all parameters: a network replaced by its first-order expansion, u_0 + ∂u/∂θ (θ − θ_0).

Its error at data obeys r_{t+1} = r_t − η K W r_t, with the tangent kernel K = J Jᵀ at θ_0 and the weights W of the loss
½ Σ w r²: a linear problem again, whose modes are those of W^{1/2} K W^{1/2}.

Sources: A. Jacot, F. Gabriel, C. Hongler, arXiv 1806.07572; J. Lee et al., arXiv 1902.06720.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skfem import Mesh

from fembridge.memory import require_memory
from fembridge.problem import Array, Complex
from fembridge.samples import Frequency, waves_on
from fembridge.theory.partitions import volumes
from fembridge.theory.prediction import Eigenmodes, LeastSquares, check_steps, step_size
from fembridge.theory.rates import check_optimizer, contraction, stability_limit
from fembridge.theory.spaces import simplex_rule
from fembridge.theory.tangents import CHUNK, Tangents

Function = Callable[[Array], Array]  # of points (N, d)


@dataclass(frozen=True, eq=False)
class KernelPrediction:
    """The error at N data along the training of a linearised network, at T steps.

    coefficients: (T, F), waves @ r_t. norms: (T,), |r_t|/|r_0| with |r|² = Σ w r². residuals: (T, N), r_t.
    eigenvalues: (N,) of W^{1/2} K W^{1/2}, descending. stability_limit: largest stable learning rate.
    """

    steps: NDArray[np.integer]
    coefficients: Complex
    norms: Array
    residuals: Array
    eigenvalues: Array
    optimizer: str
    learning_rate: float
    stability_limit: float

    @property
    def stable(self) -> bool:
        return self.learning_rate < self.stability_limit


def predict_kernel(
    kernel: ArrayLike,
    residual: ArrayLike,
    weights: ArrayLike,
    waves: ArrayLike,
    steps: ArrayLike,
    optimizer: str = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
) -> KernelPrediction:
    """r_t = W^{−1/2} Q p(Λ, t) Qᵀ W^{1/2} r_0, W^{1/2} K W^{1/2} = Q Λ Qᵀ, p that of `contraction`, all steps at once.

    kernel K (N, N), without a factor 1/N. residual r_0 = u − f and weights w > 0, (N,) each. waves (F, N).
    For a network whose kernel stays what it is, exact for each of the optimizers: momentum acts on θ − θ_0, and so on
    r = r_0 + J (θ − θ_0). learning_rate "auto" is 1/λ_max.

    Raises ValueError for Adam, which has no closed form, for shapes that do not match, a kernel that is not symmetric
    and positive, weights that are not, a residual that is zero, and as `theory.prediction.predict`.

    >>> found = predict_kernel(np.eye(2), [1.0, 0.0], [0.5, 0.5], np.ones((1, 2)), [0, 1, 2], learning_rate=1.0)
    >>> found.norms
    array([1.  , 0.5 , 0.25])
    """
    t = check_steps(steps)
    if optimizer == "adam":
        raise ValueError('optimizer: expected gd, flow, heavy-ball or nesterov, got "adam", which has no closed form')
    check_optimizer(optimizer, momentum)
    modes = _modes(kernel, residual, weights)
    eta = step_size(float(modes.eigenvalues[0]), learning_rate)
    p = contraction(modes.eigenvalues, t, optimizer, eta, momentum)
    limit = stability_limit(float(modes.eigenvalues[0]), optimizer, momentum)
    return _result(t, [(modes, p)], waves, optimizer, eta, limit)


def predict_refreshed(
    kernels: ArrayLike,
    starts: Sequence[int],
    residual: ArrayLike,
    weights: ArrayLike,
    waves: ArrayLike,
    steps: ArrayLike,
    learning_rate: float,
) -> KernelPrediction:
    """Gradient descent where K is replaced by another one at some steps: the predicted residual is carried on.

    kernels (S, N, N): the s-th from step starts[s] on, starts[0] = 0. The eigenvalues are those of the first kernel;
    the stability limit is the least of all. Momentum is not carried over a change of the kernel: gradient descent only.

    Raises ValueError for starts that do not ascend from 0 or are not as many as the kernels, and as `predict_kernel`.

    >>> K = np.stack([np.eye(2), 2 * np.eye(2)])
    >>> predict_refreshed(K, [0, 1], [1.0, 0.0], [0.25, 0.25], np.ones((1, 2)), [0, 1, 2], 1.0).norms
    array([1.   , 0.75 , 0.375])
    """
    t, begin, every = check_steps(steps), check_steps(starts), np.asarray(kernels, dtype=float)
    if len(begin) != len(every) or not len(begin) or begin[0] != 0 or not (np.diff(begin) > 0).all():
        raise ValueError(f"starts: expected {len(every)} ascending steps from 0 on, got {begin.tolist()}")
    if not len(t) or not (np.diff(t) >= 0).all():
        raise ValueError(f"steps: expected ascending steps where kernels change, got {t.tolist()}")
    eta, parts, limit, r = step_size(1.0, learning_rate), [], np.inf, np.asarray(residual, dtype=float)
    for kernel, (first, last) in zip(
        every, pairwise([*begin.tolist(), max(int(t[-1]), int(begin[-1])) + 1]), strict=True
    ):
        modes = _modes(kernel, r, weights)
        limit = min(limit, stability_limit(float(modes.eigenvalues[0]), "gd"))
        here = t[(t >= first) & (t < last)] - first
        parts.append((modes, contraction(modes.eigenvalues, here, "gd", eta)))
        r = modes.at(contraction(modes.eigenvalues, [last - first], "gd", eta))[0]
    return _result(t, parts, waves, "gd", eta, limit)


def _modes(kernel: ArrayLike, residual: ArrayLike, weights: ArrayLike) -> Eigenmodes:
    """What is read are the residuals themselves."""
    K, r, w = (np.asarray(a, dtype=float) for a in (kernel, residual, weights))
    if r.ndim != 1 or not np.isfinite(r).all() or not r.any():
        raise ValueError(f"residual: expected one row of finite numbers, not all zero, got an array of shape {r.shape}")
    if w.shape != r.shape or not np.isfinite(w).all() or not (w > 0).all():
        raise ValueError(
            f"weights: expected {len(r)} positive numbers, one for each datum, got {np.min(w, initial=1):g}"
        )
    if K.shape != (len(r), len(r)) or not np.isfinite(K).all() or np.abs(K - K.T).max() > 1e-9 * np.abs(K).max():
        raise ValueError(f"kernel: expected a finite symmetric matrix {(len(r), len(r))}, got shape {K.shape}")
    root = np.sqrt(w)
    eigenvalues, q = np.linalg.eigh(root[:, None] * K * root)
    if not eigenvalues[-1] > 0 or eigenvalues[0] < -1e-9 * eigenvalues[-1]:
        raise ValueError(f"kernel: expected a positive matrix, got eigenvalues from {eigenvalues[0]:g} on")
    q, amplitudes = q[:, ::-1], q[:, ::-1].T @ (root * r)
    return Eigenmodes(np.maximum(eigenvalues[::-1], 0), amplitudes, q / root[:, None] * amplitudes, r)


def _result(
    t: NDArray[np.integer],
    parts: Sequence[tuple[Eigenmodes, Array]],
    waves: ArrayLike,
    optimizer: str,
    eta: float,
    limit: float,
) -> KernelPrediction:
    """The prediction of one stretch of steps after another, each with its modes and their contractions."""
    first = parts[0][0]
    readings = np.asarray(waves, dtype=complex)
    if readings.ndim != 2 or readings.shape[1] != len(first.start):
        raise ValueError(f"waves: expected shape (F, {len(first.start)}), got {readings.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = np.concatenate([modes.at(p) for modes, p in parts])
        sizes = np.concatenate([np.linalg.norm(p * modes.amplitudes, axis=1) for modes, p in parts])
        coefficients = residuals @ readings.T
    norms = sizes / np.linalg.norm(first.amplitudes)
    return KernelPrediction(t, coefficients, norms, residuals, first.eigenvalues, optimizer, eta, limit)


def deviation_bound(prediction: KernelPrediction, kernel: ArrayLike, weights: ArrayLike, drift: ArrayLike) -> Array:
    """How far a network can be from its linearisation, |r_t − r̂_t|/|r_0| (T,), when its kernel moves by `drift`.

    One step of gradient descent moves u along a straight line in θ, r_{t+1} = r_t − η K̃_t W r_t, exactly, with

        K̃_t = ∫₀¹ J(θ_t + s(θ_{t+1} − θ_t)) ds J(θ_t)ᵀ,

    which is K_t but for what J changes by within that step. With e_t = W^{1/2}(r_t − r̂_t) and A = W^{1/2} K_0 W^{1/2},

        e_{t+1} = (1 − ηA) e_t − η W^{1/2} (K̃_t − K_0) W r_t,        e_0 = 0,

    and below the stability limit |1 − ηA| ≤ 1. With |K̃_t − K_0|_F ≤ δ_t |K_0|_F and ε_t = η δ_t max(w) |K_0|_F this is
    |e_t| ≤ Σ_{s<t} ε_s |r_s| (Duhamel), and as |r_s| ≤ |r̂_s| + |e_s|, |e_t| ≤ D_t with

        D_{t+1} = (1 + ε_t) D_t + ε_t |r̂_t|,        D_0 = 0.

    Between two recorded steps |r̂_s| is at most what it was at the first, and δ_s is taken to be at most the larger of
    the drifts up to the second.

    drift: δ, a number or (T,), at the recorded steps. For equal weights max(w) |K_0|_F = |A|_F.

    Raises ValueError for another optimizer, an unstable learning rate, and steps that do not start at 0.
    """
    t, delta = prediction.steps, np.broadcast_to(np.asarray(drift, dtype=float), prediction.steps.shape)
    if prediction.optimizer != "gd" or not prediction.stable:
        came = prediction.optimizer if prediction.stable else f"the unstable rate {prediction.learning_rate:g}"
        raise ValueError(f"deviation_bound: expected stable gradient descent, got {came}")
    if not len(t) or t[0] != 0 or not (np.diff(t) > 0).all():
        raise ValueError(f"steps: expected ascending steps from 0 on, got {t.tolist()}")
    unit = prediction.learning_rate * np.max(np.asarray(weights)) * np.linalg.norm(np.asarray(kernel))
    bound = np.zeros(len(t))
    with np.errstate(over="ignore"):
        for i, length in enumerate(np.diff(t)):
            growth = np.expm1(length * np.log1p(unit * delta[: i + 2].max()))
            bound[i + 1] = bound[i] + growth * (bound[i] + prediction.norms[i])
    return bound


def over_domain(
    tangent: Tangents,
    mesh: Mesh,
    start: Array,
    f: Function,
    domain: Sequence[Sequence[float]],
    frequencies: Sequence[Frequency],
    bandlimit: int = 0,
) -> LeastSquares:
    """½∫(u_0 + ∂u/∂θ δ − f)² of a piecewise-linear network, exactly: least squares in δ, for `theory.prediction.solve`.

    tangent: on the simplices of the mesh (`simplex_frames`), where ∂u/∂θ is affine: its values at corners are J, and
    the factor is R J with RᵀR the mass matrix of the broken space. start: u_0 (V,) at the vertices. f is projected onto
    broken P1, and 2/|Ω| ∫ exp(−2πik·x̂) ∂u/∂θ read at frequencies (x̂ the place in the domain, a box). Quadrature is
    exact to round-off for sums of waves f of `bandlimit` periods over the domain, and for f that is linear on cells.

    Raises MemoryError where J would not fit.
    """
    d, cells, P = mesh.dim(), mesh.t.shape[1], tangent.count
    require_memory(6 * 8.0 * cells * (d + 1) * min(P, cells * (d + 1)) + 24.0 * cells * (d + 1) * P, "the tangents")
    volume = volumes(mesh)
    points, weights = simplex_rule(d, _degree(mesh, domain, frequencies, bandlimit))
    to_nodal = np.linalg.inv((np.eye(d + 1) + 1) / ((d + 1) * (d + 2)))
    projected, read = np.empty((cells, d + 1)), np.empty((len(frequencies), cells, d + 1), complex)
    target, size = np.zeros(len(frequencies), complex), 0.0
    for at in _chunks(cells, len(weights) * (d + 2 + 2 * len(frequencies))):
        x = points @ mesh.p.T[mesh.t.T[at]]
        flat, w = x.reshape(-1, d), np.multiply.outer(volume[at], weights).ravel()
        values = np.reshape(f(flat), x.shape[:2])
        left = values - start[mesh.t.T[at]] @ points.T
        projected[at] = (left * weights) @ points @ to_nodal
        waves = waves_on(flat, w, domain, frequencies) * (w.sum() / volume.sum())
        read[:, at] = waves.reshape(-1, *x.shape[:2]) @ points
        target += waves @ left.ravel()
        size += w @ values.ravel() ** 2
    y = (tangent.frames.root @ projected[:, :, None]).ravel()
    factor = np.concatenate(list(tangent.rows()))
    found = sum(
        read[:, at].reshape(len(read), -1) @ tangent.nodal(at).reshape(-1, P) for at in _chunks(cells, (d + 1) * P)
    )
    return LeastSquares(factor, y, np.asarray(found), target, float(np.sqrt(2 * size / volume.sum())))


def _chunks(length: int, each: int) -> Iterator[slice]:
    step = max(1, CHUNK // max(1, each))
    return (slice(start, start + step) for start in range(0, length, step))


def _degree(mesh: Mesh, domain: Sequence[Sequence[float]], frequencies: Sequence[Frequency], bandlimit: int) -> int:
    """To which polynomial degree quadrature resolves the waves in f exp(−2πik·x̂) across the widest cell."""
    corners = mesh.p.T[mesh.t.T] / np.ravel(np.diff(np.asarray(domain, dtype=float), axis=1))
    edges = corners[:, :, None] - corners[:, None]
    vectors = [np.broadcast_to(np.abs(np.atleast_1d(k)), mesh.dim()) for k in frequencies]
    vectors.append(np.full(mesh.dim(), bandlimit))  # of f²
    half_phase = np.pi * max(float((np.abs(edges) @ (k + bandlimit)).max()) for k in vectors)
    # m points integrate e^{iaz} over [−1, 1] to about (e a/4m)^{2m}: the least m for which that is below round-off.
    m = next(m for m in count(1) if (np.e * half_phase / (4 * m)) ** (2 * m) < 1e-17)
    return 2 * m + 2
