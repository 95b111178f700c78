"""The regime map: centring, output scales, and exact integrals over a domain."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fembridge.bridge.expansion import Expansion, expand
from fembridge.bridge.regimes import centred, predict_over_domain, regime_map, scaled
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train
from fembridge.problem import Problem, quadrature, sines
from fembridge.samples import on_circle, on_points

CIRCLE = on_circle(1, 12)


def test_centred_networks_start_from_minus_the_target() -> None:
    model = perceptron("tanh", [2, 8, 1], output_scale=5.0)
    data = centred(model, CIRCLE)
    with torch.no_grad():
        u = model(torch.as_tensor(CIRCLE.points)).numpy()[:, 0]
    assert np.abs(u - data.values + CIRCLE.values).max() < 1e-14


def test_steps_mean_the_same_at_any_scale() -> None:
    one, ten = (scaled(CIRCLE, 16, a, spec="tanh", steps=np.array([0, 5]), seeds=[0]) for a in (1.0, 10.0))
    assert one.learning_rate == pytest.approx(100 * ten.learning_rate, rel=1e-12)
    assert one.predicted is not None and ten.predicted is not None
    assert np.abs(one.predicted - ten.predicted).max() < 1e-12


def test_the_map_shrinks_with_width_and_scale() -> None:
    found = regime_map([8, 64, 512], [1.0, 8.0], CIRCLE, spec="tanh", steps=20, record=3, seeds=[0, 1])
    assert found.drift.shape == found.error.shape == (2, 3)
    assert (np.diff(found.drift, axis=1) < 0).all() and (np.diff(found.drift, axis=0) < 0).all()
    assert (found.error[1] < found.error[0]).all()


def test_over_the_domain_a_last_layer_is_trained_as_predicted() -> None:
    """On points of quadrature between the kinks, which a last layer leaves where they are."""
    model = perceptron("relu", [1, 6, 1], init="gaussian", seed=1, trained="2.*")
    problem = Problem(sines([1, 2], [1.0, 1.0], (-1.0, 1.0)), (1, 2), (-1.0, 1.0), samples="exact")
    u = expand(model, (-1.0, 1.0))
    assert isinstance(u, Expansion)
    found = predict_over_domain(u, problem.target, (1, 2), [0, 1, 30], parameters="2.*")
    x, w = quadrature(problem, u.partition.mesh.p[0], 1)
    path = train(model, on_points(problem, x, w), learning_rate=found.learning_rate, record=[0, 1, 30])
    # 30 steps of sums of some hundred numbers of size one
    assert np.abs(path.coefficients - found.coefficients).max() < 1e-12
    other = predict_over_domain(u, problem.target, (1, 2), [0, 1, 30])
    assert np.abs(path.coefficients - other.coefficients).max() > 1e-3
