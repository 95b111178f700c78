"""One step of gradient descent with a flat design, against Hat and ReLU: trained, and predicted step by step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.comparison import log_steps
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.design.symbols import SOURCE, flat_condition
from fembridge.networks.designed import spline_network
from fembridge.networks.models import on_knots
from fembridge.networks.training import train
from fembridge.problem import Array, composite_gauss
from fembridge.samples import Samples, waves_on
from fembridge.theory.design.boundary import designed_features, splines
from fembridge.theory.design.designs import design
from fembridge.theory.features import grid
from fembridge.theory.features import on_knots as features_on_knots
from fembridge.theory.modes import fourier
from fembridge.theory.prediction import LeastSquares, solve, steps_of

NAMES = {"design": "flat design, 7 taps", "hat": "Hat", "relu": "ReLU"}
LEARNED = 0.01


class Case(NamedTuple):
    """A network, its least-squares problem, and what is fitted: the P1 interpolant of Σ sin 2πkx, k up to n/4."""

    model: Any
    system: LeastSquares
    samples: Samples


def _case(name: str, cells: int) -> Case:
    """All three networks span the target; its error stays in their span, and is integrated exactly."""
    x, w = composite_gauss(np.linspace(0, 1, cells + 1), 2)
    nodes, k = np.linspace(0, 1, cells + 1), np.arange(1, cells // 4 + 1)
    f = np.interp(x, nodes, np.sin(2 * np.pi * np.outer(nodes, k)).sum(axis=1))
    if name == "relu":
        model, phi = on_knots("relu", grid(cells), (0.0, 1.0)), features_on_knots("relu", grid(cells), (0.0, 1.0))(x)
    else:
        T = designed_features(design("flat", taps=7), cells).matrix.toarray() if name == "design" else np.eye(cells + 1)
        model, phi = spline_network(1, cells, T), splines(1, cells)(x) @ T.T
    read = w * fourier(x, k.tolist(), (0.0, 1.0))
    root = np.sqrt(w)
    system = LeastSquares(root[:, None] * phi, root * f, read @ phi, read @ f, float(np.sqrt(2 * w @ f**2)))
    samples = Samples(x[:, None], f, w, tuple(k.tolist()), waves_on(x[:, None], w, [(0, 1)], k.tolist()))
    return Case(model, system, samples)


def _rate(system: LeastSquares) -> float:
    """η = 2/(λ_max + λ_min)."""
    sigma = np.linalg.svd(system.factor, compute_uv=False)
    return float(2 / (sigma[0] ** 2 + sigma[system.factor.shape[1] - 1] ** 2))


def _trained(case: Case, steps: Array) -> tuple[Array, Array]:
    """Amplitudes of the error (T, F), predicted and measured, relative to their start."""
    rate = _rate(case.system)
    path = train(case.model, case.samples, learning_rate=rate, record=steps)
    predicted = solve(case.system, case.samples.frequencies, steps, learning_rate=rate).coefficients
    start = np.abs(predicted[0])
    return np.abs(predicted) / start, np.abs(path.coefficients) / start


def _one_step(setting: Setting) -> Evidence:
    """What is left of each frequency after one step; the control is what nine taps would leave."""
    case = _case("design", setting.size(64, 512))
    size, start = np.sqrt(2 * case.samples.weights @ case.samples.values**2), np.abs(case.system.target)
    measured = _trained(case, np.array([0, 1]))[1][1]
    kappa = flat_condition(7)
    bound = (kappa - 1) / (kappa + 1) * size / start
    k = np.array(case.samples.frequencies, dtype=float)
    pairs = (Pair("bound, and measured", k, bound, measured), Pair("1/100", k, np.full(len(k), 0.01), None))
    title = "What one step of gradient descent leaves of the error: flat design of 7 taps"
    chart = Chart(title, "frequency k", "error amplitude / start", pairs, xscale="linear")
    return Evidence(bound, measured, bound * (flat_condition(9) - 1) / (kappa - 1), chart)


def _three(setting: Setting) -> Evidence:
    """Errors along training, and the steps to a hundredth, which for ReLU are beyond training."""
    cells = setting.size(64, 256)
    steps = np.union1d(np.arange(40), log_steps(setting.size(2000, 100_000), 30))
    predicted, measured, pairs = [], [], []
    for name, label in NAMES.items():
        case = _case(name, cells)
        p, m = _trained(case, steps)
        predicted.append(p)
        measured.append(m)
        expected = steps_of(case.system, LEARNED, learning_rate=_rate(case.system))
        learned = np.array([steps[np.argmax(c <= LEARNED)] if (c <= LEARNED).any() else np.nan for c in m.T])
        pairs.append(Pair(label, np.array(case.samples.frequencies, dtype=float), expected, learned))
    title = f"Steps to 1 % of the error, {cells} cells: theory, and training for up to {steps[-1]:,} steps"
    chart = Chart(title, "frequency k", "steps", tuple(pairs))
    right = np.stack(predicted)
    return Evidence(right, np.stack(measured), right[[1, 0, 2]], chart, scale=1.0)


CLAIMS = [
    Claim(
        "design.one-step",
        SOURCE,
        "One step of gradient descent at 2/(λ_max + λ_min) with the flat design of 7 taps, boundary features included, "
        "leaves of the error, in the span, at every frequency up to half the resolution of the knots, (κ − 1)/(κ + 1) "
        "of the whole at the most: less than a hundredth.",
        "bound",
        0.99,
        "The bound is on the whole error, in L²; a frequency by itself may lose more, so that it need not be attained.",
        _one_step,
    ),
    Claim(
        "design.three-activations",
        SOURCE,
        "Flat design, Hat and ReLU learn as predicted at every frequency: in one step, in tens, and in millions.",
        "identity",
        1e-9,
        "Each step is rounded by ε times Σ|v_j|, up to 100, relative to amplitudes of 1: 100,000 of them, at random, "
        "come to 1e-11, and if all added up to 2e-9.",
        _three,
    ),
]
