"""Hong et al. 2022: all eigenvalues of ReLUs on random and on equispaced knots, and the condition of random ones."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.shallow import features_of
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.hong2022.grams import SOURCE, UNIT
from fembridge.networks.models import on_knots
from fembridge.networks.tangents import exact_gram, exact_spectrum
from fembridge.problem import Array
from fembridge.theory import modes, spectra
from fembridge.theory.features import grid

EPS = np.finfo(float).eps


def _resolution(eigenvalues: Array) -> Array:
    """What the singular values of n features leave uncertain in their squares λ: relatively 4√n ε √(λ₁/λ)."""
    return np.asarray(4 * np.sqrt(len(eigenvalues)) * EPS * np.sqrt(eigenvalues[0] * eigenvalues))


def _relu_spectrum(setting: Setting) -> Evidence:
    """Random knots: the two-sided route against the singular values of the network's features, in units of their
    error.
    """
    n = setting.size(400, 1000)
    model = on_knots("relu", np.sort(setting.random.random(n)), UNIT)
    predicted, measured = spectra.spectrum(features_of(model, UNIT)), exact_spectrum(model, UNIT)
    k = np.arange(1.0, n + 1)
    lapack = np.linalg.eigvalsh(exact_gram(model, UNIT))[::-1]
    pairs = (
        Pair("singular values of the features", k, predicted.eigenvalues, measured),
        Pair("dense solver on the Gram", k, None, np.abs(lapack)),
    )
    chart = Chart(
        f"All eigenvalues, {n} random ReLU knots",
        "index k",
        "|λₖ|",
        pairs,
        slopes=(-4.0,),
        noise_floor=n * EPS * float(lapack[0]),
    )
    return Evidence(
        predicted.eigenvalues,
        measured,
        predicted.eigenvalues * (1 + 0.01 / k),
        chart,
        scale=_resolution(predicted.eigenvalues),
    )


def _exact_spectrum(setting: Setting) -> Evidence:
    """Equispaced knots: the dispersion relation against the singular values of the network's features."""
    n = setting.size(400, 1500)
    model = on_knots("relu", grid(n), UNIT)
    predicted = spectra.spectrum(features_of(model, UNIT), method="dispersion").eigenvalues
    measured, k = exact_spectrum(model, UNIT), np.arange(1.0, n + 1)
    beam = n * np.concatenate([modes.beam_roots(10), (np.arange(11, n + 1) - 0.5) * np.pi]) ** -4.0
    pairs = (
        Pair("dispersion relation", k, predicted, measured),
        Pair("cantilever beam n βₖ⁻⁴, its limit", k, beam, None),
    )
    chart = Chart(f"Exact spectrum of {n} equispaced ReLUs", "index k", "eigenvalue λₖ", pairs, slopes=(-4.0,))
    return Evidence(predicted, measured, beam, chart, scale=_resolution(predicted))


def _random_condition(setting: Setting) -> Evidence:
    """The median over networks on i.i.d. uniform knots; the law passes through the theory's own median at n = 100."""
    small, large = (25, 35, 50, 70, 100, 140, 200, 280), (25, 35, 50, 70, 100, 140, 200, 280, 400, 560)
    n = np.array(setting.size(small, large))
    draws, random = 301, setting.random

    def condition(size: int) -> float:
        s = exact_spectrum(on_knots("relu", np.sort(random.random(size)), UNIT), UNIT)
        return float(s[0] / s[-1])

    def predicted(size: int) -> float:
        return spectra.spectrum(
            features_of(on_knots("relu", np.sort(random.random(size)), UNIT), UNIT)
        ).condition_number

    median = np.array([np.median([condition(size) for _ in range(draws)]) for size in n])
    x, anchor = n.astype(float), np.median([predicted(100) for _ in range(draws)])
    law = anchor * (x / 100) ** 6
    pairs = (
        Pair("median, n⁶", x, law, median),
        Pair("equispaced knots, 3.883 n⁴", x, 48 / modes.beam_roots(1)[0] ** 4 * x**4, None),
    )
    title = f"Condition of {draws} ReLU networks on i.i.d. uniform knots"
    return Evidence(law, median, law * x**-2, Chart(title, "neurons n", "κ", pairs, slopes=(6.0, 4.0)), x=x)


CLAIMS = [
    Claim(
        "hong2022.relu-spectrum",
        SOURCE,
        "On random knots too every eigenvalue of the network's Gram is that of CᵀMC, also where a "
        "dense solver has no digits left.",
        "identity",
        1.0,
        "In units of the error of the measured singular values, relatively 4√n ε √(λ₁/λₖ) in their squares.",
        _relu_spectrum,
    ),
    Claim(
        "hong2022.relu-exact-spectrum",
        SOURCE,
        "On n equispaced knots every eigenvalue of the ReLU Gram is that of a root of one scalar equation, "
        "w + 6 = σw² with four boundary conditions: no limit n → ∞ is taken.",
        "identity",
        1.0,
        "In units of the error of the measured singular values, relatively 4√n ε √(λ₁/λₖ) in their squares.",
        _exact_spectrum,
    ),
    Claim(
        "hong2022.random-knots-condition",
        SOURCE,
        "On i.i.d. uniform knots the median condition number grows like n⁶, not n⁴: the smallest gap is g ~ n⁻², its "
        "eigenvalue g² times a spacing, and the largest eigenvalue ~ n.",
        "order",
        0.7,
        "log κ has a standard deviation of 2.6 at each n, its median over 301 draws one of 0.19, and the slope over a "
        "factor of 11 in n one of 0.08. 99.9 % of all slopes lie within 0.28, half the 99 % interval of eight points "
        "is 3.7 deviations, 0.31, and 0.1 is for n = 25 being small.",
        _random_condition,
    ),
]
