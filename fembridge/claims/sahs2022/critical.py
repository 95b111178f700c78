"""Critical points: the error is orthogonal to lines on every active half-line, and what follows for the network."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.sahs2022.resting import BLIND, EPS, NARROW, RIGHT, WIDE, Resting, resting
from fembridge.networks.gradients import moved, parameters
from fembridge.networks.outputs import outputs
from fembridge.networks.tangents import features
from fembridge.problem import Array
from fembridge.theory.rows import Index
from fembridge.theory.univariate.critical import (
    Mask,
    affine_parts,
    grams_of_lines,
    lines,
    moments,
    pieces,
    projection,
    tangent_functions,
)

SOURCE = "Sahs et al., arXiv 2008.01772, critical points of the loss"
CASES = (*NARROW, RIGHT, BLIND, WIDE)


def networks(setting: Setting) -> list[Resting]:
    """At critical points: with few neurons for the data and with many, at a global minimum and elsewhere."""
    return [one for case in CASES for one in resting(case, setting, "critical")]


def together(parts: list[Array]) -> Array:
    """All numbers in one row."""
    return np.concatenate([np.ravel(part) for part in parts])


def _measured_moments(one: Resting, u: Array) -> Array:
    """Σ ω u (1, x) over the data at which the network's own neurons are positive, (H, 2)."""
    on = np.asarray(features(one.model, one.x).detach()) > 0
    return np.stack([(one.samples.weights * u * g) @ on for g in (np.ones_like(one.x), one.x)], axis=1)


def _orthogonality(setting: Setting) -> Evidence:
    """Moments of the data and of the network, neuron by neuron; wrong: of the network before it came to rest."""
    predicted, measured, wrong, scale = [], [], [], []
    for one in networks(setting):
        predicted.append(moments(one.x, one.samples.values, one.samples.weights, one.on))
        measured.append(_measured_moments(one, outputs(one.model, one.samples)))
        wrong.append(_measured_moments(one, one.before))
        scale.append(np.stack([one.moments] * 2, axis=1))
    chart = _orthogonality_chart(networks(setting))
    return Evidence(together(predicted), together(measured), together(wrong), chart, scale=together(scale))


def _orthogonality_chart(found: list[Resting]) -> Chart:
    """|⟨ε, 1⟩| / ‖y‖‖1‖ on the half-lines that hold data, before and at rest, with the limit; sorted by the limit."""
    rows = []
    for one in found:
        size = np.sqrt(one.samples.weights @ one.samples.values**2) * np.sqrt(one.samples.weights @ one.on)
        y = one.samples.values
        early, late = (
            np.abs(_measured_moments(one, u - y)[:, 0]) for u in (one.before, outputs(one.model, one.samples))
        )
        rows.append(np.stack([one.moments, late, early])[:, size > 0] / size[size > 0])
    limit, late, early = (both := np.concatenate(rows, axis=1))[:, np.argsort(both[0])]
    index = np.arange(1.0, len(limit) + 1)
    floor = 1e-18  # exact zeros, of data that are met to the last digit
    pairs = (
        Pair("after 500 steps of gradient descent", index, None, np.maximum(early, floor)),
        Pair("at the critical point (line: limit)", index, limit, np.maximum(late, floor)),
    )
    title = f"The error of {len(found)} networks on the active half-line of each neuron"
    return Chart(title, "neuron, sorted by the limit", "|⟨ε, 1⟩| / ‖y‖‖1‖ on its half-line", pairs, xscale="linear")


def _function(setting: Setting) -> Evidence:
    """u at the data from the half-lines alone; wrong: from half-lines that begin one datum later."""
    predicted, measured, wrong, scale = [], [], [], []
    for one in networks(setting):
        x, y, weights = one.x, one.samples.values, one.samples.weights
        later = np.concatenate([one.on[:1], one.on[:-1]])
        predicted.append(projection(x, y, one.on, weights, True))
        wrong.append(projection(x, y, later, weights, True))
        measured.append(outputs(one.model, one.samples))
        scale.append(one.projected / np.sqrt(weights))
    shown = [resting(case, setting, "critical")[0] for case in (NARROW[2], BLIND)]
    pairs = []
    for one in shown:
        u = projection(one.x, one.samples.values, one.on, one.samples.weights, True)
        label = f"{one.case.neurons} ReLUs"
        pairs.append(Pair(label, one.x, u, outputs(one.model, one.samples)))
        pairs.append(Pair(f"data of {label}", one.x, None, one.samples.values))
    chart = Chart(
        "Two critical points: networks, and projections of their data on half-lines (lines)",
        "x",
        "u(x)",
        tuple(pairs),
        xscale="linear",
        yscale="linear",
    )
    return Evidence(together(predicted), together(measured), together(wrong), chart, scale=together(scale))


def _pieces(setting: Setting) -> Evidence:
    """Intercepts and slopes between breakpoints; wrong: of the chords from the first to the last datum there."""
    predicted, measured, wrong, scale = [], [], [], []
    for one in networks(setting):
        u, y, weights = outputs(one.model, one.samples), one.samples.values, one.samples.weights
        inside = _inside(one)
        predicted.append(lines(one.x, y, weights, inside))
        measured.append(_chords(one.x, u, inside))
        wrong.append(_chords(one.x, y, inside))
        scale.append(_line_errors(one, inside))
    return Evidence(
        together(predicted), together(measured), together(wrong), _pieces_chart(setting), scale=together(scale)
    )


def _inside(one: Resting) -> Mask:
    w, b, _ = one.neurons
    return pieces(one.x, -b / w, np.sign(w))


def _chords(x: Array, values: Array, inside: Mask) -> Array:
    """Intercept and slope (M, 2) of the line through the first and the last datum of each piece; x ascends."""
    first, last = inside.argmax(axis=0), len(x) - 1 - inside[::-1].argmax(axis=0)
    slope = (values[last] - values[first]) / (x[last] - x[first])
    return np.stack([values[first] - slope * x[first], slope], axis=1)


def _line_errors(one: Resting, inside: Mask) -> Array:
    """G⁻¹ times the moments of ε, twice the limit of a half-line; and roundings of u over the length of a piece."""
    grams = grams_of_lines(one.x, one.samples.weights, inside)
    from_moments = np.abs(np.linalg.inv(grams)).sum(axis=2) * 2 * one.moments.max()
    w, b, v = one.neurons
    size = np.abs(one.samples.values).max() + np.abs(v) @ (np.abs(w) + np.abs(b)) + abs(parameters(one.model)[-1])
    length = np.array([np.ptp(one.x[column]) for column in inside.T])
    return np.asarray(from_moments + one.roundings * EPS * size * (1 + 2 / length[:, None]))


def _pieces_chart(setting: Setting) -> Chart:
    one = resting(RIGHT, setting, "critical")[0]
    y, error = one.samples.values, outputs(one.model, one.samples) - one.samples.values
    inside = _inside(one)
    pairs: list[Pair] = []
    fits = lines(one.x, y, one.samples.weights, inside)
    for k in np.argsort(inside.argmax(axis=0)):
        x, mine = one.x[inside[:, k]], inside[:, k]
        pairs.append(Pair(f"piece {len(pairs) + 1}", x, fits[k, 0] + fits[k, 1] * x - y[mine], error[mine]))
    title = f"{RIGHT.label}: error, and that of least-squares lines (lines)"
    return Chart(title, "x", "u(x) − y", tuple(pairs), xscale="linear", yscale="linear")


def _half_lines(setting: Setting) -> Evidence:
    """Σ v b and Σ v w for each half-line, and d, from data alone; wrong: those before the network came to rest."""
    predicted, measured, wrong, scale, shown = [], [], [], [], []
    for one in (one for case in (*NARROW, RIGHT) for one in resting(case, setting, "critical")):
        on, group = np.unique(one.on, axis=1, return_inverse=True)
        s = np.linalg.svd(np.sqrt(one.samples.weights)[:, None] * tangent_functions(one.x, on, True), compute_uv=False)
        if s[-1] < 1e-6 * s[0]:
            continue  # a half-line of one datum, or of none or of all: its line is not told
        parts = affine_parts(one.x, one.samples.values, on, one.samples.weights, True)
        predicted.append(parts)
        measured.append(_affine_parts(one.model, group))
        wrong.append(_affine_parts(moved(one.model, one.path[-1]), group))
        scale.append(np.full(parts.shape, one.projected / s[-1]))
        shown.append(np.stack([-parts[:-1, 0] / parts[:-1, 1], -measured[-1][:-1, 0] / measured[-1][:-1, 1]]))
    both = np.concatenate(shown, axis=1)
    both = both[:, np.argsort(both[0])]
    pair = Pair("breakpoint β", np.arange(1.0, both.shape[1] + 1), *both)
    title = f"Breakpoints of {len(shown)} networks, and from which neuron is active where (line)"
    chart = Chart(title, "half-line, sorted", "β = −Σ v b / Σ v w", (pair,), xscale="linear", yscale="linear")
    return Evidence(together(predicted), together(measured), together(wrong), chart, scale=together(scale))


def _affine_parts(model: object, group: Index) -> Array:
    """Σ v_i b_i and Σ v_i w_i over groups of neurons, and (d, 0): (G + 1, 2)."""
    theta = parameters(model)  # type: ignore[arg-type]
    w, b, v = theta[:-1].reshape(3, -1)
    sums = np.stack([np.bincount(np.ravel(group), v * part) for part in (b, w)], axis=1)
    return np.concatenate([sums, [[theta[-1], 0.0]]])


LIMIT = (
    "In units of what is left of the gradient, ε‖|J|ᵀ(|J||θ| + |y|)‖, times N + H + 8 roundings of sums over H neurons "
    "and N data: "
)
CLAIMS = [
    Claim(
        "sahs2022.critical-orthogonality",
        SOURCE,
        "At a critical point with all μᵢ ≠ 0 the error is orthogonal to 1 and to x on the active half-line of every "
        "neuron: the network has the same sum and the same first moment there as the data.",
        "identity",
        1.0,
        LIMIT + "∂L/∂bᵢ = vᵢ⟨ε,1⟩ᵢ and ∂L/∂wᵢ = vᵢ⟨ε,x⟩ᵢ, so that over |vᵢ|.",
        _orthogonality,
    ),
    Claim(
        "sahs2022.critical-function",
        SOURCE + "; derived from orthogonality",
        "At a critical point the network at the data is the projection of the data on the lines on active half-lines, "
        "P_V y: which neuron is active where determines it, whatever the weights.",
        "identity",
        1.0,
        LIMIT + "‖P_V ε‖ ≤ ‖∇L‖/σᵣ(J), r the dimension of V; and P_V y is rounded by ε κ(V) ‖y‖.",
        _function,
    ),
    Claim(
        "sahs2022.critical-pieces",
        SOURCE,
        "At a critical point the network is the least-squares line of the data between any two neighbouring "
        "breakpoints that face the same way, and beyond the outermost where they face outwards.",
        "identity",
        1.0,
        LIMIT
        + "over |vᵢ| for moments of two half-lines, times the inverse of the 2 × 2 normal equations; and roundings "
        "of u over the length of the piece.",
        _pieces,
    ),
    Claim(
        "sahs2022.critical-half-lines",
        SOURCE + "; derived from orthogonality",
        "Where there are more data than parameters, which neuron is active where determines a critical point but for "
        "scaling: breakpoints, slopes and output bias.",
        "identity",
        1.0,
        LIMIT + "‖P_V ε‖ ≤ ‖∇L‖/σᵣ(J) as for the function, over the least singular value of 1 and x on half-lines.",
        _half_lines,
    ),
]
