"""Smooth activations in closed form: values, slopes, and the symbol of their shifts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, expit

from fembridge.problem import Array
from fembridge.theory.radon.transforms import power_spectrum

Function = Callable[[Array], Array]
ALIASES = 40  # to each side: all transforms here decay exponentially


class Smooth(NamedTuple):
    """σ and σ', vectorised."""

    value: Function
    slope: Function


def _normal(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


def _distribution(z: Array) -> Array:
    return np.asarray((1 + erf(z / np.sqrt(2))) / 2)


FUNCTIONS = {
    "tanh": Smooth(np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": Smooth(expit, lambda z: expit(z) * expit(-z)),
    "softplus": Smooth(lambda z: np.logaddexp(0, z), expit),
    "gelu": Smooth(lambda z: z * _distribution(z), lambda z: _distribution(z) + z * _normal(z)),
    "gaussian": Smooth(lambda z: np.exp(-(z**2) / 2), lambda z: -z * np.exp(-(z**2) / 2)),
    "sine": Smooth(np.sin, np.cos),
    "seagull": Smooth(lambda z: np.log1p(z**2), lambda z: 2 * z / (1 + z**2)),
}


def smooth(name: str) -> Smooth:
    """tanh z · sigmoid 1/(1 + e^{−z}) · softplus log(1 + e^z) · GELU z Φ(z) · Gaussian e^{−z²/2} · sin z · log(1 + z²).

    Raises ValueError for another name.

    >>> sigma = smooth("softplus")
    >>> sigma.value(0.0) / np.log(2), sigma.slope(0.0)
    (np.float64(1.0), np.float64(0.5))
    """
    if name not in FUNCTIONS:
        raise ValueError(f'activation: expected one of {", ".join(FUNCTIONS)}, got "{name}"')
    return FUNCTIONS[name]


def shift_symbol(name: str, theta: ArrayLike) -> Array:
    """s(θ) = Σ_m |σ̂(θ + 2πm)|², 0 < θ < 2π, the symbol of the integer shifts σ(· − j), from transforms in closed form.

    Where σ grows or has different ends, s is infinite at θ = 0, and the symbol of differences of the shifts over that
    of the differences, as for `theory.splines.shift_symbol`.

    Raises ValueError for a name without closed form, as "sine", whose transform lies in two points.

    >>> theta = np.array([1.0, np.pi])           # Poisson: Σ_k e^{−ikθ} ∫ e^{−z²/2 − (z−k)²/2} = √π Σ_k e^{−k²/4 − ikθ}
    >>> k = np.arange(-20, 21)
    >>> shift_symbol("gaussian", theta) / (np.sqrt(np.pi) * np.cos(np.outer(theta, k)) @ np.exp(-(k**2) / 4))
    array([1., 1.])
    """
    aliases = 2 * np.pi * np.arange(-ALIASES, ALIASES + 1)
    return np.asarray(power_spectrum(name, np.add.outer(np.asarray(theta, dtype=float), aliases)).sum(axis=-1))
