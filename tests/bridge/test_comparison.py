"""Prediction beside training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fembridge.bridge.comparison import compare, log_steps, measured_modes, relative_error
from fembridge.networks.models import initialise, on_knots
from fembridge.problem import Problem, sawtooth, sines
from fembridge.theory.features import grid

OCTAVES = (1, 2, 4, 8, 16)
UNIT = (0.0, 1.0)


def octaves(**changes: object) -> Problem:
    return Problem(sines(OCTAVES, [1.0] * 5), OCTAVES, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["relu", "hat"])
@pytest.mark.parametrize("samples", [256, "exact"])
def test_error_per_frequency_to_1e_9(name: str, samples: int | str) -> None:
    comparison = compare(octaves(samples=samples), on_knots(name, grid(64), UNIT), steps=1000)
    assert comparison.max_error < 1e-9 and comparison.judge(1e-9) == "pass"


@pytest.mark.parametrize("name", ["relu2", "leaky-relu", "bspline2", "bspline3", "step"])
def test_other_activations(name: str) -> None:
    comparison = compare(octaves(samples="exact"), on_knots(name, grid(32), UNIT), steps=100)
    assert comparison.max_error < 1e-9


def test_a_jumping_target_and_another_domain() -> None:
    domain = (-1.0, 3.0)
    problem = Problem(sawtooth(3, domain), (1, 3, 6), domain=domain, samples="exact")
    assert compare(problem, on_knots("hat", grid(20, domain), domain), steps=200).max_error < 1e-9


@pytest.mark.parametrize("init", ["he", "glorot", "gaussian", "uniform"])
def test_random_networks(init: str) -> None:
    domain = (-1.0, 1.0)
    problem = Problem(sines(OCTAVES, [1.0] * 5, domain), OCTAVES, domain=domain)
    model = initialise("relu", 40, init, domain, seed=3)  # type: ignore[arg-type]
    assert compare(problem, model, steps=200).max_error < 1e-9


def test_a_wrong_prediction_fails() -> None:
    comparison = compare(octaves(), on_knots("hat", grid(64), UNIT), steps=100)
    wrong = relative_error(comparison.predicted * 1.01, comparison.measured)
    assert wrong.max() > 1e-3


def test_phase_counts() -> None:
    predicted = np.array([[1.0 + 0j]])
    assert relative_error(predicted, predicted * np.exp(0.1j)).max() > 0.09


def test_divergence_agrees() -> None:
    model = on_knots("hat", grid(32), UNIT)
    limit = compare(octaves(), on_knots("hat", grid(32), UNIT), steps=1).prediction.stability_limit
    comparison = compare(octaves(), model, steps=5000, learning_rate=1.1 * limit)
    assert not comparison.prediction.stable and comparison.trajectory.diverged is not None
    assert comparison.judge(1e-6) == "pass"


@pytest.mark.parametrize("optimizer", ["gd", "heavy-ball"])
def test_divergence_in_single_precision_is_not_a_failure(optimizer: str) -> None:
    beta = 0.9 if optimizer == "heavy-ball" else 0.0
    options = {"optimizer": optimizer, "momentum": beta, "dtype": torch.float32}
    limit = compare(octaves(), on_knots("hat", grid(32), UNIT), steps=1, **options).prediction.stability_limit
    found = compare(octaves(), on_knots("hat", grid(32), UNIT), steps=3000, learning_rate=1.1 * limit, **options)
    assert found.trajectory.diverged is not None and found.judge(1e-4) != "fail"


def test_frequencies_that_are_all_absent() -> None:
    problem = Problem(sines([3], [1.0]), (1, 2))
    found = compare(problem, on_knots("hat", grid(64), UNIT), steps=100)
    assert found.max_error < 1e-12 and found.judge(1e-9) == "pass"


def test_only_one_side_diverges() -> None:
    calm, wild = np.ones((2, 1), complex), np.array([[1.0], [np.nan]], complex)
    huge = np.array([[1.0], [1e200]], complex)
    assert np.isinf(relative_error(calm, wild, diverges=True)).any()
    assert np.isinf(relative_error(wild, calm, diverges=True)).any()
    assert relative_error(huge, wild, diverges=True).max() == 0
    # Numbers that were measured count, however large; a stable prediction explains no number that is missing.
    assert relative_error(huge, 2 * huge, diverges=True).max() == 1
    assert np.isinf(relative_error(huge, wild, diverges=False)).any()


def test_networks_that_the_theory_does_not_describe() -> None:
    everything = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).double()
    with pytest.raises(ValueError, match=r"with output bias that trains 0\.weight, 0\.bias, 2\.weight, 2\.bias"):
        compare(octaves(), everything, steps=1)
    frozen = on_knots("hat", grid(8), UNIT).requires_grad_(False)
    with pytest.raises(ValueError, match="without output bias that trains nothing"):
        compare(octaves(), frozen, steps=1)


def test_a_tolerance_is_positive() -> None:
    comparison = compare(octaves(), on_knots("hat", grid(8), UNIT), steps=1)
    for tolerance in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="expected a positive number"):
            comparison.judge(tolerance)


def test_single_precision_is_inconclusive_rather_than_wrong() -> None:
    model = on_knots("relu", grid(64), UNIT)
    comparison = compare(octaves(), model, steps=1000, dtype=torch.float32)
    assert 1e-9 < comparison.max_error <= comparison.noise_floor < 1e-3
    assert comparison.judge(1e-9) == "inconclusive" and comparison.judge(1e-3) == "pass"


def test_modes() -> None:
    model = on_knots("relu", grid(32), UNIT)
    comparison = compare(octaves(), model, steps=300)
    modes = measured_modes(comparison, model)
    start = np.abs(comparison.prediction.modes[0]).max()
    assert np.abs(modes - comparison.prediction.modes).max() < 1e-9 * start
    # … and each decays by its own factor.
    factor = (1 - comparison.prediction.learning_rate * comparison.prediction.eigenvalues) ** comparison.steps[:, None]
    assert np.abs(modes - factor * modes[0]).max() < 1e-9 * start


def test_log_steps() -> None:
    steps = log_steps(1000, 40)
    assert steps[0] == 0 and steps[-1] == 1000 and (np.diff(steps) > 0).all() and 25 < len(steps) <= 41
    assert log_steps(0, 10).tolist() == [0]


def test_two_runs_are_the_same() -> None:
    first, second = (compare(octaves(), initialise("hat", 32, "gaussian", UNIT, seed=5), steps=50) for _ in range(2))
    assert (first.measured == second.measured).all() and (first.predicted == second.predicted).all()
