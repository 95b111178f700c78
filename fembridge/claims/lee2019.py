"""The kernel regime: Lee et al. (arXiv 1902.06720), Wide Neural Networks of Any Depth Evolve as Linear Models Under
Gradient Descent; with Jacot et al. (1806.07572), Chizat et al. (1812.07956), Dyer and Gur-Ari (1909.11304) and Fort et
al. (2010.15110).

How a kernel comes to rest with the width m. In tangent-kernel scaling u = m^{−1/2} Σ v_i σ(z_i), training for a while
moves each z_i by Δ_i = m^{−1/2} v_i g + …, and the kernel is a mean over neurons. Smooth σ: the first-order change of
the kernel is m^{−1} Σ m^{−1/2} (a function odd in v_i), m terms of mean zero: m^{−3/2} √m = m^{−1}, as is the mean of
the second-order change. ReLU: σ' changes where z_i passes 0, for a part m^{−1/2} of the neurons, each by an amount of
order one and of the sign of v_i g: m^{−1} (m · m^{−1/2})^{1/2} = m^{−3/4}, more than all smooth terms. The distance to
the linearisation is the sum over steps of that change times the error, and goes like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.linearisations import linearise
from fembridge.bridge.linearised import Linearised, compare_linearised
from fembridge.bridge.regimes import scaled
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train_many
from fembridge.problem import Array
from fembridge.samples import Samples, on_circle
from fembridge.theory.linearised import deviation_bound

SOURCE = "Lee et al. 2019 (arXiv 1902.06720)"


def _sines(top: int, n: int, amplitude: float = 1.0) -> Samples:
    """amplitude · Σ_{k ≤ top} sin kθ at n points of the circle."""
    samples, angle = on_circle(1, n, range(1, top + 1)), 2 * np.pi * np.arange(n) / n
    return replace(samples, values=amplitude * np.sin(np.multiply.outer(angle, np.arange(1, top + 1))).sum(axis=1))


def _distances(found: Linearised) -> Array:
    """|r_t − r̂_t|/|r_0| (R, T), data of equal weights."""
    pairs = zip(found.predictions, found.trajectories, strict=True)
    return np.stack(
        [np.linalg.norm(p.residuals - q.residuals, axis=1) / np.linalg.norm(p.residuals[0]) for p, q in pairs]
    )


def _linearisation(setting: Setting) -> Evidence:
    """Wide networks against their linearisation at each of 50 steps, in units of the bound by the measured drift.

    The control predicts with the kernel of the last layer alone.
    """
    samples, width = _sines(4, 32), setting.size(4096, 16384)
    predicted, measured, wrong, scale, pairs = [], [], [], [], []
    for spec in ("relu", "tanh"):
        options = {"init": "gaussian", "parametrisation": "ntk", "seed": setting.seed}
        layers, steps = [2, width, 1], np.arange(51)
        start = linearise([perceptron(spec, layers, **options)], [samples])[0]  # type: ignore[arg-type]
        last = linearise([perceptron(spec, layers, trained="2.*", **options)], [samples])[0]  # type: ignore[arg-type]
        found = compare_linearised([perceptron(spec, layers, **options)], samples, steps=steps)  # type: ignore[arg-type]
        assert found.prediction is not None and found.drift is not None
        bound = deviation_bound(found.prediction, start.kernel, start.weights, found.drift[0])
        size = np.sqrt(start.weights @ start.residual**2)  # |c_k| ≤ 2 (Σ w r²)^{1/2}
        predicted.append(found.prediction.coefficients[1:])
        measured.append(found.measured[0, 1:])
        wrong.append(last.predict(steps, "gd", found.learning_rate, 0.0).coefficients[1:])
        scale.append(np.repeat(2 * size * bound[1:, None], len(samples.frequencies), axis=1))
        pairs.append(
            Pair(f"{spec}: at most, and measured", steps[1:].astype(float), bound[1:], _distances(found)[0, 1:])
        )
    chart = Chart(f"Networks of width {width} and their linearisation", "step", "|r − r̂| / |r₀|", tuple(pairs))
    p, m, w = (np.concatenate(part) for part in (predicted, measured, wrong))
    return Evidence(p, m, w, chart, scale=np.concatenate(scale))


class Size(NamedTuple):
    """Widths, data on the circle (for ReLU so many that neurons cross some of them at any width), and seeds."""

    widths: tuple[int, ...]
    data: int
    seeds: int


QUICK = {"relu": Size((256, 1024, 4096), 32, 48), "tanh": Size((128, 512, 2048), 8, 96)}
FULL = {"relu": Size((256, 1024, 4096, 16384, 65536), 32, 128), "tanh": Size((256, 1024, 4096, 16384), 8, 256)}


@cache
def _by_width(spec: str, setting: Setting) -> tuple[Array, Array]:
    """Widths (W,), and drift of the kernel and distance to the linearisation (2, R, W) when 16 steps have learned nine
    tenths of √½ sin θ: a short way, on which the first order tells.
    """
    widths, data, count = setting.size(QUICK, FULL)[spec]
    samples, seeds = _sines(1, data, 2**-0.5), seeds_of(setting.seed, count)
    found = [scaled(samples, m, 1.0, spec=spec, steps=np.array([16]), seeds=seeds, learning_rate=0.8) for m in widths]
    drift = np.stack([one.drift[:, 0] for one in found if one.drift is not None], axis=1)
    pairs = [zip(one.predictions, one.trajectories, strict=True) for one in found]
    left = np.array([[np.linalg.norm(p.residuals - q.residuals) for p, q in both] for both in pairs]).T
    return np.array(widths, float), np.stack([drift, left / np.linalg.norm(samples.values)])


def _slopes(x: Array, y: Array) -> Array:
    """Exponents of y (…, X) in x (X,), by least squares in the logarithms."""
    u = np.log(x) - np.log(x).mean()
    return np.asarray(np.log(y) @ u / (u @ u))


def _exponents(spec: str, exponent: float, wrong: float, setting: Setting) -> Evidence:
    """The exponents in the width that each seed shows: of the drift, and of the distance."""
    widths, both = _by_width(spec, setting)
    labels = ("drift of the kernel |K − K₀|/|K₀|", "distance to the linearisation |r − r̂|/|r₀|")
    pairs = tuple(_scaling(label, widths, values, exponent) for label, values in zip(labels, both, strict=True))
    title = f"Shallow {spec} networks after 16 steps, and m^{exponent:g}"
    chart = Chart(title, "width m", "relative change", pairs, slopes=(exponent,))
    return Evidence(np.full(2, exponent), _slopes(widths, both).T, np.full(2, wrong), chart)


def _scaling(label: str, x: Array, values: Array, exponent: float) -> Pair:
    """Geometric means over seeds of values (R, X) with their 95 % interval, and a power law through their middle."""
    logs = np.log(values)
    low, high = interval(logs, 0.05)
    law = np.exp(logs.mean() + exponent * (np.log(x) - np.log(x).mean()))
    return Pair(label, x, law, np.exp(logs.mean(axis=0)), np.exp(low), np.exp(high))


def _lazy(setting: Setting) -> Evidence:
    """Drift and distance of α h(θ) at one width and growing α."""
    scales, seeds = np.array(setting.size(2 ** np.arange(8, 13), 2 ** np.arange(8, 17))), seeds_of(setting.seed, 2)
    found = [scaled(_sines(3, 16), 32, float(a), spec="tanh", steps=np.array([0, 100]), seeds=seeds) for a in scales]
    drift = np.array([one.drift[:, -1] for one in found if one.drift is not None])
    distance, x = np.array([_distances(one)[:, -1] for one in found]), scales.astype(float)
    measured = np.concatenate([drift, distance], axis=1)
    law = measured[-1] * x[-1] / x[:, None]
    labels = ("drift |K − K₀|/|K₀|", "distance |r − r̂|/|r₀|")
    pairs = tuple(Pair(label, x, law[:, i], measured[:, i]) for label, i in zip(labels, (0, 2), strict=True))
    chart = Chart("α h(θ), a tanh network of width 32", "output scale α", "relative change", pairs, slopes=(-1.0,))
    return Evidence(law, measured, law * np.sqrt(x[:, None] / x[-1]), chart, x=x)


def _batches(setting: Setting) -> Evidence:
    """Means and variances per frequency over seeds of batches of 4 of 32 data, in units of the predicted deviations.

    The last layer trains, so that the kernel stays; 8 neurons cannot fit 32 data, so that the variance has a floor.
    The control has batches of half the size.
    """
    samples, batch, steps = _sines(4, 32), 4, np.array([0, 1, 5, 25, 100])
    seeds = seeds_of(setting.seed, setting.size(500, 5000))
    models = [perceptron("relu", [2, 8, 1], init="gaussian", seed=setting.seed, trained="2.*") for _ in seeds]
    start = linearise(models[:1], [samples])[0]
    eta = start.rate(batch)
    paths = train_many(
        models, samples, learning_rate=eta, record=steps, optimizer="sgd", batch=batch, seeds=seeds, engine="stacked"
    )
    c = np.stack([path.coefficients for path in paths])[:, 1:]
    right, half = (start.moments(steps, b, eta) for b in (batch, batch // 2))
    mean, variance = right.mean[1:], right.variance[1:]
    parts = [c.real, c.imag, np.abs(c - mean) ** 2]
    scale = np.stack([np.sqrt(variance), np.sqrt(variance), variance]).ravel()
    predicted, wrong = (np.stack([m.mean[1:].real, m.mean[1:].imag, m.variance[1:]]).ravel() for m in (right, half))
    measured = np.concatenate([part.reshape(len(c), -1) for part in parts], axis=1)
    chart = _variances(steps[1:].astype(float), variance, parts[2], samples.frequencies)
    return Evidence(predicted, measured, wrong, chart, scale=scale)


def _variances(steps: Array, predicted: Array, squares: Array, frequencies: Sequence[object]) -> Chart:
    ends = [interval(squares[:, :, i], 0.05) for i in range(squares.shape[2])]
    pairs = tuple(
        Pair(f"k = {k}", steps, predicted[:, i], squares[:, :, i].mean(axis=0), *ends[i])
        for i, k in enumerate(frequencies)
    )
    return Chart(
        f"Batches of 4 of 32 data, {len(squares)} seeds", "step", "variance of the error |c_k − E c_k|²", pairs
    )


def _refreshed(setting: Setting) -> Evidence:
    """How many times nearer the prediction is, in powers of two, when its kernel is taken anew from training."""
    steps, seeds = np.array([0, 1, 2, 5, 10, 20, 40, 80, 140, 200]), seeds_of(setting.seed, setting.size(16, 64))
    found = []
    for refresh in ((), (2, 5, 10, 20, 40, 80, 140)):
        models = [perceptron("tanh", [2, 16, 1], init="gaussian", parametrisation="ntk", seed=seed) for seed in seeds]
        found.append(_distances(compare_linearised(models, _sines(3, 16), steps=steps, refresh=refresh))[:, 1:])
    gain = np.log2(np.linalg.norm(found[0], axis=1) / np.linalg.norm(found[1], axis=1))[:, None]
    pairs = []
    for label, distance in zip(("kernel at the start", "kernels at 8 steps"), found, strict=True):
        logs = np.log(distance)
        low, high = interval(logs, 0.05)
        pairs.append(Pair(label, steps[1:].astype(float), None, np.exp(logs.mean(axis=0)), np.exp(low), np.exp(high)))
    chart = Chart("Tanh networks of width 16, far from the kernel regime", "step", "|r − r̂| / |r₀|", tuple(pairs))
    return Evidence(np.array([1.0]), gain, np.array([10.0]), chart)


HALF_WAY = (
    "Laws with exponents −1/2, −3/4 and −1 are to be told apart: 1/8 is half-way. The next order is the smaller by "
    "m^{-1/4} for ReLU, m^{-1/2} for tanh: with a share of a fifth it moves an exponent by 0.05 or 0.1."
)
AFTER = (
    "In tangent-kernel scaling the kernel of a shallow {} network moves, and the network leaves its linearisation, like"
)

CLAIMS = [
    Claim(
        "lee2019.linearisation",
        f"{SOURCE}, theorem 2.1; Jacot et al. (arXiv 1806.07572)",
        "A wide network trained in full follows its linearisation, no further off than the drift of its kernel allows.",
        "identity",
        1.0,
        "In units of the bound by Duhamel's formula, from the drift at all steps; in each step the kernel is averaged "
        "along it, and taken to be no further from the first one than at the ends of the step.",
        _linearisation,
    ),
    Claim(
        "lee2019.width-root",
        f"{SOURCE}, theorem 2.1, whose upper bound O(m^{{-1/2}}) is read as a law",
        AFTER.format("tanh") + " m^{-1/2}.",
        "statistical",
        0.125,
        HALF_WAY,
        partial(_exponents, "tanh", -0.5, 0.0),
        known=True,
    ),
    Claim(
        "lee2019.width-smooth",
        "Dyer and Gur-Ari (arXiv 1909.11304): O(1/m) for smooth activations",
        AFTER.format("tanh") + " m^{-1}.",
        "statistical",
        0.125,
        HALF_WAY,
        partial(_exponents, "tanh", -1.0, -0.5),
    ),
    Claim(
        "lee2019.width-relu",
        f"{SOURCE}, figure 1, where the kernel of ReLU networks moves at a rate between m^{{-1/2}} and m^{{-1}}",
        AFTER.format("ReLU") + " m^{-3/4}: the neurons that cross a datum are more than the smooth terms.",
        "statistical",
        0.125,
        HALF_WAY,
        partial(_exponents, "relu", -0.75, -0.5),
    ),
    Claim(
        "lee2019.lazy-scale",
        "Chizat, Oyallon, Bach (arXiv 1812.07956), theorems 2.2 and 2.3",
        "At a fixed width, with the output α (h(θ) − h(θ₀)), drift of the kernel and distance to the linearisation "
        "fall like 1/α.",
        "order",
        0.05,
        "The next order is the smaller by some tens over α where the first one nearly cancels: by 10 at α = 256.",
        _lazy,
    ),
    Claim(
        "lee2019.batches",
        f"{SOURCE}, linearised, under batches drawn with replacement: mean and variance by an exact recursion",
        "Mean and variance of the error at each frequency under stochastic gradient descent are those predicted.",
        "statistical",
        0.5,
        "In units of the predicted standard deviations, and variances: batches of half the size double the variance, "
        "1/2 is half-way. 500 seeds leave an interval of 0.2 about a mean, of 0.3 about a variance.",
        _batches,
    ),
    Claim(
        "lee2019.refreshed",
        "Fort et al. (arXiv 2010.15110): the tangent kernel changes most at first, and later ones predict better",
        "Outside the kernel regime a prediction whose kernel is taken anew at 7 steps errs by less than half as much.",
        "statistical",
        1e-9,
        "Of a drift that grows with the logarithm of the step each of 8 stretches has an eighth; half is asked.",
        _refreshed,
        side="above",
    ),
]
