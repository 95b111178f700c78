"""Tangent kernels by what trains, against Jacobians by automatic differentiation, and finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks import kernels
from fembridge.networks.kernels import fixed_kernel, tangent_kernel, trained
from fembridge.networks.perceptrons import perceptron, train_only
from fembridge.problem import Array

POINTS = np.random.default_rng(0).standard_normal((7, 2))


def by_gradients(model: nn.Module) -> Array:
    """Row by row, one output and one datum at a time."""
    rows = []
    moving = [p for p in model.parameters() if p.requires_grad]
    for x in torch.as_tensor(POINTS):
        for u in model(x[None])[0]:
            rows.append(torch.cat([g.ravel() for g in torch.autograd.grad(u, moving, retain_graph=True)]))
    J = torch.stack(rows).numpy()
    return np.asarray(J @ J.T)


@pytest.mark.parametrize("parametrisation", ["standard", "ntk"])
@pytest.mark.parametrize("names", ["*", "*.bias", "0.*", "4.*"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_kernels_are_sums_over_what_trains(parametrisation: Any, names: str, outputs: int) -> None:
    model = perceptron("tanh", [2, 6, 5, outputs], parametrisation=parametrisation, output_scale=3.0, trained=names)
    K = tangent_kernel(model, POINTS)
    expected = by_gradients(model)
    assert np.abs(K - expected).max() < 1e-13 * np.abs(expected).max()  # sums of 47 products
    assert (K == K.T).all()
    others = perceptron("tanh", [2, 6, 5, outputs], parametrisation=parametrisation, output_scale=3.0)
    assert names == "*" or np.abs(tangent_kernel(others, POINTS) - expected).max() > 1e-3


def test_both_ways_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = perceptron("relu", [2, 9, 1], parametrisation="ntk")
    whole = tangent_kernel(model, POINTS)
    monkeypatch.setattr(kernels, "fits", lambda _: False)  # as where the Jacobian has no room
    assert np.abs(tangent_kernel(model, POINTS) - whole).max() < 1e-13


def test_the_output_scale_is_squared() -> None:
    one, four = (perceptron("relu", [2, 9, 1], parametrisation="ntk", output_scale=a) for a in (1.0, 4.0))
    assert np.abs(tangent_kernel(four, POINTS) - 16 * tangent_kernel(one, POINTS)).max() < 1e-12


def test_which_kernels_stay() -> None:
    model = perceptron("relu", [2, 4, 4, 1])
    for names, stays in (("4.*", True), ("4.weight", True), (("4.*", "0.bias"), False), ("2.*", False), ("*", False)):
        assert fixed_kernel(train_only(model, names)) is stays
    assert not fixed_kernel(nn.Bilinear(1, 1, 1))


def test_nothing_to_train() -> None:
    model = perceptron("relu", [2, 4, 1]).requires_grad_(False)
    with pytest.raises(ValueError, match="model: expected a parameter to train"):
        trained(model)
    with pytest.raises(ValueError, match="model: expected a parameter to train"):
        tangent_kernel(model, POINTS)
