"""Features of a shallow network, as numbers: φ_j(x) = σ(w_j x + c_j) on an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array, Interval, check_domain
from fembridge.theory.splines import Spline, named


@dataclass(frozen=True, eq=False)
class Features:
    """φ_j(x) = σ(w_j x + c_j), j = 0 … n−1, on the interval `domain`.

    Raises ValueError unless weights and biases are finite rows of equal length and no weight is zero
    (such a neuron is constant: it has no breakpoint).
    """

    activation: Spline
    weights: Array
    biases: Array
    domain: Interval

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", check_domain(self.domain))
        for name in ("weights", "biases"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))
        w, c = self.weights, self.biases
        if w.ndim != 1 or w.shape != c.shape or not len(w):
            raise ValueError(
                f"features: expected one weight and one bias for each neuron, got shapes {w.shape} and {c.shape}"
            )
        if not (np.isfinite(w).all() and np.isfinite(c).all()):
            raise ValueError("features: weights and biases must be finite")
        if (w == 0).any():
            raise ValueError(
                f"features: the inner weight of neuron {int(np.argmin(np.abs(w)))} is zero, so it has no breakpoint"
            )

    def __len__(self) -> int:
        return len(self.weights)

    def __call__(self, x: ArrayLike) -> Array:
        """φ_j(x_i), shape (len(x), n)."""
        return self.activation(np.multiply.outer(np.asarray(x, dtype=float), self.weights) + self.biases)


def grid(n: int, domain: Sequence[float] = (0.0, 1.0)) -> Array:
    """n equispaced knots a + j(b−a)/n, j = 0 … n−1. Raises ValueError for fewer than two.

    >>> grid(4)
    array([0.  , 0.25, 0.5 , 0.75])
    """
    a, b = check_domain(domain)
    if not isinstance(n, int | np.integer) or n < 2:
        raise ValueError(f"knots: expected a whole number of at least 2, got {n}")
    return a + (b - a) * np.arange(n) / n


def check_knots(knots: ArrayLike, domain: Sequence[float]) -> Array:
    """Return the knots as an array. Raises ValueError unless they are at least two, finite, strictly increasing,
    inside [a, b).
    """
    a, b = check_domain(domain)
    t = np.asarray(knots, dtype=float)
    if t.ndim != 1 or len(t) < 2:
        raise ValueError(f"knots: expected one row of at least 2, got an array of shape {t.shape}")
    if not np.isfinite(t).all():
        raise ValueError(f"knots: knot {int(np.argmin(np.isfinite(t)))} is not finite")
    if (np.diff(t) <= 0).any():
        i = int(np.argmax(np.diff(t) <= 0))
        kind = "repeated" if t[i] == t[i + 1] else "unsorted"
        raise ValueError(
            f"knots: expected strictly increasing knots, got {float(t[i])} before {float(t[i + 1])} ({kind}) at {i}"
        )
    if t[0] < a or t[-1] >= b:
        outside = t[0] if t[0] < a else t[-1]
        raise ValueError(f"knots: expected knots inside the domain [{a:g}, {b:g}), got {float(outside)}")
    return t


def on_knots(
    activation: str | Mapping[str, Any] | Spline,
    knots: ArrayLike,
    domain: Sequence[float] = (0.0, 1.0),
    weight_scale: float = 1.0,
) -> Features:
    """φ_j(x) = σ(s(x − b_j)/width): one feature starting at each knot b_j.

    width is 1 for activations without compact support, and the mean spacing (b−a)/n for compact ones, so that on a
    uniform grid ReLU and Hat features span the same finite-element space. s is the weight scale: s < 1 widens.

    Raises ValueError for bad knots, or a weight scale that is not positive.
    """
    sigma, (a, b) = named(activation), check_domain(domain)
    t = check_knots(knots, (a, b))
    if not (np.isfinite(weight_scale) and weight_scale > 0):
        raise ValueError(f"weight_scale: expected a positive number, got {weight_scale}")
    weight = weight_scale * (len(t) / (b - a) if sigma.compact else 1.0)
    return Features(sigma, np.full(len(t), weight), -t * weight, (a, b))


def breakpoints(features: Features) -> Array:
    """(τ_m − c_j)/w_j for every activation knot τ_m and neuron j, shape (n, m)."""
    return (features.activation.knots - features.biases[:, None]) / features.weights[:, None]
