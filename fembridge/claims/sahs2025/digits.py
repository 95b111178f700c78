"""Zero-planes of networks trained on real digits."""

from __future__ import annotations

from functools import cache

import numpy as np

from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.claims.sahs2025.pinning import (
    ADAPTIVE,
    ALIKE,
    PART,
    TWICE,
    both_regimes,
    clusters,
    clusters_chart,
    near_data,
    no_clusters,
    parts,
)
from fembridge.datasets import digits
from fembridge.problem import Array
from fembridge.samples import Samples

SOURCE = "Sahs, Pyle, Anselmi, Patel 2025 (arXiv 2503.10587), zero-planes on handwritten digits"
UNSEEN = "adaptive regime, other digits"


def _digits(setting: Setting, seed: int) -> tuple[Samples, Samples]:
    """Threes and eights, ∓1, to train on and as many others, around the mean and of mean square norm 1: most planes
    pass between them.
    """
    name, count = setting.size(("digits", 60), ("mnist", 200))
    data, others = digits(name, (3, 8), count, seed)
    middle = data.points.mean(axis=0)
    size = np.sqrt(((data.points - middle) ** 2).sum(axis=1).mean())
    one, other = (Samples((part.points[:count] - middle) / size, part.values[:count]) for part in (data, others))
    return one, other


@cache
def _nearness(setting: Setting) -> dict[str, list[Array]]:
    n, steps, runs = 128, setting.size(1500, 6000), 8  # full: six minutes on one core
    seeds = seeds_of(setting.seed, runs)
    data, others = zip(*[_digits(setting, seed) for seed in seeds], strict=True)
    planes = both_regimes(data, n, seeds, 0.3, steps)
    unseen = {UNSEEN: near_data(planes[ADAPTIVE], others)}
    return {label: near_data(one, data) for label, one in planes.items()} | unseen


def _title(setting: Setting) -> str:
    return f"Zero-planes of networks trained on digits 3 and 8 of {setting.size('8 × 8', '28 × 28')} points"


def _clusters(setting: Setting) -> Evidence:
    return clusters(_nearness(setting), _title(setting))


def _no_clusters(setting: Setting) -> Evidence:
    return no_clusters(_nearness(setting), _title(setting))


def _unseen(setting: Setting) -> Evidence:
    """The part of planes near digits that were not trained on; wrong: half of them."""
    near = _nearness(setting)
    return Evidence(np.array([PART]), parts(near[UNSEEN]), np.array([0.5]), clusters_chart(_title(setting), near))


CLAIMS = [
    Claim(
        "sahs2025.digits-clusters",
        SOURCE,
        "The zero-planes of a shallow ReLU network cluster at the handwritten digits that it is trained to tell apart, "
        "in the adaptive regime.",
        "statistical",
        1e-9,
        TWICE,
        _clusters,
        side="above",
    ),
    Claim(
        "sahs2025.digits-no-clusters",
        SOURCE,
        "In the kernel regime as many zero-planes of the same network are near the same digits as before training.",
        "statistical",
        PART / 2,
        ALIKE,
        _no_clusters,
    ),
    Claim(
        "sahs2025.digits-unseen",
        SOURCE,
        "What planes cluster at in the adaptive regime are the digits of the training set: near other threes and "
        "eights there are as many as by chance.",
        "statistical",
        PART,
        f"As many again as the part {PART:g} that is near by chance: less than what counts as clustered.",
        _unseen,
    ),
]
