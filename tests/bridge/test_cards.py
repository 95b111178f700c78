from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fembridge.bridge import cards, paces, shifts
from fembridge.bridge.cards import Size, kernel, pace, sections
from fembridge.bridge.sections import GROWTH, NO_POWER, conditioning, shape, symbol, transform
from fembridge.bridge.subjects import NAMES, of_function, of_name, of_table
from fembridge.theory.features import Features
from fembridge.theory.spectra import spectrum

SMALL = Size(seeds=2, width=64, repeats=2, hidden=16, steps=40, output_steps=60, frequencies=(1, 2, 4))
DESIGNED = {"knots": [0, 1, 2, 3, 4], "coefficients": [1.268, -0.340, 0.091], "degree": 1}


@pytest.mark.parametrize("name", NAMES)
def test_shape_of_every_activation_is_its_closed_form(name: str) -> None:
    for pair in shape(of_name(name)).charts["shape"].pairs:
        assert pair.predicted is not None and pair.measured is not None
        off = np.abs(pair.predicted - pair.measured) > 1e-14
        assert off.sum() <= (pair.label == "σ′")  # PyTorch's slope of ReLU at 0


@pytest.mark.parametrize("name", ["relu", "leaky-relu", "step", "hat", "bspline3", "relu2"])
def test_symbols_of_splines_are_exact(name: str) -> None:
    for gap, tolerance in symbol(of_name(name)).checks.values():
        assert gap < tolerance


def test_a_wrong_symbol_is_seen() -> None:
    wrong = replace(of_name("hat"), module=of_name("bspline2").module)
    ((gap, tolerance),) = symbol(wrong).checks.values()
    assert gap > 1e6 * tolerance


def test_symbols_of_smooth_activations_are_sums_of_aliases() -> None:
    theta = np.linspace(0.3, np.pi, 5)
    for name, bound in (("tanh", 1e-11), ("gaussian", 1e-11), ("gelu", 1e-10), ("seagull", 1e-3)):
        found = shifts.measured_symbol(of_name(name), theta)
        assert found is not None
        np.testing.assert_allclose(found[0], shifts.predicted_symbol(of_name(name), theta), rtol=bound)


def test_a_sine_has_no_symbol_and_its_shifts_span_two_functions() -> None:
    sine = of_name("sine")
    assert not symbol(sine).charts and not transform(sine).charts
    facts = conditioning(sine).facts
    assert facts[GROWTH] == np.inf and facts["numerical rank at n = 16"] == 2


def test_conditioning_of_relu_is_that_of_the_beam_and_of_hats_below_three() -> None:
    relu, hat = conditioning(of_name("relu")), conditioning(of_name("hat"))
    assert abs(float(relu.facts[GROWTH]) - 4) < 0.02
    assert abs(float(relu.facts["condition number at n = 256, measured"]) / 256**4 / 3.883 - 1) < 0.02
    assert 2.99 < float(hat.facts["condition number at n = 256, measured"]) < 3
    for one in (relu, hat):
        assert all(gap < tolerance for gap, tolerance in one.checks.values())


def test_shifts_of_compact_support_are_whole() -> None:
    one = of_table(DESIGNED, "designed")
    found = shifts.shifts(one, 5)
    at = Features(one.spline, found.weights, found.biases, (0.0, 1.0))
    assert not at(np.array([0.0, 1.0])).any()
    np.testing.assert_allclose(spectrum(at).eigenvalues, shifts.measured_spectrum(one, 5), rtol=1e-12)


@pytest.mark.slow
def test_decay_of_transforms() -> None:
    for name, law in (("hat", -4), ("relu2", -6)):
        facts = transform(of_name(name)).facts
        assert facts["exponent of |σ̂|², predicted"] == law
        assert abs(float(facts["exponent of |σ̂|², measured"]) - law) < 0.1


def test_tangent_kernels_on_the_circle_are_the_mean_over_weights() -> None:
    ring = paces.ring(of_name("relu"), 512, range(6), 32, 1.0, False)
    np.testing.assert_allclose(ring.measured.mean(axis=0), ring.predicted, rtol=0.1)
    wrong = paces.ring(replace(of_name("relu"), sigma=of_name("tanh").sigma), 64, [0], 32, 1.0, True)
    assert np.abs(wrong.measured / wrong.predicted - 1).max() > 1


@pytest.mark.slow
def test_slopes_of_the_tangent_kernel_by_what_trains() -> None:
    facts = kernel(of_name("relu"), SMALL, 0).facts
    assert abs(float(facts["exponent for k = 4 … 16, all parameters, weight scale 1, predicted"]) + 2) < 0.1
    assert abs(float(facts["exponent for k = 4 … 16, output weights, weight scale 1, predicted"]) + 4) < 0.2
    assert kernel(of_name("tanh"), SMALL, 0).facts[
        "exponent for k = 4 … 16, all parameters, weight scale 1, predicted"
    ] == NO_POWER  # fmt: skip


@pytest.mark.parametrize("name", ["hat", "tanh", "designed", "own"])
def test_training_of_grid_features_is_what_was_predicted(name: str) -> None:
    own = of_function(lambda z: z * torch.sigmoid(z), "own")
    one = {"designed": of_table(DESIGNED, "designed"), "own": own}.get(name) or of_name(name)
    found = paces.output_pace(one, 16, paces.waves((1, 2), 64), 100)
    assert found.difference < 1e-12
    learned = np.isfinite(found.measured)
    np.testing.assert_allclose(found.measured[learned], found.predicted[learned], atol=1)
    wrong = paces.output_pace(
        replace(one, spline=None, sigma=lambda z: np.exp(-(z**2))), 16, paces.waves((1, 2), 64), 9
    )
    assert wrong.difference > 1e-3


def test_steps_to_learn_are_those_of_the_curves() -> None:
    found = pace(of_name("hat"), SMALL, 0)
    assert all(gap < tolerance for gap, tolerance in found.checks.values())
    assert found.facts["steps to learn k = 1, 64 grid features, measured"] == 1
    assert 0 <= float(found.facts["drift of the tangent kernel in training, random neurons"]) < 1


@pytest.mark.slow
def test_sections_come_in_order_with_charts_of_different_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cards.SIZES, "quick", SMALL)
    every = [make() for make in sections(of_name("bspline0"))]
    assert [one.name for one in every] == ["shape", "transform", "symbol", "conditioning", "kernel", "pace"]
    names = [name for one in every for name in one.charts]
    assert len(set(names)) == len(names) >= 8
