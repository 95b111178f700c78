"""From the kernel regime to the adaptive one: all parameters trained, from starts of falling size.

f = Σ v_i ReLU(w_i x + b_i) starts from v = 0 and (w_i, b_i) of length √(2α/H), α the size of its tangent kernel. An
output scale does the same, at another pace: α h(θ) is h(√α θ). Directions are equispaced from a random one on, so that
what the width does is small beside what α does; with independent ones a narrow network sometimes stays at a stationary
point. Steps are small, 1/(20 + α/2), and the momentum is 0.9: with larger ones other interpolants are found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.models import shallow
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import train_only
from fembridge.networks.training import train_many
from fembridge.networks.univariate import SplineView, spline_view
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.univariate.initial import curvature_density, start
from fembridge.theory.univariate.sparse import LeastNorm, least_norm
from fembridge.theory.univariate.variational import minimiser

Shape = Literal["zigzag", "convex"]
X = np.linspace(-1, 1, 6)
DATA: dict[Shape, Array] = {
    "zigzag": np.array([0.0, 0.5, -0.5, 0.5, -0.5, 0.0]),  # the slope rises and falls by turns
    "convex": np.array([1.0, 0.3, 0.0, 0.1, 0.4, 1.3]),
}
GRID = np.linspace(-1, 1, 201)
SMALL, LARGE = 0.1, 3000.0
SCALES = (SMALL, 3.0, 30.0, 100.0, 300.0, LARGE)
AT = slice(5, 200, 10)  # four places between neighbours among the data


@dataclass(frozen=True, eq=False)
class Ends:
    """R networks trained on one set of data from starts of one α: views, and functions (R, G) on the grid."""

    views: tuple[SplineView, ...]
    functions: Array

    def clustering(self) -> Array:
        return np.array([_clustering(view.breakpoints, np.abs(view.delta_slopes)) for view in self.views])


def _clustering(breakpoints: Array, weights: Array) -> float:
    """Mean distance to the nearest sample of breakpoints between the first and last, by their weights; 1 for uniform
    ones, which are a quarter of the spacing away.
    """
    inside = (breakpoints > X[0]) & (breakpoints < X[-1])
    nearest = np.abs(np.subtract.outer(breakpoints[inside], X)).min(axis=1)
    return float(weights[inside] @ nearest / weights[inside].sum() / (np.diff(X)[0] / 4))


def _inner(width: int, alpha: float, seed: int) -> tuple[Array, Array]:
    """w and b (H,)."""
    angle = 2 * np.pi * (np.arange(width) + np.random.default_rng(seed).uniform()) / width
    length = np.sqrt(2 * alpha / width)
    return length * np.cos(angle), length * np.sin(angle)


@cache
def _trained(setting: Setting) -> dict[tuple[Shape, float], Ends]:
    """All networks at once, to a loss of 1e-7 or less."""
    width, steps = setting.size(128, 256), setting.size(4000, 8000)
    seeds = seeds_of(setting.seed, setting.size(8, 16))
    cases: list[tuple[Shape, float]] = [*(("zigzag", alpha) for alpha in SCALES), ("convex", SMALL)]
    inner = [_inner(width, alpha, seed) for _, alpha in cases for seed in seeds]
    models = [train_only(shallow(activation("relu"), w, b), "*") for w, b in inner]
    data = [Samples(X[:, None], DATA[shape]) for shape, _ in cases for _ in seeds]
    rates = [1 / (20 + alpha / 2) for _, alpha in cases for _ in seeds]
    train_many(
        models, data, learning_rate=rates, record=[steps], optimizer="heavy-ball", momentum=0.9, engine="stacked"
    )
    grid = Samples(GRID[:, None], 0 * GRID)
    rows = [models[i : i + len(seeds)] for i in range(0, len(models), len(seeds))]
    return {
        case: Ends(tuple(map(spline_view, row)), np.stack([outputs(model, grid) for model in row]))
        for case, row in zip(cases, rows, strict=True)
    }


def _variational(shape: Shape) -> tuple[Array, float]:
    """What the kernel regime ends at: the function on the grid, and the clustering of its neurons by |μ|, which at a
    breakpoint is w² |Σ_n (s(x_n − β))₊ (K⁻¹y)_n|.
    """
    zeta = partial(curvature_density, start("gaussian", 1))
    found = minimiser(X, DATA[shape], zeta, (-1.0, 1.0))
    beta, multipliers = np.linspace(-1, 1, 4002)[1:-1], found.multipliers[:, 0]
    sides = [np.abs(np.maximum(s * np.subtract.outer(X, beta), 0).T @ multipliers) for s in (1.0, -1.0)]
    return found(GRID)[:, 0], _clustering(beta, (sides[0] + sides[1]) * zeta(beta))


def _distances(shape: Shape, functions: Array) -> tuple[Array, Array]:
    """Root mean square distances (R,) to the linear interpolant and to the kernel regime's, in units of theirs."""
    linear, smooth = np.interp(GRID, X, DATA[shape]), _variational(shape)[0]
    apart = np.linalg.norm(linear - smooth)
    first, second = (np.linalg.norm(functions - goal, axis=1) / apart for goal in (linear, smooth))
    return first, second


def _adaptive(shape: Shape, setting: Setting) -> Evidence:
    """Distance to the linear interpolant, and clustering; wrong: those of the kernel regime's function with uniform
    breakpoints.
    """
    ends = _trained(setting)[shape, SMALL]
    measured = np.column_stack([_distances(shape, ends.functions)[0], ends.clustering()])
    return Evidence(np.zeros(2), measured, np.ones(2), _functions(shape, ends))


def _functions(shape: Shape, ends: Ends) -> Chart:
    """Functions, and below them the knots of the first network: their share of all slope at each place."""
    low, high = interval(ends.functions, 0.05)
    sparse, bottom = least_norm(X, DATA[shape]), float(DATA[shape].min()) - 0.4
    view = ends.views[0]
    shares = np.histogram(view.breakpoints, np.linspace(-1.02, 1.02, 52), weights=np.abs(view.delta_slopes))[0]
    places = np.linspace(-1, 1, 51)
    pairs = (
        Pair("data", X, None, DATA[shape]),
        Pair("linear interpolant", X, DATA[shape], None),
        Pair("least norm; mean of networks", GRID, sparse(GRID), ends.functions.mean(axis=0), low, high),
        Pair("kernel regime", GRID, _variational(shape)[0], None),
        Pair("share of |μ| at x, from the bottom", places, bottom + 0.8 * shares / shares.sum(), None),
    )
    title = f"All parameters of {len(view.breakpoints)} ReLUs trained from a small start (α = {SMALL:g})"
    return Chart(f"{title}, {len(ends.views)} seeds", "x", "f(x)", pairs, "linear", "linear")


def _sparse(setting: Setting) -> Evidence:
    """Functions between the data, and clustering, on both sets of data, against linear programming; wrong: those of the
    kernel regime.
    """
    predicted, measured, wrong, pairs = [], [], [], []
    shapes: tuple[Shape, ...] = ("zigzag", "convex")
    for shape in shapes:
        goal, ends = least_norm(X, DATA[shape]), _trained(setting)[shape, SMALL]
        smooth, clustering = _variational(shape)
        predicted.append([*goal(GRID[AT]), _of_least(goal)])
        measured.append(np.column_stack([ends.functions[:, AT], ends.clustering()]))
        wrong.append([*smooth[AT], clustering])
        pairs += [Pair(f"{shape}: least norm; networks", *_mass(goal, ends))]
    title = "Where linear splines turn: of least norm, and networks from a small start"
    chart = Chart(title, "x", "part of Σ |μ| to the left of x", tuple(pairs), "linear", "linear")
    return Evidence(np.concatenate(predicted), np.concatenate(measured, axis=1), np.concatenate(wrong), chart)


def _of_least(goal: LeastNorm) -> float:
    return _clustering(goal.breakpoints, np.abs(goal.delta_slopes))


def _mass(goal: LeastNorm, ends: Ends) -> tuple[Array, Array, Array]:
    """Shares of |μ| to the left of each grid point: of the least norm, and of all networks together."""

    def share(breakpoints: Array, slopes: Array) -> Array:
        inside = (breakpoints > X[0]) & (breakpoints < X[-1])
        weights = np.abs(slopes[inside]) / np.abs(slopes[inside]).sum()
        return np.asarray(np.less.outer(breakpoints[inside], GRID).T @ weights)

    networks = np.mean([share(view.breakpoints, view.delta_slopes) for view in ends.views], axis=0)
    return GRID, share(goal.breakpoints, goal.delta_slopes), networks


def _regimes(setting: Setting) -> Evidence:
    """At both ends of α, distances to the linear interpolant and to the kernel regime's, and clustering; the control
    takes one end for the other.
    """
    found = {alpha: _trained(setting)["zigzag", alpha] for alpha in SCALES}
    rows = {
        alpha: np.column_stack([*_distances("zigzag", ends.functions), ends.clustering()])
        for alpha, ends in found.items()
    }
    adaptive, kernel = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, _variational("zigzag")[1]])
    labels = ("distance to the linear interpolant", "distance to the kernel regime", "knots to the nearest sample")
    pairs = [_along(label, [values[:, i] for values in rows.values()]) for i, label in enumerate(labels)]
    pairs.append(Pair("knots of the kernel regime", np.array(SCALES), np.full(len(SCALES), kernel[2]), None))
    title = f"All parameters of {len(found[SMALL].views[0].breakpoints)} ReLUs trained on zigzag data"
    ylabel = "1: between the interpolants; of uniform knots"
    chart = Chart(title, "size of the start α = ½ Σ (w² + b²)", ylabel, tuple(pairs), "log", "linear")
    measured = np.concatenate([rows[SMALL], rows[LARGE]], axis=1)
    return Evidence(np.concatenate([adaptive, kernel]), measured, np.concatenate([kernel, adaptive]), chart)


def _along(label: str, values: list[Array]) -> Pair:
    """Means over seeds at each α, with their 95 % interval."""
    low, high = interval(np.column_stack(values), 0.05)
    return Pair(label, np.array(SCALES), None, np.array([one.mean() for one in values]), low, high)


SOURCE = "Sahs et al. 2020 (arXiv 2008.01772), adaptive regime"
SAID = (
    "From small starts the trained function tends to the linear interpolant of the data, and breakpoints cluster at "
    "the samples, by their delta-slopes: "
)
TENTH = (
    "A tenth of what the kernel regime leaves: of the distance of its function, and of the distance of uniform "
    "breakpoints to the nearest sample. Σ (w² + b² − v²) = 2α is conserved, and Σ |v| |(w, b)|, 4 or more, is within "
    "α of its half sum of squares: 2.5 % at α = 0.1."
)
CLAIMS = [
    Claim(
        "sahs2022.adaptive-regime",
        SOURCE,
        SAID + "for data whose slope rises and falls by turns.",
        "statistical",
        0.1,
        TENTH,
        partial(_adaptive, "zigzag"),
    ),
    Claim(
        "sahs2022.adaptive-convex",
        SOURCE,
        SAID + "for convex data, too.",
        "statistical",
        0.1,
        TENTH + " What is true instead: knots meet between the samples, where fewer cost less (adaptive-least-norm).",
        partial(_adaptive, "convex"),
        known=True,
    ),
    Claim(
        "sahs2022.adaptive-least-norm",
        "Savarese et al. (arXiv 1902.05040); Boursier and Flammarion (arXiv 2303.01353); for gradient flow found here",
        "From small starts the trained function tends to the interpolating spline of least Σ |μ| √(1 + β²), and its "
        "breakpoints to that spline's: at the samples where the slope rises and falls by turns, between them where it "
        "only rises.",
        "statistical",
        0.05,
        "Data are of size 1, and the clustering is 1 for uniform breakpoints. The start's part of the norm, α in 4, is "
        "2.5 %, and as much again for what else the path leaves.",
        _sparse,
    ),
    Claim(
        "sahs2022.regimes",
        SOURCE + ", between the regimes",
        "As the start grows the trained function goes from the linear interpolant to the variational solution of the "
        "kernel regime, and breakpoints from the samples to where ζ puts them.",
        "statistical",
        0.25,
        "A quarter of what lies between the regimes. In the kernel regime the next order is yᵀK⁻¹y/α², under 1e-3 at "
        "α = 3000; directions δ = 0.05 apart leave the kernel an error of δ²/8 at each of two kinks, of 0.4/2π each, "
        "4e-5 in all, and f that times the condition of the kernel, 4e3: a sixth.",
        _regimes,
    ),
]
