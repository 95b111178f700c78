"""Threshold units: step features have a spectrum of squares, and learn frequency k in k² steps."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import first_below
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.models import on_knots
from fembridge.networks.tangents import features
from fembridge.networks.training import train
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory import modes, thresholds
from fembridge.theory.features import grid

SOURCE = "Threshold units (step activation) on equispaced knots; derived"
UNIT = (0.0, 1.0)
RATE = 0.5  # of 1/λ_max
PART = 0.1


def _middles(count: int) -> Array:
    return (np.arange(count) + 0.5) / count


def _spectrum(setting: Setting) -> Evidence:
    """All eigenvalues of the mean over samples, 3 for each knot. wrong: the string n((j−½)π)⁻², their limit."""
    n = setting.size(100, 500)
    phi = features(on_knots("step", grid(n), UNIT), _middles(3 * n)).detach().numpy()
    measured = np.linalg.svd(phi / np.sqrt(len(phi)), compute_uv=False) ** 2
    index = np.arange(1, n + 1)
    predicted, limit = thresholds.eigenvalues(n), thresholds.string(n, index)
    pairs = (
        Pair("closed form", index.astype(float), predicted / n, measured / n),
        Pair("n → ∞: ((j−½)π)⁻²", index.astype(float), limit / n, None),
    )
    chart = Chart(f"Gram matrix of {n} threshold units", "index j", "eigenvalue λⱼ/n", pairs, slopes=(-2.0,))
    return Evidence(predicted, measured, limit, chart, scale=predicted)


def _steps(setting: Setting) -> Evidence:
    """Steps to a tenth of each mode of the target Σ_k sin((k−½)πx). wrong: ReLU's (β₁/β_k)⁴ for (2k−1)⁻².

    At samples (q+1)/(n+½), with one knot before each, the modes are eigenvectors.
    """
    n, last = setting.size((128, 12), (512, 32))
    k, x = np.arange(4, last + 1), (np.arange(n) + 1) / (n + 0.5)
    waves = np.sin(np.multiply.outer(k - 0.5, np.pi * x))
    data = Samples(x[:, None], waves.sum(axis=0), frequencies=tuple(k.tolist()), waves=2 / n * waves)
    predicted = np.log(PART) / np.log1p(-RATE / (2 * k - 1.0) ** 2)
    network, rate = on_knots("step", (np.arange(n) + 0.5) / (n + 0.5), UNIT), RATE / thresholds.eigenvalues(n)[0]
    path = train(network, data, learning_rate=float(rate), record=np.arange(int(1.1 * predicted[-1])))
    measured = first_below(path.steps, np.abs(path.coefficients), PART)
    beam = modes.beam_roots(last)
    relu = np.log(PART) / np.log1p(-RATE * (beam[0] / beam[k - 1]) ** 4)
    at = k.astype(float)
    pairs = (Pair("threshold units", at, predicted, measured), Pair("ReLU, theory alone", at, relu, None))
    title = f"Gradient descent at {RATE:g}/λ_max, {n} threshold units"
    chart = Chart(title, "mode k of sin((k−½)πx)", "steps to 10 % error", pairs, slopes=(2.0, 4.0))
    return Evidence(predicted, measured, relu, chart, x=at)


CLAIMS = [
    Claim(
        "related.thresholds-spectrum",
        SOURCE,
        "The Gram matrix of n threshold units on equispaced knots has the eigenvalues 1/(4n sin²((2j−1)π/(4n+2))), "
        "which tend to n((j−½)π)⁻².",
        "identity",
        1e-10,
        "Features are 0 or 1 without rounding. A singular value errs by n ε σ_max at most, and λ_n by 2nε√κ, √κ = "
        "4n/π: 500 · 2 · 2.2e-16 · 640 = 1.4e-10 at n = 500, and in practice by √n of it.",
        _spectrum,
    ),
    Claim(
        "related.thresholds-steps",
        SOURCE,
        "Gradient descent on the output weights of threshold units learns mode k of [0, 1] in a number of steps that "
        "grows like k².",
        "order",
        0.02,
        "λ_k/λ₁ is (2k−1)⁻² times 1 + θ²/3, θ = (k−½)π/(2n+1): 0.65 % at k = 12, n = 128, with 0.02 % of half a step, "
        "and as much at k = 32, n = 512. Its slope in log k is twice that, 0.013, at most.",
        _steps,
        cap=0.008,
    ),
]
