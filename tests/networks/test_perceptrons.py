"""Perceptrons: the laws of their numbers, their two scalings, and what of them trains."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.affine import ScaledLinear
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train
from fembridge.samples import on_circle

EPS = np.finfo(float).eps
VARIANCE = {
    "he": lambda a, c: 2 / a,
    "glorot": lambda a, c: 2 / (a + c),
    "gaussian": lambda a, c: 1 / a,
    "uniform": lambda a, c: 1 / (3 * a),
}


def numbers(layer):
    return np.concatenate([p.detach().numpy().ravel() for p in layer.parameters()])


@pytest.mark.parametrize("init", VARIANCE)
def test_the_law_of_each_layer(init):
    """Mean and variance within five standard errors, of variance s²/n and (κ − 1) s⁴/n, κ = 3 or 9/5."""
    model, kurtosis = perceptron("relu", [3, 200, 100, 2], init=init, seed=4), 9 / 5 if init == "uniform" else 3
    for layer, (a, c) in zip(model[::2], [(3, 200), (200, 100), (100, 2)], strict=True):
        draws, s2 = numbers(layer), VARIANCE[init](a, c)
        n = len(draws)
        assert abs(draws.mean()) < 5 * np.sqrt(s2 / n)
        assert abs((draws**2).mean() - s2) < 5 * s2 * np.sqrt((kurtosis - 1) / n)
        assert init != "uniform" or 0.95 < np.abs(draws).max() * np.sqrt(a) <= 1
        assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 5 / np.sqrt(n)


def test_numbers_come_from_the_seed_alone():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, again, other = (perceptron("tanh", [2, 5, 1], seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    for p, q, r in zip(one.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q) and not torch.equal(p, r) and p.dtype == torch.float64
    assert [type(module).__name__ for module in one] == ["Linear", "Tanh", "Linear"]


def test_scales_are_factors():
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(6, 2)
    plain, steep, loud = (
        perceptron("relu", [2, 7, 5, 1], init="he", **scale)
        for scale in ({}, {"weight_scale": 4.0}, {"output_scale": 0.25})
    )
    assert all(torch.equal(4 * p, q) for p, q in zip(plain[0].parameters(), steep[0].parameters(), strict=True))
    assert torch.equal(plain[2].weight, steep[2].weight)
    assert torch.equal(plain(x) / 4, loud(x))  # powers of two: exactly
    assert torch.equal(plain[4].weight, loud[4].weight)


@pytest.mark.parametrize("init", VARIANCE)
def test_tangent_kernel_scaling_is_the_same_function(init):
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(6, 2)
    options = {"init": init, "weight_scale": 3.0, "output_scale": 0.7, "seed": 2}
    plain, scaled = (perceptron("tanh", [2, 9, 6, 2], parametrisation=p, **options) for p in ("standard", "ntk"))
    for layer, (a, c) in zip(scaled[::2], [(2, 9), (9, 6), (6, 2)], strict=True):
        factor = np.sqrt(VARIANCE[init](a, c)) * {2: 3.0, 6: 0.7}.get(a, 1.0)
        assert abs(layer.factor / factor - 1) <= 4 * EPS
    assert (plain(x) - scaled(x)).abs().max() <= 100 * EPS * plain(x).abs().max()


def test_scaled_weights_move_as_plain_ones_at_a_rate_of_their_own():
    """W' = sW, b' = sb of y = s(Wx + b) at rate η move as those of y = W'x + b' at rate s²η."""
    s, rate, data = 0.3, 0.2, on_circle(1, 8)
    one = nn.Sequential(ScaledLinear(torch.ones(1, 2).double(), torch.ones(1).double(), s))
    plain = nn.Sequential(nn.Linear(2, 1).double())
    with torch.no_grad():
        plain[0].weight.fill_(s)
        plain[0].bias.fill_(s)
    scaled = train(one, data, learning_rate=rate, record=range(5))
    known = train(plain, data, learning_rate=s**2 * rate, record=range(5))
    assert np.abs(scaled.residuals - known.residuals).max() <= 100 * EPS
    assert (s * one[0].weight - plain[0].weight).abs().max() <= 100 * EPS
    wrong = train(nn.Sequential(copy.deepcopy(plain[0])), data, learning_rate=s * rate, record=range(5))
    assert np.abs(scaled.residuals - wrong.residuals).max() > 1e-3


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ("*", ["0.weight", "0.bias", "2.weight", "2.bias"]),
        ("*.bias", ["0.bias", "2.bias"]),
        (("2.*", "0.bias"), ["0.bias", "2.weight", "2.bias"]),
        ("[02].weight", ["0.weight", "2.weight"]),
    ],
)
def test_what_trains(globs, expected):
    model = perceptron("relu", [1, 3, 1], trained=globs)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": [2]}, r"layers: expected two sizes or more, got \[2\]"),
        ({"layers": [2, 0, 1]}, "layers: expected distinct positive whole numbers"),
        ({"layers": [2, 2.5, 1]}, "layers: expected distinct positive whole numbers"),
        ({"init": "grid"}, "init: expected one of he, glorot, gaussian, uniform, got 'grid'"),
        ({"parametrisation": "mup"}, 'parametrisation: expected "standard" or "ntk", got \'mup\''),
        ({"seed": -1}, "seed: expected a whole number from 0 on, got -1"),
        ({"seed": True}, "seed: expected a whole number from 0 on, got True"),
        ({"weight_scale": 0.0}, "weight_scale: expected a positive number, got 0"),
        ({"output_scale": np.inf}, "output_scale: expected a positive number, got inf"),
        ({"trained": "1.weight"}, "trained: expected a glob that matches one of 0.weight, .*, got '1.weight'"),
        ({"trained": ()}, "trained: expected a glob .*, got ''"),
        ({"spec": "cosine"}, "activation: expected one of relu"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_bad_input_is_one_clear_line(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        perceptron(**{"spec": "relu", "layers": [2, 3, 1]} | changes)
    assert "\n" not in str(caught.value)
