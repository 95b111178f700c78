"""Training networks: a step beside the shortest loop by hand, many seeds at once, and predictions instead of steps."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.benchmarks.harness import Array, Case, Side, worst_scaled
from fembridge.networks.kernels import tangent_kernel
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train, train_many
from fembridge.samples import Samples, on_circle
from fembridge.theory.linearised import predict_kernel

SEEDS, RATE = 8, 1e-3
DEEP, SHALLOW = (1, *[256] * 6, 1), (1, 64, 1)


def line(n: int) -> Samples:
    x = np.arange(n) / n
    return Samples(x[:, None], np.sin(2 * np.pi * x))


def by_hand(model: nn.Module, data: Samples, steps: int, name: str, dtype: torch.dtype) -> Array:
    """The shortest loop one would write, with PyTorch's own choice of how to update."""
    model = model.to(dtype)
    x, f = torch.as_tensor(data.points).to(dtype), torch.as_tensor(data.values)[:, None].to(dtype)
    parameters, mean_square = list(model.parameters()), nn.MSELoss()
    adam = name == "adam"
    descend: Any = torch.optim.Adam(parameters, RATE, fused=True) if adam else torch.optim.SGD(parameters, RATE)
    for _ in range(steps):
        descend.zero_grad()
        (0.5 * mean_square(model(x), f)).backward()
        descend.step()
    return model(x).detach().double().numpy()[:, 0]


def ours(model: nn.Module, data: Samples, steps: int, name: Any, dtype: torch.dtype) -> Array:
    settings: Any = {"record": [0, steps], "optimizer": name, "dtype": dtype}
    return train(model, data, learning_rate=RATE, **settings).residuals[-1] + data.values


def training(layers: tuple[int, ...], points: int, name: str, steps: int) -> Case:
    """Steps of one network in float32; both sides round, so that they agree to about 1e-6."""
    title = f"{name} on {points} points, {len(layers) - 2} hidden layers of {layers[1]}"
    return Case(
        title,
        inputs=lambda n: (line(points), n, name, torch.float32),
        sides=(
            Side("ours", lambda given: lambda: ours(perceptron("relu", layers), *given)),
            Side("plain PyTorch loop", lambda given: lambda: by_hand(perceptron("relu", layers), *given)),
        ),
        sizes=(steps,),
        quick=(3,),
        size="steps",
        reference="plain PyTorch loop",
        error=worst_scaled,
    )


def nets(width: int) -> list[nn.Sequential]:
    return [perceptron("relu", [1, width, 1], seed=r) for r in range(SEEDS)]


def many(width: int, engine: Any, steps: int = 200) -> Array:
    paths = train_many(nets(width), line(256), learning_rate=RATE, record=[0, steps], engine=engine)
    return np.stack([path.residuals[-1] + line(256).values for path in paths])


def alone(seed: int, width: int, steps: int = 200) -> Array:
    torch.set_num_threads(1)
    return by_hand(perceptron("relu", [1, width, 1], seed=seed), line(256), steps, "gd", torch.float64)


def one_by_one(width: int) -> Array:
    return np.stack([alone(seed, width) for seed in range(SEEDS)])


def in_processes(width: int) -> Any:
    """Two processes, started and warm before the clock is."""
    pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    list(pool.map(alone, range(2), [width] * 2))
    return lambda: np.stack(list(pool.map(alone, range(SEEDS), [width] * SEEDS)))


SEVERAL = Case(
    f"200 steps of {SEEDS} seeds, shallow, on 256 points",
    inputs=lambda width: width,
    sides=(
        Side("ours", lambda width: lambda: many(width, "auto")),
        Side("ours, stacked", lambda width: lambda: many(width, "stacked")),
        Side("ours, one by one", lambda width: lambda: many(width, "loop")),
        Side("plain PyTorch loop", lambda width: lambda: one_by_one(width)),
        Side("plain loops in two processes", in_processes),
    ),
    sizes=(16, 64, 256),
    quick=(4,),
    size="width",
    reference="plain PyTorch loop",
    error=worst_scaled,
)

CIRCLE = on_circle(3, 64, (1, 2, 3))


def wide() -> nn.Sequential:
    return perceptron("relu", [2, 1024, 1024, 1], init="he", parametrisation="ntk")


def predicted(steps: int) -> Array:
    """The kernel at the start, and the residuals of its linear problem after so many steps.

    Their error is that of the linearisation: how far the kernel of a network of finite width moves.
    """
    model = wide()
    with torch.no_grad():
        residual = model(torch.as_tensor(CIRCLE.points)).numpy()[:, 0] - CIRCLE.values
    K = tangent_kernel(model, CIRCLE.points)
    found = predict_kernel(K, residual, CIRCLE.weights, CIRCLE.waves, [0, steps], learning_rate=RATE)
    return np.asarray(found.residuals[-1])


def trained(steps: int) -> Array:
    return train(wide(), CIRCLE, learning_rate=RATE, record=[0, steps]).residuals[-1]


LINEARISED = Case(
    "residuals of 2-1024-1024-1 after many steps, by its tangent kernel",
    inputs=lambda steps: steps,
    sides=(
        Side("ours", lambda steps: lambda: predicted(steps)),
        Side("training them", lambda steps: lambda: trained(steps), upto=1000),
    ),
    sizes=(100, 1000, 1_000_000),
    quick=(2,),
    size="steps",
    reference="training them",
    error=worst_scaled,
)

CASES = [
    training(DEEP, 200, "adam", 100),
    training(DEEP, 200, "gd", 100),
    training(SHALLOW, 256, "adam", 1000),
    training(SHALLOW, 256, "gd", 1000),
    SEVERAL,
    LINEARISED,
]
