"""sin x + sin 3x + sin 5x on [−π, π], all parameters trained, by gradient descent, SGD and Adam."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.hong2022.grams import SOURCE
from fembridge.claims.repeats import UNBIASED, WHY, Repeats, repeat, seeds_of
from fembridge.networks.optimizers import Optimizer
from fembridge.samples import Samples, on_box

FREQUENCIES = (1, 3, 5)
DOMAIN = ((-np.pi, np.pi),)
# Hats w x + b that are active at x = ±π have slopes of W/π at most: 4K/2π, as on [0, 1], for W = 4K · π/2π.
NARROW = 2.0 * FREQUENCIES[-1]


class Way(NamedTuple):
    """How a network is trained; "sgd" in batches of a quarter of the points."""

    depth: str
    optimizer: Optimizer


WAYS = tuple(Way(depth, optimizer) for depth in ("shallow", "deep") for optimizer in ("adam", "gd", "sgd"))
SPOKEN = {"relu": "ReLU", "tanh": "tanh", "hat": "Hat"}
# About half of the largest stable rates at the start; a shallow network's tangent kernel grows with its width.
RATES = {("shallow", "adam"): 3e-3, ("deep", "adam"): 3e-3, ("shallow", "gd"): 0.03, ("deep", "gd"): 0.1}


def samples(setting: Setting) -> Samples:
    """sin x + sin 3x + sin 5x, equispaced; k counts periods of the domain."""
    return on_box(lambda x: np.sin(np.outer(x[:, 0], FREQUENCIES)).sum(1), DOMAIN, [setting.size(32, 256)], FREQUENCIES)


def run(setting: Setting, activation: str, way: Way, weight_scale: float) -> Repeats:
    """Full: 16 networks of 256, or of 3 × 128 neurons, for 10,000 steps: a minute each."""
    hidden = setting.size({"shallow": (128,), "deep": (32,) * 3}, {"shallow": (256,), "deep": (128,) * 3})[way.depth]
    data, seeds = samples(setting), seeds_of(setting.seed, 16)
    rate = RATES[way.depth, "adam" if way.optimizer == "adam" else "gd"]
    return repeat(
        f"{SPOKEN[activation]}, {way.depth}, {way.optimizer}",
        activation,
        [data] * len(seeds),
        hidden,
        seeds,
        learning_rate=rate / setting.size(1, 2),
        steps=setting.size(300, 10_000),
        optimizer=way.optimizer,
        batch=len(data) // 4 if way.optimizer == "sgd" else None,
        weight_scale=weight_scale,
    )


def _exponents(
    setting: Setting, activation: str, ways: tuple[Way, ...], weight_scale: float, expected: float, wrong: float
) -> Evidence:
    """One exponent for each way of training; shown are the errors of the last one."""
    runs = [run(setting, activation, way, weight_scale) for way in ways]
    measured = np.stack([one.exponents() for one in runs], axis=1)
    chart = runs[-1].curves(f"sin x + sin 3x + sin 5x: {runs[-1].label}, first layer ×{weight_scale:g}")
    return Evidence(np.full(len(ways), expected), measured, np.full(len(ways), wrong), chart)


STEADY = tuple(way for way in WAYS if way.depth == "deep" or way.optimizer == "adam")

CLAIMS = [
    *(
        Claim(
            f"hong2022.sum-{name}",
            f"{SOURCE}, section 4",
            f"Trained in full on sin x + sin 3x + sin 5x, shallow and deep {SPOKEN[name]} networks learn low "
            "frequencies first, by gradient descent, SGD and Adam: steps to half the error grow at least like √k.",
            "statistical",
            1e-9,
            f"{WHY} A mean over seeds above it. The control is k⁶.",
            partial(_exponents, activation=name, ways=WAYS, weight_scale=1.0, expected=UNBIASED, wrong=6.0),
            side="above",
        )
        for name in ("relu", "tanh")
    ),
    Claim(
        "hong2022.sum-hat",
        f"{SOURCE}, section 4",
        "Hat networks with narrow hats learn the frequencies of sin x + sin 3x + sin 5x at the same pace: deep ones by "
        "gradient descent, SGD and Adam, shallow ones by Adam.",
        "statistical",
        UNBIASED,
        f"{WHY} The control is k².",
        partial(_exponents, activation="hat", ways=STEADY, weight_scale=NARROW, expected=0.0, wrong=2.0),
    ),
]
