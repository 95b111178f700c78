"""Hong et al. 2022: training. Networks are trained step by step, and the error per mode and per frequency is held
against theory.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from fembridge.bridge.charts import Chart, HeatMap, Pair
from fembridge.bridge.comparison import Comparison, compare, measured_modes
from fembridge.bridge.shallow import features_of
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.hong2022.grams import SOURCE, UNIT
from fembridge.networks.models import initialise, on_knots
from fembridge.networks.training import Optimizer
from fembridge.problem import Array, Problem, sines, terrain
from fembridge.theory.features import Features, grid
from fembridge.theory.prediction import Prediction, predict, steps_to_tolerance

WIDTH, STEPS = 64, 1000
OCTAVES = (1, 2, 4, 8, 16)
SPOKEN = {"relu": "ReLU", "hat": "Hat"}
OTHER = {"relu": "hat", "hat": "relu"}
WHY = (
    "1,000 steps, each rounded by ε times Σ|vⱼ| ≤ 150, up to ten times that with momentum 0.9: "
    "1000 · 2.2e-16 · 1500 = 3.4e-10, relative to the amplitude at the start."
)


def _multisine(frequencies: tuple[int, ...], samples: int | str = 256, loss: str = "mass") -> Problem:
    return Problem(sines(frequencies, [1.0] * len(frequencies)), frequencies, loss=loss, samples=samples)  # type: ignore[arg-type]


_network = partial(on_knots, knots=grid(WIDTH), domain=UNIT)  # of an activation's name


def _features(name: str) -> Features:
    return features_of(_network(name), UNIT)


def _against(comparison: Comparison, wrong: Prediction, chart: Chart | HeatMap) -> Evidence:
    """Complex coefficients of the error, relative to their amplitude at the start."""
    start = np.abs(comparison.predicted[:1])
    return Evidence(comparison.predicted, comparison.measured, wrong.coefficients, chart, scale=start)


def _curves(comparison: Comparison, title: str) -> Chart:
    steps, start = comparison.steps.astype(float), np.abs(comparison.predicted[0])
    both = (np.abs(comparison.predicted) / start, np.abs(comparison.measured) / start)
    pairs = tuple(Pair(f"k = {k}", steps, both[0][:, i], both[1][:, i]) for i, k in enumerate(comparison.frequencies))
    return Chart(title, "step", "error amplitude / start", pairs)


def _frequencies(setting: Setting, name: str, samples: int | str) -> Evidence:
    """Gradient descent on a sum of sines; the control is the prediction for the other activation."""
    frequencies = OCTAVES if samples == 256 else tuple(range(1, 25))
    problem = _multisine(frequencies, samples)
    comparison = compare(problem, _network(name), steps=STEPS)
    wrong = predict(_features(OTHER[name]), problem, comparison.steps)
    title = f"Gradient descent, {SPOKEN[name]}, {WIDTH} neurons"
    if samples == 256:
        return _against(comparison, wrong, _curves(comparison, title))
    both = (np.abs(c) / np.abs(comparison.predicted[0]) for c in (comparison.predicted, comparison.measured))
    heat = HeatMap(title, comparison.steps.astype(float), np.array(frequencies, dtype=float), *both)
    return _against(comparison, wrong, heat)


def _random_network(setting: Setting) -> Evidence:
    """He's initialisation of all parameters; the control forgets the initial output weights."""
    domain, problem = (-1.0, 1.0), Problem(sines(OCTAVES, [1.0] * 5, (-1.0, 1.0)), OCTAVES, domain=(-1.0, 1.0))
    model = initialise("relu", WIDTH, "he", domain, setting.seed)
    features = features_of(model, domain)
    comparison = compare(problem, model, steps=STEPS)
    return _against(
        comparison,
        predict(features, problem, comparison.steps),
        _curves(comparison, "Gradient descent, randomly initialised ReLU network"),
    )


def _modes(setting: Setting, name: str) -> Evidence:
    """The error in each eigenmode of the Gram matrix, at half the usual learning rate, which would finish the first in
    one step; the control has every eigenvalue 1 % larger.
    """
    problem = _multisine(OCTAVES)
    model = _network(name)
    features = features_of(model, UNIT)
    half = 0.5 * predict(features, problem, [0]).learning_rate
    comparison = compare(problem, model, steps=STEPS, learning_rate=half)
    prediction, measured = comparison.prediction, measured_modes(comparison, model)
    wrong = predict(features, problem, comparison.steps, learning_rate=1.01 * half)
    steps, start = comparison.steps.astype(float), np.abs(prediction.modes[0])
    shown = np.argsort(-start)[:8]
    pairs = tuple(
        Pair(f"mode {i + 1}", steps, np.abs(prediction.modes[:, i]) / start[i], np.abs(measured[:, i]) / start[i])
        for i in np.sort(shown)
    )
    title, floor = f"Error per eigenmode, {SPOKEN[name]}", comparison.noise_floor
    chart = Chart(title, "step", "|α(t)| / |α(0)|", pairs, noise_floor=floor)
    return Evidence(prediction.modes, measured, wrong.modes, chart, scale=float(start.max()))


def _momentum(setting: Setting, name: str, optimizer: Optimizer) -> Evidence:
    """Momentum 0.9; the control is plain gradient descent."""
    problem, model = _multisine(OCTAVES), _network(name)
    comparison = compare(problem, model, steps=STEPS, optimizer=optimizer, momentum=0.9)
    wrong = predict(features_of(model, UNIT), problem, comparison.steps)
    return _against(comparison, wrong, _curves(comparison, f"{optimizer}, momentum 0.9, {SPOKEN[name]}"))


def _divergence(setting: Setting) -> Evidence:
    """A learning rate 5 % above 2/λ_max: growth is predicted too; the control is the stability limit itself."""
    problem, model = _multisine(OCTAVES), _network("hat")
    features = features_of(model, UNIT)
    limit = predict(features, problem, [0]).stability_limit
    comparison = compare(problem, model, steps=200, learning_rate=1.05 * limit)
    wrong = predict(features, problem, comparison.steps, learning_rate=limit)
    scale = np.maximum(np.abs(comparison.predicted), np.abs(comparison.predicted[:1]))
    chart = _curves(comparison, "Hat, learning rate 5 % above the stability limit")
    return Evidence(comparison.predicted, comparison.measured, wrong.coefficients, chart, scale=scale)


def _terrain(setting: Setting, name: str) -> Evidence:
    """A row of real elevations, integrated exactly over its 402 pieces."""
    problem = Problem(terrain(), OCTAVES, samples="exact")
    comparison = compare(problem, _network(name), steps=STEPS)
    wrong = predict(_features(OTHER[name]), problem, comparison.steps)
    return _against(comparison, wrong, _curves(comparison, f"Real terrain, {SPOKEN[name]}, {WIDTH} neurons"))


def _predicted_steps(name: str, problem: Problem, rate: float) -> tuple[float, float]:
    """Predicted first step at which the error is at most 10 %, and the learning rate, `rate` times 1/λ_max."""
    features = _features(name)
    eta = rate * predict(features, problem, [0]).learning_rate
    return float(steps_to_tolerance(features, problem, 0.1, learning_rate=eta)[0]), eta


def _steps_to_ten_percent(name: str, problem: Problem, rate: float) -> tuple[float, float]:
    """First step at which the error is at most 10 %: predicted, and in a training that records each step."""
    model = _network(name)
    expected, eta = _predicted_steps(name, problem, rate)
    # Trained for longer than predicted, so that a prediction which is too early shows as well.
    trained = compare(problem, model, steps=np.arange(int(1.1 * expected) + 3), learning_rate=eta)
    amplitude = np.abs(trained.measured[:, 0])
    reached = np.flatnonzero(amplitude <= 0.1 * amplitude[0])
    return expected, float(reached[0]) if len(reached) else np.inf


def _trend(steps: Array) -> Array:
    """From one frequency to the next: 1 where steps grow, −1 where they fall, 0 where they change by less than half."""
    change = np.log(steps[1:] / steps[:-1])
    return np.where(np.abs(change) > np.log(1.5), np.sign(change), 0.0)


def _bias(
    name: str, frequencies: tuple[int, ...], trend: int, loss: str = "mass", samples: int | str = 256, rate: float = 1.0
) -> Evidence:
    """Steps to 10 % error of sin(2πkx), trained for each k by itself, and how they change with k.

    rate: of the learning rate 1/λ_max. The control is the other activation.
    """
    problems = [_multisine((k,), samples, loss) for k in frequencies]
    predicted, measured = np.array([_steps_to_ten_percent(name, problem, rate) for problem in problems]).T
    wrong = np.array([_predicted_steps(OTHER[name], problem, rate)[0] for problem in problems])
    k, declared = np.array(frequencies, dtype=float), np.full(len(frequencies) - 1, float(trend))
    chart = Chart(
        f"Steps to 10 % error, {SPOKEN[name]}, {loss} loss",
        "frequency k",
        "steps",
        (Pair(SPOKEN[name], k, predicted, measured), Pair(f"{SPOKEN[OTHER[name]]}, theory alone", k, wrong, None)),
    )
    return Evidence(
        predicted=np.concatenate([predicted, declared]),
        measured=np.concatenate([measured, _trend(measured)]),
        wrong=np.concatenate([wrong, _trend(wrong)]),
        chart=chart,
        scale=np.concatenate([predicted, np.ones_like(declared)]),
    )


def _relu_bias(setting: Setting) -> Evidence:
    return _bias("relu", setting.size((1, 2, 3), (1, 2, 3, 4, 5)), trend=1)


def _hat_no_bias(setting: Setting) -> Evidence:
    return _bias("hat", setting.size((1, 2, 4, 8), (1, 2, 3, 4, 6, 8)), trend=0, rate=0.01)


def _energy_reversal(setting: Setting) -> Evidence:
    return _bias("hat", (1, 2, 4, 8), trend=-1, loss="stiffness", samples="exact")


def _trained(
    name: str, what: str, experiment: object, statement: str, tolerance: float = 1e-9, why: str = WHY
) -> Claim:
    return Claim(f"hong2022.{what}-{name}", SOURCE, statement, "identity", tolerance, why, experiment)  # type: ignore[arg-type]


ROOTS = "the error at each frequency follows the roots of a quadratic for each eigenmode."
ONE_STEP = "The same whole step, or one in a thousand next to it; the same direction from each frequency to the next."

CLAIMS = [
    *(
        _trained(
            n,
            f"gd-{'sampled' if s == 256 else 'exact'}",
            partial(_frequencies, name=n, samples=s),
            f"Gradient descent of a {SPOKEN[n]} network: the error at each frequency is the projected "
            f"sum of (1 − ηλ)ᵗ over eigenmodes "
            f"({'256 equispaced samples' if s == 256 else 'exact integration'}).",
        )
        for s in (256, "exact")
        for n in ("relu", "hat")
    ),
    _trained(
        "random",
        "gd-sampled",
        _random_network,
        "The same for a ReLU network with random weights, biases and initial output.",
    ),
    *(
        _trained(
            n,
            "gd-modes",
            partial(_modes, name=n),
            f"Gradient descent of a {SPOKEN[n]} network multiplies each eigenmode of its Gram by 1 − ηλ a step.",
        )
        for n in ("relu", "hat")
    ),
    *(
        _trained(
            n, "heavy-ball", partial(_momentum, name=n, optimizer="heavy-ball"), f"Heavy ball, {SPOKEN[n]}: {ROOTS}"
        )
        for n in ("relu", "hat")
    ),
    *(
        _trained(n, "nesterov", partial(_momentum, name=n, optimizer="nesterov"), f"Nesterov, {SPOKEN[n]}: {ROOTS}")
        for n in ("relu", "hat")
    ),
    _trained(
        "hat", "gd-divergence", _divergence, "Above the learning rate 2/λ_max training diverges, at the predicted pace."
    ),
    *(
        _trained(
            n,
            "terrain",
            partial(_terrain, name=n),
            f"On real terrain the error of a {SPOKEN[n]} network at each frequency is as predicted.",
        )
        for n in ("relu", "hat")
    ),
    _trained(
        "relu",
        "bias",
        _relu_bias,
        "ReLU is biased: steps to 10 % error grow with the frequency, and as predicted.",
        1e-3,
        ONE_STEP,
    ),
    _trained(
        "hat",
        "no-bias",
        _hat_no_bias,
        "Hat is not biased: steps to 10 % error, at 1 % of the largest learning rate, are as predicted and hardly "
        "change with the frequency (by less than half from one octave to the next).",
        1e-3,
        ONE_STEP,
    ),
    _trained(
        "hat",
        "energy-reversal",
        _energy_reversal,
        "With the energy loss ½∫(u'−f')² the order is reversed for Hat: steps to 10 % error fall with the "
        "frequency, and as predicted.",
        1e-3,
        ONE_STEP,
    ),
]
