"""All there is to say of one activation, in sections: theory beside experiment, and which theory applies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from fembridge.bridge import paces
from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import LEARNED
from fembridge.bridge.sections import (
    FASTEST,
    NO_POWER,
    SHOWN,
    Section,
    conditioning,
    drawable,
    first_jump,
    shape,
    symbol,
    transform,
)
from fembridge.bridge.subjects import Subject
from fembridge.bridge.verdict import interval
from fembridge.problem import Array

Scale = Literal["quick", "full"]
SCALES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
TRAINING = 1e-6  # of error amplitudes relative to their start, as for a run file
FITTED = slice(3, 16)  # k = 4 … 16: where an exponent is fitted to a tangent kernel


@dataclass(frozen=True)
class Size:
    """Of the experiments: networks and their width for tangent kernels, and for trainings in full; steps of these."""

    seeds: int
    width: int
    repeats: int
    hidden: int
    steps: int
    output_steps: int
    frequencies: tuple[int, ...] = (1, 2, 4, 8, 16)


SIZES: dict[Scale, Size] = {
    "quick": Size(6, 1024, 3, 128, 2000, 4000),
    "full": Size(20, 4096, 8, 512, 20_000, 100_000),
}


def sections(subject: Subject, scale: Scale = "quick", seed: int = 0) -> list[Callable[[], Section]]:
    """The sections of a card, each still to be computed.

    >>> from fembridge.bridge.subjects import of_name
    >>> [section().name for section in sections(of_name("hat"))[:1]]
    ['shape']
    """
    size = SIZES[scale]
    first = [shape, transform, symbol, conditioning]
    return [
        *(partial(make, subject) for make in first),
        *(partial(make, subject, size, seed) for make in (kernel, pace)),
    ]


def kernel(subject: Subject, size: Size, seed: int) -> Section:
    """ρ_k of the tangent kernel on the circle, in the mean over seeds."""
    count, seeds = 64, [seed * size.seeds + r for r in range(size.seeds)]
    tuned = paces.flattest(subject, count, SCALES)
    wanted = [(1.0, False), (1.0, True)] + ([(tuned, False)] if tuned > 1 else [])
    rings = [paces.ring(subject, size.width, seeds, count, scale, output) for scale, output in wanted]
    k, pairs = np.arange(1.0, count // 4 + 1), []
    facts: dict[str, float | str] = {}
    for one in rings:
        label = f"{one.part}, weight scale {one.weight_scale:g}"
        low, high = interval(np.log(np.maximum(one.measured, 1e-300)), 0.05)
        mean = np.exp(np.log(np.maximum(one.measured, 1e-300)).mean(axis=0))
        pairs.append(Pair(label, k, one.predicted, mean, np.exp(low), np.exp(high)))
        facts |= _exponents(label, k, one)
    chart = Chart(f"Tangent kernel of {size.width} random neurons on the circle", "frequency k", "ρₖ", tuple(pairs))
    if subject.spline is not None:
        order = first_jump(subject.spline)
        facts["exponent for k → ∞, all parameters"] = -2.0 * order if order else -2.0
    source = "the numbers that the module gives" if subject.kind == "module" else "the closed form of σ"
    theory = (
        f"The mean of the kernel over PyTorch's law of initial weights, from {source} by quadrature (to about 1 %); "
        "in the scaling in which the kernel has a limit as the width grows."
    )
    caption = (
        "How strongly the tangent kernel of a shallow network with random weights holds cos kθ and sin kθ: training "
        "takes steps in proportion to 1/ρₖ. Weight scale: the factor of the inner weights and biases of PyTorch's "
        "initialisation; "
        + (
            f"of {SCALES[0]:g} … {SCALES[-1]:g} the one for which ρₖ falls least."
            if tuned > 1
            else "no other is flatter."
        )
    )
    return Section("kernel", "Does a random network have a spectral bias?", theory, caption, {"kernel": chart}, facts)


def pace(subject: Subject, size: Size, seed: int) -> Section:
    """Steps to learn, output weights of grid features and all parameters of random networks."""
    problem = paces.waves(size.frequencies, 128)
    grid = paces.output_pace(subject, SHOWN, problem, size.output_steps)
    seeds = [seed * size.repeats + r for r in range(size.repeats)]
    full = paces.full_pace(subject, size.hidden, seeds, problem, size.steps)
    k = np.array(size.frequencies, dtype=float)
    labels = (f"{SHOWN} grid features", f"{size.hidden} random neurons")
    pairs = tuple(
        _seen(Pair(label, k, _middle(one.predicted), _all_learned(one.measured)))
        for label, one in zip(labels, (grid, full), strict=True)
    )
    charts = {
        "steps": Chart(f"Steps until {LEARNED:.0%} of the error is left", "frequency k", "steps", pairs),
        "training-grid": _curves(f"Training the output weights of {SHOWN} grid features", grid),
        "training-random": _curves(f"Training all weights of {size.hidden} random neurons", full),
    }
    charts = {name: chart for name, chart in charts.items() if drawable(chart)}
    facts: dict[str, float | str] = {}
    for label, one in zip(labels, (grid, full), strict=True):
        middle = np.median(one.predicted, axis=0)
        for i, frequency in enumerate(size.frequencies):
            facts[f"steps to learn k = {frequency}, {label}, predicted"] = float(middle[i])
            facts[f"steps to learn k = {frequency}, {label}, measured"] = float(_all_learned(one.measured)[i])
        facts[f"largest difference of error curves, {label}"] = one.difference
    facts["drift of the tangent kernel in training, random neurons"] = full.drift
    algebra = {
        "piecewise polynomial": "Grid features: exact, as training output weights is least squares",
        "smooth": "Grid features: exact, least squares in the closed form of σ",
        "module": "Grid features: the algebra of gradient descent on the numbers that the module gives",
    }[subject.kind]
    theory = (
        f"{algebra}. Random neurons: an approximation, the tangent kernel at the start; it moved by {full.drift:.2g} "
        "of its size in training, and the curves part where it does."
    )
    caption = (
        "Gradient descent on f(x) = Σ sin 2πkx at 128 points of [0, 1], at the learning rate 1/λ_max. Grid: "
        f"σ({SHOWN}x − j), output weights trained from 0, {grid.last:,} steps. Random: PyTorch's initialisation, all "
        f"weights trained, {full.last:,} steps, {size.repeats} seeds (median). No marker: not learned within these "
        "steps; no line: never, or after 10⁹ steps."
    )
    checks = {"training of grid features": (grid.difference, TRAINING)}
    return Section("pace", "How many steps does each frequency take?", theory, caption, charts, facts, checks)


def _curves(title: str, one: paces.Pace) -> Chart:
    """Errors against the steps that were trained, the geometric mean over networks."""
    at = one.steps <= one.last
    predicted, measured = (_geometric(errors[:, at]) for errors in one.errors)
    pairs = tuple(
        Pair(f"k = {k}", one.steps[at].astype(float), predicted[:, i], measured[:, i])
        for i, k in enumerate(one.frequencies)
    )
    return Chart(title, "step", "error amplitude / start", pairs)


def _geometric(values: Array) -> Array:
    return np.asarray(np.exp(np.log(np.maximum(values, 1e-16)).mean(axis=0)))


def _exponents(label: str, k: Array, one: paces.Ring) -> dict[str, float | str]:
    """Fitted to k = 4 … 16: predicted, and measured with its 95 % interval over seeds; words where it is no power."""
    x = np.log(k[FITTED])
    predicted = float(np.polyfit(x, np.log(np.maximum(one.predicted[FITTED], 1e-300)), 1)[0])
    measured = np.polyfit(x, np.log(np.maximum(one.measured[:, FITTED], 1e-300)).T, 1)[0]
    low, high = interval(measured[:, None], 0.05)
    found = f"{measured.mean():.2f} ({low[0]:.2f} to {high[0]:.2f})".replace("-", "\N{MINUS SIGN}")
    return {
        f"exponent for k = 4 … 16, {label}, predicted": predicted if predicted > FASTEST else NO_POWER,
        f"exponent for k = 4 … 16, {label}, measured": found if measured.mean() > FASTEST else NO_POWER,
    }


def _seen(pair: Pair) -> Pair:
    """Without the frequencies of which neither is known."""
    assert pair.predicted is not None and pair.measured is not None
    known = np.isfinite(pair.predicted) | np.isfinite(pair.measured)
    return Pair(pair.label, pair.x[known], pair.predicted[known], pair.measured[known])


def _middle(steps: Array) -> Array:
    """The median over networks, nan for never."""
    found = np.median(steps, axis=0)
    return np.where(np.isfinite(found), found, np.nan)


def _all_learned(steps: Array) -> Array:
    """The median over networks, nan where one has not learned."""
    return np.asarray(np.median(steps, axis=0))
