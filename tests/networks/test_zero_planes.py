"""Networks by their zero-planes: there and back, jumps, velocities, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.activations import activation
from fembridge.networks.affine import ScaledLinear
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.ridges import ridges
from fembridge.networks.zero_planes import jumps, network, velocities, zero_planes
from fembridge.samples import Samples

CASES = [("relu", 2, 1), ("relu2", 3, 2), ("step", 2, 1), ("leaky-relu", 1, 3)]


@pytest.mark.parametrize(("spec", "d", "outs"), CASES)
def test_a_network_comes_back(spec, d, outs):
    model = perceptron(spec, [d, 7, outs], seed=1)
    back = network(zero_planes(model))
    x = torch.linspace(-2, 2, 12 * d, dtype=torch.float64).reshape(12, d)
    assert torch.allclose(back(x), model(x), rtol=0, atol=1e-14)
    for p, q in zip(model.parameters(), back.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(("spec", "d", "outs"), CASES)
def test_normalisation(spec, d, outs):
    planes = zero_planes(perceptron(spec, [d, 7, outs], seed=2))
    assert np.allclose(np.linalg.norm(planes.directions, axis=1), 1, rtol=0, atol=1e-15)
    assert planes.offsets.shape == planes.scales.shape == (7,)
    assert planes.delta_slopes.shape == ((7,) if outs == 1 else (7, outs))
    assert planes.offset.shape == (() if outs == 1 else (outs,))


def test_factors_and_missing_biases_count():
    inner, outer = torch.tensor([[3.0, 4.0]], dtype=torch.float64), torch.tensor([[2.0]], dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    planes = zero_planes(nn.Sequential(ScaledLinear(inner, zero, 0.1), nn.ReLU(), ScaledLinear(outer, zero, 3.0)))
    assert planes.scales[0] == pytest.approx(0.5) and planes.delta_slopes[0] == pytest.approx(3.0)
    bare = nn.Sequential(nn.Linear(2, 5, bias=False), nn.ReLU(), nn.Linear(5, 1, bias=False)).double()
    assert not zero_planes(bare).offsets.any() and zero_planes(bare).offset == 0


def test_the_jump_is_that_of_a_finite_difference():
    """Of a leaky ReLU, the slope along ξ jumps by (1 − a)μ: 2nd difference over h, exact next to a single plane."""
    model = perceptron("leaky-relu", [2, 1, 1], seed=3)
    planes, h = zero_planes(model), 0.5
    p = planes.directions * planes.offsets[:, None]
    u = [model(torch.as_tensor(p + t * planes.directions)).item() for t in (-h, 0, h)]
    assert (u[0] - 2 * u[1] + u[2]) / h == pytest.approx(0.99 * planes.delta_slopes[0], abs=1e-14)
    assert jumps(model, p, planes.directions, 1e-6)[0, 0] == pytest.approx(0.99 * planes.delta_slopes[0], abs=1e-14)


def test_velocities_are_those_of_a_small_step():
    """A gradient step of size t moves the view by t(ξ̇, γ̇, μ̇) + O(t²)."""
    model, t = perceptron("relu2", [2, 6, 2], seed=4), 1e-6
    random = np.random.default_rng(0)
    samples = Samples(random.uniform(-1, 1, (9, 2)), random.standard_normal((9, 2)), random.uniform(0, 1, 9))
    before, rates = zero_planes(model), velocities(model, samples)
    error = model(torch.as_tensor(samples.points)) - torch.as_tensor(samples.values)
    loss = 0.5 * (torch.as_tensor(samples.weights) * error.square().sum(dim=1)).sum()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= t * p.grad
    after = zero_planes(model)
    for name, rate in zip(("directions", "offsets", "delta_slopes"), rates, strict=True):
        moved = (getattr(after, name) - getattr(before, name)) / t
        assert np.abs(moved - rate).max() < 1e-4 * max(1, np.abs(rate).max())


def test_refusals():
    with pytest.raises(ValueError, match="zero_planes: expected weights other than zero, got 0 at neuron 1"):
        zero_planes(ridges(activation("relu"), [[1.0], [0.0]], [0.0, 1.0], [1.0, 1.0]))
    with pytest.raises(ValueError, match="zero_planes: expected relu, leaky-relu, relu2 or step, got Tanh"):
        zero_planes(perceptron("tanh", [2, 3, 1]))
    with pytest.raises(ValueError, match=r"zero_planes: expected Sequential\(Linear\(d, n\), σ, Linear\(n, C\)\), got"):
        zero_planes(perceptron("relu", [2, 3, 3, 1]))
    with pytest.raises(ValueError, match="velocities: expected layers without a factor"):
        velocities(perceptron("relu", [1, 3, 1], output_scale=2.0), Samples([[0.0]], [0.0]))
