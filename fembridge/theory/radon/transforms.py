"""Fourier transforms of activations, |σ̂(ω)|² with σ̂(ω) = ∫ σ(z) e^{−iωz} dz: closed forms, and one for any function.

A network Σ v_j σ(r(ξ_j·x − γ_j)) penalises frequencies by the inverse of |σ̂|² (Sahs, Pyle, Anselmi, Patel, arXiv
2503.10587). Where σ does not decay its transform is a distribution: what stands at ω = 0 is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array, composite_gauss
from fembridge.theory.splines import ACTIVATIONS, Spline, fourier_power, named

Function = Callable[[Array], Array]

EPS = float(np.finfo(float).eps)
ORDER = 8  # of the difference that makes σ decay
FARTHEST = 4096.0  # where the tail is given up, in steps of the difference
HALVINGS = 6  # of cells


def _csch(x: Array) -> Array:
    """1/sinh x for x ≥ 0, also where sinh x overflows."""
    return np.asarray(2 * np.exp(-x) / -np.expm1(-2 * x))


SMOOTH: dict[str, Function] = {  # by |ω|
    "tanh": lambda s: (np.pi * _csch(np.pi * s / 2)) ** 2,
    "sigmoid": lambda s: (np.pi * _csch(np.pi * s)) ** 2,
    "softplus": lambda s: (np.pi / s * _csch(np.pi * s)) ** 2,
    "gelu": lambda s: ((1 + s**-2) * np.exp(-(s**2) / 2)) ** 2,
    "gaussian": lambda s: 2 * np.pi * np.exp(-(s**2)),
    "seagull": lambda s: (2 * np.pi / s * np.exp(-s)) ** 2,
}


def power_spectrum(sigma: str | Mapping[str, Any] | Spline, omega: ArrayLike) -> Array:
    """|σ̂(ω)|² in closed form, in the shape of ω; ∞ at 0 where σ̂ is singular there.

        step ω⁻² · ReLU ω⁻⁴ · ReLU^k (k!)² ω^{−2k−2} · Hat (2 sin(ω/2)/ω)⁴ · any spline
        tanh π²/sinh²(πω/2) · sigmoid π²/sinh²(πω) · softplus π²/(ω² sinh²(πω))
        Gaussian exp(−z²/2): 2π e^{−ω²} · seagull log(1+z²): 4π² e^{−2|ω|}/ω² · GELU (1 + ω⁻²)² e^{−ω²}

    All from the derivatives: tanh' = 1/cosh², sigmoid = (1 + tanh(z/2))/2, softplus' = sigmoid,
    log(1+z²)' = 2z/(1+z²), and the GELU z Φ(z), where Φ̂ = e^{−ω²/2}/(iω) and a factor z is i d/dω.

    Raises ValueError for an unknown name, or a table that is no spline.

    >>> power_spectrum("tanh", [2.0]) * (np.sinh(np.pi) / np.pi) ** 2
    array([1.])
    >>> power_spectrum("relu", [0.0, 2.0]) * 16
    array([inf,  1.])
    """
    if isinstance(sigma, str) and sigma in SMOOTH:
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(SMOOTH[sigma](np.abs(np.asarray(omega, dtype=float))))
    if isinstance(sigma, str) and sigma not in ACTIVATIONS:
        raise ValueError(f'activation: expected one of {", ".join([*ACTIVATIONS, *SMOOTH])}, got "{sigma}"')
    spline = named(sigma)
    power = fourier_power(spline, omega)
    return power if spline.compact else np.where(np.asarray(omega) == 0, np.inf, power)


@dataclass(frozen=True, eq=False)
class Power:
    """|σ̂|² (F,) by quadrature, and an estimate of its error: of what is cut off, of the cells, and of rounding."""

    values: Array
    errors: Array


def numerical_power(function: Function, omega: Sequence[float] | Array, breakpoints: ArrayLike = ()) -> Power:
    """|σ̂(ω)|² of any σ: ℝ → ℝ by quadrature, at frequencies ω ≠ 0 (F,).

    A difference of order q = 8 makes σ decay, up to polynomials of degree 7 at its ends: with the step h = π/|ω|,

        2^{−q} Δ_h^q σ(z) = 2^{−q} Σ_j (−1)^j C(q, j) σ(z − jh)    has the transform 2^{−q} (1 − e^{−iωh})^q σ̂ = σ̂(ω).

    Its integral is taken by Gauss–Legendre rules on cells between breakpoints and their shifts, and these halved
    until that changes nothing, or six times. function: vectorised. breakpoints: where σ is not smooth; where one is
    not told of, the error is found to be large.

    Raises ValueError for frequencies that are 0 or not finite, for values of σ that are not finite, and where the
    difference of σ does not decay: σ grows faster than a polynomial of degree 7, oscillates, or has a long tail.

    >>> relu = numerical_power(lambda z: np.maximum(z, 0), [0.5, 2.0], breakpoints=[0.0])
    >>> bool(np.allclose(relu.values * [0.5**4, 2.0**4], 1, rtol=1e-12) and (relu.errors < 1e-11).all())
    True
    """
    frequencies, breaks = np.asarray(omega, dtype=float), np.unique(np.asarray(breakpoints, dtype=float))
    if frequencies.ndim != 1 or not np.isfinite(frequencies).all() or not frequencies.all():
        raise ValueError(f"omega: expected a row of finite frequencies other than 0, got {frequencies.tolist()!s:.80}")
    found = np.array([_transform(function, abs(one), breaks) for one in frequencies])
    amplitude, error = np.abs(found[:, 0]), found[:, 1].real
    return Power(amplitude**2, 2 * amplitude * error + 3 * error**2)  # |σ̂| may be the error larger than found


def _transform(function: Function, omega: float, breaks: Array) -> tuple[complex, float]:
    """σ̂(ω), and an estimate of its error."""
    h = np.pi / omega
    shifts = h * np.arange(ORDER + 1)
    inner = np.unique(np.add.outer(breaks if len(breaks) else np.zeros(1), shifts))
    left, right, tail = _range(function, inner[0], inner[-1], h)
    length, values = min(1.0, 4 / omega), []
    for halving in range(HALVINGS + 1):
        z, w = composite_gauss(_cells(left, right, inner, length / 2**halving), 16)
        g, terms = _difference(function, z, h)
        values.append(complex((w * g) @ np.exp(-1j * omega * z)))
        rounding = 4 * EPS * float(np.linalg.norm(w * (terms + omega * np.abs(z * g))))  # of values, and of phases
        if halving and abs(values[-1] - values[-2]) <= rounding:
            break
    return values[-1], abs(values[-1] - values[-2]) + rounding + 2 * tail / omega


def _difference(function: Function, z: Array, h: float) -> tuple[Array, Array]:
    """2^{−q} Δ_h^q σ at z, and the same sum of absolute values."""
    j = np.arange(ORDER + 1)
    factors = np.array([comb(ORDER, int(i)) for i in j]) / 2**ORDER
    with np.errstate(over="ignore"):
        values = np.asarray(function((z - h * j[:, None]).ravel()), dtype=float).reshape(len(j), len(z))
    if not np.isfinite(values).all():
        raise ValueError(
            f"function: expected finite values, got others between {z.min() - ORDER * h:g} and {z.max():g}"
        )
    return ((-1.0) ** j * factors) @ values, factors @ np.abs(values)


def _range(function: Function, left: float, right: float, h: float) -> tuple[float, float, float]:
    """Ends beyond which the difference is lost in rounding, and its size there."""
    core = float(np.abs(_difference(function, np.linspace(left - h, right + h, 257), h)[0]).max())
    ends, sizes = [], []
    for end, sign in ((left, -1.0), (right, 1.0)):
        reach = 2 * h
        while True:
            g, terms = _difference(function, end + sign * reach * np.linspace(1, 2, 33), h)
            size = float(np.abs(g).max())
            if size <= 8 * EPS * max(float(terms.max()), core) and size <= 1e-6 * core:
                break
            reach *= 1.5
            if reach > FARTHEST * h:
                raise ValueError(
                    f"function: expected one whose difference of order {ORDER} decays, got {size:.1e} at "
                    f"{end + sign * reach:.3g}, beside {core:.1e}: it grows too fast, oscillates, or has a long tail"
                )
        ends.append(end + sign * reach)
        sizes.append(size)
    return ends[0], ends[1], max(sizes)


def _cells(left: float, right: float, inner: Array, length: float) -> Array:
    """Ends of cells no longer than `length`, among them the inner points."""
    ends = np.concatenate([[left], inner, [right]])
    counts = np.ceil(np.diff(ends) / length).astype(int)
    parts = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(ends[:-1], ends[1:], counts, strict=True)]
    return np.unique(np.concatenate([*parts, [right]]))
