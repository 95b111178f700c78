"""Networks trained beside their linearisation: exact where it is, within its band, and out of its regime."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import nn

from fembridge.bridge.linearised import compare_linearised
from fembridge.networks.perceptrons import perceptron
from fembridge.samples import Samples, on_box, on_circle

CIRCLE = on_circle(1, 12, (1, 2))
STEPS = np.array([0, 1, 5, 20])


def last_layers(count: int = 1, inputs: int = 2) -> list[nn.Sequential]:
    return [perceptron("relu", [inputs, 8, 6, 1], seed=seed, trained="4.*") for seed in range(count)]


def wide(width: int, seed: int = 0, **options: Any) -> nn.Sequential:
    return perceptron("tanh", [2, width, 1], init="gaussian", parametrisation="ntk", seed=seed, **options)


@pytest.mark.parametrize(("optimizer", "momentum"), [("gd", 0.0), ("heavy-ball", 0.7), ("nesterov", 0.7)])
def test_a_last_layer_follows_exactly(optimizer: Any, momentum: float) -> None:
    found = compare_linearised(last_layers(2), CIRCLE, steps=STEPS, optimizer=optimizer, momentum=momentum)
    assert found.max_error < 1e-12 and found.max_drift == 0  # 20 steps of sums of 12 numbers of size one
    assert found.judge(1e-9) == "pass"
    assert found.prediction is not None and found.measured.shape == (2, 4, 2)
    assert np.abs(found.prediction.norms[-1]) < 1


def test_another_rate_shows() -> None:
    found = compare_linearised(last_layers(), CIRCLE, steps=STEPS)
    other = compare_linearised(last_layers(), CIRCLE, steps=STEPS, learning_rate=1.01 * found.learning_rate)
    assert found.predicted is not None
    assert np.abs(other.measured - found.predicted).max() > 1e-4


def test_three_inputs_and_several_outputs() -> None:
    box = on_box(lambda x: np.sin(2 * np.pi * x.sum(1)), [(0, 1)] * 3, (3, 3, 3), [(1, 1, 1)])
    assert compare_linearised(last_layers(inputs=3), box, steps=STEPS).judge(1e-9) == "pass"
    both = Samples(CIRCLE.points, np.stack([CIRCLE.values, 1 - CIRCLE.values], axis=1), CIRCLE.weights)
    found = compare_linearised([perceptron("relu", [2, 8, 2], trained="2.*")], both, steps=STEPS)
    assert found.error is not None and found.error.shape == (1, 4, 1) and found.judge(1e-9) == "pass"


def test_out_of_the_regime_nothing_is_concluded() -> None:
    narrow = compare_linearised([wide(8, output_scale=0.3)], CIRCLE, steps=200, record=6)
    assert narrow.max_drift > 0.1 and narrow.judge(1e-3) == narrow.judge(1e3) == "inconclusive"
    assert narrow.reason(1e-3).startswith("out of regime: the kernel moved by") and "more than 0.1" in narrow.reason(1)
    assert narrow.judge(1e-6, drift_limit=1e9) == "fail"  # what it would be if the drift were no matter


def test_in_the_regime_a_wide_network_is_judged() -> None:
    found = compare_linearised([wide(2048)], CIRCLE, steps=20, record=4)
    assert 0 < found.max_drift < 0.1 and 0 < found.max_error < 0.1
    assert (found.judge(0.1), found.judge(1e-9)) == ("pass", "fail")
    assert "the kernel moved by" in found.reason(0.1)


def test_kernels_taken_anew_predict_better() -> None:
    steps = np.array([0, 2, 5, 10, 20, 40])
    frozen, anew = (
        compare_linearised([wide(16)], CIRCLE, steps=steps, refresh=refresh) for refresh in ((), steps[1:-1])
    )
    assert (frozen.measured == anew.measured).all() and anew.max_error < frozen.max_error


def test_batches_are_within_their_band() -> None:
    models = [perceptron("relu", [2, 6, 1], seed=3, trained="2.*") for _ in range(60)]
    found = compare_linearised(models, CIRCLE, steps=STEPS, optimizer="sgd", batch=3, learning_rate=0.05)
    assert found.band is not None and (found.band[0] == 0).all() and (found.band[1:] > 0).all()
    assert found.max_error < 1e-12 and found.judge(1e-9) == "pass"  # nothing outside the band, but for round-off
    moved = replace(found.moments[0], variance=0 * found.moments[0].variance)
    assert replace(found, moments=(moved,) * 60).max_error > 1e-3  # the mean of 60 is not the prediction itself


def test_what_has_no_closed_form_is_measured_only() -> None:
    for options, reason in (
        ({"optimizer": "adam"}, "adam has no closed form: measured only"),
        ({"optimizer": "sgd", "momentum": 0.9}, "sgd with momentum has no closed form here: measured only"),
    ):
        found = compare_linearised([wide(8)], CIRCLE, steps=5, learning_rate=0.01, **options)  # type: ignore[arg-type]
        assert found.prediction is None and found.predicted is None and found.drift is None and found.error is None
        assert found.judge(1.0) == "inconclusive" and found.reason(1.0) == reason
        assert found.measured.shape[0] == 1 and np.isnan(found.max_error)


def test_a_rate_that_is_unstable_for_batches_is_told() -> None:
    found = compare_linearised(last_layers(), CIRCLE, steps=3, optimizer="sgd", batch=1, learning_rate=1e3)
    assert found.judge(1.0) == "inconclusive" and "variance grows without bound" in found.reason(1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adam"}, 'learning_rate: expected a positive number for "adam", got "auto"'),
        ({"optimizer": "nesterov", "refresh": (1,)}, 'refresh: expected none for "nesterov"'),
        ({"samples": replace(CIRCLE, weights=np.arange(1.0, 13)), "optimizer": "sgd", "batch": 2}, "unequal weights"),
    ],
)
def test_bad_requests(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare_linearised(last_layers(), **{"samples": CIRCLE, "steps": 3, **changes})


def test_bad_tolerances() -> None:
    found = compare_linearised(last_layers(), CIRCLE, steps=1)
    for arguments, name in (((0.0,), "tolerance"), ((1.0, -1.0), "drift_limit")):
        with pytest.raises(ValueError, match=f"{name}: expected a positive number"):
            found.judge(*arguments)
