"""Exponents of penalties, and a penalty realised by a designed activation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.claims.sahs2025.interpolants import DATA, draw, judged
from fembridge.claims.sahs2025.transforms import PERIODS, module_function, packets, strata
from fembridge.problem import Array
from fembridge.theory.radon.interpolants import interpolant, kernel, spectral_kernel
from fembridge.theory.radon.seminorms import designed, log_uniform, packet_coefficient, scaled_power
from fembridge.theory.radon.transforms import numerical_power

SOURCE = "Sahs, Pyle, Anselmi, Patel 2025 (arXiv 2503.10587)"


LARGE = log_uniform(1.0, 2.0)  # scales of Hats: their zeros sin(s/2r) = 0 are spread


class Features(NamedTuple):
    """Features of an activation whose k-th derivative jumps: |σ̂(s)|² = constant · s^{−2k−2} where nothing is said.

    dimensions: where they are tested. Hats have random scales in [1, 2], and so need many features.
    """

    label: str
    activation: str
    k: int
    spectrum: Callable[[Array], Array]
    dimensions: tuple[int, ...] = (1, 2)


FEATURES = (
    Features("step, k = 0", "step", 0, lambda s: s**-2.0),
    Features("ReLU, k = 1", "relu", 1, lambda s: s**-4.0),
    Features("Hat, k = 1", "hat", 1, lambda s: scaled_power("hat", s, LARGE), (1,)),
    Features("ReLU², k = 2", "relu2", 2, lambda s: 4 * s**-6.0),
)


def _exponents(d: int, setting: Setting) -> Evidence:
    """Rayleigh coefficients of wave packets of one width and growing frequency ω, against the means of K̂ about ω.

    The control has an exponent that is 1 larger.
    """
    random, least = setting.random, 8.0
    omega = np.geomspace(least, setting.size({1: 64, 2: 20}, {1: 128, 2: 32})[d], setting.size(7, 10))
    n, density = setting.size({1: (4096, 16.0), 2: (1024, 8.0)}, {1: (16384, 16.0), 2: (4096, 8.0)})[d]
    width, shown = PERIODS / least, [one for one in FEATURES if d in one.dimensions]
    predicted, measured, pairs = [], [], []
    for label, name, _, spectrum, _ in shown:
        r = LARGE.low * 2 ** strata(n, random) if name == "hat" else np.ones(n)
        predicted.append(np.array([packet_coefficient(spectrum, w, width, d) for w in omega]))
        measured.append(np.array([packets(name, r, w, width, d, density, random).mean() for w in omega]))
        pairs.append(Pair(label, omega, 1 / predicted[-1], 1 / measured[-1]))
    p, m = np.stack(predicted, axis=1), np.stack(measured, axis=1)
    title = f"What frequencies cost random features in {d} dimension{'s' * (d > 1)}"
    slopes = tuple(float(d - 1 + 2 * k + 2) for k in range(3))
    chart = Chart(title, "frequency ω", "penalty 1/K̂(ω)", tuple(pairs), slopes=slopes)
    return Evidence(p, m, p / omega[:, None], chart, x=omega)


REACH = 10.0  # of designed activations: what lies beyond is 1e−4 of them, and enters squared


class Wish(NamedTuple):
    """A wanted penalty P(s), and the spline activation for it: dimension, band, spacing of knots, taps; where the
    wanted spectrum |s|^{d−1}/P ends.
    """

    label: str
    penalty: Callable[[Array], Array]
    dimension: int
    band: tuple[float, float]
    spacing: float
    taps: int
    top: float


def _preference(s: Array) -> Array:
    """Frequencies near 2 are cheap."""
    return np.asarray(s / (np.exp(-2 * (s - 2) ** 2) + np.exp(-2 * (s + 2) ** 2)) ** 2)


WISHES = {
    1: Wish("(1 + s²)²", lambda s: (1 + s**2) ** 2, 1, (0.1, 6.0), 0.3, 121, 200.0),
    2: Wish(r"$s/(e^{-2(s-2)^2} + e^{-2(s+2)^2})^2$", _preference, 2, (0.5, 4.0), 0.4, 61, 8.0),
    3: Wish(r"$s^2/(e^{-2(s-2)^2} + e^{-2(s+2)^2})^2$", lambda s: s * _preference(s), 3, (0.5, 4.0), 0.4, 61, 8.0),
}


def _specification(wish: Wish) -> tuple[dict[str, object], float]:
    design = designed(wish.penalty, wish.dimension, wish.band[1], wish.spacing, wish.taps)
    spec = {"knots": design.knots, "coefficients": design.coefficients, "degree": design.degree}
    return spec, design.error


def _designed(setting: Setting) -> Evidence:
    """s^{d−1}/|σ̂|² of the designed modules, by quadrature, against the wanted penalties; the control is ReLU's."""
    predicted, measured, wrong, pairs = [], [], [], []
    for d, wish in WISHES.items():
        s = np.linspace(*wish.band, setting.size(40, 400))
        spec, _ = _specification(wish)
        found = numerical_power(module_function(spec), s, np.asarray(spec["knots"])).values
        predicted.append(wish.penalty(s))
        measured.append(s ** (d - 1) / found)
        wrong.append(s ** (d + 3))
        pairs.append(Pair(f"d = {d}: {wish.label}", s, predicted[-1], measured[-1]))
    p, m, w = (np.concatenate(part) for part in (predicted, measured, wrong))
    title = "Penalties wanted, and those of spline activations designed for them"
    chart = Chart(title, "frequency s", r"penalty $s^{d-1}/|\hat\sigma(s)|^2$", tuple(pairs), xscale="linear")
    return Evidence(p, m, w, chart, scale=p)


def _interpolants(d: int, setting: Setting) -> Evidence:
    """Networks of the designed activation against the minimiser of the wanted seminorm; the control is that of ReLU."""
    wish, (points, values, at) = WISHES[d], DATA[d]
    spec, _ = _specification(wish)
    law = spectral_kernel(lambda s: s ** (d - 1) / wish.penalty(s), 0, d, wish.top)
    minimiser, control = interpolant(law, points, values), interpolant(kernel("relu", d), points, values)
    widths = setting.size((1024, 4096, 16384), (1024, 4096, 16384, 65536))
    networks = draw(spec, (-REACH, REACH), 0, DATA[d], widths, seeds_of(setting.seed, setting.size(64, 256)))
    predicted, measured, wrong, scale = judged(minimiser, control, networks, at)
    line = np.linspace(points.min(), points.max(), 121)
    section = line[:, None] * np.ones(d)
    last, shown = networks.values[-1], np.abs(at - at[:, :1]).max(axis=1) < 1e-9  # on the diagonal
    pairs = (
        Pair(f"penalty {wish.label}", line, minimiser(section), None),
        Pair("mean of networks of the design", at[shown, 0], None, last[:, shown].mean(axis=0)),
        Pair("penalty of ReLU", line, control(section), None),
    )
    where = "x" if d == 1 else "x₁ = x₂"
    title = f"Interpolants by {networks.widths[-1]:g} designed features (d = {d}), and minimisers"
    return Evidence(
        predicted,
        measured,
        wrong,
        Chart(title, where, "interpolant f", pairs, xscale="linear", yscale="linear"),
        scale=scale,
    )


CLAIMS = [
    Claim(
        f"sahs2025.penalty-exponents-{d}d",
        f"{SOURCE}, the weight |ω|^{{d−1}}/|σ̂(|ω|)|²",
        "A jump in the k-th derivative of the activation, k = 0 for steps, 1 for ReLU"
        + " and Hats" * (d == 1)
        + ", 2 for "
        f"ReLU², makes a frequency ω cost ω^{{d−1+2k+2}} (d = {d}), with a known constant.",
        "order",
        0.25,
        "A quarter of the distance between d − 1 and d, an eighth of that of k and k + 1. Offsets are stratified, a "
        "fifth of the period of a coefficient or less each: jitter leaves some 2 % in a mean, 0.03 in an exponent, "
        "0.15 with its interval. A grid adds aliases of a step (1/7)² = 2 %; the constant is asked for to 10 %.",
        partial(_exponents, d),
        cap=0.1,
    )
    for d in (1, 2)
]
CLAIMS += [
    Claim(
        "sahs2025.designed-penalty",
        f"{SOURCE}, design of activations: |σ̂(s)|² ∝ |s|^{{d−1}}/P(s)",
        "A cubic spline activation can be given a wanted penalty on a band: (1 + s²)² of one dimension, and ones "
        "of two and three dimensions that favour a band of frequencies.",
        "identity",
        2e-5,
        "Relative. The taps that are left out add up to 1.5e-7 beside an amplitude of 0.027 at the end of the band, "
        "and to 2.5e-9 beside 3.4e-4 in two and three dimensions: twice that is 1.1e-5 and 1.5e-5.",
        _designed,
    ),
]
CLAIMS += [
    Claim(
        f"sahs2025.designed-interpolant-{d}d",
        f"{SOURCE}, design of activations, and the kernel regime",
        f"Interpolants of least norm by a spline activation designed for a penalty tend to the minimiser of the "
        f"seminorm with that penalty, {'(1 + s²)²' if d == 1 else 'a preferred band'} (d = {d}).",
        "statistical",
        0.25,
        "A quarter of the largest distance to the minimiser of ReLU features; of the exponent 1/4, of the norm 10 %. "
        "Beyond its band the design has less than the wanted spectrum, of which 0.2 % lies there.",
        partial(_interpolants, d),
    )
    for d in (1, 2)
]
