"""Momentum in physics-informed training: iterations grow with the square root of the condition number.

−u'' = f on (0, 1), u(0) = u(1) = 0. Both ends are met exactly, without a penalty: deep Ritz has features that vanish
there; the strong form has u = N(x) − N(0)(1 − x) − N(1)x, with u'' = N''.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.shallow import features_of
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks import physics as network
from fembridge.networks.activations import activation
from fembridge.networks.ensembles import stack
from fembridge.networks.models import on_knots, shallow
from fembridge.networks.optimizers import Optimizer
from fembridge.networks.perceptrons import perceptron
from fembridge.problem import Array, composite_gauss
from fembridge.theory import physics
from fembridge.theory.features import grid
from fembridge.theory.grams import dense, gram

SOURCE = "Physics-informed training (PINN; deep Ritz, arXiv 1710.00211) and Polyak's heavy ball; derived"
UNIT = (0.0, 1.0)
PART = 0.1
BETA, LATE = 0.9, 150
GD: Optimizer = "gd"
HEAVY: Optimizer = "heavy-ball"


class Case(NamedTuple):
    """A form, its network of a size, and the load at points."""

    label: str
    form: network.Form
    order: int
    build: Any
    load: Any


def _interior(spec: str, width: int, n: int) -> Any:
    """n shifts, `width` cells wide each, on n + width − 1 equal cells of [0, 1]: they vanish at both ends."""
    cells = n + width - 1
    return shallow(activation(spec), np.full(n, float(cells)), -np.arange(n, dtype=float))


def _alternating(x: Array, n: int) -> Array:
    """+1 and −1 by turns on n cells."""
    return np.asarray((-1.0) ** np.floor(n * x))


RITZ = Case(
    "deep Ritz, hats, smooth load",
    "energy",
    1,
    partial(_interior, "hat", 2),
    lambda x, n: np.pi**2 * np.sin(np.pi * x),
)
STRONG = Case("PINN, ReLU², rough load", "strong", 2, lambda n: on_knots("relu2", grid(n), UNIT), _alternating)
SPLINES = Case("PINN, cubic B-splines", "strong", 2, partial(_interior, "bspline3", 4), _alternating)


def _points(case: Case, n: int) -> tuple[Array, Array]:
    """Quadrature on the cells of the features, exact for loads that are constant on each, and to 1e-15 for sines."""
    cells = case.build(n)[0].weight[0].item() if case is not STRONG else n
    return composite_gauss(np.arange(round(cells) + 1) / round(cells), 6)


def _grams(setting: Setting) -> Evidence:
    """∫ φ_i^(m) φ_j^(m), in units of the largest entry. wrong: ∫ φ_i φ_j, of the function itself."""
    n, parts = setting.size(24, 64), []
    pairs = []
    for case in (RITZ, STRONG, SPLINES):
        model = case.build(n)
        features, points = features_of(model, UNIT), _points(case, n)
        predicted = physics.derivative_gram(features, case.order)
        measured, mass = network.gram(model, *points, case.order), dense(gram(features))
        scale = np.abs(predicted).max()
        parts.append([predicted / scale, measured / scale, mass / np.abs(mass).max()])
        values = [np.linalg.eigvalsh(g)[::-1] for g in (predicted, measured)]
        index = np.arange(1.0, n + 1)
        pairs.append(Pair(", ".join(case.label.split(", ")[:2]), index, *(v / values[0][0] for v in values)))
    predicted, measured, wrong = (np.stack(each) for each in zip(*parts, strict=True))
    title = f"Hessians of physics-informed losses in {n} output weights"
    chart = Chart(title, "index j", "eigenvalue λⱼ/λ₁", tuple(pairs), xscale="linear")
    return Evidence(predicted, measured, wrong, chart)


def _trained(case: Case, n: int, optimizer: Any, beta: float, rate: float, steps: int, goal: Array) -> float:
    """The first step at which u', or u'', is a tenth as far from the solution's as at the start."""
    (x, w), model = _points(case, n), case.build(n)
    loss = network.in_output(model, case.form, x, w, case.load(x, n))
    path = network.descend(loss, [model[-1].weight], name=optimizer, learning_rate=rate, momentum=beta, steps=steps)
    error = np.sqrt(((path - goal) ** 2) @ w)
    reached = np.flatnonzero(error <= PART * error[0])
    return float(reached[0]) if len(reached) else np.inf


def _solution(case: Case, n: int) -> Array:
    """u'' = −f at the points; or u' of the finite-element solution, which in one dimension is exact at the nodes."""
    x, _ = _points(case, n)
    if case.form == "strong":
        return np.asarray(-case.load(x, n))
    nodes = np.sin(np.pi * np.arange(n + 2) / (n + 1))
    return np.repeat(np.diff(nodes) * (n + 1), 6)


@cache
def _iterations(setting: Setting) -> tuple[Array, Array, Array, Array]:
    """Sizes (S,), condition numbers (S, 2), iterations predicted and measured (S, 2, 2): by case and optimizer."""
    sizes = setting.size((6, 8, 12, 16, 24), (8, 12, 16, 24, 32, 48, 64))
    kappa, predicted, measured = np.empty((len(sizes), 2)), *np.empty((2, len(sizes), 2, 2))
    for i, n in enumerate(sizes):
        for c, case in enumerate((RITZ, STRONG)):
            features = features_of(case.build(n), UNIT)
            values = np.asarray(np.linalg.eigvalsh(physics.derivative_gram(features, case.order)), dtype=float)
            beta, rate, goal = physics.momentum(values), 1 / values.max(), _solution(case, n)
            system = physics.residual_system(features, case.order, *_points(case, n), goal)
            kappa[i, c] = values.max() / values.min()
            for o, (name, b) in enumerate(((GD, 0.0), (HEAVY, beta))):
                predicted[i, c, o] = steps = physics.iterations(system, PART, name, b)
                measured[i, c, o] = _trained(case, n, name, b, rate, int(1.1 * steps) + 3, goal)
    return np.array(sizes, dtype=float), kappa, predicted, measured


def _pairs(kappa: Array, predicted: Array, measured: Array) -> tuple[Pair, ...]:
    return tuple(
        Pair(f"{case.label.split(',')[0]}, {spoken}", kappa[:, c], predicted[:, c, o], measured[:, c, o])
        for c, case in enumerate((RITZ, STRONG))
        for o, spoken in enumerate(("gradient descent", "heavy ball"))
    )


def _steps(setting: Setting) -> Evidence:
    """Iterations to a tenth of the error; wrong: gradient descent's for heavy ball, and the other way round."""
    _, kappa, predicted, measured = _iterations(setting)
    title = "Physics-informed training at η = 1/λ_max, to the step"
    chart = Chart(title, "condition number κ", "iterations to 10 % error", _pairs(kappa, predicted, measured))
    return Evidence(predicted, measured, predicted[:, :, ::-1], chart, scale=predicted)


def _roots(setting: Setting) -> Evidence:
    """Iterations against those of the slowest mode, ~ κ and ~ √κ. wrong: √κ and κ."""
    _, kappa, _, measured = _iterations(setting)
    law = physics.slowest(kappa, PART)
    title = "Momentum takes the root: physics-informed training"
    pairs = _pairs(kappa, law, measured)
    chart = Chart(title, "condition number κ", "iterations to 10 % error", pairs, slopes=(1.0, 0.5))
    return Evidence(law, measured, law[:, :, ::-1], chart, x=np.sqrt(kappa[:, 0]))


def _tanh(setting: Setting) -> Evidence:
    """Residuals after 150 steps with momentum 0.9 over those of gradient descent after (150 − 9)/(1 − 0.9) = 1410.

    All parameters of tanh networks train on the strong form of −u'' = sin πx. A mode of rate ηλ falls like e^{−ηλt},
    and like e^{−ηλ(t − β/(1−β))/(1−β)} with momentum β, which has to get going. wrong: t/√(1−β) steps.
    """
    seeds, count = seeds_of(setting.seed, setting.size(24, 64)), 16
    alike, root = round((LATE - BETA / (1 - BETA)) / (1 - BETA)), round(LATE / np.sqrt(1 - BETA))
    x = (np.arange(count) + 0.5) / count
    load, weights, paths = np.sin(np.pi * x), np.full(count, 1 / count), []
    for name, beta, steps in ((GD, 0.0, alike), (HEAVY, BETA, LATE)):
        nets = stack([perceptron("tanh", [1, 16, 1], seed=s, weight_scale=2.0) for s in seeds], [1.0] * len(seeds))
        goal = network.strong_form(nets, x, weights, load)
        path = network.descend(goal, nets.parameters, name=name, learning_rate=1e-3, momentum=beta, steps=steps)
        paths.append(np.linalg.norm(path + load, axis=2))
    plain, heavy = paths
    ratio, wrong = heavy[LATE] / plain[alike], np.exp(np.log(plain[root] / plain[alike]).mean())
    chart = _tanh_chart(plain / plain[0], heavy / heavy[0])
    return Evidence(np.ones(1), ratio[:, None], np.array([wrong]), chart)


def _tanh_chart(plain: Array, heavy: Array) -> Chart:
    """Geometric means over seeds; the line is what gradient descent did at step (t − 9)/(1 − β)."""
    pairs = []
    faster = f"heavy ball, β = {BETA:g}; line: 10(t − 9) steps without"
    for label, path in (("gradient descent", plain), (faster, heavy)):
        steps = np.unique(np.geomspace(1, len(path) - 1, 40).astype(int))
        logs = np.log(path[steps]).T
        low, high = interval(logs, 0.05)
        before = np.maximum((steps - BETA / (1 - BETA)) / (1 - BETA), 0).round().astype(int)
        predicted = np.exp(np.log(plain[before]).mean(axis=1)) if path is heavy else None
        pairs.append(Pair(label, steps.astype(float), predicted, *np.exp([logs.mean(axis=0), low, high])))
    title = f"PINNs of 16 tanh neurons, all parameters: {plain.shape[1]} seeds"
    return Chart(title, "step", "‖u'' + f‖ over its start", tuple(pairs))


CLAIMS = [
    Claim(
        "related.physics-grams",
        SOURCE,
        "The Hessians of physics-informed losses in the output weights, ∫φ'φ' of deep Ritz and ∫φ''φ'' of the strong "
        "form, are congruences of the mass matrices of derived spline spaces.",
        "identity",
        1e-11,
        "Of n terms of one sign, products of second derivatives of cubic pieces whose arguments, up to n, are rounded: "
        "n² ε = 9e-13 at n = 64, a few times.",
        _grams,
    ),
    Claim(
        "related.physics-steps",
        SOURCE,
        "Physics-informed training of output weights, by gradient descent and by heavy ball, reaches a tenth of its "
        "error at the step that the eigenvalues of the derived Gram matrix predict.",
        "identity",
        1e-9,
        "Whole numbers: errors at a whole step, rounded to 1e-12, are not that close to the goal.",
        _steps,
    ),
    Claim(
        "related.physics-momentum",
        SOURCE,
        "Iterations of physics-informed training grow like κ for gradient descent, and like √κ for heavy ball with the "
        "best momentum; with PINN and ReLU² rough solutions are slow, with deep Ritz and hats smooth ones.",
        "order",
        0.1,
        "In √κ ~ n the two exponents, 2 and 1, are 1 apart. Whole steps are half of one of 20, 2.5 %, and the share of "
        "the slowest mode in a rough load changes by 1/n: 10 % from n = 6 to 24, 0.1/log 4 = 0.07.",
        _roots,
    ),
    Claim(
        "related.physics-tanh",
        SOURCE,
        "Where all parameters of a tanh PINN train, heavy ball at momentum 0.9 does in t steps what gradient descent "
        "at the same rate does in (t − 9)/(1 − 0.9).",
        "statistical",
        0.1,
        "Residuals fall like t^{−1/3} there. Fast modes swing for the first 2/(1−β) = 20 steps of 150, 13 %, in which "
        "a network may take another path, and the next order in ηλ is 9/150 = 6 %: a third of both, 6.5 %, and half as "
        "much for the interval over seeds.",
        _tanh,
    ),
]
