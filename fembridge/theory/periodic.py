"""Periodic features sin(ωx + b) of random frequencies and phases: stationary kernels, and the law of the frequencies.

Sources: A. Rahimi, B. Recht, Random features for large-scale kernel machines (2007); V. Sitzmann et al., arXiv
2006.09661; M. Tancik et al., arXiv 2006.10739.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array

Law = Literal["normal", "uniform"]


def kernel(law: Law, scale: float, lag: ArrayLike) -> Array:
    """2 E sin(ωx + b) sin(ωy + b) = E cos ω(x − y) for uniform phases b: e^{−s²τ²/2} for ω normal of deviation s, and
    sin(sτ)/(sτ) for ω uniform on ±s, s the scale, τ = x − y.

    Raises ValueError for another law.

    >>> kernel("uniform", np.pi, [0.0, 1.0]).round(12)
    array([1., 0.])
    """
    tau = np.asarray(lag, dtype=float) * scale
    if law == "normal":
        return np.exp(-(tau**2) / 2)
    return np.asarray(np.sinc(_known(law, tau) / np.pi))


def density(law: Law, scale: float, omega: ArrayLike) -> Array:
    """p(ω) of the same laws.

    >>> density("uniform", 2.0, [0.0, 3.0])
    array([0.25, 0.  ])
    """
    z = np.asarray(omega, dtype=float) / scale
    if law == "normal":
        return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / scale)
    return np.asarray(np.where(np.abs(_known(law, z)) < 1, 0.5, 0.0) / scale)


def rayleigh(law: Law, scale: float, count: int, frequencies: ArrayLike) -> Array:
    """ρ_k = e*Ke/N², e_q = exp(2πikq/N), of the Toeplitz matrix of the kernel at N equispaced points of [0, 1):

        ρ_k = (1/N) Σ_{|m|<N} (1 − |m|/N) K(m/N) cos 2πkm/N  →  2π p(2πk)

    where p is smooth at the scale 2π: the law of the frequencies, seen through Fejér's window.

    >>> rayleigh("normal", 40.0, 32, range(32)).sum().round(12)          # K(0)
    np.float64(1.0)
    """
    m = np.arange(1 - count, count)
    weights = (1 - np.abs(m) / count) * kernel(law, scale, m / count) / count
    waves = np.cos(2 * np.pi * np.multiply.outer(np.asarray(frequencies, dtype=float), m / count))
    return np.asarray(waves @ weights)


def steps(probabilities: Array, part: float, rate: float) -> Array:
    """Steps until `part` of sin(2πkx + φ) is left on the circle, where whole frequencies k have been drawn with P(k):

        log(part)/log(1 − rate P(k)/max P) ,

    as the mean of n neurons over equispaced data is circulant, with eigenvalues n P(k)/4 in the mean over the draws,
    and η = rate/λ_max. Not whole.

    >>> steps(np.array([0.5, 0.25]), 0.25, 0.5).round(2)
    array([2.  , 4.82])
    """
    return np.asarray(np.log(part) / np.log1p(-rate * probabilities / probabilities.max()))


def _known(law: Law, values: Array) -> Array:
    if law != "uniform":
        raise ValueError(f'law: expected "normal" or "uniform", got {law!r}')
    return values
