"""The seagull activation log(1 + z²): a spectrum that falls exponentially, and steps that grow exponentially."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import first_below
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import activation
from fembridge.networks.models import shallow
from fembridge.networks.ridges import ridges
from fembridge.networks.tangents import features
from fembridge.networks.training import train
from fembridge.problem import Array
from fembridge.samples import Samples, on_circle
from fembridge.theory import profiles
from fembridge.theory.packets import local_power, packet
from fembridge.theory.radon.transforms import power_spectrum

SOURCE = "Sahs, Pyle, Anselmi, Patel (arXiv 2503.10587), transforms of activations; learning derived"
WIDTH = 4.0  # of the packets; features and samples reach over ±8 widths
RADIUS, OFFSETS, DIRECTIONS = 1.5, 8, 32
PART = 0.5


def _decay(setting: Setting) -> Evidence:
    """Σ_b (∫ φ σ(· − b))² of seagull features of all offsets, φ wave packets. wrong: ReLU's |σ̂|² = ω⁻⁴."""
    omega = np.linspace(2.5, setting.size(10, 12), setting.size(16, 39))
    step, spacing = 0.1, 0.2
    x, b = (np.arange(-8 * WIDTH, 8 * WIDTH, one) for one in (step, spacing))
    phi = features(shallow(activation("seagull"), np.ones(len(b)), -b), x).detach().numpy()
    packets = np.stack([packet(x, one, WIDTH) for one in omega])
    measured = spacing * ((step * packets @ phi) ** 2).sum(axis=1)
    predicted, relu = (local_power(partial(power_spectrum, name), omega, WIDTH) for name in ("seagull", "relu"))
    pairs = (
        Pair(r"seagull, $4\pi^2 e^{-2\omega}/\omega^2$", omega, predicted, measured),
        Pair("ReLU, ω⁻⁴, theory alone", omega, relu, None),
    )
    title = f"What {len(b)} features σ(x − b) see of wave packets"
    chart = Chart(title, "frequency ω", "∫ (φ ⋆ σ)² db, |σ̂|² near ω", pairs, xscale="linear")
    return Evidence(predicted, measured, relu, chart, scale=predicted)


def _sines(count: int, frequencies: tuple[int, ...]) -> Samples:
    """Σ_k √2 sin kθ at equispaced points of the circle."""
    parts = [on_circle(k, count, frequencies) for k in frequencies]
    return replace(parts[0], values=np.sum([part.values for part in parts], axis=0))


def _predicted_steps(coefficients: Array, k: Array) -> Array:
    """The first whole steps at which (1 − λ_k/λ_max)^t is at most a half."""
    values = profiles.eigenvalues(coefficients, DIRECTIONS)
    return np.ceil(np.log(PART) / np.log1p(-values[k] / values.max()))


def _steps(setting: Setting) -> Evidence:
    """Steps to a half of each sin kθ of their sum, output weights alone; wrong: those of as many ReLUs."""
    k, count = np.arange(1, setting.size(6, 7)), DIRECTIONS
    b = RADIUS * ((np.arange(OFFSETS) + 0.5) / OFFSETS * 2 - 1)
    series = profiles.seagull(RADIUS, b, k[-1] + 1)
    predicted = _predicted_steps(series, k)
    relu = _predicted_steps(profiles.sampled(lambda z: np.maximum(z, 0), RADIUS, b, k[-1] + 1), k)
    turn = np.repeat(2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS, OFFSETS)
    weights = RADIUS * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    network = ridges(activation("seagull"), weights, np.tile(b, DIRECTIONS), np.zeros(len(turn)))
    network[0].requires_grad_(False)
    rate = 1 / profiles.eigenvalues(series, DIRECTIONS).max()
    last = int(1.1 * predicted[-1])
    near = [np.arange(max(int(0.95 * t) - 2, 0), min(int(1.05 * t) + 3, last)) for t in predicted]
    record = np.unique(np.concatenate([[0], *near, np.geomspace(1, last, 60).astype(int)]))
    path = train(network, _sines(count, tuple(k.tolist())), learning_rate=float(rate), record=record)
    measured = first_below(path.steps, np.abs(path.coefficients), PART)
    at = k.astype(float)
    pairs = (Pair("seagull", at, predicted, measured), Pair("ReLU, theory alone", at, relu, None))
    title = f"Gradient descent at 1/λ_max on the circle, {len(turn)} neurons"
    chart = Chart(title, "frequency k of sin kθ", "steps to half the error", pairs, xscale="linear")
    return Evidence(predicted, measured, relu, chart, scale=predicted)


CLAIMS = [
    Claim(
        "related.seagull-decay",
        SOURCE,
        "Features log(1 + (x − b)²) of all offsets weigh frequency ω by |σ̂|² = 4π² e^{−2ω}/ω²: exponentially less than "
        "ReLU's ω⁻⁴ beyond ω = 2.9.",
        "identity",
        1e-7,
        "Sums over x and b are exponentially exact (σ̂ at 2π/0.1 is e⁻⁶²; 2π/0.2 is above twice the frequency), packets "
        "end at e⁻³²; the round-off of sums of terms up to 8, 1e-14, is relative to 2πe^{−ω}/ω = 3e-6 at ω = 12, and "
        "counts twice: 7e-9, a few times.",
        _decay,
    ),
    Claim(
        "related.seagull-steps",
        SOURCE,
        "On the circle gradient descent on the output weights of seagull networks learns sin kθ in a number of steps "
        "that grows exponentially, like k² e^{2k arsinh(1/r)} for directions of length r, as predicted to the step.",
        "identity",
        1e-3,
        "Aliases of 32 data and directions are 2k/(32−k) e^{−(32−2k) arsinh(1/r)} = 4e-7 of k = 5 (2e-6 of 6), and "
        "move a step by less than one in a thousand.",
        _steps,
    ),
]
