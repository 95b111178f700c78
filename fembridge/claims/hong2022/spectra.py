"""Hong et al. 2022: eigenvalues and condition numbers of ReLU, Hat and step features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.shallow import features_of
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.hong2022.grams import SOURCE, UNIT
from fembridge.networks.activations import activation
from fembridge.networks.models import on_knots, shallow
from fembridge.networks.tangents import exact_points, exact_spectrum
from fembridge.networks.tangents import features as hidden_features
from fembridge.problem import Array
from fembridge.theory import grams, modes, splines, symmetric
from fembridge.theory.features import grid
from fembridge.theory.laplace import laplace_modes
from fembridge.theory.meshes import interval_mesh
from fembridge.theory.spaces import space

EPS = np.finfo(float).eps


def _law(
    setting: Setting,
    name: str,
    law: Callable[[int, NDArray[Any]], Array],
    wrong: Callable[[int, NDArray[Any]], Array],
    title: str,
) -> Evidence:
    """The six largest eigenvalues of a network on a uniform grid against n·law(k), as n doubles."""
    sizes, k = (
        setting.size((100, 140, 200, 280, 400), (100, 140, 200, 280, 400, 560, 800, 1100, 1600)),
        np.arange(1, 7),
    )
    spectrum = [exact_spectrum(on_knots(name, grid(n), UNIT), UNIT) for n in sizes]
    measured = np.stack([s[:6] for s in spectrum])
    largest, index = sizes[-1], np.arange(1, min(sizes[-1], 200) + 1)
    pair = Pair(f"n = {largest}", index.astype(float), law(largest, index), spectrum[-1][: len(index)])
    exponent = -4.0 if name == "relu" else -2.0
    chart = Chart(title, "index k", "eigenvalue λₖ", (pair,), slopes=(exponent,))
    predicted, control = (np.stack([f(n, k) for n in sizes]) for f in (law, wrong))
    return Evidence(predicted, measured, control, chart, x=np.array(sizes, dtype=float))


def _relu_beam(setting: Setting) -> Evidence:
    def law(n: int, k: NDArray[Any]) -> Array:
        return n * modes.beam_roots(int(k[-1])) ** -4.0

    return _law(
        setting,
        "relu",
        law,
        lambda n, k: n * ((k - 0.5) * np.pi) ** -2.0,
        "ReLU on a uniform grid and the cantilever beam nβₖ⁻⁴",
    )


def _step_features(setting: Setting) -> Evidence:
    def law(n: int, k: NDArray[Any]) -> Array:
        return n * ((k - 0.5) * np.pi) ** -2.0

    return _law(
        setting, "step", law, lambda n, k: n * (k * np.pi) ** -2.0, "Step features on a uniform grid and n((k−½)π)⁻²"
    )


def _relu_condition(setting: Setting) -> Evidence:
    sizes = setting.size((125, 180, 250, 350, 500), (125, 180, 250, 350, 500, 700, 1000, 1400, 2000))
    n = np.array(sizes, dtype=float)
    predicted = 48 / modes.beam_roots(1)[0] ** 4 * n**4
    spectrum = [exact_spectrum(on_knots("relu", grid(m), UNIT), UNIT) for m in sizes]
    measured = np.array([s[0] / s[-1] for s in spectrum])
    chart = Chart(
        "Condition number of the ReLU Gram matrix",
        "neurons n",
        "κ",
        (Pair("48 β₁⁻⁴ n⁴", n, predicted, measured),),
        slopes=(4.0,),
    )
    return Evidence(predicted, measured, 48 / modes.beam_roots(1)[0] ** 4 * n**3, chart, x=n)


def _hat_condition(setting: Setting) -> Evidence:
    """κ of hats with a half-hat at the end: networks up to 300 neurons, the assembled matrix beyond."""
    small, large = np.array([10, 30, 100, 300]), np.array([1_000, 3_000, 10_000, 30_000, 100_000])
    measured = []
    for n in small:
        s = exact_spectrum(on_knots("hat", grid(n), UNIT), UNIT)
        measured.append(s[0] / s[-1])
    for n in large:
        low, high = symmetric.extreme_eigenvalues(
            csr_array(grams.gram(features_of(on_knots("hat", grid(n), UNIT), UNIT)))
        )
        measured.append(high / low)
    n, kappa = np.concatenate([small, large]).astype(float), np.array(measured)
    parts = {"networks, bound 4": slice(None, len(small)), "assembled, bound 4": slice(len(small), None)}
    pairs = tuple(Pair(label, n[part], np.full(len(n[part]), 4.0), kappa[part]) for label, part in parts.items())
    chart = Chart("Condition number of the Hat Gram matrix", "neurons n", "κ", pairs, yscale="linear")
    return Evidence(np.full(len(n), 4.0), kappa, np.full(len(n), 3.0), chart)


def _hat_symbol(setting: Setting) -> Evidence:
    """n whole hats on [0, 1]: spacing 1/(n+1), no half-hat at an end."""
    n = setting.size(64, 512)
    theta = np.arange(1, n + 1) * np.pi / (n + 1)
    model = shallow(activation("hat"), np.full(n, n + 1.0), -np.arange(n, dtype=float))
    measured = exact_spectrum(model, UNIT)
    predicted = splines.shift_symbol(splines.hat(), theta) / (n + 1)
    wrong = splines.shift_symbol(splines.bspline(2), theta) / (n + 1)
    chart = Chart(
        "Eigenvalues of interior hats",
        "θ = kπ/(n+1)",
        "eigenvalue",
        (Pair("(h/3)(2 + cos θ)", theta, predicted, measured),),
        xscale="linear",
        yscale="linear",
    )
    return Evidence(predicted, measured, wrong, chart)


def _wide_hats(n: int, width: float) -> tuple[Array, Array]:
    """Spectra, predicted and measured, of n hats of half-width `width` that start on a grid of spacing 1/n."""
    model = shallow(activation("hat"), np.full(n, 1 / width), -grid(n) / width)
    predicted = symmetric.dense_symmetric(grams.dense(grams.gram(features_of(model, UNIT)))).eigenvalues
    return predicted, exact_spectrum(model, UNIT)


def _fixed_width(setting: Setting) -> Evidence:
    n, widths = setting.size(100, 400), (0.25, 0.05, 0.01)
    both = [_wide_hats(n, width) for width in widths]
    predicted, measured = (np.stack([pair[i][:20] / pair[i][0] for pair in both]) for i in (0, 1))
    k = np.arange(1.0, 21)
    pairs = tuple(Pair(f"half-width {w:g}", k, p, m) for w, p, m in zip(widths, predicted, measured, strict=True))
    chart = Chart("Hats of fixed width are biased beyond 1/width", "index k", "λₖ/λ₁", pairs, slopes=(-4.0,))
    return Evidence(predicted, measured, np.ones_like(predicted), chart, scale=predicted)


def _fixed_width_decay(setting: Setting) -> Evidence:
    n, k = setting.size(200, 400), np.arange(15, 61)
    predicted, measured = _wide_hats(n, 0.25)
    law = float(predicted[15]) * (k / 16.0) ** -4
    pair = Pair("half-width ¼, k⁻⁴", k.astype(float), law, measured[k - 1])
    chart = Chart("Decay of wide hats", "index k", "eigenvalue λₖ", (pair,), slopes=(-4.0,))
    return Evidence(law, measured[k - 1], law * k, chart, x=k.astype(float))


def _laplace_modes(setting: Setting) -> Evidence:
    """Rayleigh coefficients of Σ_j φ_j⟨φ_j, ·⟩ along cosines, the Neumann modes of K v = ω² M v on a fine mesh."""
    n, count = setting.size(400, 1000), 13
    basis = space(interval_mesh(np.linspace(0, 1, 4 * n + 1)), 1)
    laplace = laplace_modes(basis, count)
    omega, nodes = laplace.frequencies[1:], basis.mesh.p[0]
    columns = []
    for name in ("relu", "hat"):
        model = on_knots(name, grid(n), UNIT)
        points, weights = exact_points(model, UNIT)
        v = np.stack([np.interp(points, nodes, mode) for mode in laplace.vectors.T[1:]])
        phi = hidden_features(model, points).detach().numpy()
        columns.append((((v * weights) @ phi) ** 2).sum(axis=1))
    measured = np.stack(columns, axis=1)
    predicted = np.stack([3 * n * omega**-4, np.full(count - 1, 1 / n)], axis=1)
    wrong = np.stack([3 * n * omega**-2, np.full(count - 1, 1 / n)], axis=1)
    pairs = (
        Pair("ReLU, 3n ω⁻⁴", omega, *(a[:, 0] for a in (predicted, measured))),
        Pair("Hat, h", omega, *(a[:, 1] for a in (predicted, measured))),
    )
    chart = Chart("Networks along the Laplace modes of the domain", "frequency ω", "⟨v, T v⟩", pairs, slopes=(-4.0,))
    return Evidence(predicted, measured, wrong, chart, x=omega)


CLAIMS = [
    Claim(
        "hong2022.relu-beam",
        SOURCE,
        "Eigenvalues of the ReLU Gram on a uniform grid tend to n βₖ⁻⁴, cos β cosh β = −1: they decay like k⁻⁴.",
        "order",
        0.03,
        "The offset is about 2/n: it moves the exponent in n by at most 2/100, and leaves 2/400 at n = 400.",
        _relu_beam,
        cap=2.5 / 400,
    ),
    Claim(
        "hong2022.relu-condition",
        SOURCE,
        "The condition number of the ReLU Gram on a uniform grid grows like 48 β₁⁻⁴ n⁴.",
        "order",
        0.02,
        "The offset is about 2/n: it moves the exponent by at most 2/125, and leaves 2/500 at n = 500.",
        _relu_condition,
        cap=2.5 / 500,
    ),
    Claim(
        "hong2022.hat-condition",
        SOURCE,
        "The condition number of the Hat Gram on a uniform grid is below 4, for any number of neurons (networks to "
        "300, assembled matrices to 100,000).",
        "bound",
        1e-4,
        "4 is approached like n⁻²; at n = 100,000 nothing of the distance is left but round-off.",
        _hat_condition,
    ),
    Claim(
        "hong2022.hat-symbol",
        SOURCE,
        "Eigenvalues of n interior hats are (h/3)(2 + cos θ) at θ = kπ/(n+1).",
        "identity",
        1e-12,
        "A well-conditioned matrix: √n ε, with a factor of 100 for the largest n.",
        _hat_symbol,
    ),
    Claim(
        "hong2022.hat-fixed-width",
        SOURCE,
        "Hats that keep their width while their number grows are biased again: λ₁/λₖ is that of CᵀMC,"
        " large beyond 1/width.",
        "identity",
        1e-8,
        "n ε λ₁/λ₂₀, where the dense prediction has its noise floor: 400 · 2.2e-16 · 3e4 = 3e-9.",
        _fixed_width,
    ),
    Claim(
        "hong2022.hat-fixed-width-decay",
        SOURCE,
        "Beyond frequency 1/width the eigenvalues of such hats decay like k⁻⁴.",
        "order",
        0.4,
        "The lobes of |σ̂|² = (2 sin(s/2)/s)⁴ leave its sorted values within a factor √3 of a power "
        "law: over two octaves log √3/log 4 = 0.4.",
        _fixed_width_decay,
    ),
    Claim(
        "hong2022.step-features",
        SOURCE,
        "Step features (the derivative of ReLU) have eigenvalues n((k−½)π)⁻²: a weaker bias.",
        "order",
        0.02,
        "The offset is about 1/n: it moves the exponent in n by at most 1/100, and leaves 1/400 at n = 400.",
        _step_features,
        cap=1.5 / 400,
    ),
    Claim(
        "hong2022.laplace-frequency",
        SOURCE,
        "Along the Laplace modes of the domain, K v = ω² M v, ReLU features have weight 3n ω⁻⁴ and "
        "hats the weight h at every frequency.",
        "order",
        0.02,
        "Offsets 2/n of the Riemann sum and (ωh)²/6 of a hat, ω ≤ 12π: 0.65 % together at n = 400, under the cap; over "
        "a factor of 12 in ω the exponent moves by less.",
        _laplace_modes,
        cap=0.0075,
    ),
]
