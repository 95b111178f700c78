"""Sums of sines in one dimension: a deep ReLU network learns low frequencies first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import UNBIASED, WHY, Repeats, phased_sines, repeat, seeds_of

SOURCE = "Rahaman et al., arXiv 1806.08734, section 3.1"
UNIT = ((0.0, 1.0),)


@dataclass(frozen=True)
class Sines:
    """What is fitted at a scale: 4 samples in a period of the highest frequency, as in the paper."""

    frequencies: tuple[int, ...]
    hidden: tuple[int, ...]
    learning_rate: float
    steps: int
    seeds: int

    @property
    def count(self) -> int:
        return 4 * self.frequencies[-1]


# Full, the paper's: one seed takes about 20 minutes of one core.
QUICK = Sines((1, 2, 3, 4, 6, 8), (128, 64), 1e-3, 600, 16)
FULL = Sines(tuple(range(5, 51, 5)), (256,) * 6, 3e-4, 60_000, 10)


def trained(setting: Setting, activation: str, growing: bool, weight_scale: float = 1.0) -> Repeats:
    """One network for each seed and its phases, on equal amplitudes, or on amplitudes that grow from 0.1 to 1."""
    size: Sines = setting.size(QUICK, FULL)
    seeds = seeds_of(setting.seed, 2 * size.seeds if growing else size.seeds)  # exponents vary more
    amplitudes = np.linspace(0.1 if growing else 1.0, 1.0, len(size.frequencies))
    samples = phased_sines(size.frequencies, amplitudes.tolist(), UNIT, [size.count], seeds)
    return repeat(
        "amplitudes growing from 0.1 to 1" if growing else "equal amplitudes",
        activation,
        samples,
        size.hidden,
        seeds,
        learning_rate=size.learning_rate,
        steps=size.steps,
        weight_scale=weight_scale,
    )


def _relu_bias(setting: Setting, growing: bool) -> Evidence:
    """The exponent of steps to half the error; the control is k⁴, gradient descent of the output weights alone."""
    run = trained(setting, "relu", growing)
    heat = run.heat(f"ReLU, Adam, {run.label}")
    return Evidence(np.array([UNBIASED]), run.exponents()[:, None], np.array([4.0]), heat)


def _equal(setting: Setting) -> Evidence:
    return _relu_bias(setting, growing=False)


def _growing(setting: Setting) -> Evidence:
    return _relu_bias(setting, growing=True)


CLAIMS = [
    Claim(
        f"rahaman2019.relu-bias-{name}",
        SOURCE,
        f"A deep ReLU network trained with Adam on a sum of sines {spoken} learns low frequencies first: the steps to "
        "half the error grow at least like the square root of the frequency.",
        "statistical",
        1e-6,
        f"{WHY} A mean over seeds above it; what was never learned makes the exponent too small.",
        experiment,
        side="above",
    )
    for name, spoken, experiment in (
        ("equal", "of equal amplitudes", _equal),
        ("growing", "whose amplitudes grow with the frequency", _growing),
    )
]
