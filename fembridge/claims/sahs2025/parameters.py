"""Directions, offsets and delta-slopes of networks of d inputs, and how gradient flow moves them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.zero_planes import ZeroPlanes, jumps, network, velocities, zero_planes
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.radon.pinning import one_sided_velocities, plane_velocities
from fembridge.theory.radon.planes import plane_jumps, ridge_sum

SOURCE = "Sahs, Pyle, Anselmi, Patel 2025 (arXiv 2503.10587)"
EPS = float(np.finfo(float).eps)
CASES = (("relu", 2, 1), ("relu2", 3, 2), ("step", 2, 1), ("leaky-relu", 1, 3))  # activation, inputs, outputs
ASIDE = 1e-9  # how far from a datum a plane counts as on one of its sides


class Part(NamedTuple):
    """Numbers twice, what the control says of them, and the size that round-off is relative to."""

    predicted: Array
    measured: Array
    wrong: Array
    scale: Array


def _same(one: Array, other: Array) -> Part:
    return Part(np.ravel(one), np.ravel(other), np.ravel(one), 1 + np.abs(np.ravel(one)))


def _numbers(model: Any) -> tuple[Array, ...]:
    """w (n, d), b (n,), v (C, n) and c (C,)."""
    return tuple(p.detach().numpy().copy() for p in model.parameters())


def _values(model: Any, planes: ZeroPlanes, x: Array) -> Part:
    """Outputs, and the sum of ridges of the view; wrong: with delta-slopes v‖w‖^{k+1}."""
    measured = outputs(model, Samples(x, np.zeros((len(x), model[2].out_features))))
    mu, k = planes.delta_slopes.reshape(len(planes.offsets), -1), planes.degree
    far = np.linalg.norm(x, axis=1)[:, None] + np.abs(planes.offsets)
    sums = [
        ridge_sum(planes.directions, planes.offsets, slopes, x, k, planes.leak) + planes.offset
        for slopes in (mu, mu * planes.scales[:, None])
    ]
    return Part(sums[0].ravel(), measured.ravel(), sums[1].ravel(), (far**k @ np.abs(mu) + 1).ravel())


def _deltas(model: Any, planes: ZeroPlanes, random: np.random.Generator) -> Part:
    """Jumps of the k-th derivative across each plane, at a random point of it."""
    xi, mu = planes.directions, planes.delta_slopes.reshape(len(planes.offsets), -1)
    t = random.standard_normal(xi.shape)
    p = t + xi * (planes.offsets - (xi * t).sum(axis=1))[:, None]
    measured = jumps(model, p, xi, 1e-6)
    predicted, wrong = (plane_jumps(m, planes.degree, planes.leak) for m in (mu, mu * planes.scales[:, None]))
    size = np.broadcast_to(2 * np.abs(mu).sum(axis=0) + 1, mu.shape)
    return Part(predicted.ravel(), measured.ravel(), wrong.ravel(), size.ravel())


def _scaled(planes: ZeroPlanes, random: np.random.Generator) -> ZeroPlanes:
    """The view after each neuron (w, b, v) became (αw, αb, v/α^k), of a random α."""
    model, factor = network(planes), random.uniform(0.1, 10, len(planes.offsets))
    w, b, v, _ = (p.detach().numpy() for p in model.parameters())  # these share their memory with the model
    w *= factor[:, None]
    b *= factor
    v /= factor**planes.degree
    return zero_planes(model)


def _parameters(setting: Setting) -> Evidence:
    """Values, jumps, the view after a scaling, and the parameters that come back, for four activations."""
    random, neurons, parts, pairs = setting.random, setting.size(16, 32), [], []
    for spec, d, outs in CASES:
        model = perceptron(spec, [d, neurons, outs], init="gaussian", seed=setting.seed)
        planes = zero_planes(model)
        deltas = _deltas(model, planes, random)
        parts += [_values(model, planes, random.standard_normal((32, d))), deltas]
        scaled = _scaled(planes, random)
        views = [np.concatenate([p.directions.ravel(), p.offsets, p.delta_slopes.ravel()]) for p in (planes, scaled)]
        parts.append(_same(views[0], views[1]))
        both = [np.concatenate([p.ravel() for p in _numbers(one)]) for one in (model, network(planes))]
        parts.append(_same(both[0], both[1]))
        order = np.argsort(mu := planes.delta_slopes.ravel())
        label = f"{spec}: k = {planes.degree}"
        pairs.append(Pair(label, mu[order], deltas.predicted[order], deltas.measured[order]))
    predicted, measured, wrong, scale = (np.concatenate(column) for column in zip(*parts, strict=True))
    title = "What the k-th derivative along $\\xi$ jumps by on zero-planes: $k!\\,(1 - a)\\,\\mu$"
    labels = ("delta-slope $\\mu = v\\, \\|w\\|^k$", "jump of the k-th derivative")
    chart = Chart(title, *labels, tuple(pairs), "linear", "linear")
    return Evidence(predicted, measured, wrong, chart, scale=scale)


def _data(d: int, count: int, random: np.random.Generator) -> Samples:
    """Uniform points of a cube, normal values, and weights that differ."""
    return Samples(random.uniform(-1, 1, (count, d)), random.standard_normal(count), random.uniform(0.5, 2, count))


def _forces(model: Any, samples: Samples) -> Array:
    return np.asarray(samples.weights * (outputs(model, samples) - samples.values))


def _flow(setting: Setting) -> Evidence:
    """ξ̇, γ̇, μ̇ in one, two and three dimensions; wrong: of data of equal weights."""
    random, parts = setting.random, []
    for d in (1, 2, 3):
        model = perceptron("relu", [d, setting.size(16, 128), 1], init="gaussian", seed=setting.seed)
        samples = _data(d, 12, random)
        w, b, v, _ = _numbers(model)
        g, r, far = _forces(model, samples), np.linalg.norm(w, axis=1), np.linalg.norm(samples.points, axis=1)
        found = [plane_velocities(w, b, v[0], samples.points, forces) for forces in (g, g / samples.weights)]
        predicted, wrong = (np.concatenate([part.ravel() for part in one]) for one in found)
        measured = np.concatenate([part.ravel() for part in velocities(model, samples)])
        turn = np.abs(v[0]) / r * (1 + np.abs(b / r)) * (np.abs(g) @ (1 + far))
        slope = (r * (np.abs(b) + r) + v[0] ** 2) * (np.abs(g) @ (1 + far))
        scale = np.concatenate([np.repeat(turn, d), turn, slope])
        parts.append(Part(predicted, measured, wrong, scale))
    predicted, measured, wrong, scale = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Evidence(predicted, measured, wrong, _sweep(setting), scale=scale)


def _sweep(setting: Setting) -> Chart:
    """γ̇ of one neuron in one, two and three dimensions, as its plane is moved along its normal over the data."""
    pairs, offsets = [], np.linspace(-1.3, 1.3, 131)
    for d in (1, 2, 3):
        random = np.random.default_rng([setting.seed, d])
        model = perceptron("relu", [d, 16, 1], init="gaussian", seed=setting.seed)
        samples, rates = _data(d, 6, random), []
        w, b, v, _ = _numbers(model)
        for gamma in offsets:
            moved = _placed(model, 0, -gamma * float(np.linalg.norm(w[0])))
            b[0] = -gamma * np.linalg.norm(w[0])
            forces = _forces(moved, samples)
            predicted = plane_velocities(w, b, v[0], samples.points, forces).offsets[0]
            rates.append((predicted, velocities(moved, samples)[1][0]))
        predicted, measured = np.array(rates).T / np.abs(rates).max()
        pairs.append(Pair(f"d = {d}", offsets, predicted, measured))
    title = "Velocity of a zero-plane that is put here and there among six data points"
    return Chart(title, "offset $\\gamma$", "$d\\gamma/dt$, relative to its maximum", tuple(pairs), "linear", "linear")


def _placed(model: Any, neuron: int, bias: float) -> Any:
    """A copy of the model with another bias of one neuron."""
    copy: Any = network(zero_planes(model))
    inner = copy[0].bias.detach().numpy()
    inner[neuron] = bias
    return copy


def _jumps(setting: Setting) -> Evidence:
    """δ̇ before and after a datum is active, and the jump, for planes that are put on data.

    Wrong: the jump of γ̇ alone, as if planes did not turn.
    """
    random, rows, pairs = setting.random, [], []
    for d in (1, 2, 3):
        model = perceptron("relu", [d, 16, 1], init="gaussian", seed=setting.seed)
        samples, own = _data(d, setting.size(12, 40), random), []
        w, b, v, _ = _numbers(model)
        r, x = np.linalg.norm(w, axis=1), samples.points
        for i in range(4):
            for n in range(len(x)):
                on = b.copy()
                on[i] = -w[i] @ x[n]
                g = _forces(_placed(model, i, on[i]), samples)
                before, after = (side[i, n] for side in one_sided_velocities(w, on, v[0], x, g))
                sides = [velocities(_placed(model, i, on[i] + h * r[i]), samples)[:2] for h in (-ASIDE, ASIDE)]
                left, right = (turn[i] @ x[n] - shift[i] for turn, shift in sides)
                alone = before - v[0, i] / r[i] * g[n] * (1 + (w[i] @ x[n] / r[i]) ** 2)
                own.append(
                    [[before, after, after - before], [left, right, right - left], [before, alone, alone - before]]
                )
        rows.append(np.array(own) / np.abs(own).max())
        order = np.argsort(jump := rows[-1][:, 0, 2])
        pairs.append(Pair(f"d = {d}", jump[order], jump[order], rows[-1][order, 1, 2]))
    predicted, measured, wrong = (np.concatenate([one[:, k].ravel() for one in rows]) for k in range(3))
    title = "Velocity jumps of zero-planes at data points, relative to the largest velocity"
    labels = ("predicted, $-(v/\\|w\\|)\\, g_n\\, (1 + \\|x_n\\|^2)$", "by automatic differentiation on both sides")
    return Evidence(predicted, measured, wrong, Chart(title, *labels, tuple(pairs), "linear", "linear"))


CLAIMS = [
    Claim(
        "sahs2025.radon-parameters",
        f"{SOURCE}, the view by directions, offsets and delta-slopes",
        "For σ of degree k, (ξ, γ, μ) = (w/‖w‖, −b/‖w‖, v‖w‖^k) alone give a network's values; (w, b, v) → (αw, αb, "
        "v/α^k) leaves them; ‖w‖ besides gives the parameters back; and on each plane the k-th radial derivative jumps "
        "by k!(1 − a)μ, a the slope of a leak.",
        "identity",
        128 * EPS,
        "Round-off: two sums of n ≤ 32 terms, each with d + 3 roundings that a power k ≤ 2 doubles, 2(32 + 2·6) = 88 "
        "units relative to the sum of sizes; to the view and back are less than 40 more.",
        _parameters,
    ),
    Claim(
        "sahs2025.velocities",
        f"{SOURCE}, gradient flow; derived for d dimensions",
        "Under gradient flow ξ̇ = −(v/r)Σ g x^⊥, γ̇ = (v/r)Σ g(1 + γ ξ·x), μ̇ = r v̇ + v ξ·ẇ with r = ‖w‖, forces g = "
        "weight × error, and sums over the active data, in one, two and three dimensions.",
        "identity",
        1e-11,
        "Round-off of the errors, sums over neurons that cancel, enters all velocities: 40 units of 1e-16 times a "
        "condition below 1000, relative to the sums of sizes.",
        _flow,
    ),
    Claim(
        "sahs2025.velocity-jumps",
        f"{SOURCE}, data-point pinning; derived for d dimensions",
        "Where a zero-plane crosses x_n, the velocity of its signed distance ξ·x_n − γ jumps by −(v/‖w‖) g_n "
        "(1 + ‖x_n‖²) when x_n becomes active; both one-sided velocities are as predicted.",
        "identity",
        1e-6,
        f"Measured {ASIDE:g} aside of the datum, where errors and lever arms differ by as much times a slope below "
        "1000.",
        _jumps,
    ),
]
