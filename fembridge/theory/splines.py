"""Piecewise-polynomial activations: values, derivatives, Fourier transform, shift symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PPoly

from fembridge.problem import Array, composite_gauss


@dataclass(frozen=True, eq=False)
class Spline:
    """σ(z) = Σ_r pieces[i, r] (z − o_i)^r for knots[i−1] ≤ z < knots[i].

    knots: (m,) strictly increasing. pieces: (m+1, degree+1), ascending powers; the first and the last piece reach to
    ∓∞.
    Piece i is centred at o_i = knots[i−1], the first one at o_0 = knots[0]. σ is continuous from the right.
    """

    name: str
    knots: Array
    pieces: Array

    @property
    def degree(self) -> int:
        return self.pieces.shape[1] - 1

    @property
    def compact(self) -> bool:
        """Whether σ vanishes outside its knots."""
        return not (self.pieces[0].any() or self.pieces[-1].any())

    @property
    def support(self) -> tuple[float, float]:
        """The smallest interval outside which σ vanishes; its ends may be ∓∞."""
        left = -np.inf if self.pieces[0].any() else float(self.knots[0])
        right = np.inf if self.pieces[-1].any() else float(self.knots[-1])
        return left, right

    @property
    def origins(self) -> Array:
        return np.concatenate([self.knots[:1], self.knots])

    def __call__(self, z: ArrayLike) -> Array:
        """σ(z), elementwise.

        >>> hat()([0.25, 1.0, 1.5, 3.0])
        array([0.25, 1.  , 0.5 , 0.  ])
        """
        z = np.asarray(z, dtype=float)
        piece = np.searchsorted(self.knots, z, side="right")
        offset = z - self.origins[piece]
        value = np.zeros_like(z)
        for coefficient in self.pieces.T[::-1]:  # Horner
            value = value * offset + coefficient[piece]
        return value

    def derivative(self) -> Spline:
        """σ', one degree lower (from the right at knots).

        >>> hat().derivative()([0.5, 1.0, 1.5])
        array([ 1., -1., -1.])
        """
        if self.degree == 0:
            return replace(self, name=f"{self.name}'", pieces=np.zeros_like(self.pieces))
        return replace(self, name=f"{self.name}'", pieces=self.pieces[:, 1:] * np.arange(1, self.degree + 1))

    def jumps(self) -> Array:
        """(m, degree+1): the jump of the r-th derivative at each knot. σ is their sum of truncated powers and a
        polynomial.
        """
        step = np.diff(self.origins)
        powers = range(self.degree + 1)
        ends = [sum(self.pieces[:-1, s] * comb(s, r) * step ** (s - r) for s in powers[r:]) for r in powers]
        return np.stack([(self.pieces[1:, r] - ends[r]) * factorial(r) for r in powers], axis=1)


def truncated_power(degree: int, name: str) -> Spline:
    """max(z, 0)^degree: step, ReLU, ReLU² for degree 0, 1, 2."""
    pieces = np.zeros((2, degree + 1))
    pieces[1, degree] = 1
    return Spline(name, np.zeros(1), pieces)


def leaky_relu(slope: float = 0.01) -> Spline:
    """max(z, 0) + slope·min(z, 0)."""
    return Spline("leaky-relu", np.zeros(1), np.array([[0.0, slope], [0.0, 1.0]]))


def spline(knots: ArrayLike, coefficients: ArrayLike, degree: int, name: str = "spline") -> Spline:
    """Σ_i c_i B_i, B_i the B-splines of `degree` on `knots` (scipy's `BSpline` convention), zero outside the knots.

    Raises ValueError unless the knots are finite and strictly increasing and there are len(knots) − degree − 1 finite
    coefficients.

    >>> spline([0, 1, 2], [1.0], 1)([0.5, 1.0, 2.5])
    array([0.5, 1. , 0. ])
    """
    t, c = np.asarray(knots, dtype=float), np.asarray(coefficients, dtype=float)
    if degree < 0 or int(degree) != degree:
        raise ValueError(f"activation: expected a degree of 0 or more, got {degree}")
    if t.ndim != 1 or len(t) < 2 or not np.isfinite(t).all() or (np.diff(t) <= 0).any():
        raise ValueError(
            f"activation: expected at least two finite, strictly increasing knots, got {np.ravel(t)[:8].tolist()}"
        )
    if c.shape != (len(t) - degree - 1,) or not len(c) or not np.isfinite(c).all():
        raise ValueError(
            f"activation: expected {max(len(t) - degree - 1, 1)} finite coefficients for {len(t)} "
            f"knots of degree {degree} "
            f"(knots − degree − 1), got {c.size}"
        )
    # Outside [t_p, t_{m−p}] the basis on `t` is incomplete: BSpline needs p more knots on each side, with
    # coefficients 0.
    step = t[-1] - t[0]
    wide = np.concatenate([t[0] - step * np.arange(degree, 0, -1), t, t[-1] + step * np.arange(1, degree + 1)])
    padded = np.concatenate([np.zeros(degree), c, np.zeros(degree)])
    ppoly = PPoly.from_spline((wide, padded, degree))
    inner = ppoly.c[::-1, degree : degree + len(t) - 1].T
    zero = np.zeros((1, degree + 1))
    return Spline(name, t, np.concatenate([zero, inner, zero]))


def bspline(degree: int) -> Spline:
    """The cardinal B-spline on 0, 1, …, degree+1: indicator of [0, 1), hat, quadratic, cubic, …

    >>> bspline(3)([1.0, 2.0, 3.0]) * 6
    array([1., 4., 1.])
    """
    return spline(np.arange(degree + 2), [1.0], degree, name=f"bspline{degree}")


def hat() -> Spline:
    """Hat(z) = z on [0, 1], 2 − z on [1, 2], 0 elsewhere (the cardinal linear B-spline; Hong et al. 2022, arXiv
    2208.04924).
    """
    return replace(bspline(1), name="hat")


ACTIVATIONS = {
    "relu": truncated_power(1, "relu"),
    "relu2": truncated_power(2, "relu2"),
    "leaky-relu": leaky_relu(),
    "step": truncated_power(0, "step"),
    "hat": hat(),
    "bspline0": bspline(0),
    "bspline1": bspline(1),
    "bspline2": bspline(2),
    "bspline3": bspline(3),
}


def named(spec: str | Mapping[str, Any] | Spline) -> Spline:
    """The activation of that name, or the spline of a table {knots, coefficients, degree}.

    Raises ValueError for an unknown name, or a table that is no spline.
    """
    if isinstance(spec, Spline):
        return spec
    if isinstance(spec, str):
        if spec not in ACTIVATIONS:
            raise ValueError(f'activation: expected one of {", ".join(ACTIVATIONS)}, got "{spec}"')
        return ACTIVATIONS[spec]
    if set(spec) != {"knots", "coefficients", "degree"}:
        raise ValueError(f"activation: expected the keys knots, coefficients, degree, got {', '.join(map(str, spec))}")
    return spline(spec["knots"], spec["coefficients"], spec["degree"])


def fourier_power(sigma: Spline, omega: ArrayLike) -> Array:
    """|σ̂(ω)|², σ̂(ω) = ∫ σ(z) e^{−iωz} dz (as a distribution where σ does not decay; ω ≠ 0 there).

    σ̂(ω) = Σ_knots Σ_r [jump of σ^{(r)}] e^{−iωτ}/(iω)^{r+1}. ReLU: ω⁻⁴; Hat: (2 sin(ω/2)/ω)⁴.

    >>> fourier_power(truncated_power(1, "relu"), [2.0]) * 2**4
    array([1.])
    """
    omega = np.asarray(omega, dtype=float)
    # The jumps cancel like (ω·width)^(degree+1) for small ω, where Gauss quadrature of a compact σ is exact to
    # round-off.
    small = np.abs(omega) * (sigma.knots[-1] - sigma.knots[0]) < 2 if sigma.compact else np.zeros(omega.shape, bool)
    transform = np.empty(omega.shape, dtype=complex)
    z, w = composite_gauss(sigma.knots, sigma.degree + 12)
    transform[small] = np.exp(-1j * np.multiply.outer(omega[small], z)) @ (w * sigma(z))
    large = omega[~small]
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = (1j * large[:, None]) ** -np.arange(1.0, sigma.degree + 2)
        transform[~small] = ((np.exp(-1j * np.multiply.outer(large, sigma.knots)) @ sigma.jumps()) * powers).sum(axis=1)
    return np.abs(transform) ** 2


def autocorrelation(sigma: Spline) -> Array:
    """g(k) = ∫ σ(z) σ(z−k) dz for k = 0, 1, … up to the width of a compact σ: row 0 of the Gram of its integer shifts.

    For the B-spline of degree p it is the one of degree 2p+1 at the integers. Raises ValueError if σ is not compact.

    >>> autocorrelation(hat()) * 6
    array([4., 1., 0.])
    """
    if not sigma.compact:
        raise ValueError(f"autocorrelation: {sigma.name} does not have compact support")
    lags = np.arange(int(np.floor(sigma.knots[-1] - sigma.knots[0])) + 1)

    def product(lag: int) -> float:
        z, w = composite_gauss(np.unique(np.concatenate([sigma.knots, sigma.knots + lag])), sigma.degree + 1)
        return float(w @ (sigma(z) * sigma(z - lag)))

    return np.array([product(int(lag)) for lag in lags])


def shift_symbol(sigma: Spline, theta: ArrayLike) -> Array:
    """s(θ) = Σ_m |σ̂(θ + 2πm)|²: the symbol of the Gram of the integer shifts σ(· − j).

    Features σ(x/h − j) have the Toeplitz Gram with symbol h·s(θ). For compact σ, s(θ) = Σ_k g(k) e^{−ikθ}
    with the autocorrelation g; otherwise the (degree+1)-st difference of σ is compact and
    s = s_Δ/(2 sin(θ/2))^{2(degree+1)}, infinite at θ = 0. Hat: (2 + cos θ)/3.

    >>> shift_symbol(hat(), [0.0, np.pi]) * 3
    array([3., 1.])
    """
    theta = np.asarray(theta, dtype=float)
    order = 0 if sigma.compact else sigma.degree + 1
    g = autocorrelation(_difference(sigma, order) if order else sigma)
    numerator = np.cos(np.multiply.outer(theta, np.arange(len(g)))) @ np.concatenate([g[:1], 2 * g[1:]])
    with np.errstate(divide="ignore"):
        return np.asarray(numerator / (2 * np.sin(theta / 2)) ** (2 * order))


def _difference(sigma: Spline, order: int) -> Spline:
    """Δ^order σ = Σ_j (−1)^j C(order, j) σ(· − j), which kills the polynomial ends of σ."""
    shifts = np.arange(order + 1)
    signs = np.array([(-1) ** j * comb(order, j) for j in shifts], dtype=float)
    knots = np.unique(np.add.outer(sigma.knots, shifts))
    derivatives, taylor = sigma, []
    for r in range(sigma.degree + 1):
        taylor.append(derivatives(np.subtract.outer(knots[:-1], shifts)) @ signs / factorial(r))
        derivatives = derivatives.derivative()
    zero = np.zeros((1, sigma.degree + 1))
    return Spline(f"Δ{sigma.name}", knots, np.concatenate([zero, np.stack(taylor, axis=1), zero]))
