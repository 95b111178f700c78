"""Conditions and symbols of designed activations, measured on Gram matrices of networks."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import activation
from fembridge.networks.designed import last_gram, spline_network
from fembridge.networks.models import shallow
from fembridge.networks.tangents import exact_gram
from fembridge.problem import Array, composite_gauss
from fembridge.theory.design.boundary import designed_features
from fembridge.theory.design.designs import Design, design

SOURCE = "docs/design.md"
TAPS = (1, 2, 3, 4, 5, 7)


def network_gram(found: Design, cells: int) -> Array:
    """∫φφᵀ of the network of a design on [0, 1], boundary features included, by Gauss points in its cells."""
    model = spline_network(found.degree, cells, designed_features(found, cells).matrix.toarray())
    return last_gram(model, *composite_gauss(np.linspace(0, 1, cells + 1), found.degree + 1))


def flat_condition(taps: int, degree: int = 1) -> float:
    """(T_M(2) + 1)/(T_M(2) − 1) for linear splines: 1 − q(2 + cos θ)/3 is any polynomial of degree M in cos θ that is
    1 at −2. For others, by exchange.
    """
    if degree > 1:
        return design("flat", degree, taps).condition_number
    top = float(chebyshev.chebval(2.0, np.eye(taps + 1)[taps]))
    return (top + 1) / (top - 1)


def _conditions(setting: Setting) -> Evidence:
    """κ − 1 of finite Grams against the symbol's; the control is that of one tap more."""
    cells = setting.size(400, 1000)
    grams = {(p, M): network_gram(design("flat", p, M), cells) for p in (1, 2, 3) for M in TAPS}
    measured = {key: float(np.linalg.cond(G)) - 1 for key, G in grams.items()}
    predicted = {(p, M): flat_condition(M, p) - 1 for p, M in grams}
    pairs = tuple(
        Pair(
            f"degree {p}",
            np.array(TAPS, dtype=float),
            np.array([predicted[p, M] for M in TAPS]),
            np.array([measured[p, M] for M in TAPS]),
        )
        for p in (1, 2, 3)
    )
    title = f"Flat designs: the condition of all features on [0, 1] cut into {cells} cells"
    chart = Chart(title, "taps M", "κ − 1", pairs, xscale="linear")
    wrong = np.array([flat_condition(M + 1, p) - 1 for p, M in grams])
    return Evidence(np.array(list(predicted.values())), np.array(list(measured.values())), wrong, chart)


def _symbol(found: Design, theta: Array) -> Array:
    """s(θ) from the middle row of the Gram of a network of shifted activations, on as many cells as that takes."""
    reach = len(found.taps) + found.degree
    n = 4 * reach
    spec = {"knots": found.activation.knots.tolist(), "coefficients": found.taps.tolist(), "degree": found.degree}
    model = shallow(activation(spec), np.full(n, float(n)), -np.arange(n, dtype=float))
    row = n * exact_gram(model, (0.0, 1.0))[reach, reach : 2 * reach + 1]
    lags = np.arange(1, reach + 1)
    return np.asarray(row[0] + 2 * np.cos(np.multiply.outer(theta, lags)) @ row[1:])


def _targets(setting: Setting) -> Evidence:
    """Symbols of designs of at most fifteen taps against random smooth targets of ratio 100."""
    theta = np.linspace(0, np.pi, 257)
    x, random = np.linspace(0, 1, 1001), setting.random
    predicted, measured, pairs = [], [], []
    for i in range(setting.size(3, 20)):
        a = random.standard_normal(3) / np.arange(1, 4) ** 2
        curve = np.cos(np.pi * np.outer(x, np.arange(1, 4))) @ a
        found = design(100 ** ((curve - curve.min()) / np.ptp(curve)), tolerance=0.0099)
        assert len(found.taps) <= 15, f"the target took {len(found.taps)} taps"
        predicted.append(found.target(theta))
        measured.append(_symbol(found, theta))
        pairs.append(Pair(f"{len(found.taps)} taps", theta, predicted[-1], measured[-1])) if i < 3 else None
    p = np.stack(predicted)
    chart = Chart(
        "Random targets of ratio 100, met within 1 %",
        "θ (π: the limit of the knots)",
        "symbol s(θ)",
        tuple(pairs),
        xscale="linear",
    )
    return Evidence(p, np.stack(measured), p[:, ::-1], chart, scale=p)


CLAIMS = [
    Claim(
        "design.flat-condition",
        SOURCE,
        "With M taps on linear splines the flattest symbol has the condition (T_M(2) + 1)/(T_M(2) − 1): 3, 4/3, 1.08, "
        "1.021, 1.0055 and 1.0004 for 1, 2, 3, 4, 5 and 7 taps; with the boundary features of the design the Gram of "
        "all features on an interval has no larger one. Likewise for quadratic and cubic splines.",
        "bound",
        0.02,
        "A finite section of n cells sees angles of multiples of π/n: it misses an extremum of cos Mθ by π/n at most, "
        "and (7π/400)²/2 = 0.2 % of κ − 1; for κ = 18, of one cubic tap, κ − 1 is missed by (π/n)² κ at most.",
        _conditions,
    ),
    Claim(
        "design.random-targets",
        SOURCE,
        "Positive targets whose logarithm is a random sum of three cosines, of ratio 100, are met within 1 % at every "
        "frequency by fifteen taps on linear splines or fewer.",
        "identity",
        0.01,
        "The design is asked for 0.99 %, and a Gram by quadrature of the network has round-off alone.",
        _targets,
    ),
]
