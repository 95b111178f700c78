"""Distributions of breakpoints and delta-slopes, and roughness, at initialisation."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import FALSE_ALARM, Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.models import initialise
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.univariate import SplineView, spline_view
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.univariate.initial import (
    Init,
    breakpoint_cdf,
    chord_deviation,
    delta_slope_cdf,
    roughness_moments,
    start,
)

SOURCE = "Sahs et al. 2020 (arXiv 2008.01772), initialisation"
NAMES: dict[Init, str] = {
    "he": "He",
    "glorot": "Glorot",
    "gaussian": "Gaussian",
    "uniform": "uniform",
    "pytorch": "PyTorch",
}
NEURONS = 2**16  # of each law in quick runs
CRITICAL = float(np.sqrt(np.log(4 / FALSE_ALARM) / (2 * NEURONS)))  # Massart's, two tests with half of the alarm each
CENTRES = -1 + (2 * np.arange(64) + 1) / 64  # where functions are looked at, by the midpoint rule, and at both ends
ENDS = Samples(np.concatenate([[-1.0], CENTRES, [1.0]])[:, None], np.zeros(66))
WIDTHS = (256, 1024, 4096)  # at 64 the variance of ρ₀ has too heavy a tail for as few networks
REPEATS = 64  # each a batch of networks with its own mean and variance


def _seeds(init: Init, setting: Setting, count: int) -> list[int]:
    """Others for each law: of one seed, laws differ by factors alone."""
    return seeds_of(setting.seed * len(NAMES) + list(NAMES).index(init), count)


def _network(init: Init, width: int, seed: int) -> tuple[SplineView, float]:
    """A network as a spline, and the mean square of what its function differs from its chord over [−1, 1]."""
    if init == "pytorch":
        model = perceptron("relu", [1, width, 1], seed=seed)
    else:
        model = initialise("relu", width, init, (-1, 1), seed)
    f = outputs(model, ENDS)
    left = (1 - CENTRES) / 2
    bent = f[1:-1] - left * f[0] - (1 - left) * f[-1]
    return spline_view(model), float(np.mean(bent**2))


def _distributions(init: Init, other: Init, setting: Setting) -> Evidence:
    """Distributions of β and μ at the values that came, against the shares of values up to each; the control has
    another law of w, b and v. Of more neurons less is tolerated.
    """
    width, neurons = 1024, setting.size(NEURONS, 2**21)
    views = [_network(init, width, seed)[0] for seed in _seeds(init, setting, neurons // width)]
    beta = np.sort(np.concatenate([view.breakpoints for view in views]))
    mu = np.sort(np.concatenate([view.delta_slopes for view in views]))
    law, false = start(init, width), start(other, width)
    predicted, wrong = (np.append(breakpoint_cdf(one, beta), delta_slope_cdf(one, mu)) for one in (law, false))
    share, unit, x = (1 + np.arange(neurons)) / neurons, law.w * law.v, np.linspace(-4, 4, 81)
    pairs = (
        Pair("breakpoints: z = β", x, breakpoint_cdf(law, x), np.searchsorted(beta, x) / neurons),
        Pair(
            f"delta-slopes: z = μ/{unit:.3g}",
            x,
            delta_slope_cdf(law, unit * x),
            np.searchsorted(mu, unit * x) / neurons,
        ),
    )
    title = f"{neurons:,} neurons of the {NAMES[init]} law"
    chart = Chart(title, "z", "share of neurons up to z", pairs, "linear", "linear")
    return Evidence(predicted, np.tile(share, 2), wrong, chart, scale=np.sqrt(NEURONS / neurons))


@cache
def _batches(init: Init, setting: Setting) -> Array:
    """Mean of ρ₀, its variance, and the mean square off the chord, (R, W, 3), of each batch at each width."""
    out, count = np.empty((REPEATS, len(WIDTHS), 3)), setting.size(8, 128)
    for j, width in enumerate(WIDTHS):
        for r, seed in enumerate(_seeds(init, setting, REPEATS)):
            found = [_network(init, width, one) for one in seeds_of(seed, count)]
            rho = [np.sum(view.delta_slopes**2) for view, _ in found]
            out[r, j] = np.mean(rho), np.var(rho, ddof=1), np.mean([bent for _, bent in found])
    return out


def _pair(label: str, predicted: Array, seen: Array) -> Pair:
    low, high = interval(seen, 0.05)
    return Pair(label, np.array(WIDTHS, float), predicted, seen.mean(axis=0), low, high)


def _roughness(init: Init, setting: Setting) -> Evidence:
    """Moments of ρ₀; the control has another power of the width in the variance, which is right at the least width."""
    seen = _batches(init, setting)[:, :, :2]
    law = np.array([roughness_moments(start(init, width), width) for width in WIDTHS])
    wrong = law * np.stack([np.ones(len(WIDTHS)), np.array(WIDTHS) / WIDTHS[0]], axis=1)
    title = f"Roughness ρ₀ = Σ μ² of networks of the {NAMES[init]} law"
    pairs = (_pair("mean", law[:, 0], seen[:, :, 0]), _pair("variance", law[:, 1], seen[:, :, 1]))
    chart = Chart(title, "width H", "mean and variance over networks", pairs)
    return Evidence(law.ravel(), seen.reshape(REPEATS, -1), wrong.ravel(), chart, scale=(law * [1, 10]).ravel())


def _flatness(setting: Setting) -> Evidence:
    """What initial functions bend; the control has those of Glorot's law flat at no width, and the others at large."""
    inits: tuple[Init, ...] = ("he", "glorot", "pytorch")
    law = np.array([[chord_deviation(start(init, width), width) for width in WIDTHS] for init in inits])
    seen = np.stack([_batches(init, setting)[:, :, 2] for init in inits], axis=1)
    exponents = np.array([[-1.0], [1.0], [-1.0]])
    wrong = law * (np.array(WIDTHS) / WIDTHS[0]) ** exponents
    pairs = [_pair(NAMES[init], law[i], seen[:, i]) for i, init in enumerate(inits)]
    title = "How far initial ReLU networks are from their chord over [−1, 1]"
    chart = Chart(title, "width H", "mean square of f₀ − chord", tuple(pairs), slopes=(-1.0,))
    return Evidence(law.ravel(), seen.reshape(REPEATS, -1), wrong.ravel(), chart, scale=law.ravel())


def _law(init: Init, other: Init, densities: str) -> Claim:
    return Claim(
        f"sahs2022.laws-{init}",
        SOURCE,
        f"Under the {NAMES[init]} law breakpoints and delta-slopes of a network have the densities {densities}.",
        "identity",
        CRITICAL,
        "√(ln 4000/(2 · 65,536)): the shares of 65,536 independent values are further from their distribution with a "
        "probability of 1/2000 at the most (Massart), for β and for μ. The control has a law of another shape.",
        partial(_distributions, init, other),
    )


NORMAL = "σ_bσ_w/[π(σ_b² + σ_w²β²)] and K₀(|μ|/σ_wσ_v)/(πσ_wσ_v)"
UNIFORM = "min(a_b/|β|, a_w)²/(4a_ba_w) and ln(a_wa_v/|μ|)/(2a_wa_v)"
MOMENTS = (
    "Eight standard errors, of which an interval over seeds takes four: over 512 networks of 256 neurons 0.8 % of "
    "the mean, and 7.5 % of the variance, whose tolerance is ten times as wide. Other powers of the width are apart by "
    "4 from one width to the next."
)


def _moments(init: Init, moments: str) -> Claim:
    statement = f"Under the {NAMES[init]} law the roughness ρ₀ = Σ μ² of H neurons has the mean {moments}."
    return Claim(
        f"sahs2022.roughness-{init}", SOURCE, statement, "statistical", 0.0625, MOMENTS, partial(_roughness, init)
    )


CLAIMS = [
    _law("he", "pytorch", NORMAL),
    _law("glorot", "pytorch", NORMAL),
    _law("gaussian", "pytorch", NORMAL),
    _law("uniform", "gaussian", UNIFORM),
    _law("pytorch", "gaussian", UNIFORM),
    _moments("he", "4, at any width, and the variance 128/H"),
    _moments("glorot", "4H/(H+1)² and the variance 128H/(H+1)⁴"),
    _moments("pytorch", "1/9, at any width, and the variance 56/(2025H) (derived here)"),
    Claim(
        "sahs2022.flat-start",
        f"{SOURCE}: flat initial functions; their constant is derived here",
        "The mean square of an initial function's distance from its chord over [−1, 1] is Hσ_v²/12 ∫ζ(x)(1 − x²)² dx: "
        "under Glorot's law (4 − π)/6π of the roughness 4H/(H+1)², so that functions flatten like H^{−1/2}; under He's "
        "0.182 and under PyTorch's 1/270 at any width, flat by a small number, and not by the width.",
        "statistical",
        0.5,
        "Eight standard errors, of which an interval over seeds takes four: functions bend in one shape mostly, so "
        "that the square has a standard deviation of 1.3 times its mean, 6 % over 512 networks. Widths are apart by 4.",
        _flatness,
    ),
]
