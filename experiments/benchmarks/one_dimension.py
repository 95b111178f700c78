"""Shallow networks in one dimension: each case against a baseline in the same run, medians of several runs.

.venv/bin/python experiments/benchmarks/one_dimension.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from fembridge.bridge.expansion import features_of
from fembridge.networks.activations import Hat, SplineActivation
from fembridge.networks.models import on_knots
from fembridge.networks.tangents import exact_gram
from fembridge.networks.training import train
from fembridge.problem import Problem, sample, sines
from fembridge.theory.features import grid
from fembridge.theory.features import on_knots as features_on_knots
from fembridge.theory.grams import dense, gram
from fembridge.theory.prediction import predict
from fembridge.theory.spectra import dense_symmetric, spectrum

UNIT = (0.0, 1.0)
OCTAVES = (1, 2, 4, 8, 16)
PROBLEM = Problem(sines(OCTAVES, [1.0] * 5), OCTAVES)
RUNS = 5


def seconds(function: Callable[[], Any]) -> float:
    """Median of `RUNS` runs after one that is not counted."""
    function()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def spectra(n: int) -> tuple[str, float, float, str]:
    """All eigenvalues of n random ReLU knots, and LAPACK on the dense Gram, with the number it has wrong by 1 %."""
    features = features_on_knots("relu", np.sort(np.random.default_rng(0).random(n)))
    matrix = dense(gram(features))
    ours, theirs = seconds(lambda: spectrum(features)), seconds(lambda: np.linalg.eigvalsh(matrix))
    found, plain = spectrum(features), dense_symmetric(matrix)
    off = int((np.abs(plain.eigenvalues / found.eigenvalues - 1) > 0.01).sum())
    note = (
        f"bound {found.error.max():.0e}; LAPACK: {off} of {n} off by 1 % or more, {(plain.eigenvalues <= 0).sum()} ≤ 0"
    )
    return f"spectrum, {n} random ReLU knots / LAPACK eigvalsh", ours, theirs, note


def grams(name: str, n: int) -> tuple[str, float, float, str]:
    """A Gram matrix assembled as a congruence, and by quadrature of the network."""
    model = on_knots(name, grid(n), UNIT)
    features = features_of(model, UNIT)
    error = np.abs(dense(gram(features)) - exact_gram(model, UNIT)).max()
    times = seconds(lambda: gram(features)), seconds(lambda: exact_gram(model, UNIT))
    return f"Gram of {n} {name} features / quadrature of the network", *times, f"they differ by {error:.0e}"


def prediction(name: str, steps: int) -> tuple[str, float, float, str]:
    """Curves of many steps predicted, and the time of training that long (measured on 1,000 of them)."""
    features, (points, weights) = features_of(on_knots(name, grid(64), UNIT), UNIT), sample(PROBLEM)
    recorded = np.unique(np.geomspace(1, steps, 40).astype(int))
    rate = predict(features, PROBLEM, [0]).learning_rate

    def trained() -> None:
        model = on_knots(name, grid(64), UNIT)
        train(model, PROBLEM, points=points, weights=weights, learning_rate=rate, record=[0, 1000])

    ours, theirs = seconds(lambda: predict(features, PROBLEM, recorded)), seconds(trained) * steps / 1000
    return f"predict {steps:,} steps, {name} / train them", ours, theirs, "training timed on 1,000 steps"


def training_step() -> tuple[str, float, float, str]:
    """A recorded training, and the shortest loop one would write by hand, 1,000 steps each."""
    points, weights = sample(PROBLEM)
    rate = predict(features_of(on_knots("relu", grid(64), UNIT), UNIT), PROBLEM, [0]).learning_rate

    def ours() -> None:
        model = on_knots("relu", grid(64), UNIT)
        train(model, PROBLEM, points=points, weights=weights, learning_rate=rate, record=np.arange(0, 1001, 25))

    def plain() -> None:
        model = on_knots("relu", grid(64), UNIT)
        x = torch.as_tensor(points)[:, None]
        f = torch.as_tensor(PROBLEM.target.values(points))[:, None]
        descend, mean_square = torch.optim.SGD([model[2].weight], rate), nn.MSELoss()
        for _ in range(1000):
            descend.zero_grad()
            (0.5 * mean_square(model(x), f)).backward()
            descend.step()

    return "1,000 recorded training steps / a plain PyTorch loop", seconds(ours), seconds(plain), "64 ReLUs, 256 points"


def activations(module: nn.Module, name: str) -> tuple[str, float, float, str]:
    """Forward and backward on a million numbers."""
    z = torch.linspace(-1, 3, 10**6, requires_grad=True)

    def pass_through(activation: nn.Module) -> Callable[[], Any]:
        return lambda: activation(z).sum().backward()

    return f"{name} / nn.ReLU", seconds(pass_through(module)), seconds(pass_through(nn.ReLU())), "10⁶ numbers, float32"


def main() -> None:
    cases = [
        spectra(500),
        spectra(2000),
        grams("hat", 1000),
        grams("relu", 1000),
        prediction("relu", 1_000_000),
        prediction("hat", 1_000_000),
        training_step(),
        activations(Hat(), "Hat"),
        activations(SplineActivation([0.0, 1.0, 2.0, 3.0], [1.0, -1.0], 1), "SplineActivation, 4 knots"),
    ]
    table = Table("case / baseline", "seconds", "baseline", "baseline / seconds", "")
    for name, ours, theirs, note in cases:
        table.add_row(name, f"{ours:.3g}", f"{theirs:.3g}", f"{theirs / ours:.3g}", note)
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
