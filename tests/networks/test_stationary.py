"""Networks brought to rest: against least squares, against kinks known beforehand, and against descent nearby."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.gradients import gradient, moved, parameters
from fembridge.networks.models import shallow
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.stationary import stationary
from fembridge.samples import Samples


def values(model, samples):
    return model(torch.as_tensor(samples.points))[:, 0].detach().numpy()


def test_output_weights_alone_are_ordinary_least_squares():
    random = np.random.default_rng(0)
    x, y, weights = np.sort(random.uniform(-1, 1, 20)), random.standard_normal(20), random.random(20)
    model = shallow(nn.ReLU(), [1.0, 1.0, -1.0], [0.8, 0.1, 0.3])  # trains its output weights only
    inner = parameters(model)[:6].copy()
    data = Samples(x[:, None], y, weights)
    assert stationary(model, data).status == "critical"
    phi = np.maximum(np.multiply.outer(x, [1.0, 1.0, -1.0]) + np.array([0.8, 0.1, 0.3]), 0)
    root = np.sqrt(weights)
    v = np.linalg.lstsq(root[:, None] * phi, root * y, rcond=None)[0]
    np.testing.assert_allclose(parameters(model)[6:], v, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(parameters(model)[:6], inner)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_by_automatic_differentiation_is_round_off(seed):
    x = np.linspace(-1, 1, 30)
    data = Samples(x[:, None], np.exp(2 * x) / 4)
    model = perceptron("relu", [1, 3, 1], init="gaussian", seed=seed)
    rest = stationary(model, data)
    found = gradient(model, data.points, data.weights, data.values)
    assert rest.status == "critical" and rest.gradient <= rest.roundoff < 1e-13 and rest.clearance > 0
    assert np.linalg.norm(found) <= 40 * rest.roundoff


def test_a_wide_network_interpolates():
    x = np.linspace(-1, 1, 6)
    data = Samples(x[:, None], np.array([1.0, -1.0, 1.0, 0.0, 2.0, 0.0]))
    model = perceptron("relu", [1, 100, 1], init="gaussian", seed=1)
    assert stationary(model, data).status == "critical"
    np.testing.assert_allclose(values(model, data), data.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("weight", [1.0, 100.0])
def test_a_breakpoint_pinned_to_a_datum(weight):
    """v (w x + b)₊ on data 1.1, 2, 3 at 1, 2, 3 would begin left of 0, and with −0.2 at 0 right of it: so it does at 0.

    The best line through 0 has the slope (1.1 + 4 + 9)/14, its errors on the three the sum −0.4/7.
    """
    x, y = np.arange(-2.0, 4.0), np.array([0.0, 0.0, -0.2, 1.1, 2.0, 3.0])
    data = Samples(x[:, None], y, np.array([1, 1, weight, 1, 1, 1.0]))
    model = shallow(nn.ReLU(), [1.0], [0.1], [1.2]).requires_grad_(True)
    rest = stationary(model, data)
    assert rest.status == "pinned" and rest.clearance == np.inf
    assert rest.neurons.tolist() == [0] and rest.data.tolist() == [2]
    w, b, v = parameters(model)
    assert b == 0 and w * v == pytest.approx(14.1 / 14, abs=1e-14)
    assert rest.shares == pytest.approx([0.4 / 7 / (weight * 0.2)], abs=1e-12)

    def loss(shift):
        beside = moved(model, np.array([w, b + shift, v]))
        return data.weights @ (values(beside, data) - y) ** 2

    assert min(loss(1e-6), loss(-1e-6)) >= loss(0.0)


def test_errors():
    data = Samples(np.zeros((2, 1)), np.zeros(2))
    with pytest.raises(ValueError, match="model: expected ReLU and parameters in float64, got Tanh"):
        stationary(perceptron("tanh", [1, 2, 1]), data)
    with pytest.raises(ValueError, match="inner weights and biases to train, both or neither"):
        stationary(perceptron("relu", [1, 2, 1], trained="0.weight"), data)
    with pytest.raises(ValueError, match='samples: expected one output and the loss "mass"'):
        stationary(perceptron("relu", [1, 2, 1]), Samples(np.zeros((2, 1)), np.zeros((2, 2))))
