from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.affine import linear
from fembridge.networks.models import initialise, on_knots
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.univariate import SplineView, spline_network, spline_velocities, spline_view
from fembridge.samples import Samples

EPS = np.finfo(float).eps


def numbers(model: nn.Module) -> list[np.ndarray]:
    return [p.detach().numpy().ravel() for p in model.parameters()]


def test_values_and_slope_jumps() -> None:
    model = perceptron("relu", [1, 16, 1], seed=3)
    view, x = spline_view(model), np.linspace(-3, 3, 101)
    u = model(torch.as_tensor(x[:, None])).detach().numpy()[:, 0]
    assert np.abs(view(x) - u).max() < 40 * EPS * np.abs(view.delta_slopes).sum() * 10
    assert view(x.reshape(1, 101)).shape == (1, 101) and view(0.5).shape == ()
    beta, h = view.breakpoints, np.abs(np.subtract.outer(view.breakpoints, view.breakpoints) + 9 * np.eye(16)).min() / 4
    jumps = (view(beta + h) - 2 * view(beta) + view(beta - h)) / h
    assert np.allclose(jumps, view.orientations * view.delta_slopes, atol=1e-10, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_there_and_back(bias: bool) -> None:
    random = np.random.default_rng(0)
    w, b, v = random.standard_normal((3, 50)) * 10.0 ** random.uniform(-4, 4, (3, 50))  # balances of either sign
    model = nn.Sequential(linear(w[:, None], b if bias else None), nn.ReLU(), linear(v[None], [0.5] if bias else None))
    view = spline_view(model)
    again = numbers(spline_network(view))
    for found, given in zip(again, (w, b if bias else 0 * b, v, [view.offset]), strict=True):
        assert np.abs(found - given).max() == 0 or np.abs(found / given - 1).max() < 8 * EPS
    assert view.offset == (0.5 if bias else 0)
    assert all(p.requires_grad for p in spline_network(view).parameters())


def test_a_neuron_whose_output_is_zero_or_breakpoint_far() -> None:
    view = SplineView(np.array([2.0, 1e200]), np.array([0.0, 1e-210]), np.array([-1.0, 1.0]), np.array([5.0, 1.0]), 0.0)
    w, b, v, _ = numbers(spline_network(view))
    assert (w[0], b[0], v[0]) == (-1.0, 2.0, 0.0)
    assert np.allclose((w[1], b[1]), (1e-200, -1.0), rtol=1e-14, atol=0)


def test_float32() -> None:
    model = perceptron("relu", [1, 8, 1], seed=1).float()
    for found, given in zip(numbers(spline_network(spline_view(model))), numbers(model), strict=True):
        assert found.dtype == np.float64 and np.abs(found / given - 1).max() < 8 * EPS


def test_views_that_are_refused() -> None:
    with pytest.raises(ValueError, match="model: expected Sequential"):
        spline_view(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
    with pytest.raises(ValueError, match="model: expected the activation ReLU, got Hat"):
        spline_view(on_knots("hat", [0.0, 0.5], (0.0, 1.0)))
    for w, b, message in (
        ([1.0, 0.0], [1.0, 1.0], "got 0 at neuron 1"),
        ([1.0, 1e-300], [1.0, 1e10], "within float64"),
        ([1.0, np.nan], [1.0, 1.0], "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            spline_view(nn.Sequential(linear(np.array(w)[:, None], b), nn.ReLU(), linear([[1.0, 1.0]], None)))


def test_networks_that_are_refused() -> None:
    view = spline_view(initialise("relu", 4, "he", (0.0, 1.0), seed=0))
    for wrong, message in (
        (replace(view, breakpoints=view.breakpoints[:3]), "four rows of one length"),
        (replace(view, offset=np.inf), "expected finite numbers"),
        (replace(view, orientations=np.zeros(4)), "orientations of ±1, got 0"),
        (replace(view, delta_slopes=np.zeros(4), balance=np.zeros(4)), "a balance > 0 .* got 0 at neuron 0"),
    ):
        with pytest.raises(ValueError, match=message):
            spline_network(wrong)


def test_velocities_are_those_of_a_small_step() -> None:
    random = np.random.default_rng(1)
    data = Samples(random.uniform(-1, 1, (12, 1)), random.standard_normal(12), random.uniform(0, 1, 12))
    for model in (perceptron("relu", [1, 6, 1], seed=2), initialise("relu", 6, "he", (-1.0, 1.0), seed=2)):
        found, before, h = spline_velocities(model, data), spline_view(model), 1e-7
        for p in model.parameters():
            p.requires_grad_()
        u = model(torch.as_tensor(data.points))[:, 0]
        (torch.as_tensor(data.weights) * (u - torch.as_tensor(data.values)) ** 2 / 2).sum().backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= h * p.grad
        after = spline_view(model)
        for rate, new, old in zip(
            found, (after.breakpoints, after.delta_slopes), (before.breakpoints, before.delta_slopes), strict=True
        ):
            assert np.allclose((new - old) / h, rate, atol=1e-5 * np.abs(rate).max(), rtol=1e-5)


def test_velocities_of_a_network_without_biases_and_refusals() -> None:
    model = nn.Sequential(linear([[2.0]], None), nn.ReLU(), linear([[1.0]], None))
    rates = spline_velocities(model, Samples([[1.0]], [1.0]))  # ε = 1: the breakpoint stays, μ̇ = −(v² + w²) ε x
    assert [rate.item() for rate in rates] == [0.0, -5.0]
    with pytest.raises(ValueError, match="samples: expected one input"):
        spline_velocities(model, Samples([[1.0, 2.0]], [1.0]))
