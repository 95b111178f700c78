"""Π-Nets on the circle: products of ReLU layers beside a shallow ReLU network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import first_below
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.kernels import tangent_kernel
from fembridge.networks.products import products
from fembridge.networks.training import train_many
from fembridge.problem import Array
from fembridge.samples import Samples, on_circle
from fembridge.theory.products import product_amplitudes, product_eigenvalues, sampled_product_eigenvalues

SOURCE = "Choraria, Dadi, Chrysos, Mairal, Cevher, The Spectral Bias of Polynomial Neural Networks (arXiv 2202.13473)"
NAMES = {1: "ReLU", 2: "product of two ReLUs", 3: "product of three ReLUs"}
POINTS = 48  # of the circle
STEEP = np.arange(4, 13)  # frequencies whose decay is compared
SMALL = 0.01  # of the target's amplitude: neurons hardly turn, and the kernel stays
LEARNED = 0.1**0.5  # of the error: a tenth of the loss


def _network(factors: int, width: int, seed: Sequence[int], paired: bool = False) -> Any:
    """u = m^{−½} Σ_j ±Π_i (w_ij·x + b_ij)₊ of N factors: w normal, b = 0, all trained.

    paired: every neuron a second time with the other sign, so that u = 0 at the start.
    """
    random = np.random.default_rng(list(seed))
    w, signs = random.standard_normal((factors, width, 2)), random.choice([-1.0, 1.0], width)
    if paired:
        half = width // 2
        w, signs = np.concatenate([w[:, :half]] * 2, axis=1), np.concatenate([signs[:half], -signs[:half]])
    return products(activation("relu"), w, signs)


@cache
def _eigenvalues(setting: Setting) -> Array:
    """Of the kernels of finite networks, at k = 0 … 12, (seeds, N = 1 … 3, k): their means over turns of the circle."""
    width, points, seeds = setting.size(2048, 16384), POINTS, seeds_of(setting.seed, setting.size(16, 32))
    x = on_circle(1, points).points
    angle = 2 * np.pi * np.arange(points) / points
    waves = np.exp(1j * np.multiply.outer(np.arange(STEEP[-1] + 1), angle)) / points
    found = np.zeros((len(seeds), len(NAMES), len(waves)))
    for (s, seed), factors in ((a, b) for a in enumerate(seeds) for b in NAMES):
        K = tangent_kernel(_network(factors, width, [setting.seed, seed]), x)
        found[s, factors - 1] = np.einsum("kp,pq,kq->k", waves, K, waves.conj()).real
    return found


def _spectra(found: Array) -> Chart:
    """λ_k/λ_0 of the kernels at the points: infinitely wide, lines; finite, markers."""
    k = np.arange(found.shape[2])
    pairs = []
    for i, (factors, name) in enumerate(NAMES.items()):
        law, relative = sampled_product_eigenvalues(POINTS, factors)[k], found[:, i] / found[:, i, :1].mean()
        low, high = interval(relative, 0.05)
        pairs.append(Pair(name, k[1:].astype(float), (law / law[0])[1:], relative.mean(axis=0)[1:], low[1:], high[1:]))
    title = f"Tangent kernels at {POINTS} points of the circle"
    return Chart(title, "frequency k", "eigenvalue λₖ/λ₀", tuple(pairs), slopes=(-2.0,))


def _kernels(setting: Setting) -> Evidence:
    """λ_k of the kernels at the points, k = 0 … 8. The control is the kernel of one factor less, or more."""
    found = _eigenvalues(setting)
    law, other = (np.stack([sampled_product_eigenvalues(POINTS, n)[:9] for n in ns]) for ns in (NAMES, (2, 1, 2)))
    return Evidence(law, found[:, :, :9], other, _spectra(found), scale=law.ravel())


def _decay(setting: Setting) -> Evidence:
    """How much the exponent of λ_k ∝ k^p is above that of the shallow ReLU network, for each seed."""
    found = _eigenvalues(setting)[:, :, STEEP]
    slopes = np.stack([np.polyfit(np.log(STEEP), np.log(found[:, i]).T, 1)[0] for i in range(len(NAMES))], axis=1)
    return Evidence(np.zeros(2), slopes[:, 1:] - slopes[:, :1], np.ones(2), _spectra(found))


def _learned(factors: int, k: int, setting: Setting) -> tuple[float, Array]:
    """Steps to a tenth of the loss of sin kθ at the learning rate 1/λ_0: predicted, and of each seed."""
    width, points, seeds = setting.size(1600, 8000), setting.size(32, 96), range(setting.size(8, 12))
    circle = on_circle(k, points)
    data = Samples(circle.points, SMALL * circle.values, circle.weights)
    law = product_eigenvalues([0, k], factors)
    eta = 1 / float(law[0])
    last = int(1.5 * np.log(1 / LEARNED) / (eta * float(law[1])))
    steps = np.unique(np.concatenate([[0], np.geomspace(1, last, 120).astype(int)]))
    predicted = first_below(steps, product_amplitudes(-data.values, factors, eta, steps)[:, None], LEARNED)
    networks = [_network(factors, width, [setting.seed, k, seed], paired=True) for seed in seeds]
    paths = train_many(networks, data, learning_rate=eta, record=steps)
    amplitudes = np.sqrt(np.stack([path.loss for path in paths], axis=1))
    return float(predicted[0]), first_below(steps, amplitudes, LEARNED)


def _steps(setting: Setting) -> Evidence:
    """Geometric means over k of the steps of the product of two, and of the shallow network; the control swaps them."""
    k = np.array(setting.size([3, 4, 5, 6], [3, 4, 5, 6, 8, 10]))
    both = [[_learned(factors, int(one), setting) for one in k] for factors in (1, 2)]
    predicted = np.array([[one[0] for one in row] for row in both])
    measured = np.moveaxis(np.array([[one[1] for one in row] for row in both]), 2, 0)
    pairs = []
    for i in range(2):
        low, high = interval(measured[:, i], 0.05)
        pairs.append(Pair(NAMES[i + 1], k.astype(float), predicted[i], measured[:, i].mean(axis=0), low, high))
    title = "Steps until sin kθ is learned, learning rate 1/λ₀"
    chart = Chart(title, "frequency k", "steps to a tenth of the loss", tuple(pairs), slopes=(2.0,))
    law, means = (np.exp(np.log(steps).mean(axis=-1)) for steps in (predicted, measured))
    return Evidence(law, means, law[::-1], chart, scale=law)


CLAIMS: list[Claim] = [
    Claim(
        "related.products-kernel",
        SOURCE + ", its kernel with biases derived here",
        "The tangent kernel of a wide product of N ReLU layers on the circle is κ₁ᴺ + N(1 + cos θ)κ₀κ₁ᴺ⁻¹.",
        "statistical",
        0.15,
        "The mean over networks is exact at any width; an eigenvalue of one is a mean over m neurons of numbers that "
        "scatter 5 times their mean at most (the sixth moment of a product of three), 11 % at m = 2048, and the mean "
        "of 16 networks by 3 %: 5 deviations, for 27 numbers at 1e-3.",
        _kernels,
    ),
    Claim(
        "related.products-decay",
        SOURCE + ", whose statement is read as one of exponents, on the circle",
        "The eigenvalues of the tangent kernel of a Π-Net fall more slowly with k than those of a shallow ReLU "
        "network, from k = 4 to 12.",
        "statistical",
        1e-9,
        "More slowly is an exponent nearer 0. In truth all of them tend to k⁻², with N 2^{1−N}/(π²k²), as the kernel "
        "has one kink of the kind |θ|, and products come to it from above, with the steeper slope. What is higher is "
        "the level: λ_k/λ_0, by a factor of 5.5 at k = 3 and 1.7 at large k for N = 2.",
        _decay,
        known=True,
        side="above",
    ),
    Claim(
        "related.products-steps",
        SOURCE,
        "At learning rates 1/λ₀ a product of two ReLU layers learns sin kθ in fewer steps than a shallow ReLU network, "
        "both as the eigenvalues of their kernels say: 10 and not 56 at k = 3.",
        "statistical",
        0.2,
        "Of the geometric mean over k. Of m/2 independent neurons, whose squares scatter 4 times their mean, the 2k "
        "faster modes take up a share of 16k/m, 6 % at k = 6, m = 1600; whole steps are half a step of 10 at k = 3 of "
        "four, 1 %; as much again for the interval. The two networks differ by a factor of 2 or more.",
        _steps,
    ),
]
