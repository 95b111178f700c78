"""Handwritten digits: what noise of one frequency does to the error on clean digits, and how well classes are told."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.validation import validation
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.datasets import digits, radial_noise
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train_many
from fembridge.problem import Array
from fembridge.samples import Samples

RAHAMAN = "Rahaman et al., arXiv 1806.08734, section 3.2, on handwritten digits 3 and 8"
HONG = "Hong, Siegel, Tan, Xu, arXiv 2208.04924, abstract and section 5, on handwritten digits"
NOISE = 0.5  # the mean square of sin, the amplitude being that of the labels ±1


def _one_unit(data: Samples) -> float:
    """The weight scale at which the first layer's outputs have standard deviation 1: hats are as wide as two of them.

    "uniform" weights have the standard deviation 1/√(3d), and their outputs |x| times as much.
    """
    return float(np.sqrt(3 * data.points.shape[1]) / np.median(np.linalg.norm(data.points, axis=1)))


@cache
def _noisy(setting: Setting, spec: str) -> tuple[tuple[float, ...], NDArray[np.int64], Array]:
    """Periods (P,) of the noise over the range of |x| of nine digits in ten, steps (T,), and the mean square error on
    clean digits, (P, R, T), of networks trained on noisy ones.
    """
    # full: 784-256-256-256-256-256-1 on 500 digits of MNIST, about two hours on one core
    name, count = setting.size(("digits", 180), ("mnist", 500))
    hidden, rate, last = setting.size(([64, 64], 2e-3, 300), ([256] * 5, 5e-4, 1500))
    all_periods = setting.size((0.25, 4.0), (0.25, 0.5, 1.0, 2.0, 4.0))
    training, clean = digits(name, (3, 8), count, setting.seed)
    radius = np.linalg.norm(training.points, axis=1)
    span = np.diff(np.quantile(radius, [0.05, 0.95]))[0]
    steps = np.unique(np.concatenate([[0], np.geomspace(1, last, 40).astype(int)]))
    layers, scale = [training.points.shape[1], *hidden, 1], _one_unit(training)
    error = []
    for periods in all_periods:
        networks = [perceptron(spec, layers, seed=seed, weight_scale=scale) for seed in seeds_of(setting.seed, 12)]
        data = radial_noise(training, periods / span, 1.0)
        paths = train_many(
            networks, data, learning_rate=rate, record=steps, optimizer="adam", observe=validation(clean)
        )
        error.append([2 * np.asarray(path.observed)[:, 0] for path in paths])
    return all_periods, steps, np.array(error)


def _dips(setting: Setting, spec: str, wrong: float) -> Evidence:
    """(final − least error on clean digits)/noise power, at 4 periods less at ¼ period, for each seed."""
    all_periods, steps, error = _noisy(setting, spec)
    dip = (error[:, :, -1] - error.min(axis=2)) / NOISE
    pairs = []
    for periods, rows in zip(all_periods, error, strict=True):
        low, high = interval(rows, 0.05)
        pairs.append(Pair(f"{periods:g} periods", steps[1:].astype(float), None, rows.mean(0)[1:], low[1:], high[1:]))
    chart = Chart(f"Trained on noisy digits 3 and 8: {spec}", "step", "mean square error on clean digits", tuple(pairs))
    return Evidence(np.zeros(1), (dip[-1] - dip[0])[:, None], np.array([wrong]), chart)


@cache
def _classified(setting: Setting) -> tuple[NDArray[np.int64], Array, Array]:
    """Steps (T,), training losses and accuracies on other digits, (2, R, T), of ReLU and of hat networks.

    Layers, starting weights and batches of a seed are the same for both.
    """
    # full: 784-256-256-10 on 4000 digits of MNIST, 100 epochs, about an hour on one core
    name, count = setting.size(("digits", 900), ("mnist", 4000))
    hidden, rate, batch, last = setting.size(([64], 5e-3, 32, 300), ([256, 256], 1e-3, 100, 4000))
    training, other = digits(name, count=count, seed=setting.seed)
    steps = np.unique(np.concatenate([[0], np.geomspace(1, last, 12).astype(int)]))
    layers, loss, right = [training.points.shape[1], *hidden, 10], [], []
    seeds = seeds_of(setting.seed, 16)
    for spec in ("relu", "hat"):
        networks = [perceptron(spec, layers, seed=seed, weight_scale=_one_unit(training)) for seed in seeds]
        paths = train_many(
            networks,
            training,
            learning_rate=rate,
            record=steps,
            optimizer="adam",
            batch=batch,
            seeds=seeds,
            observe=validation(other),
        )
        loss.append([path.loss for path in paths])
        right.append([np.asarray(path.observed)[:, 1] for path in paths])
    return steps, np.array(loss), np.array(right)


def _both(steps: NDArray[np.int64], rows: Array, quantity: str) -> Chart:
    pairs = []
    for name, own in zip(("ReLU", "hat"), rows, strict=True):
        low, high = interval(own, 0.05)
        pairs.append(Pair(name, steps[1:].astype(float), None, own.mean(axis=0)[1:], low[1:], high[1:]))
    return Chart("Digits of ten classes, by Adam", "step", quantity, tuple(pairs))


def _accuracy(setting: Setting) -> Evidence:
    """Accuracy of hat less that of ReLU networks in the end, for each seed; wrong: five points."""
    steps, _, right = _classified(setting)
    gain = right[1, :, -1] - right[0, :, -1]
    return Evidence(np.zeros(1), gain[:, None], np.array([0.05]), _both(steps, 1 - right, "part of errors"))


def _speed(setting: Setting) -> Evidence:
    """log₁₀ of the training loss of ReLU over that of hat networks in the end, for each seed; wrong: two decades."""
    steps, loss, _ = _classified(setting)
    gain = np.log10(loss[0, :, -1] / loss[1, :, -1])
    return Evidence(np.zeros(1), gain[:, None], np.array([2.0]), _both(steps, loss, "training loss"))


CLAIMS = [
    Claim(
        "digits.noise-dip-relu",
        RAHAMAN,
        "A ReLU network trained on labels with radial noise first learns the clean labels and then the noise, and the "
        "more so the higher the noise's frequency: the dip in the error on clean digits is deeper.",
        "statistical",
        1e-9,
        "The sign of a difference, over seeds; the data and their noise are the same for both frequencies.",
        partial(_dips, spec="relu", wrong=1.0),  # more than all of the noise
        side="above",
    ),
    Claim(
        "digits.noise-dip-hat",
        HONG,
        "Hats have no spectral bias: as wide as two standard deviations of their inputs, they learn noise of low and "
        "of high frequency alike, with one and the same dip in the error on clean digits. (They do, in deep networks "
        "on 28 × 28 points, but not in small ones on 8 × 8.)",
        "statistical",
        0.25,
        "A quarter of the noise's power, the error that a network which had learned half of it would make.",
        partial(_dips, spec="hat", wrong=-0.5),  # deeper for the low frequency
        known=True,
    ),
    Claim(
        "digits.accuracy",
        HONG,
        "Hat networks tell digits that they have not seen apart as well as ReLU networks, to within a point. (On 8 × 8 "
        "points; on 28 × 28 they are 1.8 points behind.)",
        "statistical",
        0.01,
        "Two standard deviations of an accuracy of 97 % read from 900 digits.",
        _accuracy,
    ),
    Claim(
        "digits.training-speed",
        HONG,
        "Hat networks are trained faster by Adam than ReLU networks, here on digits of ten classes.",
        "statistical",
        1e-9,
        "The sign of a difference, over seeds; layers, starting weights and batches are the same for both.",
        _speed,
        side="above",
    ),
]
