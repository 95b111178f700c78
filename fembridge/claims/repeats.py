"""Trainings repeated over seeds: the steps to learn each frequency, and how they grow with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.charts import Chart, HeatMap, Pair
from fembridge.bridge.learning import first_below, learning_exponent
from fembridge.bridge.verdict import interval
from fembridge.networks.optimizers import Optimizer
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train_many
from fembridge.problem import Array
from fembridge.samples import Frequency, Samples, on_box, sum_of_sines

LEFT = "steps to half the error (never: the last step)"
HALF = 0.5  # a frequency counts as learned when half of its error is left: the middle of the papers' colours
UNBIASED = 0.5
WHY = (
    "0 is no bias. The tangent kernel of ReLU falls like k⁻²: gradient descent takes k² steps, and an optimiser that "
    "gains a square root, as momentum does, k. Half-way between 0 and 1 is 1/2."
)


@dataclass(frozen=True, eq=False)
class Repeats:
    """R trainings: the error amplitudes relative to their start (R, T, F), at steps (T,) and |k| (F,).

    norms: ‖u − f‖/‖f‖ (R, T).
    """

    label: str
    frequencies: Array
    steps: NDArray[np.int64]
    amplitudes: Array
    norms: Array

    def learned(self) -> Array:
        """First steps (R, F) at which half of the error is left, nan where that never was."""
        return np.stack([first_below(self.steps, one, HALF) for one in self.amplitudes])

    def exponents(self) -> Array:
        """p (R,) of steps to learn ∝ |k|^p. What was never learned counts as learned at the last step: too small."""
        return np.array([learning_exponent(self.steps, one, self.frequencies, HALF)[0] for one in self.amplitudes])

    def pair(self) -> Pair:
        """Geometric mean of the steps to learn against |k|, with its 95 % interval; never is the last step."""
        learned = self.learned()
        logs = np.log(np.maximum(np.where(np.isnan(learned), self.steps[-1], learned), 1))
        low, high = interval(logs, 0.05)
        return Pair(self.label, self.frequencies, None, np.exp(logs.mean(axis=0)), np.exp(low), np.exp(high))

    def curves(self, title: str) -> Chart:
        """Relative errors against steps, one curve for each frequency with its 95 % interval."""
        logs = np.log(np.maximum(self.amplitudes, 1e-12))
        ends = [interval(logs[:, :, i], 0.05) for i in range(len(self.frequencies))]
        pairs = tuple(
            Pair(f"k = {k:g}", self.steps.astype(float), None, np.exp(logs[:, :, i].mean(axis=0)), *np.exp(ends[i]))
            for i, k in enumerate(self.frequencies)
        )
        return Chart(title, "step", "error amplitude / start", pairs)

    def heat(self, title: str) -> HeatMap:
        """The mean over seeds, at steps and frequencies."""
        mean = self.amplitudes.mean(axis=0)
        return HeatMap(title, self.steps.astype(float), self.frequencies, None, mean, len(self.amplitudes))


def repeat(
    label: str,
    activation: str,
    samples: Sequence[Samples],
    hidden: Sequence[int],
    seeds: Sequence[int],
    *,
    learning_rate: float,
    steps: int,
    optimizer: Optimizer = "adam",
    batch: int | None = None,
    weight_scale: float = 1.0,
) -> Repeats:
    """Train one perceptron for each seed, on its own samples, in float32 as the papers do, with PyTorch's own
    initialisation, uniform on ±1/√inputs.
    """
    layers = [samples[0].points.shape[1], *hidden, 1]
    models = [perceptron(activation, layers, seed=seed, weight_scale=weight_scale) for seed in seeds]
    record = np.unique(np.concatenate([[0], np.geomspace(1, steps, 80).round().astype(int)]))
    paths = train_many(
        models,
        samples,
        learning_rate=learning_rate,
        record=record,
        optimizer=optimizer,
        batch=batch,
        seeds=seeds,
        dtype="float32",
    )
    amplitudes = np.abs([path.coefficients for path in paths])
    k = np.array([np.linalg.norm(np.atleast_1d(k)) for k in samples[0].frequencies])
    loss = np.stack([path.loss for path in paths])
    norms = 2 * np.sqrt(loss) / np.array([[data.size] for data in samples])
    return Repeats(label, k, record, amplitudes / amplitudes[:, :1], norms)


def seeds_of(seed: int, count: int) -> list[int]:
    """Seeds that no other `seed` of the same count has."""
    return [seed * count + r for r in range(count)]


def phased_sines(
    frequencies: Sequence[Frequency],
    amplitudes: Sequence[float],
    domain: Sequence[Sequence[float]],
    counts: Sequence[int],
    seeds: Sequence[int],
) -> list[Samples]:
    """Σ_k A_k sin(2πk·x̂ + φ_k) on a grid over a box, with phases φ of each seed's own."""
    phases = [np.random.default_rng(seed).uniform(0, 2 * np.pi, len(frequencies)) for seed in seeds]
    sums = [sum_of_sines(frequencies, amplitudes, domain, phi) for phi in phases]
    return [on_box(f, domain, counts, frequencies) for f in sums]
