"""Samples: points, values and weights of a quadratic loss, and how an error at the points is read at frequencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fembridge.problem import Array, Complex, Loss, Problem, check_domain, check_whole, sample

Frequency = int | tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Samples:
    """What a network is fitted to: L(u) = ½ Σ_q w_q ‖u(x_q) − f_q‖², and readings c = waves @ r of the error r = u − f.

    points: x (N, d). values: f, (N,) of one output or (N, C) of C. weights: w (N,), 1/N where nothing is said.
    frequencies: F labels, whole numbers or wave vectors. waves: (F, N); c_k = 2 Σ_q ŵ_q r_q exp(−2πi k·x̂_q) with
    ŵ = w/Σw and x̂ the place in the domain, from 0 to 1: r = A sin(2πk·x̂) has |c_k| = |A|.
    slopes: f' (N,) in one dimension, where the `loss` is "stiffness" or "h1": of u' − f'.

    Raises ValueError unless all are finite, shapes match, and weights are ≥ 0 and not all 0.

    >>> Samples(np.zeros((2, 1)), np.ones(2)).weights
    array([0.5, 0.5])
    """

    points: Array
    values: Array
    weights: Array = field(default_factory=lambda: np.empty(0))
    frequencies: tuple[Frequency, ...] = ()
    waves: Complex = field(default_factory=lambda: np.empty((0, 0), complex))
    slopes: Array | None = None
    loss: Loss = "mass"

    def __post_init__(self) -> None:
        x, f = np.asarray(self.points, dtype=float), np.asarray(self.values, dtype=float)
        n = len(x) if x.ndim else 0
        w = np.asarray(self.weights, dtype=float) if np.size(self.weights) else np.full(n, 1 / max(n, 1))
        if x.ndim != 2 or not x.size or not np.isfinite(x).all():
            raise ValueError(f"points: expected finite numbers (N, d), got an array of shape {x.shape}")
        if f.shape[:1] != (n,) or f.ndim > 2 or not f.size or not np.isfinite(f).all():
            raise ValueError(f"values: expected finite numbers, (N,) or (N, C) with N = {n}, got shape {f.shape}")
        if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or not w.any():
            came = np.array2string(w, threshold=6, edgeitems=2)
            raise ValueError(f"weights: expected {n} numbers ≥ 0, one for each point and not all 0, got {came}")
        waves = self.waves if len(self.frequencies) else np.empty((0, n), complex)
        if waves.shape != (len(self.frequencies), n):
            raise ValueError(f"waves: expected shape {(len(self.frequencies), n)}, got {waves.shape}")
        if self.loss not in get_args(Loss):
            raise ValueError(f'loss: expected "mass", "stiffness" or "h1", got {self.loss!r}')
        if self.loss != "mass" and (self.slopes is None or x.shape[1] != 1 or f.ndim != 1):
            raise ValueError(f'loss: "{self.loss}" needs one input, one output and a target without jumps')
        for name, value in (("points", x), ("values", f), ("weights", w), ("waves", waves)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def size(self) -> float:
        """√2 times the root mean square of f: the amplitude of a sine of that size."""
        return float(
            np.sqrt(2 * self.weights @ np.reshape(self.values**2, (len(self), -1)).sum(1) / self.weights.sum())
        )

    def read(self, residuals: Array) -> Complex:
        """Coefficients (…, F) of errors (…, N)."""
        out: Complex = residuals @ self.waves.T
        return out


def waves_on(points: Array, weights: Array, domain: Sequence[Sequence[float]], k: Sequence[Frequency]) -> Complex:
    """2 ŵ_q exp(−2πi k·x̂_q), (F, N), of wave vectors k over a box with one interval for each of d dimensions."""
    ends = np.array([check_domain(interval) for interval in domain])
    place = (points - ends[:, 0]) / np.diff(ends, axis=1).T
    if not len(k):
        return np.empty((0, len(points)), complex)
    vectors = np.array([np.atleast_1d(one) for one in k]).reshape(len(k), -1)
    if vectors.shape[1] != points.shape[1]:
        raise ValueError(f"frequencies: expected wave vectors of {points.shape[1]} whole numbers, got {k[0]}")
    out: Complex = 2 * weights / weights.sum() * np.exp(-2j * np.pi * vectors @ place.T)
    return out


def on_points(problem: Problem, points: ArrayLike, weights: ArrayLike) -> Samples:
    """A problem on an interval, at given points (N,) with weights (N,): 1/N at samples, of quadrature for ∫."""
    x, w = np.asarray(points, dtype=float), np.asarray(weights, dtype=float)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"points: expected one row of finite numbers, got an array of shape {x.shape}")
    target = problem.target
    f = target.values(x)
    if not np.isfinite(f).all():
        raise ValueError(f'target: expected finite values at the points, got others from "{target.name}"')
    slopes = target.slopes(x) if problem.loss != "mass" and target.slopes else None
    bare = Samples(x[:, None], f, w, slopes=slopes, loss=problem.loss)
    waves = waves_on(bare.points, bare.weights, [problem.domain], problem.frequencies)
    return Samples(bare.points, f, bare.weights, problem.frequencies, waves, slopes, problem.loss)


def samples_of(problem: Problem) -> Samples:
    """A problem on an interval at its own equispaced samples. Raises ValueError where it asks for exact integrals."""
    if problem.samples == "exact":
        raise ValueError('samples: expected a whole number, got "exact"')
    return on_points(problem, *sample(problem))


def on_box(
    f: Callable[[Array], Array],
    domain: Sequence[Sequence[float]],
    counts: Sequence[int],
    frequencies: Sequence[Frequency],
) -> Samples:
    """f, of points (N, d), at a + i(b−a)/n, i = 0 … n−1, n = counts[m] in each dimension m of a box.

    Raises ValueError unless there is one count for each interval and every |k_m| is below n/2.

    >>> u = on_box(lambda x: np.sin(2 * np.pi * x.sum(1)), [(0, 1), (0, 1)], (8, 8), [(1, 1), (1, 0)])
    >>> abs(u.read(u.values)).round(12)
    array([1., 0.])
    """
    ends = [check_domain(interval) for interval in domain]
    if len(counts) != len(ends):
        raise ValueError(f"samples: expected {len(ends)} counts, one for each dimension, got {len(counts)}")
    n = np.array([check_whole("samples", [count])[0] for count in counts])
    _check_limit(frequencies, n)
    axes = [a + (b - a) * np.arange(count) / count for (a, b), count in zip(ends, n, strict=True)]
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    weights = np.full(len(points), 1 / len(points))
    return Samples(points, f(points), weights, tuple(frequencies), waves_on(points, weights, ends, frequencies))


def _check_limit(frequencies: Sequence[Frequency], counts: NDArray[np.int64]) -> None:
    for k in frequencies:
        if (2 * np.abs(np.atleast_1d(k)) >= counts).any():
            raise ValueError(f"frequencies: {k} is at or above the sampling limit of {tuple(counts.tolist())} samples")


def sum_of_sines(
    frequencies: Sequence[Frequency],
    amplitudes: ArrayLike,
    domain: Sequence[Sequence[float]],
    phases: ArrayLike | None = None,
) -> Callable[[Array], Array]:
    """f(x) = Σ_k A_k sin(2πk·x̂ + φ_k), x̂ the place in the box, of points (N, d)."""
    ends = np.array([check_domain(interval) for interval in domain])
    vectors = np.array([np.atleast_1d(k) for k in frequencies], dtype=float)
    shift = np.zeros(len(vectors)) if phases is None else np.asarray(phases, dtype=float)

    def f(x: Array) -> Array:
        place = (x - ends[:, 0]) / np.diff(ends, axis=1).T
        return np.sin(2 * np.pi * place @ vectors.T + shift) @ np.asarray(amplitudes, dtype=float)

    return f


def on_circle(k: int, n: int, frequencies: Sequence[int] | None = None) -> Samples:
    """f = √2 sin(kθ), of mean square 1, at n equispaced points (cos θ, sin θ); read at k, where nothing is said.

    Raises ValueError unless every |k| is below n/2.

    Source: Basri et al. 2019, arXiv 1906.00425.
    """
    check_whole("n", [n])
    z = np.arange(n) / n
    angle, labels = 2 * np.pi * z, tuple(frequencies or (k,))
    _check_limit((k, *labels), np.array([n]))
    weights = np.full(n, 1 / n)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Samples(
        points, np.sqrt(2) * np.sin(k * angle), weights, labels, waves_on(z[:, None], weights, [(0, 1)], labels)
    )


def on_curve(f: Callable[[Array], Array], petals: int, n: int, frequencies: Sequence[int]) -> Samples:
    """f(z), z = i/n, seen at the points (1 + ½ sin 2πLz)(cos 2πz, sin 2πz) of a flower of L petals (0: a circle).

    Raises ValueError unless every |k| is below n/2.

    Source: Rahaman et al. 2019, arXiv 1806.08734, section 4.
    """
    check_whole("n", [n])
    _check_limit(frequencies, np.array([n]))
    z, weights = np.arange(n) / n, np.full(n, 1 / n)
    radius = 1 + np.sin(2 * np.pi * petals * z) / 2
    points = radius[:, None] * np.stack([np.cos(2 * np.pi * z), np.sin(2 * np.pi * z)], axis=1)
    return Samples(points, f(z), weights, tuple(frequencies), waves_on(z[:, None], weights, [(0, 1)], frequencies))
