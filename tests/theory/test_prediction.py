"""Predicted training against loops on the same quadratic, and at its limits."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.problem import Problem, composite_gauss, sample, samples_of, sawtooth, sines
from fembridge.theory.features import Features, grid, on_knots
from fembridge.theory.grams import dense, gram
from fembridge.theory.meshes import interval_nodes
from fembridge.theory.modes import fourier
from fembridge.theory.prediction import least_squares, predict, steps_to_tolerance

OCTAVES = (1, 2, 4, 8)
SINES = sines(OCTAVES, [1.0, 0.5, 0.25, 2.0])


def brute_force(features: Features, problem: Problem, steps: int, eta: float) -> np.ndarray:
    """Gradient descent on the assembled quadratic, step by step."""
    if problem.samples == "exact":
        highest = np.unique(
            np.concatenate([interval_nodes(problem.domain, np.linspace(0, 1, 641)), problem.target.breakpoints])
        )
        x, w = composite_gauss(highest, 12)
    else:
        x, w = sample(problem)
    phi, f = features(x), problem.target.values(x)
    slope = (
        features.activation.derivative()(np.multiply.outer(x, features.weights) + features.biases) * features.weights
    )
    a = np.zeros(len(features))
    for _ in range(steps):
        g = np.zeros_like(a)
        if problem.loss in ("mass", "h1"):
            g += phi.T @ (w * (phi @ a - f))
        if problem.loss in ("stiffness", "h1"):
            g += slope.T @ (w * (slope @ a - problem.target.slopes(x)))  # type: ignore[misc]
        a = a - eta * g
    return np.asarray(fourier(x, problem.frequencies, problem.domain) @ (w / w.sum() * (phi @ a - f)))


@pytest.mark.parametrize("name", ["relu", "hat", "bspline2", "bspline3", "step"])
@pytest.mark.parametrize(
    ("loss", "samples"), [("mass", 100), ("mass", "exact"), ("stiffness", "exact"), ("h1", "exact")]
)
def test_prediction_against_a_loop(name: str, loss: str, samples: int | str) -> None:
    if name == "step" and loss != "mass":
        pytest.skip("jumps have no square-integrable derivative")
    features, problem = on_knots(name, grid(32)), Problem(SINES, OCTAVES, loss=loss, samples=samples)  # type: ignore[arg-type]
    prediction = predict(features, problem, [0, 1, 100])
    for row, t in enumerate([0, 1, 100]):
        exact = brute_force(features, problem, t, prediction.learning_rate)
        # 100 steps round by ε each; the loop's quadrature of cubics and sines over cells of 1/640 is exact to
        # round-off.
        assert np.abs(prediction.coefficients[row] - exact).max() < 1e-11


def test_a_wrong_learning_rate_shows() -> None:
    features, problem = on_knots("relu", grid(32)), Problem(SINES, OCTAVES, samples=100)
    prediction = predict(features, problem, [100])
    exact = brute_force(features, problem, 100, 1.01 * prediction.learning_rate)
    assert np.abs(prediction.coefficients[0] - exact).max() > 1e-5


def test_targets_with_breakpoints() -> None:
    for target in (sawtooth(3), samples_of(np.random.default_rng(0).standard_normal(23))):
        features, problem = on_knots("hat", grid(20)), Problem(target, (1, 2, 3), samples="exact")
        prediction = predict(features, problem, [50])
        exact = brute_force(features, problem, 50, prediction.learning_rate)
        # sines over one cell of the loop's mesh: exact; the jumps and kinks are nodes of it only if we put them there
        assert np.abs(prediction.coefficients[0] - exact).max() < 1e-11


def test_initial_output_weights_and_another_domain() -> None:
    domain, rng = (-2.0, 1.0), np.random.default_rng(1)
    problem = Problem(sines((1, 3), (1.0, 1.0), domain), (1, 3), domain=domain, samples=64)
    features = on_knots("relu", grid(16, domain), domain)
    a0 = rng.standard_normal(16)
    x, _ = sample(problem)
    start = fourier(x, (1, 3), domain) @ (features(x) @ a0 - problem.target.values(x)) / 64
    assert np.abs(predict(features, problem, [0], initial=a0).coefficients[0] - start).max() < 1e-13


def test_fewer_samples_than_neurons_interpolates() -> None:
    """Rank N < n: every sample is fitted in the end."""
    problem = Problem(sines((1, 2), (1.0, 1.0)), (1, 2), samples=16)
    prediction = predict(on_knots("hat", grid(64), weight_scale=0.3), problem, [10**7])
    assert len(prediction.eigenvalues) == 15  # the sample at 0, where all features vanish, sees none of them
    assert np.abs(prediction.coefficients).max() < 1e-6


def test_divergence_is_predicted() -> None:
    features, problem = on_knots("hat", grid(16)), Problem(SINES, OCTAVES)
    limit = predict(features, problem, [0]).stability_limit
    unstable = predict(features, problem, [0, 10, 1000, 10**6], learning_rate=1.1 * limit)
    assert not unstable.stable and np.abs(unstable.coefficients[2]).max() > 1e10
    assert predict(features, problem, [0], learning_rate=0.9 * limit).stable


@pytest.mark.parametrize(("optimizer", "beta"), [("gd", 0.0), ("heavy-ball", 0.9), ("nesterov", 0.9)])
def test_steps_to_tolerance_is_the_first_step(optimizer: str, beta: float) -> None:
    features = on_knots("relu", grid(24))
    for k in (1, 2, 3):
        problem = Problem(sines([k], [1.0]), (k,))
        found = steps_to_tolerance(features, problem, 0.1, optimizer, momentum=beta)[0]
        amplitude = np.abs(
            predict(features, problem, np.arange(int(found) + 1), optimizer, momentum=beta).coefficients[:, 0]
        )
        assert int(np.argmax(amplitude <= 0.1 * amplitude[0])) == found


def test_what_is_out_of_reach_takes_for_ever() -> None:
    problem = Problem(sines([1, 40], [1.0, 1.0]), (1, 40))
    steps = steps_to_tolerance(on_knots("hat", grid(16)), problem, 0.1)
    assert np.isfinite(steps[0]) and np.isinf(steps[1])


def test_least_squares_is_the_gram() -> None:
    for form in ("mass", "stiffness", "h1"):
        features = on_knots("bspline2", np.sort(np.random.default_rng(0).random(12)))
        system = least_squares(features, Problem(SINES, OCTAVES, loss=form, samples="exact"))  # type: ignore[arg-type]
        exact = dense(gram(features, form))
        assert np.abs(system.factor.T @ system.factor - exact).max() < 1e-9 * np.abs(exact).max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adam"}, 'expected one of gd, flow, heavy-ball, nesterov, got "adam"'),
        ({"optimizer": "heavy-ball", "momentum": 1.0}, "expected 0 ≤ momentum < 1"),
        ({"learning_rate": -1.0}, 'expected "auto" or a positive number, got -1'),
        ({"learning_rate": float("nan")}, "positive number, got nan"),
    ],
)
def test_bad_requests(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predict(on_knots("hat", grid(8)), Problem(SINES, OCTAVES), [0], **arguments)


def test_other_bad_requests() -> None:
    for steps in ([0.5], [-1], 3):
        with pytest.raises(ValueError, match="one row of whole numbers from 0 on"):
            predict(on_knots("hat", grid(8)), Problem(SINES, OCTAVES), steps)
    for initial in (np.zeros(7), np.full(8, np.nan)):
        with pytest.raises(ValueError, match="expected 8 finite output weights"):
            predict(on_knots("hat", grid(8)), Problem(SINES, OCTAVES), [0], initial=initial)
    with pytest.raises(ValueError, match=r'expected 0 for "gd", got 0\.5'):
        predict(on_knots("hat", grid(8)), Problem(SINES, OCTAVES), [0], momentum=0.5)
    with pytest.raises(MemoryError, match="the prediction for 30000 neurons needs"):
        predict(on_knots("hat", grid(30_000)), Problem(SINES, OCTAVES, samples="exact"), [0])
    with pytest.raises(ValueError, match=r"between 0 and 1, got 1\.5"):
        steps_to_tolerance(on_knots("hat", grid(8)), Problem(SINES, OCTAVES), 1.5)
    with pytest.raises(ValueError, match="the features live on"):
        predict(on_knots("hat", grid(8), (0.0, 0.999)), Problem(SINES, OCTAVES), [0])


@pytest.mark.parametrize("knots", [2, 3, 8])
def test_frequencies_far_above_the_mesh(knots: int) -> None:
    for k in (16, 64, 128):
        problem = Problem(sines([k], [1.0]), (1, k), samples="exact")
        start = np.abs(predict(on_knots("hat", grid(knots)), problem, [0]).coefficients[0])
        assert start == pytest.approx([0, 1], abs=1e-13)


@pytest.mark.parametrize("loss", ["mass", "stiffness", "h1"])
def test_kinks_that_nearly_coincide(loss: str) -> None:
    """A twin neuron at distance 1e-13 doubles a feature's weight in the Gram matrix, and does nothing else."""
    knots, problem = grid(12), Problem(SINES, OCTAVES, loss=loss, samples="exact")  # type: ignore[arg-type]
    relu = on_knots("relu", knots)
    weights = np.append(relu.weights, 1.0)
    found, limit = (
        predict(Features(relu.activation, weights, -np.append(knots, twin), (0.0, 1.0)), problem, [100])
        for twin in (knots[5] + 1e-13, knots[5])
    )
    assert np.abs(found.coefficients - limit.coefficients).max() < 1e-9


def test_a_frequency_that_is_absent_has_no_steps() -> None:
    problem = Problem(sines([3], [1.0]), (1, 3))
    steps = steps_to_tolerance(on_knots("hat", grid(32)), problem, 0.1)
    assert np.isnan(steps[0]) and steps[1] >= 1


def test_features_that_vanish() -> None:
    dead = Features(on_knots("relu", grid(2)).activation, np.ones(3), -np.full(3, 2.0), (0.0, 1.0))
    with pytest.raises(ValueError, match="all of them vanish on the domain"):
        predict(dead, Problem(SINES, OCTAVES), [0])
