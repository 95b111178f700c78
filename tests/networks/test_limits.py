"""The end of gradient flow on the last layer, against gradient descent that gets there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.affine import linear
from fembridge.networks.kernels import tangent_kernel
from fembridge.networks.limits import flow_limit
from fembridge.networks.models import initialise
from fembridge.networks.perceptrons import perceptron, train_only
from fembridge.networks.training import train
from fembridge.samples import Samples

X = np.array([[-1.0], [-0.2], [0.9]])
DATA = Samples(X, np.array([0.3, -0.5, 0.8]), np.array([0.2, 0.5, 0.3]))
CROWDED = Samples(np.linspace(-1, 1, 9)[:, None], np.cos(np.arange(9.0)), np.linspace(1, 2, 9) / 9)


@pytest.mark.parametrize("data", [DATA, CROWDED], ids=["interpolates", "least squares"])
@pytest.mark.parametrize("trained", ["2.*", "2.weight", "2.bias"])
def test_it_is_where_gradient_descent_ends(data: Samples, trained: str) -> None:
    """Heavy ball at the best rate and momentum for the extreme eigenvalues that are not 0 leaves e^{−40}."""
    nets = []
    for _ in range(2):
        inner, outer = linear([[1.0], [-1.0], [2.0]], [1.0, 0.5, -1.0]), linear([[0.3, -0.2, 0.1]], [0.4])
        nets.append(train_only(nn.Sequential(inner, nn.ReLU(), outer), trained))
    root = np.sqrt(data.weights)
    squares = np.linalg.eigvalsh(root[:, None] * tangent_kernel(nets[0], data.points) * root)
    low, high = np.sqrt(squares[squares > 1e-12 * squares[-1]][[0, -1]])
    momentum = max(((high - low) / (high + low)) ** 2, 1e-3)
    rate, steps = 4 / (high + low) ** 2, int(80 / -np.log(momentum))
    train(nets[0], data, learning_rate=rate, record=[steps], optimizer="heavy-ball", momentum=momentum)
    flow_limit(nets[1], data)
    for one, other in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-8)


def test_it_is_the_nearest_interpolant_to_the_start() -> None:
    model = initialise("relu", 50, "gaussian", (-1.0, 1.0), seed=0)
    before = model[2].weight.detach().clone()
    flow_limit(model, DATA)
    features = model[:2](torch.as_tensor(X)).detach()
    change = (model[2].weight - before).detach()[0]
    assert torch.allclose(model(torch.as_tensor(X))[:, 0], torch.as_tensor(DATA.values), rtol=0, atol=1e-12)
    seen = torch.linalg.qr(features.T)[0]
    assert torch.allclose(change, seen @ (seen.T @ change), rtol=0, atol=1e-12)


def test_two_outputs_are_two_problems() -> None:
    both = perceptron("relu", [1, 20, 2], seed=1, trained="2.*")
    goals = np.column_stack([DATA.values, -2 * DATA.values])
    flow_limit(both, Samples(X, goals))
    assert np.abs(both(torch.as_tensor(X)).detach().numpy() - goals).max() < 1e-12


def test_models_that_train_more_are_refused() -> None:
    for model in (perceptron("relu", [1, 4, 1]), nn.Sequential(nn.Linear(1, 4), nn.ReLU()), nn.Linear(1, 1)):
        with pytest.raises(ValueError, match="model: expected a Sequential whose last layer"):
            flow_limit(model, DATA)  # type: ignore[arg-type]
    slopes = Samples(X, DATA.values, slopes=np.ones(3), loss="stiffness")
    with pytest.raises(ValueError, match='samples: expected the loss "mass"'):
        flow_limit(perceptron("relu", [1, 4, 1], trained="2.*"), slopes)
