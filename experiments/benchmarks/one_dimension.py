"""Shallow networks in one dimension: Gram matrices, predicted training, a training step, activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.benchmarks.harness import Array, Case, Side, worst_scaled
from fembridge.bridge.shallow import features_of
from fembridge.networks.activations import Hat, SplineActivation
from fembridge.networks.models import on_knots
from fembridge.networks.tangents import exact_gram
from fembridge.networks.training import train
from fembridge.problem import Problem, sample, sines
from fembridge.samples import samples_of
from fembridge.theory.features import grid
from fembridge.theory.grams import dense, gram
from fembridge.theory.prediction import predict

UNIT = (0.0, 1.0)
OCTAVES = (1, 2, 4, 8, 16)
PROBLEM = Problem(sines(OCTAVES, [1.0] * 5), OCTAVES)
POINTS, _ = sample(PROBLEM)
NEURONS = 64


def grams(name: str, exact: Callable[[int], Array]) -> Case:
    """A Gram matrix assembled as a congruence, and by quadrature of the network, against its formula."""
    return Case(
        f"Gram of {name} features",
        inputs=lambda n: on_knots(name, grid(n), UNIT),
        sides=(
            Side("ours", lambda model: lambda: dense(gram(features_of(model, UNIT)))),
            Side("quadrature of the network", lambda model: lambda: exact_gram(model, UNIT)),
        ),
        sizes=(250, 500, 1000, 2000),
        quick=(20,),
        reference=lambda model: exact(model[0].out_features),
        error=worst_scaled,
    )


def relu_gram(n: int) -> Array:
    """∫ (x − a)₊(x − b)₊ = L³/3 + |b − a| L²/2, L = 1 − max(a, b)."""
    a, b = np.meshgrid(grid(n), grid(n))
    rest = 1 - np.maximum(a, b)
    return np.asarray(rest**3 / 3 + np.abs(b - a) * rest**2 / 2)


def hat_gram(n: int) -> Array:
    """h/6 of (1, 4, 1), for hats on [b_j, b_j + 2h]; the last one is cut in half by the end of the domain."""
    matrix = 4 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    matrix[-1, -1] = 2
    return np.asarray(matrix / (6 * n))


def network(name: str) -> nn.Sequential:
    return on_knots(name, grid(NEURONS), UNIT)


def rate(name: str) -> float:
    return predict(features_of(network(name), UNIT), PROBLEM, [0]).learning_rate


def predicted(name: str, steps: int) -> Array:
    """The amplitude of the error at each frequency, at 40 steps."""
    recorded = np.unique(np.geomspace(1, steps, 40).astype(int))
    return np.abs(predict(features_of(network(name), UNIT), PROBLEM, recorded).coefficients)


def trained(name: str, steps: int, learning_rate: float) -> Array:
    recorded = np.unique(np.geomspace(1, steps, 40).astype(int))
    path = train(network(name), samples_of(PROBLEM), learning_rate=learning_rate, record=recorded)
    return np.abs(path.coefficients)


def prediction(name: str) -> Case:
    """The learning curves of many steps, predicted, and trained for."""
    return Case(
        f"learning curves of {NEURONS} {name} features",
        inputs=lambda steps: (steps, rate(name)),
        sides=(
            Side("ours", lambda given: lambda: predicted(name, given[0])),
            Side("training them", lambda given: lambda: trained(name, *given), upto=10_000),
        ),
        sizes=(100, 1000, 10_000, 1_000_000),
        quick=(20,),
        size="steps",
        reference="training them",
        error=worst_scaled,
    )


def plain_loop(steps: int, learning_rate: float) -> Array:
    """The shortest loop one would write by hand."""
    model = network("relu")
    x = torch.as_tensor(POINTS)[:, None]
    f = torch.as_tensor(PROBLEM.target.values(POINTS))[:, None]
    descend, mean_square = torch.optim.SGD([model[2].weight], learning_rate), nn.MSELoss()
    for _ in range(steps):
        descend.zero_grad()
        (0.5 * mean_square(model(x), f)).backward()
        descend.step()
    return model(x).detach().numpy()[:, 0]


def recorded_training(steps: int, learning_rate: float) -> Array:
    every = np.unique(np.linspace(0, steps, 41).astype(int))
    path = train(network("relu"), samples_of(PROBLEM), learning_rate=learning_rate, record=every)
    return path.residuals[-1] + PROBLEM.target.values(POINTS)


TRAINING = Case(
    f"recorded training of {NEURONS} ReLUs on {len(POINTS)} points",
    inputs=lambda steps: (steps, rate("relu")),
    sides=(
        Side("ours", lambda given: lambda: recorded_training(*given)),
        Side("plain PyTorch loop", lambda given: lambda: plain_loop(*given)),
    ),
    sizes=(1000,),
    quick=(20,),
    size="steps",
    reference="plain PyTorch loop",
    error=worst_scaled,
)


def passes(sigma: Callable[[torch.Tensor], torch.Tensor], judged: bool = True) -> Callable[[torch.Tensor], Any]:
    """Forward and backward; the values are judged."""

    def prepare(z: torch.Tensor) -> Callable[[], torch.Tensor | None]:
        def run() -> torch.Tensor | None:
            z.grad = None
            values = sigma(z)
            values.sum().backward()
            return values.detach() if judged else None

        return run

    return prepare


def activation(name: str, module: nn.Module, plain: Callable[[torch.Tensor], torch.Tensor]) -> Case:
    """An activation on n numbers in float32, the same from nn.ReLU's, and one nn.ReLU, which is the least there is."""
    return Case(
        f"{name}, forward and backward",
        inputs=lambda n: torch.linspace(-1, 4, n, requires_grad=True),
        sides=(
            Side("ours", passes(module)),
            Side("as a sum of ReLUs", passes(plain)),
            Side("one nn.ReLU", passes(nn.ReLU(), judged=False)),
        ),
        sizes=(10**6,),
        quick=(1000,),
        reference=lambda z: plain(z.detach().double()),
        error=worst_scaled,
    )


def hat(z: torch.Tensor) -> torch.Tensor:
    return torch.relu(z) - 2 * torch.relu(z - 1) + torch.relu(z - 2)


def two_hats(z: torch.Tensor) -> torch.Tensor:
    """1 at 1, −1 at 2, 0 at 0 and 3."""
    return torch.relu(z) - 3 * torch.relu(z - 1) + 3 * torch.relu(z - 2) - torch.relu(z - 3)


CASES = [
    grams("hat", hat_gram),
    grams("relu", relu_gram),
    prediction("relu"),
    prediction("hat"),
    TRAINING,
    activation("Hat", Hat(), hat),
    activation("SplineActivation of 4 knots", SplineActivation([0.0, 1.0, 2.0, 3.0], [1.0, -1.0], 1), two_hats),
]
