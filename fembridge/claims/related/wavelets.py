"""BW-ReLU: the linear B-spline wavelet as an activation, whose features stay well conditioned at every scale."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import first_below
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks import wavelets as network
from fembridge.networks.activations import activation
from fembridge.networks.models import on_knots, shallow
from fembridge.networks.readouts import hidden
from fembridge.networks.tangents import exact_spectrum, features
from fembridge.networks.training import train
from fembridge.problem import Array, Problem, composite_gauss, sines
from fembridge.samples import samples_of
from fembridge.theory import wavelets
from fembridge.theory.features import Features, grid
from fembridge.theory.features import on_knots as features_on_knots
from fembridge.theory.modes import fourier
from fembridge.theory.prediction import LeastSquares, of_features, solve, steps_to_tolerance
from fembridge.theory.spectra import spectrum
from fembridge.theory.splines import Spline, hat, spline

SOURCE = "BW-ReLU, a linear B-spline wavelet (Chui and Wang, Trans. AMS 330, 1992) as activation"
UNIT = (0.0, 1.0)
SLOW = 0.02  # of the learning rate 1/λ_max, which would finish in four steps
PART = 0.1


def _with_hats(psi: Spline) -> Array:
    """∫ ψ(x) Hat(x − k) dx, k = −1 … 2, by quadrature between the knots."""
    x, w = composite_gauss(np.arange(7) / 2, 2)
    return np.array([w @ (psi(x) * hat()(x - k)) for k in range(-1, 3)])


def _moments(setting: Setting) -> Evidence:
    """Values, ∫ x^m ψ for m < 4, and products with hats, of seven ReLUs. wrong: hats (−½, 1, −½), whose first two
    moments vanish as well.
    """
    psi, simpler = wavelets.wavelet(), spline(np.arange(5) / 2 + 0.5, [-0.5, 1.0, -0.5], 1)
    relus, hats = network.as_relus(), shallow(activation("hat"), np.ones(4), -np.arange(-1.0, 3.0))
    z, (x, w) = np.linspace(-0.5, 3.5, 81), composite_gauss(np.arange(7) / 2, 3)
    seen, inside = (features(relus, at).detach().numpy() @ network.SLOPES for at in (z, x))
    products = (w * inside) @ features(hats, x).detach().numpy()
    measured = np.concatenate([seen, np.array([(w * inside) @ x**m for m in range(4)]), products])
    predicted = np.concatenate([psi(z), wavelets.moments(psi, 4), np.zeros(4)])
    wrong = np.concatenate([simpler(z), wavelets.moments(simpler, 4), _with_hats(simpler)])
    pair = Pair("hats (1, −6, 10, −6, 1)/12; seven ReLUs", z, predicted[: len(z)], seen)
    chart = Chart("The linear B-spline wavelet", "x", "ψ(x)", (pair,), xscale="linear", yscale="linear")
    return Evidence(predicted, measured, wrong, chart, scale=1.0)


def _measured(levels: int) -> Array:
    """Eigenvalues of ∫₀¹ φφᵀ of a network, descending, as squared singular values."""
    x, w = composite_gauss(np.arange(2**levels + 1) / 2**levels, 2)
    phi = hidden(network.wavelets(levels), x[:, None]).numpy()
    return np.asarray(np.linalg.svd(np.sqrt(w)[:, None] * phi, compute_uv=False) ** 2)


def _spectrum(setting: Setting) -> Evidence:
    """All eigenvalues. wrong: those of as many hats of the same span, on their mean."""
    levels = setting.size(7, 10)
    predicted, measured = wavelets.eigenvalues(levels), _measured(levels)
    n = len(predicted)
    hats = 2 + np.cos(np.arange(1, n + 1) * np.pi / (n + 1))
    index = np.arange(1.0, n + 1)
    pair = Pair("symbol s(πm/2ˡ) of all levels l", index, predicted, measured)
    title = f"{n} wavelets on [0, 1], {levels} levels"
    chart = Chart(title, "index", "eigenvalue of the Gram matrix", (pair,), xscale="linear", yscale="linear")
    return Evidence(predicted, measured, hats * predicted.mean() / 2, chart)


def _condition(setting: Setting) -> Evidence:
    """κ of networks of one level, two, …; wrong: 3, the bound of interior hats; hats and ReLU are shown beside it."""
    levels = np.arange(1, setting.size(8, 11))
    n = 2**levels - 1
    both = [_measured(level) for level in levels], [wavelets.eigenvalues(level) for level in levels]
    measured, exact = (np.array([values[0] / values[-1] for values in each]) for each in both)
    hats = [exact_spectrum(shallow(activation("hat"), np.full(m, m + 1.0), -np.arange(m)), UNIT) for m in n]
    relu = [exact_spectrum(on_knots("relu", grid(m + 1), UNIT), UNIT) for m in n]
    theory = [spectrum(features_on_knots("relu", grid(m + 1))).eigenvalues for m in n]
    angle = np.pi / (n + 1)
    count = n.astype(float)
    pairs = (
        Pair("wavelets, < 9/4", count, exact, measured),
        Pair("hats, < 3", count, (2 + np.cos(angle)) / (2 - np.cos(angle)), np.array([s[0] / s[-1] for s in hats])),
        Pair("ReLU", count, np.array([s[0] / s[-1] for s in theory]), np.array([s[0] / s[-1] for s in relu])),
    )
    chart = Chart("Wavelets, hats and ReLU on the same grid", "features n", "condition number κ", pairs, slopes=(4.0,))
    return Evidence(np.full(len(n), 9 / 4), measured, np.full(len(n), 3.0), chart)


def _least_squares(levels: int, problem: Problem) -> LeastSquares:
    """½ mean (φa − f)² at the samples, in the features of the theory."""
    data = samples_of(problem)
    x = data.points[:, 0]
    read = fourier(x, problem.frequencies, UNIT) / len(x)
    return of_features(wavelets.features(x, levels), data.values, data.weights, read)


def _interior_hats(n: int) -> Features:
    return Features(hat(), np.full(n, n + 1.0), -np.arange(n, dtype=float), UNIT)


def _steps(setting: Setting) -> Evidence:
    """Steps to a tenth of the error of sin 2πkx, for each k by itself. wrong: as many ReLUs, at their own 1/λ_max."""
    levels, k = setting.size((6, (1, 2, 4, 8)), (8, (1, 2, 4, 8, 16, 32)))
    problems = [Problem(sines([one], [1.0]), (one,), samples=2 ** (levels + 2)) for one in k]
    n = 2**levels - 1
    predicted, measured, hats, relu = np.empty((4, len(k)))
    for i, problem in enumerate(problems):
        system = _least_squares(levels, problem)
        rate = SLOW * solve(system, problem.frequencies, [0]).learning_rate
        steps = np.arange(int(4 * np.log(1 / PART) / SLOW))
        expected = np.abs(solve(system, problem.frequencies, steps, learning_rate=rate).coefficients)
        path = train(network.wavelets(levels), samples_of(problem), learning_rate=rate, record=steps)
        predicted[i], measured[i] = (first_below(steps, a, PART)[0] for a in (expected, np.abs(path.coefficients)))
        others = (_interior_hats(n), features_on_knots("relu", grid(n + 1)))
        hats[i], relu[i] = (_steps_of(one, problem) for one in others)
    at = np.array(k, dtype=float)
    alone = (("hats, theory alone", hats), ("ReLU, theory alone", relu))
    pairs = (Pair("wavelets", at, predicted, measured), *(Pair(label, at, seen, None) for label, seen in alone))
    title = f"Gradient descent at {SLOW:g}/λ_max, {n} features on [0, 1]"
    chart = Chart(title, "frequency k of sin 2πkx", "steps to 10 % error", pairs, slopes=(4.0,))
    return Evidence(predicted, measured, relu, chart, scale=predicted)


def _steps_of(features: Features, problem: Problem) -> float:
    rate = SLOW / spectrum(features).eigenvalues[0]
    return float(steps_to_tolerance(features, problem, PART, learning_rate=rate)[0])


CLAIMS = [
    Claim(
        "related.wavelets-moments",
        SOURCE,
        "The ReLU combination (1, −8, 23, −32, 23, −8, 1)/6 at 0, ½, …, 3 is the linear B-spline wavelet (1, −6, 10, "
        "−6, 1)/12 of hats: its first two moments vanish, and it is orthogonal to all whole shifts of the hat.",
        "identity",
        1e-12,
        "Seven ReLUs of values up to 3.5 with slopes up to 32/6 are rounded by 7 · 3.5 · 5.3 ε = 3e-14 in all; "
        "∫₀³ x³ = 20 times that is 6e-13.",
        _moments,
    ),
    Claim(
        "related.wavelets-spectrum",
        SOURCE,
        "The wavelets of all scales and shifts on [0, 1], continued oddly, have the Gram eigenvalues s(πm/2ˡ), m = 1 … "
        "2ˡ, level by level: levels are orthogonal, and each has the symbol of the shifts of ψ.",
        "identity",
        1e-10,
        "2ˡx is rounded by 2ˡε, which slopes 16/6 · 2^{l/2} on a support 3/2ˡ make 2ˡ · 4.6 ε of norm 1; in the "
        "Frobenius norm √2ˡ of that, 1e-11 at l = 9 (5e-13 at 6); eigenvalues err by 2√λ of it, relative to 1/3 by 4 "
        "times.",
        _spectrum,
    ),
    Claim(
        "related.wavelets-condition",
        SOURCE,
        "The condition number of wavelet features on [0, 1] is below 9/4 for any number of levels (hats: 3; ReLU: like "
        "n⁴).",
        "bound",
        1e-3,
        "s falls from 1/3 to 4/27 like 1 − θ²/3 at first, and the smallest θ is π/2^6 on seven levels: 8e-4.",
        _condition,
    ),
    Claim(
        "related.wavelets-steps",
        SOURCE,
        "Gradient descent on wavelet features learns sin 2πkx in a number of steps that does not grow with k, as "
        "predicted to the step.",
        "identity",
        1e-9,
        "Whole numbers: amplitudes at a whole step, rounded to 1e-13, are not that close to the goal.",
        _steps,
    ),
]
