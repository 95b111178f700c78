"""A contest of activations: a flat design, Hat, ReLU, tanh, sine and GELU, tuned alike and trained on the same data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.learning import first_below
from fembridge.claims.claim import Setting
from fembridge.claims.repeats import phased_sines, seeds_of
from fembridge.datasets import photograph
from fembridge.networks.activations import activation
from fembridge.networks.kernels import tangent_kernel
from fembridge.networks.perceptrons import perceptron, train_only
from fembridge.networks.ridges import ridges
from fembridge.networks.training import Trajectory, train_many
from fembridge.problem import Array, Problem, terrain
from fembridge.samples import Frequency, Samples, samples_of
from fembridge.theory.design.designs import design
from fembridge.theory.prediction import of_features, solve
from fembridge.theory.smooth import smooth
from fembridge.theory.splines import named

Data = Literal["sines", "terrain", "waves", "photograph"]
Trained = Literal["output", "full"]
Start = Literal["grid", "random"]
FLAT = design("flat", taps=5)
REACH = len(FLAT.taps)  # knots to the left of 0 whose features reach into the domain
DESIGN = "flat design"
ACTIVATIONS: dict[str, str | Mapping[str, Any]] = {
    DESIGN: {"knots": FLAT.activation.knots.tolist(), "coefficients": FLAT.taps.tolist(), "degree": FLAT.degree},
    "Hat": "hat",
    "ReLU": "relu",
    "tanh": "tanh",
    "sine": "sine",
    "GELU": "gelu",
}
SMOOTH = ("tanh", "sine", "GELU")
# What all are tuned over, with the scales W of a `Size`: chosen by the mean of log(loss) over log-spaced steps, of two
# seeds that are not among the judged ones.
PARTS = (1.0, 1.5, 1.9)  # output weights: gradient descent at these multiples of 1/λ_max of each network
RATES = (1e-2, 3e-2, 1e-1, 3e-1)  # all parameters: Adam
TUNING = 10**6  # seeds of tuning begin there
SCANNED = 64  # seeds below were looked at before the claims were stated


class Size(NamedTuple):
    """How large the networks are, and what is fitted.

    cells: the knots of a grid start are 1/cells apart. points: of one input, and of each of two; step: every so manieth
    point of the photograph. width: neurons, but for features on knots. outer, inner: steps of gradient descent and of
    Adam. seeds: of most, and of all parameters with two inputs. scales: W of the first layer, from PyTorch's, 1, over
    that of the knots, `cells`, to features as narrow as the points are apart: what finer ones do between the points is
    not seen.
    """

    cells: int
    points: tuple[int, int]
    frequencies: tuple[int, ...]
    waves: tuple[Frequency, ...]
    step: int
    width: int
    outer: int
    inner: int
    seeds: tuple[int, int]
    scales: tuple[float, ...]


QUICK = Size(
    16,
    (64, 12),
    (1, 2, 3, 4, 5),
    ((1, 0), (1, 1), (0, 2), (2, 2), (3, 0)),
    40,
    64,
    200,
    200,
    (16, 32),
    (1.0, 4.0, 16.0, 64.0),
)
FULL = Size(
    64,
    (256, 32),
    (1, 2, 4, 8, 12, 16, 20),
    ((1, 0), (1, 1), (0, 2), (2, 2), (4, 0), (4, 4), (0, 8)),
    10,
    128,
    3000,
    2000,
    (20, 20),
    (1.0, 4.0, 16.0, 64.0, 256.0),
)


class Choice(NamedTuple):
    """What is tuned. rate: a multiple of 1/λ_max, or Adam's learning rate."""

    start: Start
    scale: float
    rate: float


@dataclass(frozen=True, eq=False)
class Entry:
    """R trainings of one activation at learning rates (R,): |c_k| of the error over that of the target, (R, T, F), and
    ‖u − f‖/‖f‖, (R, T).
    """

    choice: Choice
    rates: Array
    left: Array
    norms: Array


@dataclass(frozen=True, eq=False)
class Contest:
    """The entries by the name of their activation, at steps (T,); seeds (R,) with their samples."""

    size: Size
    steps: NDArray[np.int64]
    seeds: tuple[int, ...]
    samples: tuple[Samples, ...]
    entries: Mapping[str, Entry]

    @property
    def frequencies(self) -> Array:
        """|k|, (F,)."""
        return np.array([np.linalg.norm(np.atleast_1d(k)) for k in self.samples[0].frequencies])

    def steps_to(self, part: float, left: Array) -> Array:
        """First steps (R, F) at which `part` of the target's amplitude is left; the last where that never was."""
        before = np.ones((1, left.shape[2]))  # the target itself, before a network has a say
        found = [first_below(np.append(-1, self.steps), np.concatenate([before, one]), part) for one in left]
        return np.where(np.isnan(found), self.steps[-1], np.maximum(found, 1))

    def predicted(self, label: str) -> Array:
        """`Entry.left` of output weights by gradient descent, from numbers and NumPy's σ alone."""
        entry, spec = self.entries[label], ACTIVATIONS[label]
        sigma: Callable[[Array], Array] = smooth(label.lower()).value if label in SMOOTH else named(spec)
        every = []
        for seed, data, rate in zip(self.seeds, self.samples, entry.rates, strict=True):
            w, b = first_layer(entry.choice, seed, data.points.shape[1], self.size)
            system = of_features(sigma(data.points @ w.T + b), data.values, data.weights, data.waves)
            found = solve(system, data.frequencies, self.steps, learning_rate=float(rate))
            every.append(np.abs(found.coefficients) / np.abs(system.target))
        return np.stack(every)


@cache
def contest(setting: Setting, data: Data, trained: Trained) -> Contest:
    """All activations tuned on two seeds and trained on others, each with a target and a first layer of its own.

    sines, terrain: one input; a sum of sines of random phases, and rows of real elevations. waves, photograph: two.
    One hidden layer of equally many neurons for all. "output": output weights from zero by gradient descent, in
    float64; first layers on a grid, w = W and b = −W t_j, or (the only ones with two inputs) random. "full": all
    parameters by Adam, in float32, from PyTorch's law times W.
    """
    size: Size = setting.size(QUICK, FULL)
    last = size.outer if trained == "output" else size.inner
    steps = np.unique(np.concatenate([[0], np.geomspace(1, last, 80).round().astype(int)]))
    many = trained == "full" and data in ("waves", "photograph")  # whose errors differ most from seed to seed
    judged = [SCANNED + seed for seed in seeds_of(setting.seed, size.seeds[many])]
    tuning = [TUNING + seed for seed in seeds_of(setting.seed, 2)]
    samples = {seed: _samples(data, size, seed) for seed in (*judged, *tuning)}
    train, entries = _output if trained == "output" else _full, {}
    choices = _choices(data, trained, size)
    for label, spec in ACTIVATIONS.items():
        tried = train(spec, [one for one in choices for _ in tuning], tuning * len(choices), samples, steps, size)
        scores = np.reshape([_score(path) for path in tried], (len(choices), -1)).mean(axis=1)
        choice = choices[int(np.argmin(scores))]
        paths = train(spec, [choice] * len(judged), judged, samples, steps, size)
        entries[label] = _entry(choice, paths, [samples[seed] for seed in judged])
    return Contest(size, steps, tuple(judged), tuple(samples[seed] for seed in judged), entries)


def _samples(data: Data, size: Size, seed: int) -> Samples:
    if data == "sines":
        k = size.frequencies
        return phased_sines(k, [1.0] * len(k), [(0.0, 1.0)], size.points[:1], [seed])[0]
    if data == "waves":
        count = len(size.waves)
        return phased_sines(size.waves, [1.0] * count, [(0.0, 1.0)] * 2, [size.points[1]] * 2, [seed])[0]
    if data == "terrain":
        row = int(np.random.default_rng(seed).integers(344))
        return samples_of(Problem(terrain(row), size.frequencies, samples=size.points[0]))
    grey = photograph("china", size.step)
    return replace(grey, values=grey.values - grey.values.mean())


def _choices(data: Data, trained: Trained, size: Size) -> list[Choice]:
    inputs = 1 if data in ("sines", "terrain") else 2
    starts: tuple[Start, ...] = ("grid", "random") if trained == "output" and inputs == 1 else ("random",)
    rates = PARTS if trained == "output" else RATES
    return [Choice(*one) for one in product(starts, size.scales, rates)]


def _score(path: Trajectory) -> float:
    loss = path.loss[1:]
    return float(np.mean(np.log(np.maximum(loss, 1e-30)))) if np.isfinite(loss).all() else np.inf


def first_layer(choice: Choice, seed: int, inputs: int, size: Size) -> tuple[Array, Array]:
    """Weights (n, d) and biases (n,): on knots, or of PyTorch's law, uniform on ±W/√d."""
    if choice.start == "grid":
        knots = (np.arange(size.cells + REACH) - REACH) / size.cells
        return np.full((len(knots), 1), choice.scale), -choice.scale * knots
    count = size.cells + REACH if inputs == 1 else size.width
    draws = np.random.default_rng(seed).uniform(-1, 1, (count, inputs + 1)) * choice.scale / np.sqrt(inputs)
    return draws[:, :-1], draws[:, -1]


def _output(
    spec: Any, choices: Sequence[Choice], seeds: Sequence[int], samples: Mapping[int, Samples], steps: Any, size: Size
) -> list[Trajectory]:
    models, rates = [], []
    for choice, seed in zip(choices, seeds, strict=True):
        data = samples[seed]
        w, b = first_layer(choice, seed, data.points.shape[1], size)
        model = train_only(ridges(activation(spec), w, b, np.zeros(len(b))), "2.weight")
        models.append(model)
        largest = np.linalg.eigvalsh(tangent_kernel(model, data.points))[-1] / len(data)
        rates.append(
            choice.rate / (float(largest) or 1.0)
        )  # features so narrow that they miss all points learn nothing
    return train_many(models, [samples[seed] for seed in seeds], learning_rate=rates, record=steps)


def _full(
    spec: Any, choices: Sequence[Choice], seeds: Sequence[int], samples: Mapping[int, Samples], steps: Any, size: Size
) -> list[Trajectory]:
    inputs = samples[seeds[0]].points.shape[1]
    models = [
        perceptron(spec, [inputs, size.width, 1], seed=seed, weight_scale=choice.scale)
        for choice, seed in zip(choices, seeds, strict=True)
    ]
    return train_many(
        models,
        [samples[seed] for seed in seeds],
        learning_rate=[choice.rate for choice in choices],
        record=steps,
        optimizer="adam",
        dtype="float32",
    )


def _entry(choice: Choice, paths: Sequence[Trajectory], data: Sequence[Samples]) -> Entry:
    target = np.abs([one.read(one.values) for one in data])[:, None]
    left = np.abs([path.coefficients for path in paths]) / target
    norms = 2 * np.sqrt([path.loss for path in paths]) / np.array([[one.size] for one in data])
    return Entry(choice, np.array([path.learning_rate for path in paths]), left, norms)
