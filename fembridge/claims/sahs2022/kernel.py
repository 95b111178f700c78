"""The kernel regime: output weights trained alone, against variational solutions by finite elements.

The limit of gradient flow on the output weights from 0 is the interpolant of least Σ v². Over wide networks it tends
to the minimiser of J = ∫ f''²/ζ + what the affine part costs (`theory.univariate.variational`), and not to that of
J₀ = ∫ f''²/ζ: the distance of the two minimisers, 0.03 of data of size 2 here, does not fall with the width. That of
one network from the minimiser of J falls like H^{−1/2}, with a constant that a second-order perturbation gives.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

import numpy as np
from scipy.interpolate import CubicSpline

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.kernels import tangent_kernel
from fembridge.networks.limits import flow_limit
from fembridge.networks.models import initialise, shallow
from fembridge.networks.outputs import outputs
from fembridge.networks.shallow import read
from fembridge.networks.training import train
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.univariate.initial import breakpoint_density, curvature_density, start
from fembridge.theory.univariate.variational import deviation_covariance, minimiser, nearest_weights

Init = Literal["gaussian", "uniform"]
X, Y = np.array([-2.0, -1.0, 0.2, 1.0, 2.0]), np.array([1.0, 2.0, 1.0, 2.5, 1.5])
RANGE = (-2.0, 2.0)
BETWEEN = (X[:-1, None] + np.diff(X)[:, None] * np.array([0.25, 0.5, 0.75])).ravel()  # where functions are compared
GRID = np.unique(np.concatenate([np.linspace(*RANGE, 161), BETWEEN]))
AT = np.searchsorted(GRID, BETWEEN)
SLOPED = np.array([-1.0, 0.1, -0.2, 0.0, 1.0])  # data at X/2
DECAY = 40.0  # e^−40 of the error is left where output weights are trained step by step


def _samples(x: Array, y: Array) -> Samples:
    return Samples(x[:, None], y)


def _on_grid(model: object, grid: Array = GRID) -> Array:
    return outputs(model, _samples(grid, 0 * grid))  # type: ignore[arg-type]


@cache
def _limits(init: Init, setting: Setting) -> tuple[Array, Array]:
    """Widths (W,), and the functions (R, W, G) on the grid that output weights from 0 tend to."""
    widths = np.array(setting.size((256, 1024, 4096), (256, 1024, 4096, 16384)))
    seeds, relu = seeds_of(setting.seed, setting.size(300, 800)), activation("relu")
    found = np.empty((len(seeds), len(widths), len(GRID)))
    for r, seed in enumerate(seeds):
        for i, width in enumerate(widths):
            net = read(initialise("relu", int(width), init, RANGE, seed))
            found[r, i] = _on_grid(flow_limit(shallow(relu, net.w, net.c), _samples(X, Y)))
    return widths.astype(float), found


def _variational(init: Init) -> tuple[Array, Array, Array]:
    """On the grid, the minimisers of J, of J₀, and of J₀ with the density of breakpoints in the place of ζ."""
    law = start(init, 1)
    zeta, p = partial(curvature_density, law), partial(breakpoint_density, law)
    whole, alone = minimiser(X, Y, zeta, RANGE), minimiser(X, Y, zeta, RANGE, affine="free")
    by_p = minimiser(X, Y, p, RANGE, affine="free")
    return whole(GRID)[:, 0], alone(GRID)[:, 0], by_p(GRID)[:, 0]


def _regime(init: Init, setting: Setting) -> Evidence:
    """Means over seeds of the widest networks between the data; the control has 1/p in the place of 1/ζ."""
    widths, found = _limits(init, setting)
    J, _, by_p = _variational(init)
    low, high = interval(found[:, -1], 0.05)
    pairs = (
        Pair("data", X, None, Y),
        Pair("minimiser of J; mean of networks", GRID, J, found[:, -1].mean(axis=0), low, high),
        Pair("minimiser of ∫ f″²/p", GRID, by_p, None),
    )
    chart = Chart(_title(init, widths, found), "x", "f(x)", pairs, "linear", "linear")
    return Evidence(J[AT], found[:, -1][:, AT], by_p[AT], chart)


def _seminorm(init: Init, setting: Setting) -> Evidence:
    """As `_regime`, predicted by ∫ f''²/ζ alone; drawn as what is left after the minimiser of J."""
    widths, found = _limits(init, setting)
    J, alone, by_p = _variational(init)
    left = found[:, -1] - J
    low, high = interval(left, 0.05)
    pairs = (
        Pair("minimiser of J; mean of networks", GRID, 0 * J, left.mean(axis=0), low, high),
        Pair("minimiser of ∫ f″²/ζ alone", GRID, alone - J, None),
    )
    ylabel = "f(x), less the minimiser of J"
    chart = Chart(_title(init, widths, found), "x", ylabel, pairs, "linear", "linear")
    return Evidence(alone[AT], found[:, -1][:, AT], by_p[AT], chart)


def _title(init: Init, widths: Array, found: Array) -> str:
    return f"Output weights trained to the end: {widths[-1]:.0f} ReLUs, {init} start, {len(found)} seeds"


def _width(init: Init, setting: Setting) -> Evidence:
    """Exponent in the width of the largest distance on the data's range, for each seed, and its size at the widest in
    units of the prediction. The control has the exponent −1, and twice the size.
    """
    widths, found = _limits(init, setting)
    distance = np.abs(found - _variational(init)[0]).max(axis=2)
    law = _mean_supremum(deviation_covariance(start(init, 1), X, Y, GRID)) / np.sqrt(widths)
    u = np.log(widths) - np.log(widths).mean()
    measured = np.column_stack([np.log(distance) @ u / (u @ u), distance[:, -1] / law[-1]])
    low, high = interval(distance, 0.05)
    pairs = (Pair("predicted; networks, mean", widths, law, distance.mean(axis=0), low, high),)
    title = f"From {init} starts: distance to the minimiser of J, {len(found)} seeds"
    chart = Chart(title, "width H", "largest distance between −2 and 2", pairs, slopes=(-0.5,))
    return Evidence(np.array([-0.5, 1.0]), measured, np.array([-1.0, 2.0]), chart, scale=np.array([1.0, 2.0]))


def _mean_supremum(covariance: Array, draws: int = 20_000) -> float:
    """E max |G| of a Gaussian vector, to 0.3 %, by draws that are always the same."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-12 * values[-1]
    normal = np.random.default_rng(0).normal(size=(draws, int(kept.sum())))
    return float(np.abs(normal @ (vectors[:, kept] * np.sqrt(values[kept])).T).max(axis=1).mean())


def _start(setting: Setting) -> Evidence:
    """Heavy ball on the output weights of networks that start from f₀ ≠ 0, at its best rate and momentum, against the
    nearest interpolant among the same neurons; the control is the least one, which has forgotten f₀.
    """
    predicted, measured, wrong, pairs = [], [], [], [Pair("data", X, None, Y)]
    data, width = _samples(X, Y), setting.size(256, 1024)
    both: tuple[Init, Init] = ("gaussian", "uniform")
    for init in both:
        model = initialise("relu", width, init, RANGE, setting.seed)
        net, before = read(model), _on_grid(model)
        eigenvalues = np.linalg.eigvalsh(tangent_kernel(model, data.points)) / len(X)
        low, high = np.sqrt(eigenvalues[[0, -1]])
        momentum = float((high - low) / (high + low)) ** 2
        steps = int(np.ceil(2 * DECAY / abs(np.log(momentum))))
        rate = float(4 / (high + low) ** 2)
        train(model, data, learning_rate=rate, record=[steps], optimizer="heavy-ball", momentum=momentum)
        features = np.maximum(np.multiply.outer(GRID, net.w) + net.c, 0)
        predicted.append(features @ nearest_weights(net.w, net.c, net.v, X, Y))
        wrong.append(features @ nearest_weights(net.w, net.c, 0 * net.v, X, Y))
        measured.append(_on_grid(model))
        pairs += [Pair(f"{init}: limit, trained", GRID, predicted[-1], measured[-1])]
        pairs += [Pair(f"{init}: start f₀", GRID, before, None)]
    title = f"Output weights of {width} ReLUs that start from f₀ ≠ 0, trained to round-off"
    chart = Chart(title, "x", "f(x)", tuple(pairs), "linear", "linear")
    return Evidence(np.stack(predicted), np.stack(measured), np.stack(wrong), chart)


def _box(reach: float, x: Array) -> Array:
    """ζ of breakpoints uniform on ±reach and |w| = 1."""
    return np.where(np.abs(x) <= reach, 0.5 / reach, 0.0)


def _natural(setting: Setting) -> Evidence:
    """Distances of networks from the natural spline, against those of J's minimisers; equispaced breakpoints on
    [−B, B], w = ±1, and the control falls like B⁻².
    """
    reaches, neurons = np.array([2.0, 4.0, 8.0, 16.0, 32.0]), setting.size(2**17, 2**18)
    x, grid, relu = X / 2, np.linspace(-1, 1, 161), activation("relu")
    natural, law, measured = CubicSpline(x, SLOPED, bc_type="natural")(grid), [], []
    for B in reaches:
        f = minimiser(x, SLOPED, partial(_box, B), (-B, B))(grid)[:, 0]
        beta, s = np.tile(-B + 2 * B * (np.arange(neurons) + 0.5) / neurons, 2), np.repeat([1.0, -1.0], neurons)
        network = _on_grid(flow_limit(shallow(relu, s, -s * beta), _samples(x, SLOPED)), grid)
        law.append(np.abs(f - natural).max())
        measured.append(np.abs(network - natural).max())
    p, m = np.array(law), np.array(measured)
    pairs = (Pair("minimiser of J; networks", reaches, p, m),)
    title = f"{2 * neurons} ReLUs of |w| = 1 between −B and B, output weights trained to the end"
    chart = Chart(
        title, "reach B of breakpoints, data from −1 to 1", "distance to the natural spline", pairs, slopes=(-1.0,)
    )
    return Evidence(p, m, p[0] * (reaches / reaches[0]) ** -2.0, chart, x=reaches)


SOURCE = "Sahs et al. 2020 (arXiv 2008.01772), kernel regime"
LEFT_ALONE = "Where output weights alone train, from f₀ = 0, with the {} start, wide networks tend to the interpolant "
HALF = (
    "Half of 0.028, the distance to the minimiser of ∫ f''²/ζ alone (0.038 for the uniform start). 300 seeds leave an "
    "interval of 4 · 1.6 (4096 · 300)^{-1/2} = 0.006, the standard deviation at a point being 1.6 H^{-1/2}; the "
    "mean is off by 5/H, 0.001."
)
CLAIMS = [
    *(
        Claim(
            f"sahs2022.kernel-regime-{init}",
            SOURCE + "; Williams et al. 2019 (arXiv 1906.07842); the cost of the affine part derived here",
            LEFT_ALONE.format(init) + "of least ∫ f''²/ζ + (m₋ + m₊)²/E w² + (a₋ + a₊)²/E b², with f's asymptotes "
            "m± x + a±, ζ the density of curvature and not the density p of breakpoints.",
            "statistical",
            0.014,
            HALF,
            partial(_regime, init),
        )
        for init in ("gaussian", "uniform")
    ),
    *(
        Claim(
            f"sahs2022.kernel-seminorm-{init}",
            SOURCE,
            LEFT_ALONE.format(init) + "of least ∫ f''²/ζ.",
            "statistical",
            0.014,
            HALF + " What is true instead: the affine part of f has a price, kernel-regime-" + init + ".",
            partial(_seminorm, init),
            known=True,
        )
        for init in ("gaussian", "uniform")
    ),
    *(
        Claim(
            f"sahs2022.kernel-width-{init}",
            "Derived here: perturbation of the interpolant of a random kernel",
            f"Output weights trained alone: the largest distance of a network of H neurons with the {init} start from "
            "the variational solution falls like c H^{-1/2}, c the mean supremum of a Gaussian process of known "
            "covariance.",
            "statistical",
            0.125,
            "Of the exponent: half-way to −1/4 or −3/4; of c/2: a quarter of c, where 300 seeds leave an interval of "
            "3.5 · 0.4/√300, 0.08. The next order is 9/H (5 data and some), 4 % at 256, which moves the exponent by "
            "0.04/ln 16 = 0.013.",
            partial(_width, init),
        )
        for init in ("gaussian", "uniform")
    ),
    Claim(
        "sahs2022.kernel-start",
        SOURCE + ", start f₀ ≠ 0",
        "Gradient descent on the output weights of a finite network ends at the interpolant nearest to its start: f₀ "
        "and the one of least Σ v² for the data less f₀.",
        "identity",
        1e-9,
        "Heavy ball at its best rate leaves e^{-40} of the error times the number of steps, 1e-14; the normal "
        "equations of the kernel have a condition of 1e3 to 1e5, and leave 1e-11.",
        _start,
    ),
    Claim(
        "sahs2022.natural-spline",
        SOURCE + "; the distance derived here",
        "With breakpoints uniform on ±B and equal |w| the limit is the natural cubic spline of the data as B grows, "
        "and at any B is off by what the minimiser of ∫ f''² + (m₋ + m₊)²/2B + 3(a₋ + a₊)²/2B³ is: about 1/B.",
        "order",
        0.02,
        "Of equispaced breakpoints, h = B/65,536 apart, the kernel is within 3h²|r|/2 of |r|³, kinks lying anywhere "
        "between them: f is off by h² f''/4 = 6e-7, f'' = 10, which is 0.12 % of the distance at B = 32, and less "
        "before; twice that is allowed, and moves an exponent over 16 times by 0.001.",
        _natural,
        cap=0.0025,
    ),
]
