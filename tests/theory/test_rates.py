"""Closed forms of training against the recursions they solve, and at their limits."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.rates import contraction, stability_limit

METHODS = [("gd", 0.0), ("heavy-ball", 0.5), ("heavy-ball", 0.99), ("nesterov", 0.5), ("nesterov", 0.99)]


def recursion(eigenvalues: np.ndarray, steps: int, optimizer: str, beta: float) -> np.ndarray:
    """e_t of PyTorch's SGD on ½λe², learning rate 1."""
    e, v = np.ones_like(eigenvalues), np.zeros_like(eigenvalues)
    history = [e]
    for _ in range(steps):
        g = eigenvalues * e
        v = beta * v + g
        e = e - (g + beta * v if optimizer == "nesterov" else v)
        history.append(e)
    return np.array(history)


@pytest.mark.parametrize(("optimizer", "beta"), METHODS)
def test_contraction_solves_its_recursion(optimizer: str, beta: float) -> None:
    limit = stability_limit(1.0, optimizer, beta)
    double_roots = [(1 - np.sqrt(beta)) ** 2, (1 + np.sqrt(beta)) ** 2, (1 - beta) / (1 + beta)]
    x = np.concatenate([np.linspace(0, 0.999 * limit, 50), [1e-12, 1.0], [r for r in double_roots if r < limit]])
    exact = recursion(x, 1000, optimizer, beta)
    found = contraction(x, np.arange(1001), optimizer, 1.0, beta)
    # Each of 1,000 steps rounds what is there by ε, and a double root amplifies that up to 1,000-fold.
    peak = np.maximum(1, np.abs(exact).max(axis=0))
    assert (np.abs(found - exact).max(axis=0) < 1000 * 1000 * np.finfo(float).eps * peak).all()


@pytest.mark.parametrize(("optimizer", "beta"), METHODS)
def test_stability_limit_is_sharp(optimizer: str, beta: float) -> None:
    limit = stability_limit(2.0, optimizer, beta)
    below, above = (
        contraction([2.0 * 0.99], [5000], optimizer, limit, beta),
        contraction([2.0 * 1.01], [5000], optimizer, limit, beta),
    )
    assert abs(below[0, 0]) < 1e-3 < 1e3 < abs(above[0, 0])


@pytest.mark.parametrize(("optimizer", "beta"), METHODS)
def test_millions_of_steps_of_slow_modes(optimizer: str, beta: float) -> None:
    """e^{−T x/(1−β)} to first order in x: the digits of a small ηλ are kept."""
    for t in (10**6, 10**9):
        x = 1.0 / t
        exact = np.exp(-1 / (1 - beta))
        found = contraction([x], [t], optimizer, 1.0, beta)[0, 0]
        # The next order: x t·x/(1−β)³ in the exponent, x/(1−β)² in the amplitude.
        assert found == pytest.approx(exact, rel=4 * x / (1 - beta) ** 3 + 1e-12)


def test_limits_of_contraction() -> None:
    for optimizer in ("gd", "flow", "heavy-ball", "nesterov"):
        beta = 0.9 if optimizer in ("heavy-ball", "nesterov") else 0.0
        assert (contraction([0.0, 0.3, 1.0], [0], optimizer, 1.0, beta) == 1).all()
        assert contraction([0.0], [10**6], optimizer, 1.0, beta)[0, 0] == pytest.approx(1, abs=1e-14)
        assert np.abs(contraction([0.3], [10**6], optimizer, 1.0, beta)).max() < 1e-300
    assert contraction([0.5], [7], "flow", 2.0)[0, 0] == np.exp(-7.0)
    # Many steps of a small learning rate are gradient flow, to first order in it.
    assert contraction([1.0], [10**6], "gd", 1e-6)[0, 0] == pytest.approx(np.exp(-1), rel=1e-6)


def test_heavy_ball_contracts_by_root_beta() -> None:
    """For (1−√β)² ≤ ηλ ≤ (1+√β)² both roots have modulus √β."""
    beta, t = 0.81, np.array([200, 400])
    p = contraction(np.linspace(0.0101, 3.6, 500), t, "heavy-ball", 1.0, beta)
    rate = (np.abs(p[1]).max() / np.abs(p[0]).max()) ** (1 / 200)
    assert rate == pytest.approx(0.9, rel=5e-3)
