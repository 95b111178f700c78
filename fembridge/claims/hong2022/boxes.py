"""Sums of sines on the unit square and cube, all parameters trained with Adam."""

from __future__ import annotations

from functools import partial

import numpy as np

from fembridge.bridge.charts import Chart
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.hong2022.grams import SOURCE
from fembridge.claims.repeats import LEFT, UNBIASED, WHY, Repeats, phased_sines, repeat, seeds_of
from fembridge.samples import Frequency

NARROW = 4.0  # W/K as on an interval: with √d inputs each 1/√d as large, ‖w‖ is as large in the root mean square
QUICK: dict[int, tuple[Frequency, ...]] = {
    2: ((1, 0), (1, 1), (0, 2), (2, 2), (4, 0), (3, 3)),
    3: ((1, 0, 0), (1, 1, 0), (1, 1, 1), (0, 2, 0), (0, 2, 2), (2, 2, 2)),
}
FULL: dict[int, tuple[Frequency, ...]] = {
    2: ((1, 0), (1, 1), (0, 2), (2, 2), (4, 0), (4, 4), (0, 8), (6, 6)),
    3: ((1, 0, 0), (1, 1, 0), (1, 1, 1), (0, 2, 0), (0, 2, 2), (2, 2, 2), (4, 0, 0), (3, 3, 3)),
}


def trained(setting: Setting, d: int, activation: str, narrow: bool) -> Repeats:
    """Full: 10,000 steps of 3 × 256 neurons at 1,024 or 4,096 points, ten minutes to an hour of one core a seed."""
    frequencies, seeds = setting.size(QUICK, FULL)[d], seeds_of(setting.seed, 16)
    counts = [setting.size({2: 12, 3: 6}, {2: 32, 3: 16})[d]] * d
    highest = max(float(np.linalg.norm(k)) for k in frequencies)
    samples = phased_sines(frequencies, [1.0] * len(frequencies), [(0.0, 1.0)] * d, counts, seeds)
    return repeat(
        f"{'Hat' if activation == 'hat' else 'ReLU'}{', narrow' if narrow else ''}",
        activation,
        samples,
        setting.size((128, 64), (256,) * 3),
        seeds,
        learning_rate=setting.size(3e-3, 1e-3),
        steps=setting.size(200, 10_000),
        weight_scale=NARROW * highest if narrow else 1.0,
    )


def _chart(d: int, runs: tuple[Repeats, ...]) -> Chart:
    title = f"Sums of sines in {d} dimensions, Adam"
    return Chart(title, "frequency |k|", LEFT, tuple(run.pair() for run in runs))


def _relu(setting: Setting, d: int) -> Evidence:
    """The control is |k|⁶."""
    run = trained(setting, d, "relu", narrow=False)
    return Evidence(np.array([UNBIASED]), run.exponents()[:, None], np.array([6.0]), _chart(d, (run,)))


def _hat(setting: Setting, d: int) -> Evidence:
    """The control is the reverse, |k|⁻¹."""
    run = trained(setting, d, "hat", narrow=True)
    return Evidence(np.zeros(1), run.exponents()[:, None], np.array([-1.0]), _chart(d, (run,)))


def _less(setting: Setting, d: int) -> Evidence:
    """Exponent of ReLU less that of narrow hats, seed by seed; the control is a difference of 4."""
    relu, hat = trained(setting, d, "relu", narrow=False), trained(setting, d, "hat", narrow=True)
    difference = relu.exponents() - hat.exponents()
    return Evidence(np.zeros(1), difference[:, None], np.array([4.0]), _chart(d, (relu, hat)))


def _claims(d: int) -> list[Claim]:
    where, source = f"in {d} dimensions", f"{SOURCE}, section 4"
    return [
        Claim(
            f"hong2022.boxes-{d}d-relu",
            source,
            f"Trained in full on sums of sines {where}, a ReLU network learns low frequencies first: steps to half the "
            "error grow at least like √|k|.",
            "statistical",
            1e-9,
            f"{WHY} A mean over seeds above it.",
            partial(_relu, d=d),
            side="above",
        ),
        Claim(
            f"hong2022.boxes-{d}d-hat",
            source,
            f"With hats as narrow as half a period of the highest frequency, steps to half the error {where} do not "
            "grow with the frequency. (They do: ridge hats have a spectrum that falls like |k|^−(d−1).)",
            "statistical",
            UNBIASED,
            WHY,
            partial(_hat, d=d),
            known=True,
        ),
        Claim(
            f"hong2022.boxes-{d}d-less",
            source,
            f"They grow more slowly {where} than those of a ReLU network.",
            "statistical",
            1e-9,
            "The sign of a mean difference over seeds.",
            partial(_less, d=d),
            side="above",
        ),
    ]


CLAIMS = [*_claims(2), *_claims(3)]
