"""Double descent and the smallest eigenvalue of the Gram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.curvature import dense, gauss_newton
from fembridge.networks.limits import flow_limit
from fembridge.networks.readouts import readout, risk
from fembridge.networks.training import train
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.descent import expected_risk, tanh_features

SOURCE = "Belkin, Hsu, Ma, Mandal (PNAS 2019) and Mei, Montanari (arXiv 1908.05355), for random tanh features"
INPUTS, NOISE = 5, 0.3  # dimension, and the deviation of the noise on a target of mean square 1
RATIOS = np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0])  # features over data


@dataclass(frozen=True, eq=False)
class Draw:
    """Data (N, d) and test points (T, d), f = x₁ at both, and tanh features of weights (n, d) and biases (n,)."""

    points: Array
    test: Array
    weights: Array
    biases: Array

    def predicted(self, **stopped: float) -> float:
        """The risk in closed form."""
        phi, test = (tanh_features(x, self.weights, self.biases) for x in (self.points, self.test))
        return expected_risk(phi, test, self.points[:, 0], self.test[:, 0], NOISE, **stopped)

    def network(self, repeats: int) -> Any:
        return readout(activation("tanh"), self.weights, self.biases, repeats)

    def noisy(self, repeats: int, random: np.random.Generator) -> Samples:
        """f + noise, `repeats` times, as many outputs."""
        noise = NOISE * random.standard_normal((len(self.points), repeats))
        return Samples(self.points, self.points[:, :1] + noise)

    def measured(self, model: Any, repeats: int) -> Array:
        """Risks of the outputs, (repeats,)."""
        return risk(model, Samples(self.test, np.repeat(self.test[:, :1], repeats, axis=1)))


def _draw(data: int, features: int, random: np.random.Generator) -> Draw:
    points, test = random.standard_normal((data, INPUTS)), random.standard_normal((10 * data, INPUTS))
    w = random.standard_normal((features, INPUTS)) / np.sqrt(INPUTS)
    return Draw(points, test, w, random.standard_normal(features))


def _pairs(data: int, exact: Array, found: Array, label: str) -> Pair:
    low, high = interval(found, 0.05)
    return Pair(label, RATIOS * data, exact, found.mean(axis=0), low, high)


def _risks(setting: Setting) -> Evidence:
    """Risks of networks of the least norm over many draws of the noise, at each n; control: without the noise."""
    data, repeats, random = setting.size(40, 200), setting.size(2000, 4000), setting.random
    exact, found, least = np.empty(len(RATIOS)), np.empty((repeats, len(RATIOS))), np.empty(len(RATIOS))
    for i, ratio in enumerate(RATIOS):
        draw = _draw(data, int(ratio * data), random)
        model = draw.network(repeats)
        flow_limit(model, draw.noisy(repeats, random))
        exact[i], found[:, i] = draw.predicted(), draw.measured(model, repeats)
        least[i] = _least(draw)
    pairs = (_pairs(data, exact, found, "least norm"), Pair("λ_min of the Gram", RATIOS * data, None, least))
    title = f"Random tanh features fitted to {data} noisy data"
    chart = Chart(title, "features n", "test risk E (u − f)²; λ_min", pairs)
    return Evidence(exact, found, np.full(len(exact), NOISE**2), chart, scale=exact)


def _least(draw: Draw) -> float:
    """The smallest eigenvalue but zeros of the Gauss–Newton matrix by the read-out, ΦᵀΦ/N, measured on the network."""
    values = np.linalg.eigvalsh(dense(gauss_newton(draw.network(1), draw.points, "2.weight")))
    return float(np.sort(values)[-min(len(draw.points), len(draw.weights))])


def _peaks(setting: Setting) -> Evidence:
    """log₂ n/N where the risk of networks is largest, and where λ_min is smallest, for each seed; control: n = 2N."""
    data, repeats, seeds = setting.size(40, 100), 200, seeds_of(setting.seed, setting.size(24, 100))
    found, least = np.empty((2, len(seeds), len(RATIOS)))
    exact = np.empty_like(found)
    for s, i in np.ndindex(found.shape):
        random = np.random.default_rng([setting.seed, seeds[s], i])
        draw = _draw(data, int(RATIOS[i] * data), random)
        model = draw.network(repeats)
        flow_limit(model, draw.noisy(repeats, random))
        exact[s, i], found[s, i] = draw.predicted(), draw.measured(model, repeats).mean()
        least[s, i] = _least(draw)
    peaks = np.log2(RATIOS[np.stack([found.argmax(axis=1), least.argmin(axis=1)], axis=1)])
    logs = [np.log(one) for one in (exact, found, least)]
    low, high = (np.exp(end) for end in interval(logs[1], 0.05))
    ends = [np.exp(end) for end in interval(logs[2], 0.05)]
    middle = [np.exp(one.mean(axis=0)) for one in logs]
    n = RATIOS * data
    pairs = (Pair("test risk", n, middle[0], middle[1], low, high), Pair("λ_min", n, None, middle[2], *ends))
    title = f"Random tanh features and {data} noisy data, {len(seeds)} draws"
    chart = Chart(title, "features n", "risk; smallest eigenvalue (geometric means)", pairs)
    return Evidence(np.zeros(2), peaks, np.ones(2), chart)


def _stopped(setting: Setting) -> Evidence:
    """Risks of networks trained for 50 steps of gradient descent at 1/λ_max; control: of the least norm."""
    data, repeats, steps, random = setting.size(40, 200), setting.size(1000, 2000), 50, setting.random
    exact, end, found = np.empty(len(RATIOS)), np.empty(len(RATIOS)), np.empty((repeats, len(RATIOS)))
    for i, ratio in enumerate(RATIOS):
        draw = _draw(data, int(ratio * data), random)
        model = draw.network(repeats)
        rate = 1 / float(np.linalg.eigvalsh(dense(gauss_newton(draw.network(1), draw.points, "2.weight")))[-1])
        train(model, draw.noisy(repeats, random), learning_rate=rate, record=[0, steps])
        exact[i], end[i] = draw.predicted(rate=rate, steps=steps), draw.predicted()
        found[:, i] = draw.measured(model, repeats)
    pairs = (_pairs(data, exact, found, f"{steps} steps"), Pair("least norm", RATIOS * data, end, None))
    title = f"Early stopping takes the peak away, {data} noisy data"
    chart = Chart(title, "random tanh features n", "test risk E (u − f)²", pairs)
    return Evidence(exact, found, end, chart, scale=exact)


CLAIMS: list[Claim] = [
    Claim(
        "related.descent-risk",
        SOURCE,
        "The test risk of a least-norm fit to noisy data is, given the features, a bias and σ² Σ 1/λ weighted by the "
        "test features, on both sides of its peak at as many features as data.",
        "statistical",
        0.25,
        "Exact in the mean over the noise. At the peak one singular value carries it, a square of a normal number that "
        "scatters by √2: over 2000 draws 3.2 %, and 4 of these at 1e-3 for 8 numbers are 13 %.",
        _risks,
    ),
    Claim(
        "related.descent-peak",
        SOURCE,
        "Over random features the risk peaks where the smallest eigenvalue of the Gram at the data is smallest, and "
        "both at the interpolation threshold, n = N.",
        "statistical",
        0.3,
        "Of log₂ n/N: the next n that are tried are at −0.42 and 0.32, and so the mean is nearer to N than to them.",
        _peaks,
    ),
    Claim(
        "related.descent-stopping",
        SOURCE + "; early stopping: Ali, Kolter, Tibshirani (arXiv 1810.10082)",
        "After t steps of gradient descent the risk is that formula with 1/λ weighted by (1 − (1 − ηλ)^t)²: the peak "
        "goes, and what is left of noise never exceeds what it does at the end.",
        "statistical",
        0.1,
        "Exact in the mean over the noise. Filtered, ten directions or so share the variance, and risks scatter by "
        "√(2/10) = 45 % of it: over 1000 draws by 1.4 %, and 4 of these at 1e-3 for 8 numbers are 6 %.",
        _stopped,
    ),
]
