"""Basri, Jacobs, Kasten, Kritchman: The Convergence Rate of Neural Networks for Learned Functions of Different
Frequencies (arXiv 1906.00425).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import first_below
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import activation
from fembridge.networks.curvature import dense, ntk
from fembridge.networks.models import shallow
from fembridge.networks.perceptrons import train_only
from fembridge.networks.ridges import ridges
from fembridge.networks.training import train_many
from fembridge.problem import Array
from fembridge.samples import Samples, on_circle
from fembridge.theory.circles import loss_on_circle, tangent_eigenvalues
from fembridge.theory.features import grid
from fembridge.theory.modes import beam_roots

SOURCE = "Basri, Jacobs, Kasten, Kritchman, arXiv 1906.00425, on an interval instead of the circle"
CIRCLE = "Basri, Jacobs, Kasten, Kritchman, arXiv 1906.00425, sections 4 and 5"
DEVIATION = 2.5  # of the inner weights at the start
RATE = 4.0  # of ½ mean r²: the largest eigenvalue is ¼ + 1/π² = 0.351, and the limit of stability 5.7
POINTS = 1001  # of the published experiments
PUBLISHED = 0.01  # the learning rate of ½ Σ r², which is n times as much of ½ mean r²


def _ntk_exponents(setting: Setting) -> Evidence:
    """Eigenvalues of the tangent kernel over N of Σ_j ±(x − b_j)₊, by output weights, by inner biases, by all.

    Output weights: the ReLU Gram, n βₖ⁻⁴. Biases: step features, n((k−½)π)⁻². Inner weights and biases together jump
    by 1 + b² at b, and by Weyl's law the eigenvalues are n((k−½)π)⁻² (∫₀¹ √(1 + b²) db)²; the output weights add less.
    """
    n, k = setting.size(400, 1000), np.arange(10, 41)
    signs = setting.random.choice([-1.0, 1.0], n)
    model = shallow(activation("relu"), np.ones(n), -grid(n), signs)
    x = (np.arange(n) + 0.5) / n
    measured = np.stack(
        [np.linalg.eigvalsh(dense(ntk(model, x, names)))[::-1][k - 1] / n for names in ("2.weight", "0.bias", "*")],
        axis=1,
    )
    output, step = n * beam_roots(k[-1])[k - 1] ** -4.0, n * ((k - 0.5) * np.pi) ** -2.0
    both = step * ((np.sqrt(2) + np.arcsinh(1)) / 2) ** 2
    predicted, frequency = np.stack([output, step, both], axis=1), k.astype(float)
    labels = ("output weights, βₖ⁻⁴", "inner biases, ((k−½)π)⁻²", "all parameters")
    pairs = tuple(Pair(label, frequency, p, m) for label, p, m in zip(labels, predicted.T, measured.T, strict=True))
    chart = Chart(
        f"Tangent kernel of {n} ReLUs by the layers that train", "index k", "eigenvalue λₖ", pairs, slopes=(-4.0, -2.0)
    )
    wrong = np.stack([step, output, output], axis=1)
    return Evidence(predicted, measured, wrong, chart, x=frequency)


def _network(neurons: int, seed: Sequence[int], trained: str = "0.*", paired: bool = False) -> Any:
    """u = m^{−½} Σ_j ±(w_j·x + b_j)₊: w normal, b = 0, signs at random, output weights fixed.

    paired: every neuron a second time with the other sign, so that u = 0 at the start.
    """
    random, drawn = np.random.default_rng(list(seed)), neurons // 2 if paired else neurons
    w = DEVIATION * random.standard_normal((drawn, 2))
    signs = random.choice([-1.0, 1.0], drawn)
    if paired:
        w, signs = np.concatenate([w, w]), np.concatenate([signs, -signs])
    return train_only(ridges(activation("relu"), w, np.zeros(neurons), signs / np.sqrt(neurons)), trained)


def _published(k: int, points: int = POINTS) -> Samples:
    """sin kθ of amplitude √(2/1001), at 1001 points a vector of norm 1."""
    circle = on_circle(k, points)
    return replace(circle, values=circle.values / np.sqrt(POINTS))


@cache
def _learned(setting: Setting) -> tuple[NDArray[Any], Array, Array]:
    """Frequencies k (K,), steps to learn sin kθ as the tangent kernel predicts, (K,), and as measured, (R, K).

    u = 0 at the start, and the small published target, turn neurons by much less than 1/k, so that the kernel stays.
    Learned: the loss at a tenth of its start, as 0.05 is of ½.
    """
    # full: an hour and a half on one core; the published 30 frequencies, 30 times each, would take days
    neurons, points, seeds = setting.size(800, 4000), setting.size(64, POINTS), range(setting.size(8, 5))
    k = np.array(setting.size([3, 4, 5, 6, 8], [3, 4, 6, 8, 11, 14, 17, 20, 25, 30]))
    predicted, measured = np.zeros(len(k)), np.zeros((len(seeds), len(k)))
    for i, frequency in enumerate(k):
        data = _published(int(frequency), points)
        last = int(1.4 * np.log(10) / 2 / (RATE * tangent_eigenvalues(frequency)))
        steps = np.unique(np.concatenate([[0], np.geomspace(1, last, 120).astype(int)]))
        networks = [_network(neurons, [setting.seed, seed], paired=True) for seed in seeds]
        paths = train_many(networks, data, learning_rate=RATE, record=steps)
        predicted[i] = first_below(steps, loss_on_circle(-data.values, RATE, steps)[:, None])[0]
        measured[:, i] = first_below(steps, np.stack([path.loss for path in paths], axis=1))
    return k.astype(float), predicted, measured


def _steps_chart(k: Array, predicted: Array, measured: Array) -> Chart:
    low, high = interval(measured, 0.05)
    pair = Pair("tangent kernel, training", k, predicted, measured.mean(axis=0), low, high)
    return Chart("Steps until sin kθ is learned on the circle", "frequency k", "steps", (pair,), slopes=(2.0,))


def _circle_steps(setting: Setting) -> Evidence:
    """The geometric mean over k of steps measured over steps predicted, for each seed."""
    k, predicted, measured = _learned(setting)
    ratio = np.exp(np.log(measured / predicted).mean(axis=1, keepdims=True))
    return Evidence(np.ones(1), ratio, np.array([2.0]), _steps_chart(k, predicted, measured))


def _circle_exponent(setting: Setting) -> Evidence:
    """The slope of log(steps) against log k, for each seed; wrong: k³, the law of the sphere in three dimensions."""
    k, predicted, measured = _learned(setting)
    slopes = np.polyfit(np.log(k), np.log(measured).T, 1)[:1].T
    return Evidence(np.array([2.0]), slopes, np.array([3.0]), _steps_chart(k, predicted, measured))


def _parity(setting: Setting) -> Evidence:
    """|c_k| of the error in sin kθ after twice the steps that a network with biases needs, over its start.

    Without biases u(x) − u(−x) = m^{−½} Σ ±w_j·x, which is linear: of odd frequencies u has k = 1 alone, whatever the
    weights. An even number of points holds −x with every x. wrong: |1 − ηλ_k|^t, of a network with biases.
    """
    neurons, points, k = setting.size(400, 4000), setting.size(64, 1000), np.array([3, 5, 7])
    last = np.array([int(np.log(10) / (RATE * c)) for c in tangent_eigenvalues(k)])
    left = np.zeros((len(k), 2))
    for i, (frequency, end) in enumerate(zip(k, last, strict=True)):
        networks = [_network(neurons, [setting.seed, i], trained, trained == "0.*") for trained in ("0.weight", "0.*")]
        for j, network in enumerate(networks):
            path = train_many([network], _published(int(frequency), points), learning_rate=RATE, record=[0, end])[0]
            left[i, j] = abs(path.coefficients[1, 0]) * np.sqrt(POINTS / 2)
    with_biases = np.abs(1 - RATE * tangent_eigenvalues(k)) ** last
    pairs = (
        Pair("without biases", k.astype(float), np.ones(len(k)), left[:, 0]),
        Pair("with biases", k.astype(float), with_biases, left[:, 1]),
    )
    chart = Chart("Odd frequencies without and with biases", "frequency k", "amplitude left of sin kθ", pairs)
    return Evidence(np.ones(len(k)), left[:, 0], with_biases, chart)


def _published_rate(setting: Setting) -> Evidence:
    """log₁₀ of the largest loss of the first 12 steps over the first. wrong: (1 − ηλ₀)²⁴, of a kernel that stays."""
    neurons, seeds = setting.size(500, 4000), range(setting.size(6, 10))
    rate, steps = PUBLISHED * POINTS, np.arange(13)
    networks = [_network(neurons, [setting.seed, seed]) for seed in seeds]
    paths = train_many(networks, _published(8), learning_rate=rate, record=steps)
    loss = np.stack([path.loss / path.loss[0] for path in paths])
    low, high = interval(loss, 0.05)
    fixed = loss_on_circle(paths[0].residuals[0], rate, steps)
    pair = Pair("kernel that stays, training", steps.astype(float), fixed / fixed[0], loss.mean(axis=0), low, high)
    chart = Chart("The published learning rate", "step", "loss over its start", (pair,), xscale="linear")
    wrong = 2 * steps[-1:] * np.log10(rate * tangent_eigenvalues(0) - 1)
    return Evidence(np.zeros(1), np.log10(loss.max(axis=1, keepdims=True)), wrong, chart)


CLAIMS = [
    Claim(
        "basri2019.ntk-exponents",
        SOURCE,
        "The tangent kernel of a shallow ReLU network decays like k⁻⁴ where the output weights train, and like k⁻² "
        "where the biases of the first layer do, alone or with all other parameters.",
        "order",
        0.03,
        "Offsets 2/n of the sum over knots and (kπ/n)²/12 of that over data, under 1.4 % at k = 40, n = 400, over a "
        "factor of 4 in k, and the rank-one parts of the inner weights at small k: each moves an"
        " exponent by 1 % at most.",
        _ntk_exponents,
        cap=0.015,
    ),
    Claim(
        "basri2019.circle-steps",
        CIRCLE,
        "On the circle the steps that a wide shallow ReLU network with biases needs to learn sin kθ are those of the "
        "eigenvalues of its tangent kernel, in closed form.",
        "statistical",
        0.1,
        "Of m/2 independent neurons the 2k faster modes take up 2k, which lengthens k by 4k/m at most, 4 % at k = 8, m "
        "= 800; neurons turn by angles of square k²π²/(12.5 m n), which times k² is 0.4 %; whole steps are 2 % at k = "
        "3; and as much as all of it for the interval.",
        _circle_steps,
    ),
    Claim(
        "basri2019.circle-exponent",
        CIRCLE,
        "The steps that a wide shallow ReLU network with biases needs to learn sin kθ on the circle grow like k² (the "
        "paper measures 1.93).",
        "statistical",
        0.15,
        "The law of even k differs from that of odd k by 3/k², which moves an exponent from k = 3 on by 0.03; 64 "
        "points by (8/56)², as much, and 800 neurons by 4k/m at k = 8 likewise; as much as all of it for the interval.",
        _circle_exponent,
    ),
    Claim(
        "basri2019.parity",
        CIRCLE,
        "Without biases a shallow ReLU network learns no odd frequency above 1 on the circle, however long it trains.",
        "identity",
        1e-11,
        "Sums of m terms of size 2.5/√m are off by √m · 2.5 ε = 4e-14 at m = 4000 in each of two signs, over a target "
        "of amplitude √(2/n) ≥ 0.045: 2e-12, a few times.",
        _parity,
    ),
    Claim(
        "basri2019.published-rate",
        CIRCLE,
        "At the published settings (n = 1001, rate 0.01, loss ½ Σ r²) training follows the linear theory, whose loss "
        "falls from the first step.",
        "statistical",
        0.01,
        "A loss that falls has its largest value at the start. The theory itself allows rates up to 2/λ₀ = 2/(0.351 n) "
        "= 0.0057.",
        _published_rate,
        known=True,
    ),
]
