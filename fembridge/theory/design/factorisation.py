"""Spectral factorisation: a positive trigonometric polynomial as the square of another (L. Fejér, F. Riesz)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.linalg import hankel, toeplitz

from fembridge.problem import Array


def correlations(c: Array) -> Array:
    """q_k = Σ_m c_m c_{m+k}, k = 0 … M−1: |Σ c_m e^{−imθ}|² = q_0 + 2 Σ q_k cos kθ."""
    return np.correlate(c, c, "full")[len(c) - 1 :]


def spectral_factor(q: Array) -> Array:
    """The taps c (M,) of Σ_m c_m c_{m+k} = q_k whose polynomial Σ c_m z^m has no zero inside the unit circle, c_0 > 0.

    By G. Wilson's iteration, Newton's for these equations, which converges from above whatever q is.

    Raises ValueError where q_0 + 2 Σ q_k cos kθ is negative somewhere: it is no square then.

    Source: G. Wilson, Factorization of the covariance generating function of a pure moving average process, SIAM J.
    Numer. Anal. 6 (1969).

    >>> spectral_factor(np.array([5.0, 2.0]))       # (2 + z)(2 + 1/z) = 5 + 2z + 2/z
    array([2., 1.])
    """
    q = np.asarray(q, dtype=float)
    values = np.fft.hfft(q, 32 * len(q)) if len(q) > 1 else q
    if values.min() < -1e-12 * np.abs(q).sum():
        raise ValueError("spectral_factor: expected a trigonometric polynomial that is nowhere negative")
    c = np.zeros(len(q))
    c[0] = np.sqrt(q[0] + 2 * np.abs(q[1:]).sum())
    for _ in range(200):
        jacobian = hankel(c) + toeplitz(np.append(c[0], np.zeros(len(c) - 1)), c)
        step = np.linalg.solve(jacobian, q - correlations(c))
        c = c + step
        if np.abs(step).max() <= 4 * np.finfo(float).eps * np.abs(c).max():
            break
    return c


def factors(q: Array, largest: int = 4096) -> list[Array]:
    """Every real c of the same autocorrelation: zeros of `spectral_factor`'s polynomial, in conjugate pairs, may be
    moved to their mirror images 1/z̄; at most `largest` of them, the one of minimum phase first.

    >>> [c.tolist() for c in factors(np.array([5.0, 2.0]))]
    [[2.0, 1.0], [1.0, 2.0]]
    """
    c = spectral_factor(q)
    zeros = np.roots(c[::-1])
    groups = [[z] if abs(z.imag) < 1e-12 else [z, z.conj()] for z in zeros if z.imag >= -1e-12]
    found = [c]
    for count in range(1, len(groups) + 1):
        for turned in combinations(range(len(groups)), count):
            other = c.astype(complex)
            for z in (z for i in turned for z in groups[i]):
                # (z_0 − z) becomes (1 − z̄_0 z): the same size on the circle
                other = np.polymul(np.polydiv(other[::-1], np.array([-1.0, z]))[0], np.array([-np.conj(z), 1.0]))[::-1]
            real = np.asarray(other.real)
            found.append(real * np.sign(real[np.argmax(np.abs(real))]))
            if len(found) == largest:
                return found
    return found
