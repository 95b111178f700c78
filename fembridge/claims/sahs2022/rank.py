"""The Hessian at critical points: JᵀJ, its rank, its flat directions and its spectrum."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.sahs2022.critical import LIMIT, SOURCE, networks, together
from fembridge.claims.sahs2022.resting import BLIND, EPS, NARROW, WIDE, Resting, on_the_way, resting
from fembridge.networks import curvature
from fembridge.networks.activations import activation
from fembridge.networks.gradients import gradient, parameters
from fembridge.networks.models import shallow
from fembridge.networks.outputs import outputs
from fembridge.networks.univariate import spline_view
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.features import grid, on_knots
from fembridge.theory.grams import dense as plain
from fembridge.theory.grams import gram
from fembridge.theory.modes import beam_roots
from fembridge.theory.univariate.critical import (
    Mask,
    Neurons,
    active,
    gauss_newton,
    moments,
    residual_terms,
    tangent_kernel,
)


def sampled(model: object, one: Resting) -> Array:
    """The Hessian of the network itself, by automatic differentiation, (P, P)."""
    found = curvature.hessian(model, one.samples.points, one.samples.values, method="general")  # type: ignore[arg-type]
    return curvature.dense(found)


def _spectrum(one: Resting) -> Array:
    return np.asarray(np.linalg.eigvalsh(sampled(one.model, one))[::-1], dtype=float)


def _residual_terms(one: Resting, u: Array, on: Mask) -> Array:
    return residual_terms(moments(one.x, u - one.samples.values, one.samples.weights, on), True)


def rounded(one: Resting, size: float) -> float:
    """What rounding and the residual terms that are left may add: (N + P) ε of the size, and twice the moments."""
    return (len(one.x) + len(one.path[-1])) * EPS * size + 2 * float(one.moments.max())


def _hessian(setting: Setting) -> Evidence:
    """H by automatic differentiation and JᵀJ from the numbers; wrong: with residual terms as before it came to rest."""
    predicted, measured, wrong, scale = [], [], [], []
    for one in networks(setting):
        G = gauss_newton(one.x, one.neurons, one.samples.weights, True)
        predicted.append(G)
        measured.append(sampled(one.model, one))
        wrong.append(G + _residual_terms(one, one.before, one.on))
        scale.append(np.full(G.shape, rounded(one, float(np.abs(G).max()))))
    chart = _way_chart([resting(case, setting, "critical")[0] for case in (NARROW[2], BLIND, WIDE)])
    return Evidence(together(predicted), together(measured), together(wrong), chart, scale=together(scale))


def _way_chart(shown: list[Resting]) -> Chart:
    """‖residual terms‖ / ‖H‖ against ‖∇L‖ along gradient descent and at rest."""
    pairs = []
    for one in shown:
        rows = []
        for model in on_the_way(one):
            view, theta = spline_view(model), parameters(model)
            slope = gradient(model, one.samples.points, one.samples.weights, one.samples.values)
            G = curvature.dense(curvature.gauss_newton(model, one.samples.points))
            found = np.linalg.norm(sampled(model, one) - G) / np.linalg.norm(G)
            on = active(one.x, view.breakpoints, view.orientations)
            terms = _residual_terms(one, outputs(model, one.samples), on)
            size = np.linalg.norm(gauss_newton(one.x, Neurons(*theta[:-1].reshape(3, -1)), one.samples.weights, True))
            rows.append((np.linalg.norm(slope), np.linalg.norm(terms) / size, found))
        g, theory, found = np.maximum(np.array(sorted(rows)).T, 1e-18)
        pairs.append(Pair(f"{one.case.neurons} ReLUs, {one.case.data} data", g, theory, found))
    title = "What the Hessian has besides JᵀJ, along training and at rest (left)"
    return Chart(title, "‖∇L‖", "‖H − JᵀJ‖ / ‖JᵀJ‖", tuple(pairs), noise_floor=1e-14)


def _flat(setting: Setting) -> Evidence:
    """H times (w, b, −v) and (w, b, v) of each neuron: 0, and 2v times the column of v; wrong: the other way round."""
    predicted, measured, wrong, scale, shown = [], [], [], [], []
    for one in networks(setting):
        h, (w, b, v) = len(one.neurons.w), one.neurons
        i, D = np.arange(h), np.zeros((2, 3 * h + 1, h))
        for sign, d in zip((-1, 1), D, strict=True):
            d[i, i], d[h + i, i], d[2 * h + i, i] = w, b, sign * v
        H = sampled(one.model, one)
        G = gauss_newton(one.x, one.neurons, one.samples.weights, True)
        felt = 2 * v * G[:, 2 * h : 3 * h]
        predicted.append(np.stack([np.zeros_like(felt), felt]))
        wrong.append(np.stack([felt, np.zeros_like(felt)]))
        measured.append(H @ D)
        scale.append(np.full((2, *felt.shape), 3 * rounded(one, float(np.abs(G).max())) * np.abs(D).max()))
        norms = np.linalg.norm(H @ D, axis=1) / np.linalg.norm(D, axis=1) / np.linalg.norm(H, 2)
        shown.append(norms[:, one.on.any(axis=0)])
    flat, felt = (both := np.concatenate(shown, axis=1))[:, np.argsort(both[1])]
    index = np.arange(1.0, len(flat) + 1)
    pairs = (
        Pair("(w, b, v): felt", index, None, np.maximum(felt, 1e-18)),
        Pair("(w, b, −v): scaling", index, None, np.maximum(flat, 1e-18)),
    )
    title = f"Two directions of each neuron, in {len(shown)} networks at critical points"
    chart = Chart(title, "neuron", "‖H d‖ / ‖H‖‖d‖", pairs, xscale="linear", noise_floor=1e-14)
    return Evidence(together(predicted), together(measured), together(wrong), chart, scale=together(scale))


def _rank(setting: Setting) -> Evidence:
    """Eigenvalues above (N + P) ε of the largest, what rounding may make of 0, against min(N, 2H + 1)."""
    found = networks(setting)
    n, h = np.array([(one.case.data, one.case.neurons) for one in found]).T
    spectra = [_spectrum(one) for one in found]
    rank = [(s > (len(one.x) + len(s)) * EPS * s[0]).sum() for one, s in zip(found, spectra, strict=True)]
    bound, half = (np.asarray(np.minimum(n, count + 1), dtype=float) for count in (2 * h, h))
    measured = np.array(rank, dtype=float)
    pairs, start = [], 1.0
    for data in np.unique(n)[::-1]:
        mine = np.flatnonzero(n == data)
        index = np.asarray(start + np.arange(len(mine)), dtype=float)
        pairs.append(Pair(f"{data} data", index, bound[mine], measured[mine]))
        start += len(mine)
    title = "Rank of the Hessian at critical points, and min(N, 2H + 1) (lines)"
    xlabel = "network, of " + ", ".join(str(count) for count in dict.fromkeys(h.tolist())) + " neurons"
    chart = Chart(title, xlabel, "rank", tuple(pairs), xscale="linear", yscale="linear")
    return Evidence(bound, measured, half, chart)


def _gram(setting: Setting) -> Evidence:
    """All P eigenvalues of H against those of √ω Θ √ω and zeros; wrong: with the features alone, without steps."""
    predicted, measured, wrong, scale = [], [], [], []
    pairs: list[Pair] = []
    for one in networks(setting):
        w, b, v = one.neurons
        full, alone = (_kernel_spectrum(one, Neurons(w, b, u)) for u in (v, 0 * v))
        found = _spectrum(one)
        predicted.append(full)
        wrong.append(alone)
        measured.append(found)
        scale.append(np.full(len(found), rounded(one, full[0])))
        if len(pairs) < 6 and one.case in (NARROW[2], BLIND, WIDE):
            k = np.arange(1.0, (full > 1e-15 * full[0]).sum() + 1)
            label = f"{one.case.neurons} ReLUs, {one.case.data} data"
            pairs.append(Pair(label, k, full[: len(k)], found[: len(k)]))
    title = "Hessians at critical points, and kernels J Jᵀ of ReLUs and steps (lines)"
    chart = Chart(title, "index k", "eigenvalue", tuple(pairs))
    return Evidence(together(predicted), together(measured), together(wrong), chart, scale=together(scale))


def _kernel_spectrum(one: Resting, neurons: Neurons) -> Array:
    """Eigenvalues of √ω Θ √ω, descending, with zeros or without the last to make P of them."""
    root, count = np.sqrt(one.samples.weights), len(one.path[-1])
    values = np.linalg.eigvalsh(root[:, None] * tangent_kernel(one.x, neurons, True) * root)[::-1]
    return np.pad(values, (0, max(0, count - len(values))))[:count]


def _output_block(n: int, samples: int) -> Array:
    """The block of the output weights v of n ReLUs on j/n, (n, n), at a global minimum: fitted to its own values, at
    midpoints of as many equal cells as samples, whose ends hold all breakpoints.
    """
    x = (np.arange(samples) + 0.5) / samples
    model = shallow(activation("relu"), np.ones(n), -grid(n), np.cos(np.arange(n)) / n)
    own = outputs(model, Samples(x[:, None], np.zeros(samples)))
    return curvature.dense(curvature.hessian(model, x, own, "2.weight"))


def _congruence(setting: Setting) -> Evidence:
    """The block of sampled Hessians against CᵀMC; wrong: CᵀKC, of the stiffness."""
    n = setting.size(64, 256)
    M = 64 * n
    features, measured = on_knots("relu", grid(n)), _output_block(n, M)
    predicted, wrong = (plain(gram(features, form)) for form in ("mass", "stiffness"))
    k = np.arange(1.0, n + 1)
    above, below = (np.asarray(np.linalg.eigvalsh(a)[::-1], dtype=float) for a in (predicted, measured))
    pair = Pair("eigenvalues", k, above, below)
    title = f"Output weights of {n} ReLUs: Hessian on {M:,} samples, and CᵀMC (line)"
    chart = Chart(title, "index k", "eigenvalue", (pair,), slopes=(-4.0,), noise_floor=1e-15 * n)
    return Evidence(predicted, measured, wrong, chart, scale=M**-2.0 / 12 + M * EPS / 3)


def _beam(setting: Setting) -> Evidence:
    """The largest eigenvalues of the block against n β_k⁻⁴; wrong: n ((k − ½)π)⁻², of steps."""
    n, k = setting.size(512, 1024), np.arange(1, 9)
    measured = np.linalg.eigvalsh(_output_block(n, 16 * n))[::-1][: len(k)]
    predicted, wrong = n * beam_roots(len(k)) ** -4.0, n * ((k - 0.5) * np.pi) ** -2.0
    pair = Pair("output weights", k.astype(float), predicted / n, measured / n)
    title = f"Hessian of {n} output weights, breakpoints uniform, and the cantilever beam (line)"
    chart = Chart(title, "index k", "eigenvalue / n", (pair,), slopes=(-4.0,))
    return Evidence(predicted, measured, wrong, chart, x=k.astype(float))


HESSIAN = LIMIT + "residual terms are ⟨ε,1⟩ᵢ and ⟨ε,x⟩ᵢ, ‖∇L‖/|vᵢ| at the most"
CLAIMS = [
    Claim(
        "sahs2022.critical-hessian",
        SOURCE,
        "At a critical point with all μᵢ ≠ 0, and no breakpoint on a datum, the sampled Hessian is JᵀJ: what else it "
        "has elsewhere, Σ ε ∇²u, is the moments of the error on half-lines, and these vanish.",
        "identity",
        1.0,
        HESSIAN + "; and (N + P) ε of the largest entry.",
        _hessian,
    ),
    Claim(
        "sahs2022.critical-flat",
        SOURCE,
        "At a critical point the scaling (w, b, −v) of each neuron is in the kernel of the Hessian; (w, b, v) is not: "
        "it is felt as 2v is, alone.",
        "identity",
        1.0,
        HESSIAN + "; and (N + P) ε of the largest entry; times the 3 entries of a direction.",
        _flat,
    ),
    Claim(
        "sahs2022.critical-rank",
        SOURCE,
        "At a critical point of H neurons with an output bias, on N data, the Hessian has rank min(N, 2H + 1) at most, "
        "and that is attained.",
        "bound",
        1e-9,
        "Whole numbers. Eigenvalues up to (N + P) ε of the largest are zeros: rounding makes as much of them.",
        _rank,
    ),
    Claim(
        "sahs2022.hessian-gram",
        SOURCE + "; the kernel of ReLUs and steps",
        "At a critical point the Hessian has the eigenvalues of the tangent kernel on the data, the Gram of ReLUs, of "
        "steps weighted by v², and of steps times x, and otherwise zeros: it is positive semidefinite.",
        "identity",
        1.0,
        HESSIAN + ", twice that in norm; and (N + P) ε of the largest eigenvalue.",
        _gram,
    ),
    Claim(
        "sahs2022.hessian-congruence",
        "Sahs et al., arXiv 2008.01772, the Hessian; Hong et al., arXiv 2208.04924",
        "The output weights' block of the Hessian tends to the finite-element mass matrix in another basis, CᵀMC, as "
        "data fill the interval.",
        "identity",
        1.0,
        "In units of the midpoint rule's error on N cells whose ends hold the breakpoints, where (φᵢφⱼ)'' = 2 or 0: "
        "1/(12 N²) at the most, and N ε/3 of rounding.",
        _congruence,
    ),
    Claim(
        "sahs2022.hessian-beam",
        "Sahs et al., arXiv 2008.01772, the Hessian; Hong et al., arXiv 2208.04924",
        "With uniform breakpoints the output weights' block of the Hessian has the spectrum of a cantilever beam, "
        "n βₖ⁻⁴: k⁻⁴.",
        "order",
        0.005,
        "λₖ differs by 2/n, for all k alike, and by (βₖ/n)²: at n = 512 and k ≤ 8 by 0.004 and 0.002, and by 0.0004 "
        "from 16 samples a cell. The cap is 0.0075; (βₖ/n)² alone moves the exponent, by 0.002/log 8 = 0.001.",
        _beam,
        cap=0.0075,
    ),
]
