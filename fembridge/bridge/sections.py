"""An activation and its shifts, a question and an answer at a time: theory beside experiment."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from fembridge.bridge import shifts
from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.subjects import TRIED, Subject, slopes, values
from fembridge.problem import Array
from fembridge.theory import splines
from fembridge.theory.radon.transforms import SMOOTH, numerical_power, power_spectrum
from fembridge.theory.splines import Spline

COUNTS = (16, 32, 64, 128, 256)
SHOWN = 64  # features whose spectrum is drawn
# Where theory is exact, what rounding may do: an SVD errs by √n ε σ₁ (1e-14), times 2σ; features of z ≤ 128 and their
# differences of order q err by 128² 2^q ε (3e-11) of their size, and symbols at the lowest θ by ten times that.
SPECTRUM, SYMBOL = 1e-12, 1e-8
EPS = float(np.finfo(float).eps)
GROWTH = "exponent of κ in n"
NO_POWER = "faster than any power"
FASTEST = -12.0  # an exponent below is no power


@dataclass(frozen=True, eq=False)
class Section:
    """A question, its answer in a figure and in numbers. theory: which one applies, exactly or as an approximation.

    charts: by file name. facts: by label, numbers (nan: not known, inf: never or without bound) or words. checks: where
    theory is exact, the difference of experiment to it and the tolerance.
    """

    name: str
    title: str
    theory: str
    caption: str
    charts: dict[str, Chart]
    facts: dict[str, float | str] = field(default_factory=dict)
    checks: dict[str, tuple[float, float]] = field(default_factory=dict)


def shape(subject: Subject) -> Section:
    """σ and σ', closed form and module, with what there is to say of them in numbers."""
    z = np.linspace(*_window(subject), 61)
    own = subject.kind == "module"
    pairs = [
        Pair("σ", z, None if own else subject.sigma(z), values(subject.module, z)),
        Pair("σ′", z, None if own else subject.slope(z), slopes(subject.module, z)),
    ]
    theory = {
        "piecewise polynomial": "Exact: a piecewise polynomial, from its knots and coefficients; at a knot σ′ is the "
        "derivative from the right (the PyTorch module of ReLU takes 0 there).",
        "smooth": "Exact: a closed form.",
        "module": "Measured only: the module is all that is known; σ′ by automatic differentiation.",
    }[subject.kind]
    chart = Chart("The activation and its slope", "z", "value", tuple(pairs), xscale="linear", yscale="linear")
    return Section(
        "shape", "What does it look like?", theory, "σ and its derivative.", {"shape": chart}, _facts(subject)
    )


def transform(subject: Subject) -> Section:
    """|σ̂(ω)|², in closed form and by quadrature of the module, and how it decays."""
    high = 100.0 if subject.spline else 12.0
    omega = np.geomspace(0.25, high, 60)
    closed = subject.spline if subject.spline else subject.name if subject.name in SMOOTH else None
    predicted = None if closed is None else power_spectrum(closed, omega)
    measured, errors = _quadrature(subject, omega)
    title = "Which frequencies are in it?"
    if subject.name == "sine":
        theory = "Exact: sin z has no frequency but ω = ±1, two points, and |σ̂|² is no function."
        return Section("transform", title, theory, "There is no density: no figure.", {})
    theory = {
        "piecewise polynomial": "Exact: from the jumps of the derivatives at the knots.",
        "smooth": "Exact: a closed form.",
        "module": "Measured only: by quadrature of the module, with an estimate of its error.",
    }[subject.kind]
    seen = np.isfinite(measured)
    at = seen if predicted is None else np.full(len(omega), True)
    pair = Pair("|σ̂(ω)|²", omega[at], None if predicted is None else predicted, measured[at])
    chart = Chart("Power spectrum of the activation", "frequency ω", "|σ̂(ω)|²", (pair,))
    facts: dict[str, float | str] = {"largest relative difference": _difference(predicted, measured)} if closed else {}
    if seen.any():
        facts["largest relative error of the quadrature (estimate)"] = float(np.max(errors[seen] / measured[seen]))
    facts |= _decay(subject)
    caption = (
        "σ̂(ω) = ∫σ(z) e^{−iωz} dz, as a distribution where σ does not decay. A network in the kernel regime penalises "
        "frequencies by 1/|σ̂|². Markers: quadrature of the module, where it is more than its error."
    )
    charts = {"transform": chart} if drawable(chart) else {}
    return Section("transform", title, theory, caption, charts, facts)


def symbol(subject: Subject) -> Section:
    """The symbol of the shifts, predicted and read off the Gram matrix of the module's features."""
    theta = np.arange(1, 33) * np.pi / 32
    predicted, found = shifts.predicted_symbol(subject, theta), shifts.measured_symbol(subject, theta)
    title = "How are its shifts conditioned, frequency by frequency?"
    if subject.spline:
        theory = "Exact: the symbol s(θ) of a spline's shifts is a cosine polynomial in its autocorrelation" + (
            "." if subject.compact else ", over that of the differences that make it compact; infinite at θ = 0."
        )
    elif predicted is not None:
        theory = "Exact: s(θ) = Σ over aliases of the closed-form |σ̂(θ + 2πm)|²."
    else:
        theory = "Measured only: no closed form." if found else "None: its shifts, and their differences, do not decay."
    if found is None:
        return Section("symbol", title, theory, "There is no symbol: no figure.", {})
    measured, order = found
    pair = Pair("s(θ)", theta / np.pi, predicted, measured)
    chart = Chart("Symbol of the shifts σ(x − j)", "θ/π", "s(θ)", (pair,), xscale="linear")
    how = f"differences of order {order} of the features" if order else "the features"
    caption = (
        "What multiplies the frequency θ in the Gram matrix of σ(x − j): flat is well conditioned. Markers: read off "
        f"the Gram matrix of {how} of a network."
    )
    gap = _difference(predicted, measured)
    facts: dict[str, float | str] = {"highest over lowest symbol measured": float(measured.max() / measured.min())}
    if predicted is not None:
        facts["largest relative difference"] = gap
    checks = {"symbol": (gap, SYMBOL)} if subject.spline else {}
    return Section("symbol", title, theory, caption, {"symbol": chart}, facts, checks)


def conditioning(subject: Subject) -> Section:
    """κ against the number of features, and the spectrum at one of them."""
    law = [shifts.predicted_spectrum(subject, n) for n in COUNTS]
    found = [shifts.measured_spectrum(subject, n) for n in COUNTS]
    predicted, kappa = (np.array([shifts.condition(one) for one in each]) for each in (law, found))
    known, rank, last = law[0] is not None, int(np.isfinite(found[0]).sum()), COUNTS[-1]
    where = "all that lie in [0, 1] whole" if subject.compact else "h = 1/n"
    caption = (
        f"Gram matrix ∫σᵢσⱼ of the features σ(x/h − j), j = 0 … n − 1, on [0, 1] ({where}). Gradient descent takes "
        "steps in proportion to κ."
    )
    facts: dict[str, float | str] = {
        f"condition number at n = {last}, predicted": float(predicted[-1]),
        f"condition number at n = {last}, measured": float(kappa[-1]) if np.isfinite(kappa[-1]) else np.inf,
        GROWTH: _growth(predicted if subject.spline else kappa),
    }
    if rank < COUNTS[0]:
        facts[f"numerical rank at n = {COUNTS[0]}"] = rank
    checks = {}
    if subject.spline:
        gaps = [np.nanmax(np.abs(m - p)) / p[0] for m, p in zip(found, law, strict=True) if p is not None]
        checks = {"spectrum, relative to λ₁": (float(max(gaps)), SPECTRUM)}
    charts = _condition_charts(subject, predicted if known else None, kappa, law, found)
    title = "How well are n features conditioned?"
    return Section("conditioning", title, _condition_theory(subject, known), caption, charts, facts, checks)


def _condition_theory(subject: Subject, known: bool) -> str:
    if subject.spline:
        return "Exact: Gram matrices of splines are finite-element matrices, and each eigenvalue comes with a bound."
    if known:
        return (
            "An approximation: λₖ = h s((k − ½)π/n), the symbol, as though [0, 1] had no ends. It gives the growth, "
            "and the condition number within a factor of about ten."
        )
    return "Measured only: no closed form."


def _condition_charts(
    subject: Subject, predicted: Array | None, kappa: Array, law: list[Array | None], found: list[Array]
) -> dict[str, Chart]:
    n, at, k = np.array(COUNTS, dtype=float), COUNTS.index(SHOWN), np.arange(1.0, SHOWN + 1)
    pairs = [Pair("κ = λ₁/λₙ", n, predicted, kappa)]
    if subject.spline and subject.compact:
        s = splines.shift_symbol(subject.spline, np.linspace(0, np.pi, 4001))
        pairs.append(Pair("max s/min s, its limit", n, np.full(len(n), s.max() / max(s.min(), EPS)), None))
    whole = found[at][np.isfinite(found[at])]
    lost = len(whole) < SHOWN
    floor = float(whole[0] * (SHOWN * EPS) ** 2) if lost else None
    # what is lost in rounding has no place on the axes, and is not drawn
    lines = law[at]
    reach = len(whole) if lines is None else SHOWN
    pair = Pair("λₖ", k[:reach], lines, found[at][:reach])
    charts = {
        "condition": Chart("Condition number of n features", "features n", "κ", tuple(pairs)),
        "spectrum": Chart(f"Spectrum of {SHOWN} features", "index k", "eigenvalue λₖ of ∫σᵢσⱼ", (pair,), "linear",
                          noise_floor=floor),
    }  # fmt: skip
    return {name: chart for name, chart in charts.items() if drawable(chart)}


def _growth(kappa: Array) -> float:
    """The power of n from the last two numbers of features where κ is known; inf where it is lost in rounding."""
    known = np.flatnonzero(np.isfinite(kappa))
    if len(known) < 2:
        return float(np.inf)
    i, j = known[-2:]
    return float(np.log(kappa[j] / kappa[i]) / np.log(COUNTS[j] / COUNTS[i]))


def first_jump(spline: Spline) -> int:
    """The order of the lowest derivative that jumps.

    >>> from fembridge.theory.splines import hat
    >>> first_jump(hat())
    1
    """
    sizes = np.abs(spline.jumps()).max(axis=0)
    return int(np.argmax(sizes > 1e-12 * sizes.max()))


def _quadrature(subject: Subject, omega: Array) -> tuple[Array, Array]:
    """|σ̂|² of the module and the estimate of its error; nan where it is lost in that, or cannot be found."""
    power, error = np.full(len(omega), np.nan), np.full(len(omega), np.nan)
    for i, one in enumerate(omega):
        with suppress(ValueError):
            found = numerical_power(lambda z: values(subject.module, z), [one], subject.breakpoints)
            power[i], error[i] = found.values[0], found.errors[0]
    return np.where(error < power / 2, power, np.nan), error


def _decay(subject: Subject) -> dict[str, float | str]:
    """The exponent of |σ̂|² at high frequencies, of means over octaves up to 32π, and what theory says of it."""
    if subject.kind == "smooth":
        return {"decay": f"exponential, {NO_POWER}"}
    octaves = 2 * np.pi * 2.0 ** np.arange(1, 5)  # whole periods of waves between integer knots
    middles = (np.arange(64) + 0.5) / 64
    inside = np.stack([a + (b - a) * middles for a, b in pairwise(octaves)])
    power = _quadrature(subject, inside.ravel())[0].reshape(inside.shape)
    measured: float | str = "lost in rounding"
    if (np.isfinite(power).mean(axis=1) > 0.5).all():  # zeros of σ̂ are lost, too
        slope = float(np.polyfit(np.log(octaves[:-1]), np.log(np.nanmean(power, axis=1)), 1)[0])
        measured = slope if slope > FASTEST else NO_POWER
    if subject.spline is None:
        return {"exponent of |σ̂|², measured": measured}
    law = -2.0 * (first_jump(subject.spline) + 1)
    return {"exponent of |σ̂|², predicted": law, "exponent of |σ̂|², measured": measured}


def _facts(subject: Subject) -> dict[str, float | str]:
    z = np.linspace(-TRIED, TRIED, 40_001)
    normal, weight = np.polynomial.hermite_e.hermegauss(200)
    facts: dict[str, float | str] = {
        "Lipschitz constant": _lipschitz(subject, z),
        "mean at a standard normal input": float(weight @ values(subject.module, normal) / weight.sum()),
    }
    if subject.spline:
        left, right = subject.spline.support
        facts = {
            "knots": ", ".join(f"{t:g}" for t in subject.spline.knots[:12]) + ", …" * (len(subject.spline.knots) > 12),
            "degree": subject.spline.degree,
            "support": f"[{left:g}, {right:g}]".replace("inf", "∞").replace("-", "\N{MINUS SIGN}"),
            **facts,
        }
    return facts


def _lipschitz(subject: Subject, z: Array) -> float:
    """The largest |σ'| on [−20, 20] and, of splines, at both sides of each knot; inf where σ jumps or grows faster."""
    spline = subject.spline
    if spline is None:
        return float(np.abs(subject.slope(z)).max())
    if spline.jumps()[:, 0].any() or spline.pieces[[0, -1], 2:].any():
        return float(np.inf)
    ends = np.concatenate([spline.knots, np.nextafter(spline.knots, -np.inf), z])
    return float(np.abs(subject.slope(ends)).max())


def _window(subject: Subject) -> tuple[float, float]:
    if subject.spline and subject.compact:
        left, right = subject.spline.support
        return left - (right - left) / 4, right + (right - left) / 4
    return (-7.0, 7.0) if subject.name == "sine" else (-4.0, 4.0)


def _difference(predicted: Array | None, measured: Array) -> float:
    return float(np.nanmax(np.abs(measured / predicted - 1))) if predicted is not None else np.nan


def drawable(chart: Chart) -> bool:
    """Whether it shows more than two points."""
    every = [y for pair in chart.pairs for y in (pair.predicted, pair.measured) if y is not None]
    return bool(max(np.isfinite(y).sum() for y in every) > 2)
