"""Moments under mini-batches, against all batches there are."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from fembridge.problem import Array
from fembridge.theory.stochastic import sgd_moments

N, B, ETA = 3, 2, 0.3
RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.standard_normal((N, 2))  # one direction of the data is out of reach
K, R0 = FEATURES @ FEATURES.T, RANDOM.standard_normal(N)
WAVES = RANDOM.standard_normal((4, N)) + 1j * RANDOM.standard_normal((4, N))


def after(r: Array, batch: tuple[int, ...], eta: float) -> Array:
    return r - eta / len(batch) * sum(K[:, i] * r[i] for i in batch)


def every_batch(steps: int) -> tuple[Array, Array]:
    """Mean and covariance over all N^{bT} sequences of batches."""
    states = [R0]
    for _ in range(steps):
        states = [after(r, batch, ETA) for r in states for batch in product(range(N), repeat=B)]
    mean = np.mean(states, axis=0)
    return mean, np.mean([np.outer(r - mean, r - mean) for r in states], axis=0)


def second_moment_map(kernel: Array, batch: int, eta: float) -> Array:
    """E (A ⊗ A), A = 1 − (η/b) K D, as a matrix (N², N²)."""
    steps = [
        np.eye(N) - eta / batch * kernel @ np.diag(np.bincount(drawn, minlength=N))
        for drawn in product(range(N), repeat=batch)
    ]
    return np.mean([np.kron(A, A) for A in steps], axis=0)


def test_all_batches_one_by_one() -> None:
    found = sgd_moments(K, R0, WAVES, B, [0, 1, 2, 3, 4], ETA)
    for steps in range(5):
        mean, covariance = every_batch(steps)
        # sums of 3 numbers of size one, 4 times
        assert np.abs(found.mean[steps] - WAVES @ mean).max() < 1e-13
        assert np.abs(found.variance[steps] - ((WAVES @ covariance) * WAVES.conj()).sum(axis=1).real).max() < 1e-13
    assert (found.variance[0] == 0).all()


def test_another_batch_shows() -> None:
    right, other = (sgd_moments(K, R0, WAVES, b, [3], ETA).variance for b in (B, B + 1))
    assert (np.abs(other / right - 1) > 0.1).all()


def test_the_floor_is_where_the_recursion_ends() -> None:
    found = sgd_moments(K, R0, WAVES, B, [6000], ETA)
    q = np.linalg.eigh(K)[1][:, 1:]
    both = np.kron(q, q)
    radius = np.abs(np.linalg.eigvals(both.T @ second_moment_map(K, B, ETA) @ both)).max()
    assert radius**6000 < 1e-15  # so much is left of the start
    assert found.stable and (found.floor > 1e-6).all()
    assert np.abs(found.variance[0] - found.floor).max() < 1e-12 * found.floor.max()


def test_what_can_be_fitted_has_no_floor() -> None:
    found = sgd_moments(K, FEATURES @ [1.0, -2.0], WAVES, B, [2000], ETA)
    assert found.floor.max() < 1e-25 and found.variance.max() < 1e-20  # e⁻⁴⁸ = 1e-21 of the start


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_where_the_second_moment_is_stable(rank: int, batch: int) -> None:
    """Below and above the learning rate at which the spectral radius of S ↦ E A S Aᵀ on the range of K is 1."""
    features = np.random.default_rng(rank).standard_normal((N, rank))
    kernel = features @ features.T
    q = np.linalg.eigh(kernel)[1][:, N - rank :]

    def radius(eta: float) -> float:
        both = np.kron(q, q)
        return float(np.abs(np.linalg.eigvals(both.T @ second_moment_map(kernel, batch, eta) @ both)).max())

    low, high = 0.0, 2 * N / np.linalg.eigvalsh(kernel)[-1]
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(middle) < 1 else (low, middle)
    below, above = (sgd_moments(kernel, R0, WAVES, batch, [0], factor * low) for factor in (0.999, 1.001))
    assert below.stable and np.isfinite(below.floor).all()
    assert not above.stable and np.isinf(above.floor).all()


def test_many_data() -> None:
    """A rank of 5 among 40: the same moments as with the full second moment, step by step."""
    random = np.random.default_rng(2)
    features, r, b, eta = random.standard_normal((40, 5)), random.standard_normal(40), 8, 0.4
    kernel, waves, S, m = features @ features.T, random.standard_normal((2, 40)), np.outer(r, r), r
    for _ in range(25):
        drawn = b / 40 * np.diag(np.diag(S)) + b * (b - 1) / 1600 * S
        S = S - eta / 40 * (kernel @ S + S @ kernel) + (eta / b) ** 2 * kernel @ drawn @ kernel
        m = m - eta / 40 * kernel @ m
    found = sgd_moments(kernel, r, waves, b, [25], eta)
    variance = ((waves @ (S - np.outer(m, m))) * waves).sum(axis=1)
    assert np.abs(found.mean[0] - waves @ m).max() < 1e-12
    assert found.variance[0] == pytest.approx(variance, rel=1e-11)  # S − m mᵀ cancels two digits


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "batch: expected a whole number from 1 on, got 0"),
        ({"batch": 2.5}, r"batch: expected a whole number from 1 on, got 2\.5"),
        ({"learning_rate": -1.0}, r"learning_rate: expected a positive number, got -1\.0"),
        ({"steps": [3, 1]}, r"steps: expected ascending whole numbers, got \[3, 1\]"),
        ({"kernel": np.triu(K)}, "kernel: expected a finite symmetric matrix"),
        ({"kernel": 0 * K}, "kernel: expected a positive matrix, got eigenvalues up to 0"),
        ({"residual": R0[1:]}, r"expected a finite symmetric matrix \(2, 2\), got shape \(3, 3\)"),
        ({"waves": WAVES[:, 1:]}, r"waves: expected shape \(F, 3\), got \(4, 2\)"),
    ],
)
def test_bad_requests(changes: dict[str, Any], message: str) -> None:
    right = {"kernel": K, "residual": R0, "waves": WAVES, "batch": B, "steps": [0], "learning_rate": ETA}
    with pytest.raises(ValueError, match=message):
        sgd_moments(**{**right, **changes})
