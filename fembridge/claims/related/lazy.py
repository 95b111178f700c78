"""Lazy training: smoother interpolants, and which of them generalise better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.regimes import centred
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.kernels import tangent_kernel
from fembridge.networks.limits import flow_limit
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.readouts import readout
from fembridge.networks.training import train_many
from fembridge.problem import Array, terrain
from fembridge.samples import Samples
from fembridge.theory.descent import linearised_fit

SOURCE = "Sahs et al. (arXiv 2008.01772), kernel and adaptive regimes; Chizat, Oyallon, Bach (arXiv 1812.07956)"
DATA, GRID = 12, 400  # samples, one in each twelfth of [0, 1]; points at which interpolants are read
WIDTHS = {"hat": (0.05, 0.1, 0.2, 0.4, 0.8), "gaussian": (0.02, 0.05, 0.1, 0.2, 0.4)}
FAMILIES = ("relu", "relu2", *(f"{name} {w:g}" for name in WIDTHS for w in WIDTHS[name]))
RANKS = 0.8  # rank correlation from which one thing is said to order another
SCALES = (1.0, 16.0)  # of the output: rich and lazy
Target = Callable[[Array], Array]


def _smooth(random: np.random.Generator) -> Target:
    """A random sum of half-waves 1 … 4 that fall like k⁻²."""
    k = np.arange(1, 5)
    a, phase = random.standard_normal(4) / k**2, random.uniform(0, 2 * np.pi, 4)
    return lambda x: np.asarray(np.sin(np.pi * np.multiply.outer(x, k) + phase) @ a)


def _terrain(random: np.random.Generator) -> Target:
    """A random row of real elevations."""
    return terrain(int(random.integers(344))).values


def _samples(f: Target, random: np.random.Generator, count: int = DATA) -> tuple[Samples, Samples]:
    """f at one random place in each of `count` parts of [0, 1], and on a grid between the first and the last."""
    x = (np.arange(count) + random.random(count)) / count
    grid = (np.arange(GRID) + 0.5) / GRID
    grid = grid[(grid > x[0]) & (grid < x[-1])]
    size = np.std(f(grid))
    return Samples(x[:, None], f(x) / size), Samples(grid[:, None], f(grid) / size)


def _features(family: str, neurons: int, random: np.random.Generator) -> Any:
    """A read-out of σ(±(x − c)), or of σ((x − c)/w), with c at random on twice the interval."""
    c, signs = random.uniform(-0.5, 1.5, neurons), random.choice([-1.0, 1.0], neurons)
    name, *width = family.split()
    slope = np.full(neurons, 1 / float(width[0])) if width else signs
    return readout(activation(name), slope[:, None], -slope * c + (name == "hat"))


def _roughness(u: Array) -> float:
    """∫u''², by second differences on the grid."""
    return float(np.sum(np.diff(u, 2) ** 2) * GRID**3)


def _interpolants(kind: Callable[[np.random.Generator], Target], setting: Setting) -> tuple[Array, Array]:
    """Roughness and mean square error, (R, families), of the interpolant of least norm in each family of features."""
    seeds, neurons = seeds_of(setting.seed, setting.size(24, 200)), setting.size(500, 2000)
    found = np.empty((2, len(seeds), len(FAMILIES)))
    for r, seed in enumerate(seeds):
        random = np.random.default_rng([setting.seed, seed])
        data, test = _samples(kind(random), random)
        for i, family in enumerate(FAMILIES):
            model = _features(family, neurons, random)
            flow_limit(model, data)
            u = outputs(model, test)
            found[:, r, i] = _roughness(u), np.mean((u - test.values) ** 2)
    return found[0], found[1]


def _chart(name: str, rough: Array, error: Array) -> Chart:
    x, y = np.exp(np.log(rough).mean(axis=0)), np.exp(np.log(error).mean(axis=0))
    groups = ("relu", "relu2", "hat", "gaussian")
    labels = ("ReLU", "ReLU²", "Hat, widths 0.05 to 0.8", "Gaussian, widths 0.02 to 0.4")
    chosen = [[i for i, family in enumerate(FAMILIES) if family.split()[0] == group] for group in groups]
    pairs = tuple(Pair(label, x[i], None, y[i]) for label, i in zip(labels, chosen, strict=True))
    title = f"Least-norm interpolants of {DATA} data of {name}"
    return Chart(title, "roughness ∫u″² (geometric mean over draws)", "test error, f of variance 1", pairs)


def _ranks(kind: Callable[[np.random.Generator], Target], name: str, setting: Setting) -> Evidence:
    """Spearman's rank correlation of roughness and error over the families, for each draw; control: above 0.99."""
    rough, error = _interpolants(kind, setting)
    found = np.array([spearmanr(a, b).statistic for a, b in zip(rough, error, strict=True)])[:, None]
    return Evidence(np.full(1, RANKS), found, np.full(1, 0.99), _chart(name, rough, error))


def _trained(scale: float, width: int, steps: int, seeds: Sequence[int]) -> tuple[list[Array], Array, list[Samples]]:
    """Shallow ReLU networks with an output scale, each trained in full on 8 data of its own, from u = 0: u on the grid
    of each; of the first, what its tangent kernel predicts, and its data and grid.
    """
    draws = [np.random.default_rng(seed) for seed in seeds]
    sets = [_samples(_smooth(random), random, 8) for random in draws]
    data, tests = ([replace(one, points=2 * one.points - 1) for one in each] for each in zip(*sets, strict=True))
    options: dict[str, Any] = {"init": "gaussian", "parametrisation": "ntk", "output_scale": scale}
    models = [perceptron("relu", [1, width, 1], seed=seed, **options) for seed in seeds]
    starts = [outputs(model, test) for model, test in zip(models, tests, strict=True)]
    goals = [centred(model, one) for model, one in zip(models, data, strict=True)]
    K = tangent_kernel(models[0], np.concatenate([data[0].points, tests[0].points]))
    rate = 4 / max(
        np.linalg.eigvalsh(tangent_kernel(model, one.points))[-1] for model, one in zip(models, data, strict=True)
    )  # half of 8 over λ_max
    train_many(models, goals, learning_rate=rate, record=[0, steps])
    u = [outputs(model, test) - start for model, test, start in zip(models, tests, starts, strict=True)]
    return u, linearised_fit(K[:8, :8], K[8:, :8], data[0].values, rate, steps), [data[0], tests[0]]


def _scaled(setting: Setting) -> Evidence:
    """log₁₀ of ∫u''² of rich over lazy networks, trained in full on the same data; control: above 4."""
    seeds = seeds_of(setting.seed, setting.size(8, 32))
    size = setting.size(128, 512), setting.size(3000, 20000)
    (rich, _, (data, grid)), (lazy, kernel, _) = (_trained(scale, *size, seeds) for scale in SCALES)
    found = np.log10([[_roughness(a) / _roughness(b)] for a, b in zip(rich, lazy, strict=True)])
    x = grid.points[:, 0]
    pairs = (
        Pair(f"lazy, α = {SCALES[1]:g}", x, kernel, lazy[0]),
        Pair(f"rich, α = {SCALES[0]:g}", x, None, rich[0]),
        Pair("target", x, grid.values, None),
        Pair("data", data.points[:, 0], None, data.values),
    )
    title = "ReLU networks trained in full, and the kernel of the lazy one"
    return Evidence(np.zeros(1), found, np.full(1, 4.0), Chart(title, "x", "u", pairs, "linear", "linear"))


CLAIMS: list[Claim] = [
    Claim(
        "related.lazy-smooth",
        SOURCE,
        "Of the interpolants of smooth data that read-outs of ReLU, ReLU², Hat and Gaussian features tend to, the "
        "smoother ones, with the smaller ∫u″², have the smaller error: a rank correlation above 0.8.",
        "statistical",
        1e-9,
        "Without a relation ranks have the correlation 0; 0.8 leaves about a fifth of all pairs in the other order.",
        partial(_ranks, _smooth, "a smooth function"),
        side="above",
    ),
    Claim(
        "related.lazy-terrain",
        SOURCE + ", on rows of real terrain",
        "On real terrain too the smoother interpolants have the smaller error: a rank correlation above 0.8.",
        "statistical",
        1e-9,
        "Terrain is rough below the distance of the data. What is smoothest, ReLU² or Gaussians of the width of that "
        "distance, swings over where the elevation turns, and errs more than piecewise-linear interpolants do; only "
        "wide Gaussians err by much more, and they are the roughest.",
        partial(_ranks, _terrain, "rows of terrain"),
        known=True,
        side="above",
    ),
    Claim(
        "related.lazy-scale",
        SOURCE + ", for networks trained in full",
        "A lazy ReLU network (output scale 16), all of whose parameters train, interpolates smooth data more smoothly "
        "than a rich one (output scale 1).",
        "statistical",
        1e-9,
        "The kernel interpolant is a cubic spline where output weights alone train. Where biases train too, tangent "
        "features are steps at the kinks, the kernel has a kink at each datum, and ∫u″² is that of steps; a rich "
        "network moves kinks instead.",
        _scaled,
        known=True,
        side="above",
    ),
]
