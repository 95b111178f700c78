"""Physics-informed least squares: Grams against closed forms, momentum, and counts of steps."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory import physics, thresholds
from fembridge.theory.features import Features, grid, on_knots
from fembridge.theory.splines import hat


def test_second_derivatives_of_squared_relu_are_steps() -> None:
    n = 12
    values = np.linalg.eigvalsh(physics.derivative_gram(on_knots("relu2", grid(n)), 2))[::-1]
    assert values == pytest.approx(4 * thresholds.eigenvalues(n), rel=1e-11)


def test_the_energy_of_hats_is_the_second_difference() -> None:
    n = 9
    gram = physics.derivative_gram(Features(hat(), np.full(n, n + 1.0), -np.arange(n, dtype=float), (0.0, 1.0)), 1)
    expected = 2 * (n + 1) * (1 - np.cos(np.arange(1, n + 1) * np.pi / (n + 1)))
    assert np.linalg.eigvalsh(gram) == pytest.approx(expected, rel=1e-12)


def test_a_jump_has_no_derivative() -> None:
    with pytest.raises(ValueError, match="jumps"):
        physics.differentiated(on_knots("relu", grid(3)), 2)


@pytest.mark.parametrize(("optimizer", "column"), [("gd", 0), ("heavy-ball", 1)])
def test_one_slow_mode_takes_the_closed_form(optimizer: str, column: int) -> None:
    values = np.array([1.0, 1 / 300])
    features = np.sqrt(values)
    system = physics.LeastSquares(
        np.diag(features), np.array([0.0, 1.0]), np.empty((0, 2), complex), np.empty(0, complex), 1.0
    )
    beta = physics.momentum(values) if optimizer == "heavy-ball" else 0.0
    steps = physics.slowest(300.0, 0.1)[column]
    assert physics.iterations(system, 0.1, optimizer, beta) == np.ceil(steps)
