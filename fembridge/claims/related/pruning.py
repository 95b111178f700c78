"""Pruned features: what of the spectrum stays when neurons are kept at random, and what does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.models import on_knots
from fembridge.networks.tangents import exact_gram, exact_spectrum
from fembridge.problem import Array
from fembridge.theory import features, grams
from fembridge.theory.pruning import longest_run, pruned_condition, pruned_variance, run_eigenvalue
from fembridge.theory.spectra import spectrum

SOURCE = "Random pruning of output features; stated and derived for ReLUs on equispaced knots"
UNIT = (0.0, 1.0)
LEADING = 3  # eigenvalues whose scatter is predicted
PARTS = (2, 4)  # one of so many features is kept
SHARES = (0.25, 0.5, 0.75, 0.9)  # of features that are kept, for runs of all lengths
EPS = float(np.finfo(float).eps)


def _some(n: int, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Which of n features stay."""
    return np.sort(random.choice(n, count, replace=False))


def _shape(setting: Setting) -> Evidence:
    """Squares of λ_j(G_S)/m over λ_j(G)/n, less 1, of networks of which one feature of 2, or of 4, is kept.

    The control draws with replacement: (1/m) for (1/m − 1/n).
    """
    m, draws, random = setting.size(100, 400), setting.size(1000, 2000), setting.random
    squares: list[Array] = []
    law: list[Array] = []
    pairs = []
    for part in PARTS:
        n = m * part
        G = grams.dense(grams.gram(features.on_knots("relu", features.grid(n))))
        whole, found = np.linalg.eigvalsh(G)[::-1][:LEADING] / n, np.empty((draws, LEADING))
        network = exact_gram(on_knots("relu", features.grid(n), UNIT), UNIT)
        for row in found:
            kept = _some(n, m, random)
            row[:] = np.linalg.eigvalsh(network[np.ix_(kept, kept)])[::-1][:LEADING] / m / whole - 1
        variance = pruned_variance(G, m, LEADING)
        law, squares = [*law, variance], [*squares, found**2]
        low, high = interval(found**2, 0.05)
        mean = np.sqrt((found**2).mean(axis=0))
        pairs.append(
            Pair(
                f"one of {part} kept", np.arange(1.0, LEADING + 1), np.sqrt(variance), mean, np.sqrt(low), np.sqrt(high)
            )
        )
    title = f"Equispaced ReLUs pruned at random to {m}"
    label = "deviation of λⱼ/m after, over λⱼ/n before"
    chart = Chart(title, "index j", label, tuple(pairs), xscale="linear", yscale="linear")
    predicted = np.concatenate(law)
    wrong = np.repeat(1 / (1 - 1 / np.array(PARTS)), LEADING) * predicted
    return Evidence(predicted, np.concatenate(squares, axis=1), wrong, chart, scale=predicted)


def _extremes(setting: Setting) -> tuple[Array, Array, Array]:
    """n (N,), and κ by part, n and draw, (2, N, R): predicted, and measured on the features of networks."""
    n, draws = np.array(setting.size([100, 200, 400, 800], [100, 200, 400, 800, 1600])), setting.size(8, 30)
    random, shape = setting.random, (len(PARTS), len(n), draws)
    predicted, measured = np.empty(shape), np.empty(shape)
    for p, i, r in np.ndindex(shape):
        knots = _some(int(n[i]), int(n[i]) // PARTS[p], random) / n[i]
        predicted[p, i, r] = spectrum(features.on_knots("relu", knots)).condition_number
        values = exact_spectrum(on_knots("relu", knots, UNIT), UNIT)
        measured[p, i, r] = values[0] / values[-1]
    return n.astype(float), predicted, measured


def _condition(setting: Setting) -> Evidence:
    """κ of pruned networks from the singular values of their features; the control is κ of as many equispaced ones."""
    n, predicted, measured = _extremes(setting)
    m = n / np.array(PARTS)[:, None]
    pairs = []
    for p, part in enumerate(PARTS):
        low, high = interval(np.log(measured[p].T), 0.05)
        law, mean = (np.exp(np.log(one[p]).mean(axis=1)) for one in (predicted, measured))
        pairs.append(Pair(f"one of {part} kept", m[p], law, mean, np.exp(low), np.exp(high)))
        pairs.append(Pair(f"{part}³ · 3.883 m⁴", m[p], pruned_condition(m[p], n), None))
    every = np.unique(m)
    pairs.append(Pair("m equispaced: 3.883 m⁴", every, pruned_condition(every, every), None))
    title = "Condition of equispaced ReLUs pruned at random"
    chart = Chart(title, "features kept m", "condition number κ", tuple(pairs), slopes=(4.0,))
    scale = 4 * np.sqrt(m)[..., None] * EPS * predicted**1.5
    return Evidence(
        predicted, measured, np.broadcast_to(pruned_condition(m, m)[..., None], predicted.shape), chart, scale=scale
    )


def _runs(setting: Setting) -> Evidence:
    """λ_min of pruned networks, n³-fold, by their longest run of neighbours; the control is 1/48, of none pruned."""
    n, random = setting.size(200, 800), setting.random
    draws = [_some(n, int(share * n), random) for share in SHARES for _ in range(setting.size(12, 40))]
    scaled = np.array([exact_spectrum(on_knots("relu", kept / n, UNIT), UNIT)[-1] * n**3 for kept in draws])
    runs = np.array([longest_run(kept) for kept in draws])
    keep = runs >= 3  # a shorter one has no bound
    length, measured = runs[keep].astype(int), scaled[keep]
    law = np.array([run_eigenvalue(int(r)) for r in length])
    every = np.arange(length.min(), length.max() + 1)
    pairs = (
        Pair(
            "a run of r neighbours", every.astype(float), np.array([48 * run_eigenvalue(int(r)) for r in every]), None
        ),
        Pair("pruned networks", length.astype(float), None, 48 * measured),
        Pair("none pruned", every.astype(float), np.ones(len(every)), None),
    )
    title = "Equispaced ReLUs pruned at random"
    chart = Chart(
        title, "longest run r of neighbours that are kept", "smallest eigenvalue, 48 n³ λ", pairs, xscale="linear"
    )
    return Evidence(law, measured, np.full(len(law), 1 / 48), chart)


CLAIMS: list[Claim] = [
    Claim(
        "related.pruning-shape",
        SOURCE,
        "When m of n equispaced ReLU features are kept at random, λⱼ over the number of features stays what it was to "
        "within √((1/m − 1/n) sⱼ), with sⱼ the variance of n qᵢⱼ² along the eigenvector.",
        "statistical",
        0.4,
        "Of the variance. Mixing with larger eigenvalues moves λⱼ by j − 1 times (1/m − 1/n), which is √(2(1/m − 1/n)) "
        "(j − 1) deviations and adds twice the square of that: 12 % at j = 3, m = 100. Squares of normal numbers "
        "scatter by √2, over 1000 draws by 4.5 %, and 4 of these are for 6 numbers at 1e-3.",
        _shape,
    ),
    Claim(
        "related.pruning-condition",
        SOURCE,
        "The condition number is not kept: of m of n equispaced ReLUs it is that of m equispaced ones times nearly "
        "(n/m)³, and by Sturm counts on the knots that are left, to the digits of the features.",
        "identity",
        1.0,
        "In units of the error of the measured singular values, relatively 4√m ε √κ in κ.",
        _condition,
    ),
    Claim(
        "related.pruning-run",
        SOURCE,
        "The smallest eigenvalue of pruned equispaced ReLUs is at most that of their longest run of neighbours, which "
        "it attains; the distance between neighbours, 1/n, and not the mean distance, 1/m, sets its size.",
        "bound",
        0.1,
        "A Rayleigh quotient is an upper bound. Features outside a run of r lower it by what they add to its ends, "
        "O(r⁻²) of it: at runs of 20 and more, the best of 48 draws are within a hundredth, and a tenth is allowed.",
        _runs,
    ),
]
