"""Steps to half the error of a whole sum of sines, Hat against ReLU, and the weight scale at which Hat loses."""

from __future__ import annotations

from functools import partial

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import first_below
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.hong2022.grams import SOURCE
from fembridge.claims.hong2022.sums import NARROW, samples
from fembridge.claims.repeats import repeat, seeds_of
from fembridge.problem import Array

QUICK_SCALES = (8.0, 16.0, 32.0, 64.0)
FULL_SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
HALF = 0.5  # of the norm of the target: at least one of three sines is more than half learned, all of them a little
QUICK_WIDTHS, FULL_WIDTHS = (64, 32), (256, 64)


def _steps(setting: Setting, activation: str, weight_scales: tuple[float, ...], count: int) -> Array:
    """First steps (R, W) at which ‖u − f‖ ≤ ½ ‖f‖, the last step where it never was.

    Full: 30,000 steps of networks of 256 and 64 neurons, three hours of one core for ten scales and 24 seeds.
    """
    data, last = samples(setting), setting.size(400, 30_000)
    seeds = seeds_of(setting.seed, count)
    runs = [
        repeat(
            activation,
            activation,
            [data] * len(seeds),
            setting.size(QUICK_WIDTHS, FULL_WIDTHS),
            seeds,
            learning_rate=setting.size(3e-3, 1e-3),
            steps=last,
            weight_scale=scale,
        )
        for scale in weight_scales
    ]
    norms = np.stack([run.norms for run in runs], axis=2)  # (R, T, W)
    first = np.ones((1, len(runs)))  # of the target itself, before the network has a say
    learned = [first_below(np.append(-1, runs[0].steps), np.concatenate([first, one]), HALF) for one in norms]
    return np.where(np.isnan(learned), last, np.maximum(learned, 1))


def _pair(label: str, scales: tuple[float, ...], steps: Array) -> Pair:
    low, high = interval(np.log(steps), 0.05)
    return Pair(label, np.array(scales), None, np.exp(np.log(steps).mean(axis=0)), np.exp(low), np.exp(high))


def _faster(setting: Setting, relu_scale: float, octaves: float, count: int) -> Evidence:
    """log₂ of the steps of ReLU over those of narrow hats, seed by seed, against `octaves`.

    The control expects a factor of 1,000.
    """
    relu, hat = _steps(setting, "relu", (relu_scale,), count), _steps(setting, "hat", (NARROW,), count)
    chart = Chart(
        "Steps to half the error of sin x + sin 3x + sin 5x, Adam",
        "seed",
        "steps (never: the last step)",
        tuple(
            Pair(f"{name}, weights on ±{scale:g}", np.arange(1.0, len(steps) + 1), None, steps[:, 0])
            for name, scale, steps in (("ReLU", relu_scale, relu), ("Hat", NARROW, hat))
        ),
        xscale="linear",
    )
    return Evidence(np.array([octaves]), np.log2(relu / hat), np.array([10.0]), chart)


def _crossover(setting: Setting) -> Evidence:
    """log₂ of the weight scale beyond which Hat is no longer faster than ReLU with PyTorch's weights.

    At x = ±π the value w x + b is spread over ±πW, so that 0 < w x + b < 2 holds for m/πW of m hats: fewer than one
    beyond W = m/π. The control is that scale for eight times as many hats.
    """
    scales: tuple[float, ...] = setting.size(QUICK_SCALES, FULL_SCALES)
    relu, hat = _steps(setting, "relu", (1.0,), 24), _steps(setting, "hat", scales, 24)
    gain, logs = np.log(relu / hat), np.log2(scales)
    measured = np.array([_last_sign_change(logs, row) for row in gain])[:, None]
    width = setting.size(QUICK_WIDTHS, FULL_WIDTHS)[0]
    expected = np.log2([width / np.pi])
    everywhere = np.repeat(relu, len(scales), axis=1)
    chart = Chart(
        f"Steps to half the error against the weight scale, {width} neurons in the first layer, Adam",
        "weight scale W",
        "steps (never: the last step)",
        (_pair("Hat", scales, hat), _pair("ReLU, W = 1", scales, everywhere)),
    )
    return Evidence(expected, measured, expected + 3, chart)


def _last_sign_change(x: Array, gain: Array) -> float:
    """The largest x at which the broken line through `gain` falls through 0; the last x where it never does."""
    falls = np.flatnonzero((gain[:-1] > 0) & (gain[1:] <= 0))
    if not len(falls):
        return float(x[-1] if gain[-1] > 0 else x[0])
    i = falls[-1]
    return float(x[i] + (x[i + 1] - x[i]) * gain[i] / (gain[i] - gain[i + 1]))


CLAIMS = [
    Claim(
        "hong2022.hat-faster",
        f"{SOURCE}, section 4",
        "With narrow hats a deep Hat network takes less than half the steps of a ReLU network to half the error of "
        "sin x + sin 3x + sin 5x, by Adam.",
        "statistical",
        1e-9,
        "Significantly faster is at least twice as fast, for a mean over seeds: a factor of 2, log₂ 2 = 1. Where ReLU "
        "does not get there its steps, and the factor, are too small.",
        partial(_faster, relu_scale=1.0, octaves=1.0, count=24),
        side="above",
    ),
    Claim(
        "hong2022.hat-faster-best",
        f"{SOURCE}, section 4",
        "It takes fewer steps than a ReLU network whose first layer is 64 times as large as PyTorch's, which serves it "
        "best.",
        "statistical",
        1e-9,
        "The sign of a mean over seeds. 64: the best of the scales 0.5, 1, …, 128 for ReLU, in a scan of 16 seeds.",
        partial(_faster, relu_scale=64.0, octaves=0.0, count=32),
        side="above",
    ),
    Claim(
        "hong2022.hat-faster-until",
        f"{SOURCE}, section 4",
        "Hat stops being faster where hats are so narrow that fewer than one of m is active at the ends of [−π, π], "
        "at the weight scale W = m/π.",
        "statistical",
        1.0,
        "One octave: scales are tried octave by octave, and how many hats it takes is an order of magnitude.",
        _crossover,
    ),
]
