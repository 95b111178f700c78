"""Where training comes to rest with breakpoints on data: no critical point, and a Hessian with negative eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.sahs2022.critical import LIMIT, SOURCE, together
from fembridge.claims.sahs2022.rank import rounded, sampled
from fembridge.claims.sahs2022.resting import NOISY, Resting, resting
from fembridge.networks.gradients import moved, parameters
from fembridge.networks.outputs import outputs
from fembridge.networks.tangents import features
from fembridge.problem import Array
from fembridge.theory.univariate.critical import (
    Mask,
    Neurons,
    gauss_newton,
    moments,
    pinned_moments,
    residual_terms,
)

SHIFT = 1e-10  # of a breakpoint off its datum, to one side or the other: far above rounding
SIDES = (False, True)  # the data inactive, and active, in the neurons whose breakpoints they hold


def _networks(setting: Setting) -> list[Resting]:
    return resting(NOISY, setting, "pinned", 3)


def _beside(one: Resting, active: bool) -> Any:
    """The network with its pinned breakpoints moved by SHIFT, so that their data are active or not."""
    theta, h = parameters(one.model), one.case.neurons
    theta[h + one.rest.neurons] += (SHIFT if active else -SHIFT) * np.abs(theta[one.rest.neurons])
    return moved(one.model, theta)


def _without(one: Resting, on: Mask) -> Mask:
    """Half-lines of the pinned neurons without the data that pin them, (N, K)."""
    off = np.array(on[:, one.rest.neurons], dtype=bool)
    off[one.rest.data, np.arange(len(one.rest.data))] = False
    return off


def _orthogonality(setting: Setting) -> Evidence:
    """⟨y, x − x_n⟩ and ⟨u, x − x_n⟩ on the half-lines without x_n; wrong: ⟨u, x − x_n⟩ before it came to rest."""
    predicted, measured, wrong, scale, shown = [], [], [], [], []
    for one in _networks(setting):
        x, y, weights, u = one.x, one.samples.values, one.samples.weights, outputs(one.model, one.samples)
        data = moments(x, y, weights, _without(one, one.on))
        predicted.append(data[:, 1] - x[one.rest.data] * data[:, 0])
        own = _without(one, np.asarray(features(one.model, x).detach()) > 0)
        arm = x[:, None] - x[one.rest.data]
        measured.append((weights * u) @ (arm * own))
        wrong.append((weights * one.before) @ (arm * own))
        scale.append(2 * one.moments[one.rest.neurons])
        error = weights * (u - y)
        shown.append(np.stack([-(error @ own) / error[one.rest.data], one.rest.shares]))
    share = np.concatenate(shown, axis=1)
    share = share[:, np.argsort(share[0])]
    index = np.arange(1.0, share.shape[1] + 1)
    edges = (Pair(f"τ = {edge}", index, np.full(len(index), float(edge)), None) for edge in (0, 1))
    pairs = (Pair("share τ", index, None, share[0]), *edges)
    title = f"Share of its datum that counts as active, for each pinned breakpoint of {len(shown)} networks"
    chart = Chart(title, "pinned breakpoint", "τ = −⟨ε, 1⟩ / ω ε(xₙ)", pairs, xscale="linear", yscale="linear")
    return Evidence(together(predicted), together(measured), together(wrong), chart, scale=together(scale))


def _one_sided(one: Resting, active: bool) -> Array:
    """JᵀJ and the residual terms of pinned neurons, (1 − τ) or −τ times ω ε(x_n) (1, x_n), to one side (P, P)."""
    theta = parameters(_beside(one, active))
    neurons, half_lines = Neurons(*theta[:-1].reshape(3, -1)), np.zeros((one.case.neurons, 2))
    error = outputs(one.model, one.samples) - one.samples.values
    parts = float(active) - one.rest.shares
    half_lines[one.rest.neurons] = pinned_moments(one.x, error, one.samples.weights, one.rest.data, parts)
    return gauss_newton(one.x, neurons, one.samples.weights, True) + residual_terms(half_lines, True)


def _hessian(setting: Setting) -> Evidence:
    """The sampled Hessians to both sides; wrong: JᵀJ, as at a critical point."""
    predicted, measured, wrong, scale = [], [], [], []
    for one in _networks(setting):
        for active in SIDES:
            H, theta = _one_sided(one, active), parameters(_beside(one, active))
            predicted.append(H)
            measured.append(sampled(_beside(one, active), one))
            wrong.append(gauss_newton(one.x, Neurons(*theta[:-1].reshape(3, -1)), one.samples.weights, True))
            slack = 8 * SHIFT * max(1.0, float(np.abs(theta).max())) ** 3 * len(theta)
            scale.append(np.full(H.shape, rounded(one, float(np.abs(H).max())) + slack))
    chart = _least_chart(setting)
    return Evidence(together(predicted), together(measured), together(wrong), chart, scale=together(scale))


def _least(one: Resting, active: bool) -> tuple[float, float]:
    """λ_min/λ_max, predicted and measured."""
    pair = (_one_sided(one, active), sampled(_beside(one, active), one))
    ends = [np.linalg.eigvalsh(H)[[0, -1]] for H in pair]
    return float(ends[0][0] / ends[0][1]), float(ends[1][0] / ends[1][1])


def _least_chart(setting: Setting) -> Chart:
    found = _networks(setting)
    index, pairs = np.arange(1.0, len(found) + 1), []
    for active, label in zip(SIDES, ("data on breakpoints inactive", "data on breakpoints active"), strict=True):
        predicted, measured = np.array([_least(one, active) for one in found]).T
        pairs.append(Pair(label, index, predicted, measured))
    title = f"Least eigenvalue of the Hessian: {NOISY.label}, breakpoints on data"
    return Chart(title, "network", "λ_min / λ_max", tuple(pairs), xscale="linear", yscale="linear")


def _semidefinite(setting: Setting) -> Evidence:
    """The least eigenvalue relative to the largest, to both sides, against 0; wrong: against 1."""
    measured = np.array([[_least(one, active)[1] for active in SIDES] for one in _networks(setting)])
    return Evidence(np.zeros(measured.shape), measured, np.ones(measured.shape), _least_chart(setting), scale=1.0)


CLAIMS = [
    Claim(
        "sahs2022.pinned-orthogonality",
        SOURCE + "; derived for breakpoints on data",
        "Training also comes to rest with breakpoints on data, where the loss has a kink: there the error is "
        "orthogonal to x − xₙ alone on the active half-line.",
        "identity",
        1.0,
        LIMIT + "the slope of L in w with b = −w xₙ is v ⟨ε, x − xₙ⟩, so that over |v|, times |x − xₙ| ≤ 2.",
        _orthogonality,
    ),
    Claim(
        "sahs2022.pinned-hessian",
        SOURCE + "; derived for breakpoints on data",
        "To either side of such a kink the sampled Hessian is JᵀJ and residual terms (1 − τ) ε(xₙ)(1, xₙ), or −τ times "
        "that, of each pinned neuron.",
        "identity",
        1.0,
        LIMIT + "over |vᵢ|; (N + P) ε of the largest entry; and 1e-10, by which breakpoints are moved off, times the "
        "third derivatives, of which each is a product of at most three parameters, for P parameters.",
        _hessian,
    ),
    Claim(
        "sahs2022.pinned-semidefinite",
        SOURCE,
        "Wherever training comes to rest with all μᵢ ≠ 0 the sampled Hessian is positive semidefinite.",
        "identity",
        1e-6,
        "It does not hold where breakpoints lie on data: scaling leaves L as it is, so that for d = (w, b, −v) dᵀHd = "
        "0, but Hd = (−∂L/∂w, −∂L/∂b, ∂L/∂v), which is not 0 to a side where L rises. Moving breakpoints off by 1e-10 "
        "changes eigenvalues by far less than 1e-6 of the largest.",
        _semidefinite,
        known=True,
    ),
]
