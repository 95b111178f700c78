"""The seminorm that random features minimise in d dimensions, and activations designed for one.

Features σ(r(ξ·x − γ)), with directions ξ uniform on the sphere, offsets γ uniform on the line (∫ dγ, no density) and
scales r of a given law, have the kernel K(x − y) = E_{ξ,r} ∫ σ(r(ξ·x − γ)) σ(r(ξ·y − γ)) dγ. With
S(s) = E_r |σ̂(s/r)|²/r² its transform and the seminorm of its space are

    K̂(ω) = (2π)^d/(π|S^{d−1}|) · S(|ω|)/|ω|^{d−1},        |f|² = (2π)^{−d} ∫ |f̂(ω)|²/K̂(ω) dω,

as K(x) = E_ξ (1/2π) ∫ S(s) e^{isξ·x} ds, an integral in polar coordinates; |S^{d−1}| = 2π^{d/2}/Γ(d/2). Source: Sahs,
Pyle, Anselmi, Patel, arXiv 2503.10587, for the weight |ω|^{d−1}/|σ̂(|ω|)|²; constants and scales are derived here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import gamma
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ive

from fembridge.problem import Array, composite_gauss
from fembridge.theory.radon.transforms import power_spectrum
from fembridge.theory.splines import Spline, bspline, fourier_power, spline

Spectrum = Callable[[Array], Array]  # S(s) for s > 0

LONG = 2048.0  # in units of the phase, up to which a spectrum is integrated; beyond, a power law
DEVIATIONS = 10.0  # of a normal scale


@dataclass(frozen=True, eq=False)
class Scales:
    """A law of weight scales r: a density on [low, high], 0 ≤ low < high."""

    name: str
    low: float
    high: float
    density: Callable[[Array], Array]


def uniform(low: float, high: float) -> Scales:
    """r uniform on [low, high]. Raises ValueError unless 0 < low < high."""
    _check_ends(low, high)
    return Scales("uniform", low, high, lambda r: np.full_like(r, 1 / (high - low)))


def log_uniform(low: float, high: float) -> Scales:
    """log r uniform. Raises ValueError unless 0 < low < high."""
    _check_ends(low, high)
    return Scales("log-uniform", low, high, lambda r: 1 / (r * np.log(high / low)))


def half_normal(deviation: float) -> Scales:
    """r = |N(0, deviation²)|. Raises ValueError unless the deviation is positive."""
    _check_ends(deviation / 2, deviation)
    top = np.sqrt(2 / np.pi) / deviation
    return Scales("|normal|", 0.0, DEVIATIONS * deviation, lambda r: top * np.exp(-((r / deviation) ** 2) / 2))


def _check_ends(low: float, high: float) -> None:
    if not 0 < low < high < np.inf:
        raise ValueError(f"scales: expected 0 < low < high, got {low!r} and {high!r}")


def scaled_power(sigma: str | Mapping[str, Any] | Spline, omega: ArrayLike, scales: Scales | float = 1.0) -> Array:
    """S(s) = E_r |σ̂(s/r)|²/r² at s = |ω| > 0, of one scale r or of a law.

    With u = s/r it is (1/s) ∫ |σ̂(u)|² p(s/u) du, by Gauss–Legendre rules on cells of length 2 at most. Scales down to
    0 make that infinite: beyond u = 2048 what is left follows from its halves before, a power law.

    Raises ValueError for a scale or frequencies that are not positive, and as `power_spectrum` does.

    >>> scaled_power("relu", [2.0], 3.0) * 2**4                    # |σ̂(s/r)|²/r² = r² s⁻⁴
    array([9.])
    >>> bool(abs(scaled_power("relu", [2.0], half_normal(3.0))[0] * 2**4 - 9) < 1e-12)
    True
    """
    s = np.abs(np.asarray(omega, dtype=float))
    if not (s > 0).all():
        raise ValueError("omega: expected frequencies other than 0")
    if isinstance(scales, Scales):
        if scales.low:
            return np.array([_mean_power(sigma, one, scales)[0] for one in s.reshape(-1, 1)]).reshape(s.shape)
        return _mean_power(sigma, s.ravel(), scales).reshape(s.shape)
    if not 0 < scales < np.inf:
        raise ValueError(f"scales: expected a positive number, got {scales!r}")
    return power_spectrum(sigma, s / scales) / scales**2


def _mean_power(sigma: str | Mapping[str, Any] | Spline, s: Array, scales: Scales) -> Array:
    """S at frequencies (F,), of one where the law ends above 0: cells then end there too."""
    first = s.min() / scales.high
    last = s.max() / scales.low if scales.low else max(LONG, 64 * first)
    ratios = np.geomspace(first, last, 2 + int(8 * np.log(last / first)))
    cells = pairwise(ratios)
    u, w = composite_gauss(
        np.unique(np.concatenate([np.linspace(a, b, 1 + int(np.ceil((b - a) / 2))) for a, b in cells])), 16
    )
    mass = w * power_spectrum(sigma, u) * scales.density(s[:, None] / u)
    whole, half, quarter = (mass @ (u > last * part) for part in (0, 0.5, 0.25))
    octave = quarter - half
    power_law = (not scales.low) & (octave > half) & (half > 0)
    rest = np.where(power_law, half**2 / np.where(power_law, octave - half, 1), 0)
    return np.asarray((whole + rest) / s)


def weight(power: ArrayLike, omega: ArrayLike, dimension: int) -> Array:
    """|ω|^{d−1}/S(|ω|), what a frequency costs, from S at |ω|.

    >>> weight([2.0**-4], [2.0], dimension=3)                         # ReLU: |ω|^{d+3}
    array([64.])
    """
    return np.abs(np.asarray(omega, dtype=float)) ** (dimension - 1) / np.asarray(power, dtype=float)


def kernel_transform(power: ArrayLike, omega: ArrayLike, dimension: int) -> Array:
    """K̂(ω) = (2π)^d/(π|S^{d−1}|) S(|ω|)/|ω|^{d−1}, from S at |ω|.

    >>> kernel_transform([5.0], [3.0], dimension=1), kernel_transform([5.0], [2.0], dimension=2)
    (array([5.]), array([5.]))
    """
    sphere = 2 * np.pi ** (dimension / 2) / gamma(dimension / 2)
    return np.asarray((2 * np.pi) ** dimension / (np.pi * sphere) / weight(power, omega, dimension))


def packet_coefficient(spectrum: Spectrum, omega: float, width: float, dimension: int) -> float:
    """⟨φ, K φ⟩/⟨φ, φ⟩ of a wave packet: the mean of K̂ about the frequency ω.

        φ(x) = Λ(ω|x|) e^{−|x|²/2τ²},    Λ = cos in one dimension, J₀ in two (cos ω·x in the mean over directions),
        φ̂(s) ∝ e^{−τ²(s−ω)²/2} λ(τ²sω),  λ(y) = e^{−y} cosh y, e^{−y} I₀(y).

    τ: `width`. Frequencies below ω/4 are left out, of which φ̂ holds less than e^{−9(ωτ)²/32}.

    Raises ValueError for other dimensions, and for ωτ < 8, where low frequencies would tell.

    >>> round(packet_coefficient(lambda s: s**0, 10.0, 1.0, 1), 12)
    1.0
    """
    if dimension not in (1, 2) or not omega * width >= 8:
        raise ValueError(f"packet: expected 1 or 2 dimensions and ωτ ≥ 8, got {dimension} and {omega * width:g}")
    s, w = composite_gauss(np.linspace(omega / 4, omega + 10 / width, 13), 10)
    y = width**2 * s * omega
    wave = np.exp(-((width * (s - omega)) ** 2) / 2) * ((1 + np.exp(-2 * y)) / 2 if dimension == 1 else ive(0, y))
    mass = w * wave**2 * s ** (dimension - 1)
    return float(mass @ kernel_transform(spectrum(s), s, dimension) / mass.sum())


@dataclass(frozen=True, eq=False)
class Design:
    """A spline activation Σ c_m B(z/h − m), as knots and coefficients, for a wanted penalty.

    error: |σ̂ − √(|s|^{d−1}/P)| is below it at all frequencies of the band.
    """

    knots: Array
    coefficients: Array
    degree: int
    error: float

    @property
    def spline(self) -> Spline:
        return spline(self.knots, self.coefficients, self.degree, "designed")


def designed(penalty: Spectrum, dimension: int, band: float, spacing: float, taps: int, degree: int = 3) -> Design:
    """A spline activation with |σ̂(s)|² = |s|^{d−1}/P(s) for |s| ≤ band.

    On knots of spacing h its transform is h c(sh) B̂(sh), c(θ) = Σ_m c_m e^{−imθ}: c(θ) = A(θ/h)/(h B̂(θ)) gives
    A = √(|s|^{d−1}/P) at all |s| < π/h. Beyond the band c goes to 0 smoothly, so that few taps do; those beyond
    |m| ≤ taps/2 are left out, and `error` is the sum of them, Σ h|c_m|. σ is even about 0.

    penalty: P(s) for s > 0, vectorised. Raises ValueError unless 0 < band < π/h and there are at least 3 taps.
    """
    if not (0 < band < np.pi / spacing and taps >= 3):
        raise ValueError(f"design: expected 0 < band < π/spacing and taps ≥ 3, got {band!r}, {spacing!r} and {taps!r}")
    count, half = 64 * taps, taps // 2
    theta = 2 * np.pi * (np.arange(count // 2) + 0.5) / count  # in (0, π), none of them 0
    s = theta / spacing
    amplitude = np.sqrt(s ** (dimension - 1) / penalty(s)) * _fall((s - band) / (np.pi / spacing - band))
    symbol = amplitude / (spacing * np.sqrt(fourier_power(bspline(degree), theta)))
    m = np.arange(count // 4)
    c = 2 / count * np.cos(np.multiply.outer(m, theta)) @ symbol
    centre = (degree + 1) / 2
    knots = np.asarray(spacing * (np.arange(-half, half + degree + 2) - centre), dtype=float)
    error = 2 * spacing * float(np.abs(c[half + 1 :]).sum())
    return Design(knots, np.concatenate([c[half:0:-1], c[: half + 1]]), degree, error)


def _fall(t: Array) -> Array:
    """1 for t ≤ 0, 0 for t ≥ 1, with all derivatives continuous."""
    inside = np.clip(t, 1e-9, 1 - 1e-9)
    return np.asarray(expit(1 / inside - 1 / (1 - inside)))
