"""Walsh–Hadamard: low degrees first on the Boolean cube, and where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import hadamard

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import first_below
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.kernels import tangent_kernel
from fembridge.networks.perceptrons import train_only
from fembridge.networks.ridges import ridges
from fembridge.networks.training import train_many
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.cubes import overlaps, parity_eigenvalues
from fembridge.theory.duals import dual, step_dual

SOURCE = "Yang, Salman, A Fine-Grained Spectral Perspective on Neural Networks (arXiv 1907.10599)"
SLOPE, OFFSET = 3.0, 0.3  # deviations of the weights and biases of the tanh network
NAMES = ("ReLU, first layer trained", f"tanh, weights {SLOPE:g}, biases {OFFSET:g}, output trained")
DEGREES = 4  # degrees 0 … 3 are learned together
SMALL = 0.01  # of the target's amplitudes: neurons hardly turn, and the kernel stays
HALF, RATE = 0.5, 0.25  # part of the error that is left; learning rate over 1/μ_max, so that no degree goes at once


def _kernels(m: int) -> Array:
    """Eigenvalues by degree (2, m + 1) of infinitely wide networks: (1 + ρ)κ₀(ρ), and the dual of tanh."""
    rho, variance = overlaps(m), SLOPE**2 + OFFSET**2
    smooth = dual(np.tanh, variance, (SLOPE**2 * rho + OFFSET**2) / variance)
    return np.stack([parity_eigenvalues((1 + rho) * step_dual(rho)), parity_eigenvalues(smooth)])


def _points(m: int) -> tuple[Array, Array]:
    """The 2^m points of the cube over √m, and how many coordinates belong to each parity, |S| (2^m,).

    Row S of `hadamard` is the parity of the binary digits of S.
    """
    digits = (np.arange(2**m)[:, None] >> np.arange(m)) & 1
    return (1 - 2.0 * digits) / np.sqrt(m), digits.sum(axis=1)


def _networks(m: int, width: int, seed: Sequence[int], paired: bool = False) -> list[Any]:
    """u = n^{−½} Σ_j ±σ(w_j·x + b_j) at ‖x‖ = 1: ReLU with b = 0 whose first layer trains, and tanh whose last does.

    paired: every neuron a second time with the other sign, so that u = 0 at the start. What of tanh trains are the
    signs: its factor n^{−½} is in the rate, and its kernel n times as large.
    """
    random = np.random.default_rng(list(seed))
    w, b = random.standard_normal((width, m)), random.standard_normal(width)
    signs = random.choice([-1.0, 1.0], width)
    if paired:
        half = width // 2
        w[half:], b[half:], signs[half:] = w[:half], b[:half], -signs[:half]
    relu = ridges(activation("relu"), w, np.zeros(width), signs / np.sqrt(width))
    tanh = ridges(activation("tanh"), SLOPE * w, OFFSET * b, signs / np.sqrt(width))
    return [train_only(relu, "0.*"), train_only(tanh, "2.*")]


def _eigenvalues(setting: Setting) -> Evidence:
    """Means over parities of one degree of χᵀKχ/4^m, of networks at all points; the control has the other network's."""
    m, width = setting.size(7, 8), setting.size(4096, 8192)
    seeds = seeds_of(setting.seed, setting.size(16, 32))
    (x, degree), H, law = _points(m), hadamard(2**m) / 2.0**m, _kernels(m)
    found = np.zeros((len(seeds), 2, m + 1))
    for s, seed in enumerate(seeds):
        for i, network in enumerate(_networks(m, width, [setting.seed, seed])):
            diagonal = np.einsum("sp,pq,sq->s", H, tangent_kernel(network, x) / (1, width)[i], H, optimize=True)
            found[s, i] = np.bincount(degree, diagonal) / np.bincount(degree)
    pairs = []
    for i, name in enumerate(NAMES):
        low, high = interval(found[:, i], 0.05)
        pairs.append(Pair(name, np.arange(m + 1.0), law[i], found[:, i].mean(axis=0), low, high))
    title = f"Kernels at all points of the cube of {m} dimensions"
    chart = Chart(title, "degree of the parity", "eigenvalue μₖ", tuple(pairs), xscale="linear")
    return Evidence(law, found, law[::-1], chart, scale=law.ravel())


@cache
def _learned(setting: Setting) -> tuple[Array, Array, Chart]:
    """Steps to half the error, root mean square over the parities of a degree, of all parities of the degrees 0 … 3 in
    one target: predicted (2, 4), and of each seed (R, 2, 4).
    """
    m, width, seeds = setting.size(5, 7), setting.size(2048, 8192), range(setting.size(12, 16))
    (x, degree), law = _points(m), _kernels(m)
    chosen = [s for s in range(2**m) if degree[s] < DEGREES]
    parities = hadamard(2**m)[chosen].astype(float)
    own = (
        np.eye(DEGREES)[degree[chosen]].T / np.bincount(degree[chosen])[:, None]
    )  # means over the parities of a degree
    weights, waves = np.full(len(x), 1 / len(x)), (parities / len(x)).astype(complex)
    data = Samples(x, SMALL * parities.sum(axis=0), weights, tuple(chosen), waves)
    predicted, measured = np.zeros((2, DEGREES)), np.zeros((len(seeds), 2, DEGREES))
    for i in range(2):
        eta = RATE / law[i].max()
        last = int(1.4 * np.log(2) / (eta * law[i, :DEGREES].min()))
        steps = np.unique(np.concatenate([[0], np.geomspace(1, last, 200).astype(int)]))
        decay = np.abs(1 - eta * law[i, :DEGREES]) ** steps[:, None]
        predicted[i] = first_below(steps, decay, HALF)
        networks = [_networks(m, width, [setting.seed, seed], paired=True)[i] for seed in seeds]
        paths = train_many(networks, data, learning_rate=eta / (1, width)[i], record=steps, dtype="float32")
        for s, path in enumerate(paths):
            measured[s, i] = first_below(steps, np.sqrt(np.abs(path.coefficients) ** 2 @ own.T), HALF)
    pairs = []
    for i, name in enumerate(NAMES):
        low, high = interval(measured[:, i], 0.05)
        pairs.append(Pair(name, np.arange(float(DEGREES)), predicted[i], measured[:, i].mean(axis=0), low, high))
    title = f"All parities of {m} bits up to degree {DEGREES - 1} in one target"
    chart = Chart(title, "degree of the parity", "steps to half the error", tuple(pairs), xscale="linear")
    return predicted, measured, chart


def _steps(setting: Setting) -> Evidence:
    """Steps of degrees 1, 2, 3 of both networks; the control has the other network's."""
    predicted, measured, chart = _learned(setting)
    law = predicted[:, 1:]
    return Evidence(law, measured[:, :, 1:], law[::-1], chart, scale=law.ravel())


def _order(setting: Setting) -> Evidence:
    """log₂ of how much longer degree k + 1 takes than degree k, k = 0, 1, 2, of both networks."""
    _, measured, chart = _learned(setting)
    return Evidence(np.zeros(2 * (DEGREES - 1)), np.diff(np.log2(measured), axis=2), np.full(6, 10.0), chart)


CLAIMS: list[Claim] = [
    Claim(
        "related.cube-eigenvalues",
        SOURCE,
        "On the Boolean cube the kernel of a wide network is diagonal in parities, with one eigenvalue for each "
        "degree, a sum of the kernel at m + 1 overlaps.",
        "statistical",
        0.15,
        "The mean over networks is exact at any width. An eigenvalue of one network is a mean over n neurons, whose "
        "shares in a single parity (degrees 0 and m) scatter by 5 times their mean at most: 8 % at n = 4096, in the "
        "mean of 16 networks 2 %, and Student's interval at 1e-3 for 16 numbers is 5 of these, 10 %.",
        _eigenvalues,
    ),
    Claim(
        "related.cube-steps",
        SOURCE,
        "Networks trained on a sum of all parities of degrees 0 to 3 learn each degree in the steps of the eigenvalue "
        "of their kernel.",
        "statistical",
        0.2,
        "The kernel of n/2 independent neurons, whose shares scatter by up to 4 times their mean, mixes parities: r "
        "faster ones lengthen the steps by 4r/(n/2), 6 % with all r = 16 odd ones, n = 2048. Whole steps are half a "
        "step of 3, in predicted and measured alike. Over 10 parities and 12 seeds the scatter 4/√1024 is 1.2 %, and "
        "Student's interval at 1e-3 for 6 numbers is 6 of these.",
        _steps,
    ),
    Claim(
        "related.cube-order",
        SOURCE + ", where it is refuted: simplicity bias is not universal",
        "Parities are learned in the order of their degrees, whatever the network.",
        "statistical",
        1e-9,
        "A kernel that is a power series in the overlap with terms ≥ 0 has μ_k ≥ μ_{k+2}; nothing orders even and odd "
        "degrees. ReLU keeps to the order up to degree 3. A tanh network of large weights is nearly odd, and learns "
        "degree 1 before 0 and 3 before 2.",
        _order,
        known=True,
        side="above",
    ),
]
