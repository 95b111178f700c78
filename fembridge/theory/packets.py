"""What features σ(x − b) of all offsets b see of a wave packet: |σ̂|² near its frequency."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array

REACH = 8.0  # widths of a packet in frequency, beyond which e⁻⁶⁴ of it is left
POINTS = 200


def packet(x: Array, omega: float, width: float) -> Array:
    """φ(x) = (4/(πT²))^{1/4} e^{−x²/2T²} cos ωx, T the width, of norm ‖φ‖² = 1 + e^{−ω²T²}.

    >>> x = np.arange(-400, 401) / 10
    >>> (0.1 * packet(x, 3.0, 4.0) ** 2).sum().round(12)
    np.float64(1.0)
    """
    return np.asarray((4 / np.pi) ** 0.25 / np.sqrt(width) * np.exp(-(x**2) / (2 * width**2)) * np.cos(omega * x))


def local_power(power: Callable[[Array], Array], omega: ArrayLike, width: float) -> Array:
    """∫ (φ ⋆ σ)² db = (T/√π) ∫ |σ̂(s)|² e^{−T²(s−ω)²} ds at frequencies ω (M,): |σ̂(ω)|² for wide packets.

    By Parseval, φ̂ being two Gaussians at ±ω; what they have in common is e^{−T²ω²}, and left out. power: |σ̂|², even.

    Raises ValueError where a packet reaches to frequency 0: unless ωT > 8.

    >>> (local_power(lambda s: s**2, [5.0], 4.0) - 1 / 32).round(12)      # the variance of s is 1/(2T²)
    array([25.])
    """
    at = np.asarray(omega, dtype=float)
    if not (at * width > REACH).all():
        raise ValueError(f"omega: expected frequencies above {REACH:g}/{width:g}, got {at.min():g}")
    z, w = np.polynomial.legendre.leggauss(POINTS)
    s = at[:, None] + REACH * z / width
    return np.asarray((power(s) * np.exp(-((REACH * z) ** 2))) @ w * REACH / np.sqrt(np.pi))
