"""Hong et al. 2022, the bridge itself: Gram matrices of networks are congruences of finite-element matrices."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.shallow import features_of
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import activation
from fembridge.networks.models import on_knots, shallow
from fembridge.networks.tangents import exact_gram
from fembridge.problem import Array
from fembridge.theory import grams, splines
from fembridge.theory.features import Features, grid
from fembridge.theory.meshes import interval_mesh, interval_nodes
from fembridge.theory.spaces import FORMS, assemble, space

UNIT = (0.0, 1.0)
SOURCE = "Hong, Siegel, Tan, Xu 2022 (arXiv 2208.04924)"
EPS = float(np.finfo(float).eps)
CONGRUENCE = (
    "In units of the round-off of the products in CᵀAC, (8 + √N) ε max|C|² Σ a over the N cells, a = h (mass) or "
    "1/h (stiffness)."
)
ROUND_OFF = "Sums of fewer than 4,500 terms, each rounded by ε = 2.2e-16 of the largest entry."


def _relu_gram(setting: Setting, form: str, wrong_form: str, title: str) -> Evidence:
    """A ReLU network with random kinks of both orientations: CᵀAC against quadrature of the network itself."""
    n = setting.size(64, 512)
    w, kink = setting.random.standard_normal(n), setting.random.uniform(-0.2, 1.0, n)
    model = shallow(activation("relu"), w, -w * kink)
    features = features_of(model, UNIT)
    predicted = grams.dense(grams.gram(features, FORMS[form]))
    measured = exact_gram(model, UNIT, derivative=form == "stiffness")
    wrong = grams.dense(grams.gram(features, wrong_form))
    return Evidence(
        predicted, measured, wrong, _rows_chart(title, predicted, measured), scale=_round_off(features, form)
    )


def _round_off(features: Features, form: str) -> float:
    """(8 + √N) ε max|C|² Σ a over the N cells: the products in CᵀAC, A of size a = h (mass) or 1/h (stiffness), and
    their sum.
    """
    basis = grams.feature_space(features)
    h = np.diff(basis.mesh.p[0])
    size = {"mass": h, "stiffness": 1 / h, "h1": h + 1 / h}[form]
    return float((8 + np.sqrt(len(h))) * EPS * np.abs(grams.coefficients(features, basis).data).max() ** 2 * size.sum())


def _rows_chart(title: str, predicted: Array, measured: Array) -> Chart:
    """The sorted eigenvalues of both matrices."""
    index = np.arange(1.0, len(predicted) + 1)
    above, below = (np.asarray(np.linalg.eigvalsh(m)[::-1], dtype=float) for m in (predicted, measured))
    floor = len(index) * EPS * above[0]
    return Chart(
        title, "index k", "eigenvalue of the Gram matrix", (Pair("Gram", index, above, below),), noise_floor=floor
    )


def _relu_mass(setting: Setting) -> Evidence:
    return _relu_gram(setting, "mass", "h1", "∫σᵢσⱼ of a random ReLU network = CᵀMC")


def _relu_stiffness(setting: Setting) -> Evidence:
    return _relu_gram(setting, "stiffness", "mass", "∫σᵢ'σⱼ' of a random ReLU network = CᵀKC")


def _h1_form(setting: Setting) -> Evidence:
    """Quadratic B-splines on random knots, in the inner product ∫uv + u'v'."""
    n = setting.size(64, 256)
    model = on_knots("bspline2", np.sort(setting.random.random(n)), UNIT)
    features = features_of(model, UNIT)
    predicted = grams.dense(grams.gram(features, FORMS["h1"]))
    measured = exact_gram(model, UNIT) + exact_gram(model, UNIT, derivative=True)
    wrong = grams.dense(grams.gram(features, "stiffness"))
    return Evidence(
        predicted,
        measured,
        wrong,
        _rows_chart("∫σᵢσⱼ + σᵢ'σⱼ' of quadratic B-splines = CᵀAC", predicted, measured),
        scale=_round_off(features, "h1"),
    )


def _hat_mass(setting: Setting) -> Evidence:
    """Hats on a uniform grid: no change of basis, the Gram is the assembled mass matrix without its first node."""
    n = setting.size(64, 512)
    predicted = assemble("mass", space(interval_mesh(interval_nodes(UNIT, grid(n))), 1)).toarray()[1:, 1:]
    measured = exact_gram(on_knots("hat", grid(n), UNIT), UNIT)
    lumped = np.diag(predicted.sum(axis=1))
    return Evidence(
        predicted, measured, lumped, _rows_chart("∫σᵢσⱼ of a Hat network = the mass matrix M", predicted, measured)
    )


def _bspline_symbols(setting: Setting) -> Evidence:
    """Gram rows of B-spline networks of degree 0 to 3, as functions of θ, against h Σ_m |σ̂(θ + 2πm)|²."""
    n, theta = setting.size(24, 96), np.linspace(0, np.pi, 65)
    rows = [exact_gram(on_knots(f"bspline{p}", grid(n), UNIT), UNIT)[n // 2] for p in range(4)]
    lags = np.arange(n) - n // 2
    measured = np.stack([np.cos(np.multiply.outer(theta, lags)) @ row for row in rows])
    predicted = np.stack([splines.shift_symbol(splines.bspline(p), theta) / n for p in range(4)])
    wrong = np.stack([splines.shift_symbol(splines.bspline(p + 1), theta) / n for p in range(4)])
    pairs = tuple(Pair(f"degree {p}", theta, n * predicted[p], n * measured[p]) for p in range(4))
    chart = Chart("Symbols of B-spline networks", "θ", "s(θ)/h", pairs, xscale="linear", yscale="log")
    return Evidence(predicted, measured, wrong, chart)


CLAIMS = [
    Claim(
        "hong2022.relu-gram-mass",
        SOURCE,
        "The Gram matrix ∫σᵢσⱼ of a ReLU network is the finite-element mass matrix in another basis, CᵀMC.",
        "identity",
        1.0,
        CONGRUENCE,
        _relu_mass,
    ),
    Claim(
        "hong2022.relu-gram-stiffness",
        SOURCE,
        "The Gram matrix ∫σᵢ'σⱼ' of the derivatives is the stiffness matrix in the same other basis, CᵀKC.",
        "identity",
        1.0,
        CONGRUENCE,
        _relu_stiffness,
    ),
    Claim(
        "hong2022.spline-gram-h1",
        SOURCE,
        "Likewise for other splines and other bilinear forms: ∫σᵢσⱼ + σᵢ'σⱼ' of quadratic B-splines is CᵀAC.",
        "identity",
        1.0,
        CONGRUENCE,
        _h1_form,
    ),
    Claim(
        "hong2022.hat-gram-mass",
        SOURCE,
        "The Gram matrix of a Hat network on a uniform grid is the mass matrix itself.",
        "identity",
        1e-12,
        ROUND_OFF,
        _hat_mass,
    ),
    Claim(
        "hong2022.bspline-symbols",
        SOURCE,
        "Away from the ends of the domain the Gram of a B-spline network of degree p is Toeplitz with symbol "
        "h Σₘ|σ̂(θ+2πm)|² (p = 0 … 3).",
        "identity",
        1e-12,
        ROUND_OFF,
        _bspline_symbols,
    ),
]
