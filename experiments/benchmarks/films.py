"""Drawing films: what moves drawn over pixels that stay, beside a new figure for each frame."""

from __future__ import annotations

import numpy as np

from experiments.benchmarks.harness import Array, Case, Side, worst_scaled
from fembridge.bridge.films import Bends, Film, Frame
from fembridge.output.stage import Stage

NEURONS, K = 64, (1, 2, 4, 8)


def film(label: str, frames: int) -> Film:
    """u = (1 − e^{−t}) f: nothing is trained, as drawing alone is timed."""
    x, t, rng = np.arange(512) / 512, np.linspace(0, 3, frames), np.random.default_rng(0)
    target, place, side = np.sin(2 * np.pi * x), rng.uniform(-0.5, 1.5, NEURONS), rng.choice([-1.0, 1.0], NEURONS)
    every = [
        Frame((1 - np.exp(-s)) * target, Bends("neurons", place + 0.02 * s * side, (0.1 + s) * side, side)) for s in t
    ]
    errors = np.exp(-np.multiply.outer(t, 1 / np.array(K)))
    steps = np.arange(frames)
    return Film(label, (0.0, 1.0), steps, x, target, tuple(every), x[::8], target[::8], K, errors, errors, "exact")


def films(frames: int) -> list[Film]:
    return [film(label, frames) for label in ("relu", "hat")]


def moving(given: list[Film]) -> Array:
    """The mean of the pixels of every frame."""
    stage = Stage(given)
    return np.array([stage.image(i).mean() for i in range(stage.count)])


def anew(given: list[Film]) -> Array:
    return np.array([Stage(given).image(i).mean() for i in range(len(given[0].steps))])


CASES = [
    Case(
        "frames of two activations, 910 x 720 pixels",
        inputs=films,
        sides=(
            Side("ours", lambda given: lambda: moving(given)),
            Side("a new figure for each frame", lambda given: lambda: anew(given), upto=20),
        ),
        sizes=(20, 80),
        quick=(2,),
        size="frames",
        reference="a new figure for each frame",
        error=worst_scaled,
    )
]
