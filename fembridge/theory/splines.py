"""Piecewise-polynomial activations: values, derivatives, Fourier transform, shift symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PPoly

from fembridge.problem import Array


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

    Raises ValueError unless the degree is 0 to 5, the knots are finite and strictly increasing, and there are
    len(knots) − degree − 1 finite coefficients.

    >>> spline([0, 1, 2], [1.0], 1)([0.5, 1.0, 2.5])
    array([0.5, 1. , 0. ])
    """
    t, c = np.asarray(knots, dtype=float), np.asarray(coefficients, dtype=float)
    if degree not in range(6):  # beyond 5, FITPACK's limit, scipy's conversion to polynomials is not safe
        raise ValueError(f"activation: expected a degree from 0 to 5, got {degree}")
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
    with np.errstate(divide="ignore", invalid="ignore"):
        waves = np.exp(-1j * np.multiply.outer(omega, sigma.knots))
        jumps = waves[..., None] * sigma.jumps() / (1j * omega[..., None, None]) ** np.arange(1.0, sigma.degree + 2)
        transform = jumps.sum(axis=(-2, -1))
        if sigma.compact:
            # For small ω the jumps cancel, for large ω the integrals over cells do: whichever has the smaller terms.
            h = np.diff(sigma.knots)
            powers = np.arange(1, sigma.degree + 2)
            moments = _wave_moments(np.multiply.outer(omega, h), sigma.degree)
            cells = waves[..., :-1, None] * sigma.pieces[1:-1] * h[:, None] ** powers * moments
            better = np.abs(cells).sum(axis=(-2, -1)) < np.nan_to_num(np.abs(jumps).sum(axis=(-2, -1)), nan=np.inf)
            transform = np.where(better, cells.sum(axis=(-2, -1)), transform)
    return np.asarray(np.abs(transform) ** 2)


def _wave_moments(x: Array, degree: int) -> NDArray[np.complex128]:
    """∫₀¹ s^r e^{−ixs} ds for r = 0 … degree, in a new last axis: a series for |x| < 2, else by parts."""
    small, safe = np.abs(x) < 2, np.where(np.abs(x) < 2, x, 0)
    k = np.arange(30)
    terms = (-1j * safe[..., None]) ** k / np.array([float(factorial(i)) for i in k])
    wave, by_parts = np.exp(-1j * x), [np.zeros(x.shape, dtype=complex)]
    large = np.where(small, 1, x)
    for r in range(degree + 1):
        by_parts.append(((r == 0) - wave + r * by_parts[-1]) / (1j * large))
    series = [(terms / (r + k + 1)).sum(axis=-1) for r in range(degree + 1)]
    return np.stack([np.where(small, s, p) for s, p in zip(series, by_parts[1:], strict=True)], axis=-1)


def autocorrelation(sigma: Spline) -> Array:
    """g(k) = ∫ σ(z) σ(z−k) dz for k = 0, 1, … up to the width of a compact σ: row 0 of the Gram of its integer shifts.

    For the B-spline of degree p it is the one of degree 2p+1 at the integers. Raises ValueError if σ is not compact.

    >>> autocorrelation(hat()) * 6
    array([4., 1., 0.])
    """
    if not sigma.compact:
        raise ValueError(f"autocorrelation: {sigma.name} does not have compact support")
    r = np.arange(sigma.degree + 1)

    def product(lag: int) -> float:
        nodes = np.unique(np.concatenate([sigma.knots, sigma.knots + lag]))
        left, right = _taylor(sigma, nodes, 0), _taylor(sigma, nodes, lag)
        powers = np.add.outer(r, r) + 1
        return float(np.einsum("cr,cs,crs->", left, right, np.diff(nodes)[:, None, None] ** powers / powers))

    return np.array([product(lag) for lag in range(int(np.floor(sigma.knots[-1] - sigma.knots[0])) + 1)])


def shift_symbol(sigma: Spline, theta: ArrayLike) -> Array:
    """s(θ) = Σ_m |σ̂(θ + 2πm)|²: the symbol of the Gram of the integer shifts σ(· − j).

    Features σ(x/h − j) have the Toeplitz Gram with symbol h·s(θ). For compact σ, s(θ) = Σ_k g(k) e^{−ikθ}
    with the autocorrelation g; otherwise a difference of σ of order q is compact, q − 1 the degree of its ends, and
    s = s_Δ/(2 sin(θ/2))^{2q}, infinite at θ = 0. Hat: (2 + cos θ)/3.

    >>> shift_symbol(hat(), [0.0, np.pi]) * 3
    array([3., 1.])
    """
    theta = np.asarray(theta, dtype=float)
    ends = np.abs(sigma.pieces[[0, -1]]).max(axis=0)
    order = int(np.max(np.flatnonzero(ends), initial=-1)) + 1
    g = autocorrelation(_difference(sigma, order) if order else sigma)
    numerator = np.cos(np.multiply.outer(theta, np.arange(len(g)))) @ np.concatenate([g[:1], 2 * g[1:]])
    if not order:
        return np.asarray(numerator)
    sine = 2 * np.sin(theta / 2)
    return np.where(sine == 0, np.inf, numerator / np.where(sine == 0, 1, sine) ** (2 * order))


def _difference(sigma: Spline, order: int) -> Spline:
    """Δ^order σ = Σ_j (−1)^j C(order, j) σ(· − j), which kills polynomial ends of degree order − 1."""
    knots = np.unique(np.add.outer(sigma.knots, np.arange(order + 1)))
    pieces = sum((-1) ** j * comb(order, j) * _taylor(sigma, knots, j) for j in range(order + 1))
    zero = np.zeros((1, sigma.degree + 1))
    return Spline(f"Δ{sigma.name}", knots, np.concatenate([zero, pieces, zero]))


def _taylor(sigma: Spline, nodes: Array, shift: float) -> Array:
    """σ(z − shift) on each cell between nodes, as powers of z − (left node): shape (cells, degree+1).

    A cell's piece is found at its middle: its ends may fall on either side of a knot by rounding.
    """
    left, middle = nodes[:-1] - shift, (nodes[:-1] + nodes[1:]) / 2 - shift
    piece = np.searchsorted(sigma.knots, middle, side="right")
    offset, c = left - sigma.origins[piece], sigma.pieces[piece]
    powers = range(sigma.degree + 1)
    return np.stack([sum(c[:, s] * comb(s, r) * offset ** (s - r) for s in powers[r:]) for r in powers], axis=1)
