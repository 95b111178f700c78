from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.bridge.films import Bends, Film, Frame, bends, watch
from fembridge.networks.activations import activation
from fembridge.networks.models import initialise, shallow
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train_many
from fembridge.networks.univariate import spline_view
from fembridge.samples import Samples

DOMAIN = (0.0, 1.0)
GRID = np.arange(64) / 64


def test_neurons_of_relus_are_the_spline_view() -> None:
    model = initialise("relu", 16, "he", DOMAIN, seed=3)
    found, view = bends(model, DOMAIN), spline_view(model)
    assert found.kind == "neurons"
    np.testing.assert_array_equal(found.orientations, view.orientations)
    np.testing.assert_allclose(found.positions, view.breakpoints, rtol=4e-16)
    np.testing.assert_allclose(found.heights, view.orientations * view.delta_slopes, rtol=4e-16)


@pytest.mark.parametrize(("spec", "middle"), [("hat", 1.0), ("bspline2", 1.5), ("tanh", 0.0), ("gaussian", 0.0)])
def test_neurons_of_others_stand_at_their_middle(spec: str, middle: float) -> None:
    """Where 4x − 1 is the middle, with the height v|w|: of a hat the slope of its flank."""
    model = shallow(activation(spec), [4.0], [-1.0], [2.5])
    found = bends(model, DOMAIN)
    assert (found.positions[0], found.heights[0]) == ((middle + 1) / 4, 10.0)
    if spec == "hat":
        u = model(torch.tensor([[0.5], [0.375]], dtype=torch.float64)).detach().numpy()[:, 0]
        assert (u[0] - u[1]) / 0.125 == found.heights[0]


def test_the_parametrisation_does_not_matter() -> None:
    one, other = (
        bends(perceptron("relu", [1, 8, 1], init="gaussian", parametrisation=kind, output_scale=0.5), DOMAIN)
        for kind in ("standard", "ntk")
    )
    np.testing.assert_allclose(one.positions, other.positions, rtol=1e-14)
    np.testing.assert_allclose(one.heights, other.heights, rtol=1e-14)


@pytest.mark.parametrize("spec", ["relu", "hat"])
def test_kinks_of_deep_networks_make_the_function(spec: str) -> None:
    """u(x) = u(a) + u'(a) (x − a) + Σ jump_i (x − x_i)₊, to rounding: 1e-11 of numbers of size 10."""
    a, b = -2.0, 2.0
    model = perceptron(spec, [1, 12, 12, 1], init="he", weight_scale=3.0, seed=1)
    found = bends(model, (a, b))
    assert found.kind == "kinks" and len(found.positions) > 3 and not found.orientations.any()
    near = a + (found.positions.min() - a) / 2
    x = np.concatenate([[a, near], np.linspace(a, b, 101)])
    with torch.no_grad():
        u = model(torch.tensor(x)[:, None]).numpy()[:, 0]
    slope = (u[1] - u[0]) / (near - a)
    bent = np.maximum(x[:, None] - found.positions, 0) @ found.heights
    np.testing.assert_allclose(u[0] + slope * (x - a) + bent, u, atol=1e-11)


def test_deep_smooth_networks_show_their_first_layer() -> None:
    model = perceptron("tanh", [1, 5, 5, 1])
    found = bends(model, DOMAIN)
    assert found.kind == "first layer"
    np.testing.assert_array_equal(found.heights, np.abs(model[0].weight.detach().numpy()[:, 0]))


def test_a_neuron_without_a_breakpoint_is_outside() -> None:
    found = bends(shallow(nn.ReLU(), [0.0, 0.0, 1.0], [1.0, -1.0, -0.5], [1.0, 1.0, 1.0]), DOMAIN)
    assert found.outside(DOMAIN) == (1, 1)


def test_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="model: expected Linear, activation, …, Linear, got Sequential"):
        bends(nn.Sequential(nn.Linear(1, 1)), DOMAIN)


@pytest.mark.parametrize("engine", ["loop", "stacked"])
def test_the_first_network_is_watched_where_wanted(engine: str) -> None:
    models = [perceptron("relu", [1, 4, 1], seed=r) for r in range(3)]
    start = bends(models[0], DOMAIN)
    data = Samples(GRID[:, None], np.sin(2 * np.pi * GRID))
    observe, frames = watch(GRID, DOMAIN, [True, False, True])
    paths = train_many(
        models, data, learning_rate=0.1, record=[0, 2, 5], observe=observe, engine=engine, dtype="float32"
    )
    assert len(frames) == 2
    np.testing.assert_allclose(frames[0].bends.positions, start.positions, rtol=1e-6)
    np.testing.assert_array_equal(frames[1].bends.positions, bends(models[0], DOMAIN).positions)
    for frame, row in zip(frames, (0, 2), strict=True):
        np.testing.assert_allclose(frame.u - data.values, paths[0].residuals[row], atol=1e-6)


def test_a_film_checks_its_shapes() -> None:
    one = np.ones(1)
    film = Film(
        label="relu",
        domain=DOMAIN,
        steps=np.arange(2),
        x=GRID,
        target=GRID,
        frames=(Frame(2 * GRID, Bends("neurons", one, one, one)),) * 2,
        points=GRID,
        values=GRID,
        frequencies=(1,),
        measured=np.ones((2, 1)),
    )
    np.testing.assert_array_equal(film.residuals, [GRID, GRID])
    with pytest.raises(ValueError, match="frames: expected one for each of 2 steps, 1 at least, got 1"):
        replace(film, frames=film.frames[:1])
    with pytest.raises(ValueError, match=r"predicted: expected shape \(2, 1\), got \(1, 1\)"):
        replace(film, predicted=np.ones((1, 1)))
