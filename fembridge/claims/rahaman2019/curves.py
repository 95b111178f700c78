"""Sines along a curve that winds through the plane: the more petals, the easier high frequencies become."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import LEFT, Repeats, repeat, seeds_of
from fembridge.problem import Array
from fembridge.samples import Samples, on_curve, sum_of_sines

SOURCE = "Rahaman et al., arXiv 1806.08734, section 4"
PETALS = (0, 2, 4)


def flowers(petals: int, frequencies: tuple[int, ...], count: int, seeds: list[int]) -> list[Samples]:
    """Σ_k sin(2πkz + φ_k), seen on a flower; phases φ of each seed's own, the same on every flower."""

    def on_flower(seed: int) -> Samples:
        phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(frequencies))
        f = sum_of_sines(frequencies, [1.0] * len(frequencies), [(0.0, 1.0)], phases)
        return on_curve(lambda z: f(z[:, None]), petals, count, frequencies)

    return [on_flower(seed) for seed in seeds]


def _trained(setting: Setting, petals: int) -> Repeats:
    """Full, the paper's sizes: 6 × 256 neurons, 1,000 points: an hour of one core a seed and curve."""
    frequencies: tuple[int, ...] = setting.size((2, 4, 6, 8, 12, 16), tuple(range(20, 201, 20)))
    seeds = seeds_of(setting.seed, 12)
    return repeat(
        f"{petals} petals" if petals else "circle",
        "relu",
        flowers(petals, frequencies, setting.size(64, 1000), seeds),
        setting.size((128, 64), (256,) * 6),
        seeds,
        learning_rate=setting.size(3e-3, 3e-4),
        steps=setting.size(400, 50_000),
    )


def _easier(setting: Setting) -> Evidence:
    """log₂ of the steps to half the error at the highest frequency, on a circle over those on a flower.

    The control expects the steps of a frequency (1 + L)⁴ times as low as far as gradient descent takes k⁴ steps.
    """
    runs = [_trained(setting, petals) for petals in PETALS]
    gain = np.log2(_highest(runs[0]) / _highest(runs[-1]))[:, None]
    pairs = tuple(run.pair() for run in runs)
    chart = Chart("Sines along flowers, ReLU, Adam", "frequency k along the curve", LEFT, pairs)
    return Evidence(np.zeros(1), gain, 4 * np.log2([1.0 + PETALS[-1]]), chart)


def _highest(run: Repeats) -> Array:
    learned = run.learned()[:, -1]
    return np.where(np.isnan(learned), run.steps[-1], learned)


CLAIMS = [
    Claim(
        "rahaman2019.curve-easier",
        SOURCE,
        "On a flower of four petals a ReLU network learns the highest frequency along the curve in fewer steps than on "
        "a circle.",
        "statistical",
        1e-9,
        "The sign of a mean over seeds. Where the circle's is never learned its steps, and the gain, are too small.",
        _easier,
        side="above",
    )
]
