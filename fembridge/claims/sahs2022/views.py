"""A shallow network of one input as a spline: breakpoints, delta-slopes, orientations, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import activation
from fembridge.networks.gradients import layered_network, parameters
from fembridge.networks.models import initialise
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import Law, perceptron
from fembridge.networks.training import train
from fembridge.networks.univariate import SplineView, spline_network, spline_view
from fembridge.problem import Array
from fembridge.samples import Samples

SOURCE = "Sahs et al. 2020 (arXiv 2008.01772), the spline parametrisation"
EPSILON = float(np.finfo(float).eps)
WIDTH = 64  # of all networks here: sums over neurons round off in proportion to it
X = np.linspace(-2, 2, 81)
DATA = Samples(X[:, None], np.sin(np.pi * X))
NAMES = {"he": "He", "glorot": "Glorot", "gaussian": "Gaussian", "uniform": "PyTorch"}


def _condition(view: SplineView) -> Array:
    """|c| + Σ |μ_i| (|x| + |β_i|) at the points: f rounds off by some ε of it."""
    return np.asarray(abs(view.offset) + (np.abs(X)[:, None] + np.abs(view.breakpoints)) @ np.abs(view.delta_slopes))


def _compared(model: Any) -> tuple[Array, Array, Array, Array]:
    """Values and parameters by the view, those of the network, those by a view that faces right, and their scale."""
    view, theta = spline_view(model), parameters(model)
    facing = replace(view, orientations=np.ones(WIDTH))
    by_view, wrong = (np.append(one(X), parameters(spline_network(one))[: len(theta)]) for one in (view, facing))
    scale = np.append((WIDTH + 8) * _condition(view), 8 * np.abs(theta))
    return by_view, np.append(outputs(model, DATA), theta), wrong, scale


def _views(setting: Setting) -> Evidence:
    """Networks as drawn, with a bias of the output (perceptrons) and without, and trained ones."""
    compared, pairs = [], list[Pair]()
    for seed in range(setting.seed, setting.seed + setting.size(1, 32)):
        models = {NAMES[law]: perceptron("relu", [1, WIDTH, 1], init=law, seed=seed) for law in get_args(Law)}
        trained = perceptron("relu", [1, WIDTH, 1], init="he", seed=seed)
        train(trained, DATA, learning_rate=0.01, record=[200])
        models["He, after 200 steps towards sin πx"] = trained
        pairs = pairs or [Pair(name, X, spline_view(m)(X), outputs(m, DATA)) for name, m in models.items()]
        bare = [initialise("relu", WIDTH, law, (-1.0, 1.0), seed) for law in get_args(Law)]
        compared += [_compared(model) for model in [*models.values(), *bare]]
    title = f"ReLU networks 1–{WIDTH}–1 (markers) by breakpoints and delta-slopes (lines)"
    chart = Chart(title, "x", "f(x)", tuple(pairs), "linear", "linear")
    predicted, measured, wrong, scale = (np.concatenate(part) for part in zip(*compared, strict=True))
    return Evidence(predicted, measured, wrong, chart, scale=scale)


def _scaled(w: Array, b: Array, v: Array, factors: Array | float) -> SplineView:
    layers = [((factors * w)[:, None], factors * b), ((v / factors)[None], np.zeros(1))]
    return spline_view(layered_network(activation("relu"), layers))


def _summary(view: SplineView) -> Array:
    return np.concatenate([view.breakpoints, view.delta_slopes, view.orientations, view(X), view.balance])


def _scaling(setting: Setting) -> Evidence:
    """Each neuron with its own α, from 1/16 to 16; the control scales delta-slopes as w: v stays what it was."""
    random, count = setting.random, setting.size(4, 64)
    w, b, v = random.standard_normal((3, WIDTH))
    still, measured = _scaled(w, b, v, 1.0), list[Array]()
    scale = np.concatenate([np.abs(_summary(still)[: 3 * WIDTH]), (WIDTH / 8 + 1) * _condition(still)])
    predicted, wrong, scales = list[Array](), list[Array](), list[Array]()
    for alpha in 16 ** random.uniform(-1, 1, (count, WIDTH)):
        law = replace(still, balance=alpha**2 * (w**2 + b**2) - v**2 / alpha**2)
        predicted.append(_summary(law))
        wrong.append(_summary(replace(law, delta_slopes=alpha * law.delta_slopes)))
        measured.append(_summary(_scaled(w, b, v, alpha)))
        scales.append(np.append(scale, alpha**2 * (w**2 + b**2) + v**2 / alpha**2))
    p, m, q, s = (np.concatenate(part) for part in (predicted, measured, wrong, scales))
    return Evidence(p, m, q, _scaling_chart(w, b, v), scale=s)


def _scaling_chart(w: Array, b: Array, v: Array) -> Chart:
    """Mean squares over neurons, and of f at the points, against one α for all neurons."""
    alpha, still = np.geomspace(1 / 16, 16, 17), _scaled(w, b, v, 1.0)
    views = [_scaled(w, b, v, one) for one in alpha]

    def pair(label: str, quantity: Callable[[SplineView], Array], law: Array) -> Pair:
        return Pair(label, alpha, law, np.array([np.mean(quantity(view) ** 2) for view in views]))

    inner, flat = w**2 + b**2, np.ones(len(alpha))
    law = np.array([np.mean((one**2 * inner - v**2 / one**2) ** 2) for one in alpha])
    pairs = (
        pair("delta-slopes μ", lambda view: view.delta_slopes, flat * np.mean(still.delta_slopes**2)),
        pair("outputs f", lambda view: view(X), flat * np.mean(still(X) ** 2)),
        pair("breakpoints β", lambda view: view.breakpoints, flat * np.mean(still.breakpoints**2)),
        pair("balance w² + b² − v²", lambda view: view.balance, law),
    )
    return Chart("What (w, b, v) → (αw, αb, v/α) leaves as it is, and what not", "α", "mean square", pairs)


CLAIMS = [
    Claim(
        "sahs2022.spline-view",
        SOURCE,
        "A ReLU network of one input is the spline c + Σ s_i μ_i ReLU(s_i (x − β_i)) of its breakpoints β = −b/w, "
        "delta-slopes μ = wv and orientations s = sgn w; with the balances w² + b² − v² they give its parameters.",
        "identity",
        EPSILON,
        "In units of rounding: 64 terms of f, each within 8 ε, are off by 72 ε of Σ |μ| (|x| + |β|) at the most, and "
        "parameters by 8 ε of themselves: w² by 12 roundings of ε/2, w by half of that, b and v by two more.",
        _views,
    ),
    Claim(
        "sahs2022.scaling",
        SOURCE,
        "(w, b, v) → (αw, αb, v/α), α > 0 for each neuron, leaves breakpoints, delta-slopes, orientations and the "
        "function as they are; only the balance moves, to α²(w² + b²) − v²/α².",
        "identity",
        8 * EPSILON,
        "Two roundings by α and one of β or μ: under 8 ε of each number; of f, a sum of 64 terms, 72 ε of "
        "Σ |μ| (|x| + |β|); of the balance 8 ε of α²(w² + b²) + v²/α².",
        _scaling,
    ),
]
