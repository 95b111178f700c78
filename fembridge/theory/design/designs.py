"""Spline activations for a wanted symbol: taps c of σ = Σ_m c_m B_p(· − m)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike

from fembridge.problem import Array
from fembridge.theory.design.constrained import Demands, constrained
from fembridge.theory.design.factorisation import factors, spectral_factor
from fembridge.theory.design.minimax import Minimax, minimax
from fembridge.theory.design.targets import Target, target
from fembridge.theory.splines import Spline, bspline, shift_symbol, spline

Criterion = Literal["minimax", "least-squares"]
DEGREES = (1, 2, 3)
MOST = 64  # taps
POINTS = 2001  # at which a finished symbol is looked at


@dataclass(frozen=True, eq=False)
class Design:
    """A spline activation and how well its symbol s(θ) = |c(θ)|² s_p(θ) meets a target t(θ).

    taps: c (M,). band: of θ, in units of π. best: the least deviation that any M taps have, whatever the constraints.
    """

    target: Target
    degree: int
    taps: Array
    band: tuple[float, float]
    best: float

    @cached_property
    def activation(self) -> Spline:
        """σ on the knots 0, 1, …, M + p."""
        knots = np.arange(len(self.taps) + self.degree + 1.0)
        return spline(knots, self.taps, self.degree, name=f"design-{self.target.name}")

    def symbol(self, theta: ArrayLike) -> Array:
        """s(θ), from the autocorrelation of the finished spline: features σ(x/h − j) have the Gram symbol h s(θ)."""
        return shift_symbol(self.activation, theta)

    @cached_property
    def _sampled(self) -> tuple[Array, Array]:
        theta = np.pi * np.linspace(*self.band, POINTS)
        return theta, self.symbol(theta)

    @cached_property
    def deviation(self) -> float:
        """max |s/t − 1| over the band."""
        theta, s = self._sampled
        return float(np.abs(s / self.target(theta) - 1).max())

    @cached_property
    def condition_number(self) -> float:
        """max s/min s over the band: no finite Gram of uncut features has a larger one, where the band is all."""
        s = self._sampled[1]
        return float(s.max() / s.min())

    @cached_property
    def lipschitz(self) -> float:
        """max |σ'|."""
        slope = self.activation.derivative()
        most = 0.0
        for piece, width in zip(slope.pieces[1:-1], np.diff(slope.knots), strict=True):
            p = Polynomial(piece)
            flat = p.deriv().roots() if p.degree() else np.empty(0)
            at = np.concatenate([[0.0, width], flat.real[(abs(flat.imag) < 1e-12) & (flat.real > 0)].clip(max=width)])
            most = max(most, float(np.abs(p(at)).max()))
        return most

    def rates(self, theta: ArrayLike) -> Array:
        """η s(θ) at the best learning rate, η = 2/(max s + min s): a step of gradient descent multiplies the error by
        1 − η s(θ).
        """
        s = self._sampled[1]
        return 2 / (s.max() + s.min()) * self.symbol(theta)


def design(
    wanted: str | Path | ArrayLike | Target | Callable[[Array], Array] = "flat",
    degree: int = 1,
    taps: int | None = None,
    *,
    tolerance: float = 0.01,
    symmetric: bool = False,
    zero_mean: bool = False,
    lipschitz: float | None = None,
    support: int | None = None,
    band: tuple[float, float] = (0.0, 1.0),
    criterion: Criterion = "minimax",
) -> Design:
    """The spline activation σ = Σ_{m<M} c_m B_p(· − m) whose symbol |c(θ)|² s_p(θ) is nearest to a target t(θ) > 0.

    wanted: see `targets.target`. taps: M; where nothing is said, the least number that deviates by `tolerance` at most.
    support: the width of σ, M + p, instead of M. symmetric: c_m = c_{M−1−m}, M odd. zero_mean: ∫σ = 0, for a band that
    leaves out θ = 0. lipschitz: max |σ'|. band: of θ in units of π, beyond which the symbol is free.
    criterion: "minimax" has the least max |s/t − 1|: q = |c|² by E. Remez's exchange, and c by spectral factorisation
    (Fejér and Riesz: every q ≥ 0 is a square); "least-squares" the least mean of (s/t − 1)².

    Flat target, p = 1: (s − 1) is T_M(cos θ)/T_M(2), so that κ = (T_M(2) + 1)/(T_M(2) − 1) = 3, 4/3, 27/25, 49/48 ….

    Raises ValueError where a target is not positive, or demands do not go together or cannot be met.

    Source: docs/design.md; Battle–Lemarié for the limit, c = s_p^{−1/2}.

    >>> round(design("flat", taps=3).condition_number, 9)
    1.08
    """
    t = target(wanted)
    demands = _demands(degree, taps, support, symmetric, zero_mean, lipschitz, band, criterion)
    _check_target(t, demands)
    if demands.taps:
        return _designed(t, demands)
    if not tolerance > 0:
        raise ValueError(f"tolerance: expected a positive number, got {tolerance:g}")
    counts = range(demands.fewest, MOST + 1, 1 + symmetric)
    for count in counts[_first(lambda i: _best(t, demands.of(counts[i])).deviation <= tolerance, len(counts)) :]:
        found = _designed(t, demands.of(count))  # the first that will do, but for the constraints
        if found.deviation <= tolerance:
            return found
    raise ValueError(f"tolerance: {MOST} taps of degree {degree} do not meet the target to within {tolerance:g}")


def _first(holds: Callable[[int], bool], count: int) -> int:
    """The first index at which what holds from there on holds, tried at 1, 2, 4, … and then by bisection."""
    high = 1
    while high < count and not holds(high - 1):
        high *= 2
    return bisect_left(range(min(high, count)), True, lo=high // 2, key=holds)


def _demands(
    degree: int,
    taps: int | None,
    support: int | None,
    symmetric: bool,
    zero_mean: bool,
    lipschitz: float | None,
    band: tuple[float, float],
    criterion: str,
) -> Demands:
    """What is asked for, checked."""
    if degree not in DEGREES:
        raise ValueError(f"degree: expected 1, 2 or 3, got {degree}")
    if support is not None:
        if taps is not None:
            raise ValueError("support: expected either taps or support (the taps and the degree together), got both")
        if support <= degree:
            raise ValueError(f"support: expected at least {degree + 1} for degree {degree}, got {support}")
        taps = support - degree
    if taps is not None and not (isinstance(taps, int | np.integer) and 1 <= taps <= MOST):
        raise ValueError(f"taps: expected a whole number from 1 to {MOST}, got {taps}")
    if symmetric and taps is not None and taps % 2 == 0:
        raise ValueError(f"taps: expected an odd number for symmetric taps about a middle one, got {taps}")
    if lipschitz is not None and not lipschitz > 0:
        raise ValueError(f"lipschitz: expected a positive number, got {lipschitz:g}")
    low, high = (float(end) for end in band)
    if not 0 <= low < high <= 1:
        raise ValueError(f"band: expected 0 ≤ low < high ≤ 1, in units of the knots' limit π, got [{low:g}, {high:g}]")
    if zero_mean and low == 0:
        raise ValueError("zero_mean: a symbol that vanishes at 0 meets no positive target there: expected band[0] > 0")
    if criterion not in ("minimax", "least-squares"):
        raise ValueError(f'criterion: expected "minimax" or "least-squares", got "{criterion}"')
    wanted = Demands(degree, taps or 0, symmetric, zero_mean, lipschitz, (low, high), criterion == "least-squares")
    if taps is not None and taps < wanted.fewest:
        raise ValueError(f"taps: expected at least {wanted.fewest} for these constraints, got {taps}")
    return wanted


def _check_target(t: Target, demands: Demands) -> None:
    values = t(np.pi * np.linspace(*demands.band, POINTS))
    if values.shape != (POINTS,) or not np.isfinite(values).all() or not (values > 0).all():
        raise ValueError(f'target: expected a positive number at every frequency, "{t.name}" has others')


def _weight(t: Target, degree: int) -> Callable[[Array], Array]:
    b = bspline(degree)
    return lambda theta: shift_symbol(b, theta) / t(theta)


def _best(t: Target, demands: Demands) -> Minimax:
    """The best |c|² of so many taps without constraints."""
    low, high = demands.band
    return minimax(_weight(t, demands.degree), demands.taps - 1, (np.pi * low, np.pi * high))


def _designed(t: Target, demands: Demands) -> Design:
    weight, best = _weight(t, demands.degree), _best(t, demands)
    starts = [_symmetric(weight, demands)] if demands.symmetric else _factors(weight, demands)
    taps = starts[0]
    if not demands.free:
        b = demands.degree
        steepness = [Design(t, b, c, demands.band, best.least).lipschitz for c in starts]
        taps = constrained([starts[i] for i in np.argsort(steepness)], weight, demands)
    return Design(t, demands.degree, taps * np.sign(taps[np.argmax(np.abs(taps))]), demands.band, best.least)


def _factors(weight: Callable[[Array], Array], demands: Demands) -> list[Array]:
    """Taps of the best |c|², of minimum phase; or of every phase, where more than the symbol counts."""
    zero = demands.zero_mean
    low, high = (np.pi * end for end in demands.band)
    q = minimax(
        lambda theta: weight(theta) * ((2 - 2 * np.cos(theta)) if zero else 1), demands.taps - 1 - zero, (low, high)
    ).coefficients
    halved = np.concatenate([q[:1], q[1:] / 2])
    try:
        found = [spectral_factor(halved)] if demands.free else factors(halved)
    except ValueError:
        raise ValueError(
            f"band: the best |c(θ)|² of {demands.taps} taps on it is negative beyond it: expected a wider band"
        ) from None
    return [np.convolve(c, [1.0, -1.0]) for c in found] if zero else found


def _symmetric(weight: Callable[[Array], Array], demands: Demands) -> Array:
    """c(θ) is real, up to a shift: A(θ) = a_0 + 2 Σ a_k cos kθ, and A √weight is brought to 1 by the exchange."""
    zero = demands.zero_mean
    low, high = (np.pi * end for end in demands.band)
    found = minimax(
        lambda theta: np.sqrt(weight(theta)) * ((2 - 2 * np.cos(theta)) if zero else 1),
        (demands.taps - 1) // 2 - zero,
        (low, high),
    )
    a = np.concatenate([found.coefficients[:1], found.coefficients[1:] / 2]) / np.sqrt(1 + found.deviation**2)
    c = np.concatenate([a[:0:-1], a])
    return np.convolve(c, [-1.0, 2.0, -1.0]) if zero else c
