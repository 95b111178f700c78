"""Periodic activations: stationary kernels, whose spectrum is the law of the frequencies that were drawn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import first_below
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import phased_sines, seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.models import shallow
from fembridge.networks.tangents import features
from fembridge.networks.training import train_many
from fembridge.problem import Array
from fembridge.theory import periodic

SOURCE = "Sine networks (SIREN, arXiv 2006.09661) and random Fourier features (arXiv 2006.10739); derived"
LAWS: tuple[tuple[periodic.Law, float], ...] = (("normal", 10 * np.pi), ("uniform", 20 * np.pi))  # 5 and 10 periods
POINTS = 48
PART, RATE = 0.1, 0.2


def _drawn(law: periodic.Law, scale: float, n: int, random: np.random.Generator) -> Any:
    omega = scale * (random.standard_normal(n) if law == "normal" else random.uniform(-1, 1, n))
    return shallow(activation("sine"), omega, random.uniform(0, 2 * np.pi, n))


def _kernel(setting: Setting) -> Evidence:
    """ρ_k = 2 mean_j |mean_q e^{−2πikq/N} sin(ω_j x_q + b_j)|², for each seed. wrong: of the other law."""
    n, seeds, k = 40_000, seeds_of(setting.seed, setting.size(16, 48)), np.arange(16)
    x, waves = np.arange(POINTS) / POINTS, np.exp(-2j * np.pi * np.multiply.outer(k, np.arange(POINTS)) / POINTS)
    measured = np.empty((len(seeds), len(LAWS), len(k)))
    for s, seed in enumerate(seeds):
        random = np.random.default_rng(seed)
        for i, (law, scale) in enumerate(LAWS):
            phi = features(_drawn(law, scale, n, random), x).detach().numpy()
            measured[s, i] = 2 * (np.abs(waves @ phi / POINTS) ** 2).mean(axis=1)
    predicted = np.stack([periodic.rayleigh(law, scale, POINTS, k) for law, scale in LAWS])
    at, pairs = k.astype(float), []
    for i, (law, scale) in enumerate(LAWS):
        low, high = interval(measured[:, i], 0.05)
        pairs.append(Pair(f"{law}: Toeplitz matrix", at, predicted[i], measured[:, i].mean(axis=0), low, high))
        pairs.append(Pair(f"{law}: 2π p(2πk)", at, 2 * np.pi * periodic.density(law, scale, 2 * np.pi * k), None))
    title = f"Gram matrix of {n} random sines, {len(seeds)} seeds"
    chart = Chart(title, "frequency k", "ρₖ of exp(2πikx)", tuple(pairs), xscale="linear", yscale="linear")
    flat = measured.reshape(len(seeds), -1)
    return Evidence(predicted.ravel(), flat, predicted[::-1].ravel(), chart, scale=float(predicted.max()))


class Draws(NamedTuple):
    """Frequencies that may be drawn, with which probability, and those that are looked at."""

    label: str
    k: NDArray[np.int64]
    probability: Array
    shown: NDArray[np.int64]


def _bell(middle: float, deviation: float) -> Array:
    weights = np.exp(-((np.arange(1, 21) - middle) ** 2) / (2 * deviation**2))
    return np.asarray(weights / weights.sum())


DRAWS = (
    Draws("mass at k = 10", np.arange(1, 21), _bell(10, 3), np.arange(5, 16)),
    Draws("flat up to k = 20", np.arange(1, 21), np.full(20, 0.05), np.arange(5, 16)),
)


def _trained(draws: Draws, n: int, seeds: list[int]) -> Array:
    """Steps (R, F) to a tenth of each sine of a sum, output weights alone."""
    networks = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        omega = 2 * np.pi * random.choice(draws.k, n, p=draws.probability)
        networks.append(shallow(activation("sine"), omega, random.uniform(0, 2 * np.pi, n)))
    k = draws.shown.tolist()
    data = phased_sines(k, [1.0] * len(k), [(0.0, 1.0)], [POINTS], seeds)
    expected = periodic.steps(draws.probability, PART, RATE)[draws.shown - 1]
    record = np.arange(int(1.5 * expected.max()) + 10)
    rate = RATE / (n * draws.probability.max() / 4)
    paths = train_many(networks, data, learning_rate=float(rate), record=record)
    return np.stack([first_below(path.steps, np.abs(path.coefficients), PART) for path in paths])


def _steps(setting: Setting) -> Evidence:
    """Steps to learn frequency k, over those of 1/P(k). wrong: k², as ReLU has it, from the first that is predicted."""
    n, seeds = setting.size(4096, 16_384), seeds_of(setting.seed, setting.size(16, 32))
    predicted, measured, relu, pairs = [], [], [], []
    for draws in DRAWS:
        found = _trained(draws, n, seeds)
        law = np.ceil(periodic.steps(draws.probability, PART, RATE)[draws.shown - 1])
        low, high = interval(found, 0.05)
        at = draws.shown.astype(float)
        pairs.append(Pair(draws.label, at, law, found.mean(axis=0), low, high))
        predicted.append(law)
        measured.append(found)
        relu.append(law[0] * (at / at[0]) ** 2)
    pairs.append(Pair("k², of ReLU", at, relu[0], None))
    title = f"Gradient descent on {n} random sines, {len(seeds)} seeds"
    chart = Chart(title, "frequency k of sin 2πkx", "steps to 10 % error", tuple(pairs), xscale="linear")
    law, seen, wrong = (np.concatenate(each, axis=-1) for each in (predicted, measured, relu))
    return Evidence(law, seen, wrong, chart, scale=law)


CLAIMS = [
    Claim(
        "related.periodic-kernel",
        SOURCE,
        "The Gram matrix at equispaced data of sines of random frequencies and phases is a Toeplitz matrix in the "
        "mean, and weighs frequency k by the law of the frequencies, 2π p(2πk).",
        "statistical",
        0.05,
        "The mean is exact. At the peak 0.08 of 40,000 neurons count: a deviation of √(0.08/40000)/0.08 = 1.8 % of it, "
        "0.45 % of the mean of 16 seeds, times 6 for Student's interval of 32 numbers: 2.7 %, and as much for its own "
        "scatter.",
        _kernel,
    ),
    Claim(
        "related.periodic-steps",
        SOURCE,
        "Networks of sines learn first the frequencies that were drawn most, not the low ones: steps to learn "
        "frequency k are those of 1/P(k).",
        "statistical",
        0.25,
        "Of 4096 neurons 136 have the rarest frequency; by their number and their phases a rate deviates by √1.5/√136, "
        "10.5 % in a seed, 2.6 % in the mean of 16, times 6 for Student's interval of 22 numbers: 16 %; half a step of "
        "11 is 5 %, and E 1/m is 1 % above 1/E m.",
        _steps,
    ),
]
