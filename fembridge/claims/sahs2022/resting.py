"""Networks that training, and second-order steps after it, have brought to rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fembridge.claims.claim import Setting
from fembridge.claims.repeats import seeds_of
from fembridge.networks.activations import activation
from fembridge.networks.gradients import layered_network, moved, parameters
from fembridge.networks.outputs import outputs
from fembridge.networks.stationary import Rest, Status, stationary
from fembridge.networks.training import train_many
from fembridge.networks.univariate import spline_view
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.univariate.critical import Mask, Neurons, active, basis, gauss_newton, tangent_functions

EPS = float(np.finfo(float).eps)
STEPS = (0, 4, 20, 100, 500)  # of gradient descent, at which parameters are kept
CLEAR = 1e-9  # a breakpoint as near as that to a datum, or a weight as small, is not told from one that is on it, or 0


class Case(NamedTuple):
    """H neurons on N data of a target on [−1, 1], with breakpoints uniform on [low, 1] at the start."""

    label: str
    neurons: int
    data: int
    target: Callable[[Array], Array]
    low: float = -1.0
    right: bool = False
    noise: float = 0.0


class Resting(NamedTuple):
    """A network at rest, u at the data before the second-order steps, and the parameters on its way (T, P)."""

    case: Case
    model: Any
    samples: Samples
    rest: Rest
    before: Array
    path: Array

    @property
    def x(self) -> Array:
        return self.samples.points[:, 0]

    @property
    def neurons(self) -> Neurons:
        return Neurons(*parameters(self.model)[:-1].reshape(3, -1))

    @property
    def on(self) -> Mask:
        """Which neuron is active where, from breakpoints and facings."""
        view = spline_view(self.model)
        return active(self.x, view.breakpoints, view.orientations)

    @property
    def roundings(self) -> int:
        """Of a sum over the neurons and then over the data, and as many again for the check that ∇L is 0."""
        return len(self.samples) + self.case.neurons + 8

    @property
    def moments(self) -> Array:
        """|⟨ε, 1⟩_i| and, as |x| ≤ 1, |⟨ε, x⟩_i| are ‖∇L‖/|v_i| at the most: (H,), with the roundings of both sides."""
        return self.roundings * self.rest.roundoff / np.abs(self.neurons.v)

    @property
    def projected(self) -> float:
        """‖P_V ε‖ ≤ ‖∇L‖/σ_r(J), and what rounding makes of P_V y, ε κ(V) ‖y‖, in the norm of the weights."""
        weights, rank = self.samples.weights, basis(self.x, self.on, self.samples.weights, True).shape[1]
        smallest = np.sqrt(np.linalg.eigvalsh(gauss_newton(self.x, self.neurons, weights, True))[-rank])
        s = np.linalg.svd(np.sqrt(weights)[:, None] * tangent_functions(self.x, self.on, True), compute_uv=False)
        rounded = EPS * s[0] / s[rank - 1] * np.sqrt(weights @ self.samples.values**2)
        return float(self.roundings * (self.rest.roundoff / smallest + rounded))


def sine(x: Array) -> Array:
    """sin πx: it bends both ways, and breakpoints seldom come to lie on data while neurons are few."""
    return np.asarray(np.sin(np.pi * x))


def exponential(x: Array) -> Array:
    """¼e²ˣ: convex, so that lines of neighbouring pieces meet between their data."""
    return np.asarray(np.exp(2 * x) / 4)


NARROW = tuple(Case(f"{h} ReLU{'s' * (h > 1)}, 64 data", h, 64, sine) for h in (1, 2, 3))
RIGHT = Case("4 ReLUs facing right, 64 data", 4, 64, exponential, right=True)
BLIND = Case("32 ReLUs facing right, 8 data, some out of reach", 32, 8, sine, low=-0.3, right=True)
WIDE = Case("64 ReLUs, 8 data", 64, 8, sine)
NOISY = Case("5 ReLUs, 24 data with noise", 5, 24, sine, noise=0.3)


def _start(case: Case, seed: int) -> tuple[Any, Samples]:
    random = np.random.default_rng(seed)
    x = np.sort(random.uniform(-1, 1, case.data))
    y = case.target(x) + case.noise * random.standard_normal(case.data)
    w, v = random.standard_normal((2, case.neurons))
    w = np.abs(w) if case.right else w
    b = -w * random.uniform(case.low, 1, case.neurons)
    layers = [(w[:, None], b), (v[None] / np.sqrt(case.neurons), np.zeros(1))]
    return layered_network(activation("relu"), layers), Samples(x[:, None], y)


@cache
def _trained(case: Case, setting: Setting) -> list[tuple[Any, Samples, Array]]:
    """Networks of 8 seeds (32 in full) after gradient descent, w and v Gaussian at the start; with their paths."""
    starts = [_start(case, seed) for seed in seeds_of(setting.seed, setting.size(8, 32))]
    models, samples = zip(*starts, strict=True)
    paths = train_many(models, samples, learning_rate=0.2, record=STEPS, observe=parameters)
    return [(*start, np.asarray(path.observed)) for start, path in zip(starts, paths, strict=True)]


@cache
def _rest(case: Case, setting: Setting, index: int) -> Resting:
    trained, samples, path = _trained(case, setting)[index]
    model = moved(trained, path[-1])
    return Resting(case, model, samples, stationary(model, samples), outputs(trained, samples), path)


def resting(case: Case, setting: Setting, status: Status, most: int | None = None) -> list[Resting]:
    """The first networks that come to rest as asked for, 2 where nothing is said (all in full): no other breakpoint
    near a datum, no weight near 0.
    """
    found: list[Resting] = []
    for index in range(len(_trained(case, setting))):
        if len(found) < setting.size(most or 2, np.inf):
            one = _rest(case, setting, index)
            w, _, v = one.neurons
            clear = min(one.rest.clearance, np.abs(w).min(), np.abs(v).min()) > CLEAR
            found += [one] * (clear and one.rest.status == status)
    return found


def on_the_way(one: Resting) -> list[Any]:
    """The network at the recorded steps of gradient descent, and at rest."""
    return [*[moved(one.model, theta) for theta in one.path], one.model]
