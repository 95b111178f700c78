"""How breakpoints and delta-slopes move along gradient flow, and what is conserved."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from scipy.integrate import RK45

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.gradients import gradient, layered_network, moved, parameters
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.ridges import ridges
from fembridge.networks.training import train
from fembridge.networks.univariate import spline_velocities, spline_view
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.univariate.flow import (
    active_sums,
    balance_curvature,
    balance_drift,
    breakpoint_velocity,
    delta_slope_velocity,
    velocity_jump,
)

SOURCE = "Sahs et al. 2020 (arXiv 2008.01772), gradient flow"
BALANCE = "Williams et al. 2019 (arXiv 1906.07842), the conserved quantity"
EPSILON = float(np.finfo(float).eps)
N = 16  # data of all experiments
SMALL = 1e-7  # a rate so small that a step is a derivative
GAP = 1e-9  # from a breakpoint to the datum beside it
TIME = 1.0
ACCURACY = 1e-10  # of each step of the flow along the network's own gradient
GRADIENTS = 900  # after which a flow that sticks, a breakpoint being at a datum, is left


def _data(random: np.random.Generator) -> Samples:
    """Points in [−1, 1] with normal values, of weight 1: L = ½ Σ ε²."""
    return Samples(np.sort(random.uniform(-1, 1, N))[:, None], random.standard_normal(N), np.ones(N))


def _neurons(random: np.random.Generator, width: int) -> Array:
    """w, b, v (3, n): standard normal, w ¼ farther from 0, so that no breakpoint is out of reach."""
    w, b, v = random.standard_normal((3, width))
    return np.stack([w + np.sign(w) / 4, b, v])


def _network(neurons: Array, offset: float | None) -> Any:
    """With a bias of the output, or without."""
    w, b, v = neurons
    if offset is None:
        return ridges(activation("relu"), w[:, None], b, v)
    return layered_network(activation("relu"), [(w[:, None], b), (v[None], np.array([offset]))])


def _residuals(model: Any, data: Samples) -> Array:
    return outputs(model, data) - data.values


def _velocities(setting: Setting) -> Evidence:
    """β̇ and μ̇ against automatic differentiation. The control leaves out what a breakpoint off 0 adds."""
    random, parts = setting.random, []
    for k in range(setting.size(8, 200)):
        data, (w, b, v) = _data(random), _neurons(random, 32)
        model, x = _network(np.stack([w, b, v]), random.standard_normal() if k % 2 else None), data.points[:, 0]
        error = _residuals(model, data)
        total, moment = active_sums(w, b, x, error)
        size, lever = np.abs(error).sum(), np.abs(error * x).sum()
        law = breakpoint_velocity(w, b, v, x, error), delta_slope_velocity(w, b, v, x, error)
        wrong = v / w * total, -(v**2 + w**2) * moment
        scale = np.abs(v / w) * (size + np.abs(b / w) * lever), (v**2 + w**2) * lever + np.abs(w * b) * size
        parts.append([np.concatenate(p) for p in (law, spline_velocities(model, data), wrong, scale)])
    predicted, measured, control, scales = (np.concatenate(p) for p in zip(*parts, strict=True))
    return Evidence(predicted, measured, control, _probe_chart(setting), scale=scales)


def _probe_chart(setting: Setting) -> Chart:
    """Velocities of one neuron of eight, as its breakpoint is moved across the data."""
    random = np.random.default_rng(setting.seed)
    data, neurons, places = _data(random), _neurons(random, 8), np.linspace(-1.2, 1.2, 161)
    neurons[:, 0], rows, x = 1.0, [], data.points[:, 0]
    for place in places:
        neurons[1, 0] = -place
        model = _network(neurons, 0.0)
        (w, b, v), error = neurons, _residuals(model, data)
        laws = [law(w, b, v, x, error)[0] for law in (breakpoint_velocity, delta_slope_velocity)]
        rows.append([*laws, *(rate[0] for rate in spline_velocities(model, data))])
    found = np.array(rows).T
    pairs = tuple(Pair(name, places, found[i], found[2 + i]) for i, name in enumerate(("breakpoint", "delta-slope")))
    title = f"Velocities of a neuron, w = v = 1, moved across {N} data"
    return Chart(title, "its breakpoint β", "dβ/dt and dμ/dt along gradient flow", pairs, "linear", "linear")


def _steps(setting: Setting) -> Evidence:
    """The velocities against one small step of gradient descent. The control has the other sign of μ̇."""
    random, predicted, measured, wrong = setting.random, [], [], []
    for k in range(setting.size(4, 50)):
        data, neurons = _data(random), _neurons(random, 32)
        (w, b, v), x = neurons, data.points[:, 0]
        model = _network(neurons, random.standard_normal() if k % 2 else None)
        error, before = _residuals(model, data), spline_view(model)
        train(model, data, learning_rate=SMALL, record=[1])
        after = spline_view(model)
        beta, mu = (law(w, b, v, x, error) for law in (breakpoint_velocity, delta_slope_velocity))
        moves = after.breakpoints - before.breakpoints, after.delta_slopes - before.delta_slopes
        predicted.append(np.append(beta, mu))
        wrong.append(np.append(beta, -mu))
        measured.append(np.concatenate(moves) / SMALL)
    p, m, q = (np.concatenate(part) for part in (predicted, measured, wrong))
    chart = _agreement(f"Moves in one step at the rate η = {SMALL:g}, over η", "velocity", [("β and μ", p, m)])
    return Evidence(p, m, q, chart)


def _agreement(title: str, quantity: str, groups: list[tuple[str, Array, Array]]) -> Chart:
    """Sizes measured against sizes predicted, both logarithmic."""
    pairs = []
    for name, predicted, measured in groups:
        order = np.argsort(np.abs(predicted))[np.count_nonzero(predicted == 0) :]  # neurons without data rest
        law = np.abs(predicted[order])
        pairs.append(Pair(name, law, law, np.abs(measured[order])))
    return Chart(title, f"predicted |{quantity}|", f"measured |{quantity}|", tuple(pairs))


def _jumps(setting: Setting) -> Evidence:
    """β̇ with the breakpoint just right of each datum, less that just left. The control moves by the bias alone."""
    random = setting.random
    data, (w, b, v) = _data(random), _neurons(random, setting.size(6, 24))
    w = np.abs(w) * (-1) ** np.arange(len(w))
    x, places = data.points[:, 0], list(np.ndindex(len(w), N))
    jump, law, wrong = np.empty((3, len(w), N))
    for i, n in places:
        rates = []
        for side in (-GAP, GAP):
            at = b.copy()
            at[i] = -w[i] * (x[n] + side)
            model = _network(np.stack([w, at, v]), 0.0)
            rates.append(spline_velocities(model, data)[0][i])
        error = _residuals(model, data)[n]
        jump[i, n], law[i, n] = rates[1] - rates[0], velocity_jump(w[i], v[i], x[n], error)
        wrong[i, n] = law[i, n] / (1 + x[n] ** 2)
    pairs = tuple(Pair(f"facing {name}", x, law[i], jump[i]) for i, name in enumerate(("right", "left")))
    title = "How the velocity of a breakpoint jumps where it passes a datum"
    chart = Chart(title, "datum x", "jump of dβ/dt, left to right", pairs, "linear", "linear")
    return Evidence(law, jump, wrong, chart)


def _balance_step(setting: Setting) -> Evidence:
    """Balances after one step of gradient descent, less those before. The control has them conserved."""
    random, parts = setting.random, []
    for rate in np.tile([1e-3, 1e-2, 1e-1], setting.size(2, 50)):
        data, neurons = _data(random), _neurons(random, 32)
        (w, b, v), model, x = neurons, _network(neurons, random.standard_normal()), data.points[:, 0]
        error, before = _residuals(model, data), spline_view(model).balance
        train(model, data, learning_rate=rate, record=[1])
        law, after = rate**2 * balance_curvature(w, b, v, x, error), parameters(model)[: 3 * len(w)].reshape(3, -1)
        lever = np.abs(v) * ((np.abs(np.multiply.outer(w, x)) + np.abs(b)[:, None]) @ np.abs(error))
        scale = (neurons**2).sum(axis=0) + (after**2).sum(axis=0) + rate * lever
        parts.append([law, spline_view(model).balance - before, 0 * law, scale, np.full(len(w), rate)])
    p, m, q, s, rates = (np.concatenate(part) for part in zip(*parts, strict=True))
    groups = [(f"η = {rate:g}", p[rates == rate], m[rates == rate]) for rate in (1e-3, 1e-2, 1e-1)]
    chart = _agreement("What one step of gradient descent adds to w² + b² − v²", "change", groups)
    return Evidence(p, m, q, chart, scale=s)


def _free_start(data: Samples, setting: Setting) -> tuple[Array, float]:
    """Parameters of the first network drawn whose flow sticks at no datum, and the predicted ‖drift‖/η."""
    for seed in seeds_of(setting.seed, 100):
        theta = parameters(perceptron("relu", [1, 16, 1], seed=seed))
        w, b, v = theta[:-1].reshape(3, -1)
        with suppress(RuntimeError):
            found = balance_drift((w, b, v, theta[-1]), data.points[:, 0], data.values, data.weights, TIME)
            return theta, float(np.linalg.norm(found))
    raise RuntimeError("balance-drift: expected a flow that sticks nowhere among 100")


def _drift(setting: Setting) -> Evidence:
    """‖balances at T − balances at 0‖ of gradient descent at η = T/steps. The control is of second order in η."""
    data = _data(setting.random)
    data = Samples(data.points, data.values)
    theta, rate = _free_start(data, setting)
    steps, drift = 2 ** np.arange(7, setting.size(12, 15)), []
    model = perceptron("relu", [1, 16, 1])
    before = spline_view(moved(model, theta)).balance
    for count in steps.tolist():
        copy: Any = moved(model, theta)
        train(copy, data, learning_rate=TIME / count, record=[count])
        drift.append(np.linalg.norm(spline_view(copy).balance - before))
    law, eta = rate * TIME / steps, TIME / steps
    pair = Pair("16 neurons, 16 data", eta, law, np.array(drift))
    title = f"Drift of w² + b² − v² up to t = {TIME:g} under gradient descent"
    chart = Chart(title, "learning rate η", "‖balances at t − balances at 0‖", (pair,), slopes=(1.0,))
    return Evidence(law, np.array(drift), law * steps[0] / steps, chart, x=eta)


def _conserved(setting: Setting) -> Evidence:
    """Balances along the flow of the network's own gradient. The control would have w² − v² conserved."""
    data = _data(setting.random)
    data = Samples(data.points, data.values)
    model = perceptron("relu", [1, setting.size(8, 64), 1], seed=setting.seed)

    def descent(_: float, at: Array) -> Array:
        return -gradient(moved(model, at), data.points, data.weights, data.values)

    flow = RK45(descent, 0.0, parameters(model), setting.size(4.0, 32.0), rtol=ACCURACY, atol=ACCURACY)
    path = [(flow.t, flow.y)]
    while flow.status == "running" and flow.nfev < setting.size(GRADIENTS, 3 * GRADIENTS):
        flow.step()
        path.append((flow.t, flow.y))
    times, y = np.array([t for t, _ in path]), np.stack([at for _, at in path], axis=1)
    w, b, v = y[:-1].reshape(3, -1, len(times))
    balance, others = w**2 + b**2 - v**2, w**2 - v**2
    law = np.repeat(balance[:, :1], len(times), axis=1)
    wrong = law + b**2 - b[:, :1] ** 2
    most = np.argsort(-np.abs(others - others[:, :1]).max(axis=1))[:2]
    pairs = [Pair(f"w² + b² − v², neuron {i}", times, law[i], balance[i]) for i in most]
    pairs += [Pair(f"w² − v², neuron {i}", times, None, others[i]) for i in most]
    title = f"Balances of two of {len(w)} neurons along gradient flow"
    return Evidence(law, balance, wrong, Chart(title, "time t", "conserved, and not", tuple(pairs), "linear", "linear"))


CLAIMS = [
    Claim(
        "sahs2022.flow-velocities",
        SOURCE,
        "Along gradient flow of ½Σε² breakpoints move at (v/w)(⟨ε, 1⟩ + β⟨ε, x⟩) and delta-slopes at "
        "−(v² + w²)⟨ε, x⟩ − wb⟨ε, 1⟩, sums over a neuron's active data, with a bias of the output and without.",
        "identity",
        32 * EPSILON,
        "Rounding: sums of 16 terms and 16 operations more on either side, of the sums of what is added in size.",
        _velocities,
    ),
    Claim(
        "sahs2022.flow-step",
        SOURCE,
        "One small step of gradient descent moves breakpoints and delta-slopes by η times these velocities.",
        "identity",
        1e-4,
        "(β(η) − β)/η is the velocity times w/(w + ηẇ), exactly: off by η|ẇ/w| ≤ 1e-7 · 3 · 80/(1/4) = 1e-4. "
        "(μ(η) − μ)/η is off by ηẇv̇, which is as small beside v̇w, a part of μ̇; and rounding is ε|β|/η, 1e-8.",
        _steps,
    ),
    Claim(
        "sahs2022.velocity-jump",
        SOURCE,
        "Where a breakpoint passes a datum x with the residual ε from left to right, its velocity jumps by "
        "−s (v/w) ε (1 + x²), s the sign of w.",
        "identity",
        1e-5,
        "Beside the jump the velocity changes by its derivative, |v/w|(Σ|εx| + Σ(1 + |βx|)|vw|) < 12 (80 + 160), times "
        "2e-9: 6e-6, where the largest jump is more than 1.",
        _jumps,
    ),
    Claim(
        "sahs2022.flow-conserved",
        BALANCE,
        "Gradient flow of a network 1–H–1 with a bias of the output conserves w² + b² − v² of each neuron.",
        "identity",
        1e-7,
        "An error of 1e-10 in each of fewer than 500 steps, twice that in a square.",
        _conserved,
    ),
    Claim(
        "sahs2022.balance-step",
        f"{BALANCE}; derived here for steps",
        "One step of gradient descent at the rate η changes w² + b² − v² of a neuron by exactly "
        "η²((∂L/∂w)² + (∂L/∂b)² − (∂L/∂v)²).",
        "identity",
        32 * EPSILON,
        "Rounding: of squares before and after, and of gradients, sums of 16 terms, times η and the parameter.",
        _balance_step,
    ),
    Claim(
        "sahs2022.balance-drift",
        f"{BALANCE}; derived here for gradient descent",
        "Up to a fixed time w² + b² − v² drifts under gradient descent by η ∫((∂L/∂w)² + (∂L/∂b)² − (∂L/∂v)²)dt: "
        "in proportion to the step size, with this constant.",
        "order",
        0.02,
        "The next order is ηλ/2 for the mode λ that drifts most, λ ≤ 5 the trace of the tangent kernel's mean over the "
        "data: 2 % at the largest η, which moves an exponent over 16 times by less than 0.01, and 0.12 % at the least; "
        "neurons that switch at other steps add some of that kind: 0.5 % in all.",
        _drift,
        cap=0.005,
    ),
]
