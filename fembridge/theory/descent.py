"""What gradient descent on given features, or with a given kernel, says at other points than the data: exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array


def tanh_features(points: Array, weights: Array, biases: Array) -> Array:
    """tanh(w_j·x_i + b_j), (N, n), of points (N, d), weights (n, d) and biases (n,).

    >>> tanh_features(np.array([[2.0]]), np.array([[0.0], [1e3]]), np.zeros(2))
    array([[0., 1.]])
    """
    return np.tanh(points @ weights.T + biases)


def expected_risk(
    fitted: ArrayLike,
    tested: ArrayLike,
    f: ArrayLike,
    test_f: ArrayLike,
    deviation: float,
    rate: float = 1.0,
    steps: float = np.inf,
) -> float:
    """E mean (u − f)² at T test points, where u is fitted to f + ε at N data, ε of mean 0 and variance σ² = deviation²:

        mean (A f − f_T)² + σ² ‖A‖_F²/T,   A = Φ_T V g(s)/s Uᵀ,   Φ = U s Vᵀ,   g = 1 − (1 − η s²/N)^t

    fitted Φ (N, n), tested Φ_T (T, n): features at data and test points. steps t of gradient descent from 0 on
    ½ mean (u − f − ε)² at the rate η; ∞ is its end, g = 1: least squares of the least norm, Σ 1/λ in all.

    >>> round(expected_risk([[1.0], [1.0]], [[1.0]], [2.0, 2.0], [2.0], deviation=1.0), 12)      # a mean of two: σ²/2
    0.5
    >>> round(expected_risk([[1.0], [1.0]], [[1.0]], [2.0, 2.0], [2.0], 1.0, rate=0.5, steps=1), 12)    # 1² + σ²/8
    1.125
    """
    phi, test = np.asarray(fitted, dtype=float), np.asarray(tested, dtype=float)
    u, s, vt = np.linalg.svd(phi, full_matrices=False)
    seen = s > max(phi.shape) * np.finfo(float).eps * s[0]
    gain = 1.0 if np.isinf(steps) else 1 - (1 - rate * s[seen] ** 2 / len(phi)) ** steps
    A = (test @ vt[seen].T * (gain / s[seen])) @ u[:, seen].T
    bias = np.mean((A @ np.asarray(f, dtype=float) - np.asarray(test_f, dtype=float)) ** 2)
    return float(bias + deviation**2 * np.sum(A**2) / len(test))


def linearised_fit(kernel: ArrayLike, across: ArrayLike, values: ArrayLike, rate: float, steps: float) -> Array:
    """u (T,) after t steps of gradient descent on ½ mean (u − f)² from u = 0, at T points, with a kernel that stays:

        u = K_T Q g(Λ)/Λ Qᵀ f,   K = Q Λ Qᵀ,   g = 1 − (1 − η Λ/N)^t

    kernel K (N, N) at the data, across K_T (T, N) from the points to the data, without a factor 1/N; f (N,).

    >>> linearised_fit([[2.0]], [[2.0], [1.0]], [3.0], rate=0.25, steps=1)
    array([1.5 , 0.75])
    """
    eigenvalues, q = np.linalg.eigh(np.asarray(kernel, dtype=float))
    gain = -np.expm1(steps * np.log1p(-rate * eigenvalues / len(q)))
    return np.asarray(np.asarray(across, dtype=float) @ (q @ (gain / eigenvalues * (q.T @ np.asarray(values)))))
