"""The adaptive regime: zero-planes that data points hold, and that cluster there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.gradients import parameters
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.ridges import ridges
from fembridge.networks.training import train_many
from fembridge.networks.zero_planes import ZeroPlanes, zero_planes
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.radon.clustering import clustering, nearness, offset_law
from fembridge.theory.radon.pinning import one_sided_velocities, pinned

SOURCE = "Sahs, Pyle, Anselmi, Patel 2025 (arXiv 2503.10587), data-point pinning in the adaptive regime"
RATE = 0.0025  # steps of gradient descent so small that planes take some hundreds from datum to datum
WINDOW = 100  # steps after an arrival
QUIET = 20  # steps before it, without a crossing of the same datum: a first arrival
DATA = {1: 12, 2: 16, 3: 16}
PART = 0.1  # of the half-gap: nearer planes count as clustered
BEFORE, ADAPTIVE, KERNEL = "before training", "adaptive regime", "kernel regime"


class Flow(NamedTuple):
    """A training step by step: w (T, n, d), b and v (T, n), errors (T, N)."""

    w: Array
    b: Array
    v: Array
    errors: Array
    samples: Samples


class Arrivals(NamedTuple):
    """E first arrivals of planes at data: whether each is predicted to be held (E,), and the way that it goes beyond
    the datum (E, 1 + WINDOW), relative to that which it would go freely in the whole window.
    """

    held: NDArray[np.bool_]
    way: Array

    @property
    def stay(self) -> NDArray[np.bool_]:
        """Whether it has gone less than half of the free way in the end."""
        return np.abs(self.way[:, -1]) < 0.5


def _random_values(d: int, count: int, seed: Sequence[int]) -> Samples:
    """Normal values at uniform points of [−1, 1]^d; in one dimension at equispaced points, moved a little."""
    random = np.random.default_rng(list(seed))
    x = random.uniform(-1, 1, (count, d))
    if d == 1:
        x = np.linspace(-1, 1, count)[:, None] + 0.3 * x / count
    return Samples(x, random.standard_normal(count))


def _flows(setting: Setting, d: int, seeds: Sequence[int]) -> list[Flow]:
    """Networks of normal parameters of variance 1/n: the adaptive regime, in which planes move to fit the data."""
    n, steps = 128, setting.size(1600, 8000)
    models, data = [], [_random_values(d, DATA[d], [seed, d]) for seed in seeds]
    for seed in seeds:
        random = np.random.default_rng([seed, d, 1])
        w, b, v = random.standard_normal((n, d)), random.standard_normal(n), random.standard_normal(n)
        models.append(ridges(activation("relu"), *(p / np.sqrt(n) for p in (w, b, v))))
    paths = train_many(models, data, learning_rate=RATE, record=np.arange(steps + 1), observe=parameters)
    flows = []
    for path, samples in zip(paths, data, strict=True):
        w, b, v = np.split(np.asarray(path.observed), [n * d, n * (d + 1)], axis=1)
        flows.append(Flow(w.reshape(-1, n, d), b, v, path.residuals, samples))
    return flows


def _arrivals(flow: Flow) -> Arrivals:
    """Planes are watched from the step before they cross a datum for the first time in a while."""
    x, m = flow.samples.points, flow.samples.weights
    delta = (flow.w @ x.T + flow.b[..., None]) / np.linalg.norm(flow.w, axis=2)[..., None]  # (T, n, N)
    crossed = np.diff(delta > 0, axis=0)
    held, ways = [], []
    for t, i, q in np.argwhere(crossed[: -WINDOW - 1]):
        if t < QUIET or crossed[t - QUIET : t, i, q].any():
            continue
        one = slice(i, i + 1)
        below, above = (
            float(side[0, q])
            for side in one_sided_velocities(flow.w[t, one], flow.b[t, one], flow.v[t, one], x, m * flow.errors[t])
        )
        forward = 1.0 if delta[t, i, q] < 0 else -1.0
        near, far = (forward * side for side in ((below, above) if forward > 0 else (above, below)))
        free = far if far > 0 else near  # the velocity beyond the datum, or, if it is held there, before it
        held.append(bool(pinned(below, above)))
        ways.append(forward * delta[t : t + WINDOW + 1, i, q] / (WINDOW * RATE * free))
    return Arrivals(np.array(held, dtype=bool), np.array(ways).reshape(len(held), WINDOW + 1))


def _pinning(setting: Setting) -> Evidence:
    """Of planes predicted to be held, and to cross, the part that stays, for each seed; wrong: the other way round."""
    seeds = seeds_of(setting.seed, setting.size(8, 24))
    dimensions = [[_arrivals(flow) for flow in _flows(setting, d, seeds)] for d in (1, 2, 3)]
    of_seeds = [Arrivals(*map(np.concatenate, zip(*one, strict=True))) for one in zip(*dimensions, strict=True)]
    measured = np.array([[seed.stay[seed.held].mean(), seed.stay[~seed.held].mean()] for seed in of_seeds])
    steps, pairs = np.arange(WINDOW + 1.0), []
    for label, held, predicted in (("held", True, np.zeros(WINDOW + 1)), ("crossing", False, steps / WINDOW)):
        middle = np.array([np.median(seed.way[seed.held == held], axis=0) for seed in of_seeds])
        low, high = interval(middle, 0.05)
        pairs.append(Pair(f"predicted: {label}", steps, predicted, middle.mean(axis=0), low, high))
    count = sum(len(seed.held) for seed in of_seeds)
    title = f"Zero-planes that arrive at a data point: {count} arrivals, medians of {len(seeds)} seeds"
    labels = ("steps after the arrival", "way beyond the point / free way")
    chart = Chart(title, *labels, tuple(pairs), "linear", "linear")
    return Evidence(np.array([1.0, 0.0]), measured, np.array([0.0, 1.0]), chart)


def near_data(planes: Sequence[ZeroPlanes], data: Sequence[Samples]) -> list[Array]:
    """The nearness of each network's zero-planes to its data: 0 on a datum, 1 between two, nan outside.

    Uniform by chance; offsets are compared with their law at the start, weights and biases of one variance.
    """
    both = [(one, own.points) for one, own in zip(planes, data, strict=True)]
    return [nearness(one.directions, one.offsets, x, offset_law(x.shape[1])) for one, x in both]


def both_regimes(
    data: Sequence[Samples], n: int, seeds: Sequence[int], rate: float, steps: int
) -> dict[str, list[ZeroPlanes]]:
    """Zero-planes before training and after it in both regimes, of one start and on the same data.

    Networks u − u₀, centred, in tangent-kernel scaling; their kernel goes like the square of the output scale, and the
    learning rate with its inverse.
    """
    found: dict[str, list[ZeroPlanes]] = {}
    for label, scale in ((ADAPTIVE, 1.0), (KERNEL, 2.0**13)):  # u = scale · mean of v (w·x + b)₊
        factor, layers = scale / np.sqrt(n), [data[0].points.shape[1], n, 1]
        options: dict[str, Any] = {"init": "gaussian", "parametrisation": "ntk", "output_scale": factor}
        models = [perceptron("relu", layers, seed=seed, **options) for seed in seeds]
        found[BEFORE] = [zero_planes(model) for model in models]
        pairs = zip(models, data, strict=True)
        centred = [replace(own, values=own.values + outputs(model, own)) for model, own in pairs]
        train_many(models, centred, learning_rate=rate / factor**2, record=np.array([0, steps]))
        found[label] = [zero_planes(model) for model in models]
    return found


def clusters_chart(title: str, near: dict[str, list[Array]]) -> Chart:
    """Distribution functions of the nearness, means over seeds with 95 % intervals, beside the uniform law."""
    at, pairs = np.linspace(0, 1, 41), []
    for label, rows in near.items():
        if label == BEFORE:
            continue
        below = np.array([[(row[~np.isnan(row)] <= value).mean() for value in at] for row in rows])
        low, high = interval(below, 0.05)
        name, law = (f"{label}; line: chance", at) if label == KERNEL else (label, None)
        pairs.append(Pair(name, at, law, below.mean(axis=0), low, high))
    labels = ("distance to the nearest data point / half the gap", "part of zero-planes that are as near")
    return Chart(title, *labels, tuple(pairs), "linear", "linear")


@cache
def _regimes(setting: Setting, d: int, smooth: bool = False) -> dict[str, list[Array]]:
    """Nearness on random values, or on those of sin(π Σ x)."""
    small = 64, 10 * d, 2000
    n, count, steps, runs = setting.size((*small, 16), (*small, 64) if smooth else (256, 20 * d, 5000, 32))
    seeds = seeds_of(setting.seed, runs)
    data = [_random_values(d, count, [seed, d, 2]) for seed in seeds]
    if smooth:
        data = [replace(own, values=np.sin(np.pi * own.points.sum(axis=1))) for own in data]
    return {label: near_data(planes, data) for label, planes in both_regimes(data, n, seeds, 0.1, steps).items()}


def parts(rows: list[Array]) -> Array:
    """The part of planes near data for each seed (R, 1)."""
    return np.array([[clustering(row, PART).fraction] for row in rows])


def clusters(near: dict[str, list[Array]], title: str) -> Evidence:
    """The part of planes near data in the adaptive regime, above twice that of chance; wrong: all of them."""
    return Evidence(np.array([2 * PART]), parts(near[ADAPTIVE]), np.ones(1), clusters_chart(title, near))


def no_clusters(near: dict[str, list[Array]], title: str) -> Evidence:
    """What the kernel regime adds to the part of planes near data; wrong: twice that of chance."""
    gain = parts(near[KERNEL]) - parts(near[BEFORE])
    return Evidence(np.zeros(1), gain, np.array([2 * PART]), clusters_chart(title, near))


def _title(d: int) -> str:
    return f"Zero-planes of networks trained on random values in {d} dimension{'s' * (d > 1)}"


def _clusters(setting: Setting, d: int) -> Evidence:
    return clusters(_regimes(setting, d), _title(d))


def _smooth_clusters(setting: Setting) -> Evidence:
    return clusters(_regimes(setting, 1, smooth=True), "Zero-planes of networks trained on a sine in 1 dimension")


def _no_clusters(setting: Setting, d: int) -> Evidence:
    return no_clusters(_regimes(setting, d), _title(d))


TWICE = (
    f"Under the law of the start a plane is nearer than {PART:g} of the half-gap with the probability {PART:g}, "
    "whatever the data: planes cluster where it is more than twice as many."
)
ALIKE = (
    f"Half of the part {PART:g} that is near by chance. Planes move like 1/scale, by 1e-4, and only those within that "
    "of the edge of the part change sides."
)

CLAIMS = [
    Claim(
        "sahs2025.pinning",
        SOURCE,
        "A zero-plane that arrives at a data point is held there where both one-sided velocities of its distance point "
        "at the datum, and else goes on with the one beyond it (one, two and three dimensions).",
        "statistical",
        0.2,
        f"Errors change by up to a tenth in the window, {WINDOW * RATE:g} of time; of ratios A/|jump| that are spread "
        "evenly, those within a tenth of 0 or 1, a fifth, may change their answer.",
        _pinning,
    ),
    *[
        Claim(
            f"sahs2025.clusters-{d}d",
            SOURCE,
            "Trained in the adaptive regime (a small output scale, all parameters, random values) zero-planes cluster "
            f"at data points (d = {d}).",
            "statistical",
            1e-9,
            TWICE,
            partial(_clusters, d=d),
            side="above",
        )
        for d in (1, 2)
    ],
    Claim(
        "sahs2025.clusters-smooth",
        SOURCE,
        "In the adaptive regime zero-planes have clustered at data points when the data are learned, here one period "
        "of a sine, to half a percent of the loss, in 2000 steps (d = 1). (They have not: they lie in the middle "
        "between data. In four times as many steps they come to cluster.)",
        "statistical",
        1e-9,
        TWICE,
        _smooth_clusters,
        known=True,
        side="above",
    ),
    *[
        Claim(
            f"sahs2025.no-clusters-{d}d",
            SOURCE,
            "Trained in the kernel regime (a large output scale) as many zero-planes of the same networks are near "
            f"data points as before (d = {d}).",
            "statistical",
            PART / 2,
            ALIKE,
            partial(_no_clusters, d=d),
        )
        for d in (1, 2)
    ],
]
