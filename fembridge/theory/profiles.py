"""Ridge functions σ(r cos θ + b) of a circle as cosine series, and the kernel of their turned copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array

SAMPLES = 4096


def seagull(r: float, b: ArrayLike, count: int) -> Array:
    """a_0 … a_{count−1} of log(1 + (r cos θ + b)²) = Σ_k a_k cos kθ, (M, count) of offsets b (M,):

        a_k = −(4/k) Re z^k,    a_0 = 2 log|r/2z|,    z² + 2(b + i)z/r + 1 = 0, |z| < 1,

    from log|r cos θ + b + i|² = 2 Re [log(−r/2z) + log(1 − z e^{iθ}) + log(1 − z e^{−iθ})]. |z| = e^{−arsinh(1/r)} at
    b = 0, so that a_k² falls like e^{−2k/r}/k² for large r: |σ̂(k/r)|² = 4π² e^{−2k/r}/(k/r)².

    Raises ValueError for a radius that is not positive.

    >>> seagull(1.0, [0.5], 4).round(12) + 0.0 == sampled(lambda z: np.log1p(z**2), 1.0, [0.5], 4).round(12) + 0.0
    array([[ True,  True,  True,  True]])
    """
    if not r > 0:
        raise ValueError(f"r: expected a positive radius, got {r:g}")
    half = (np.asarray(b, dtype=float) + 1j) / r
    root = np.sqrt(half - 1) * np.sqrt(half + 1)
    z = np.where(np.abs(-half + root) < 1, -half + root, -half - root)
    k = np.arange(1, count)
    rest = -4 / k * (z[:, None] ** k).real
    return np.concatenate([2 * np.log(np.abs(r / (2 * z)))[:, None], rest], axis=1)


def sampled(sigma: Callable[[Array], Array], r: float, b: ArrayLike, count: int) -> Array:
    """The same (M, count) of any σ, from 4096 samples of the circle."""
    theta = 2 * np.pi * np.arange(SAMPLES) / SAMPLES
    coefficients = np.fft.rfft(sigma(r * np.cos(theta) + np.asarray(b, dtype=float)[:, None])).real / SAMPLES
    return np.asarray(coefficients[:, :count] * np.where(np.arange(count) > 0, 2, 1))


def eigenvalues(coefficients: Array, directions: int) -> Array:
    """λ_k, k < K, of φ ↦ (1/2π) ∫ K(·, θ) φ dθ, K = Σ f f of the ridges of coefficients (M, K), each turned by all
    2πj/directions: directions · Σ_b a_k²/4, and directions · Σ_b a_0². Of cos kθ and sin kθ.

    Turns by whole parts of the circle mix k with multiples of `directions` ± k, and N equispaced data with those of N:
    together, where both are N, by the part 2a_{N−k}/a_k, which is exponentially small for an analytic σ.

    >>> eigenvalues(np.array([[1.0, 2.0]]), 8)
    array([8., 8.])
    """
    squares = directions * (coefficients**2).sum(axis=0)
    return np.asarray(squares * np.where(np.arange(len(squares)) > 0, 0.25, 1.0))
