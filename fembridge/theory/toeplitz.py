"""Spectra of banded Toeplitz matrices with any corners, all n eigenvalues in O(n): equispaced B-splines and the like.

In the interior y_i = e^{iθ} is carried with λ = s(θ) = t_0 + 2 Σ_l t_l cos lθ; each end adds waves that decay from it,
and reflects: y_i = cos(θi + δ(θ)) up to those. Both ends together decide on θ,

    (n − 1) θ + δ_left(θ) + δ_right(θ) = kπ .

The two phases do not depend on n and are smooth, so they are interpolated once (polynomials in θ). Eigenvectors that
live at one end alone have eigenvalues outside the band s([0, π]); they are found in a small matrix with that end.
For the interior hat both phases are θ + π/2 and θ_k = kπ/(n+1): (h/3)(2 + cos θ_k) for the mass, 2(1 − cos θ_k)/h for
the stiffness.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev
from scipy.linalg import eigh, toeplitz

from fembridge.problem import Array

EPS = float(np.finfo(float).eps)
NODES = (65, 257, 1025)  # of the interpolated phases: more where a wave almost lives at an end


def eigenvalues(entries: Array, left: Array, right: Array, n: int) -> tuple[Array, float]:
    """Eigenvalues, descending, of the n × n matrix with t_|i−j| for |i − j| ≤ p but for its first and last p × p block,
    and a bound on their absolute errors.

    entries: t_0 … t_p. left and right: the corner blocks (p, p), right in the order of the matrix.

    Raises ArithmeticError where the symbol s is not monotone on [0, π], or the eigenvalues found are not n.

    >>> values, _ = eigenvalues(np.array([4.0, 1.0]) / 6, np.array([[4 / 6]]), np.array([[4 / 6]]), 100)
    >>> bool(np.abs(values - (2 + np.cos(np.arange(1, 101) * np.pi / 101)) / 3).max() < 1e-15)
    True
    """
    series = np.concatenate([entries[:1], 2 * entries[1:]])
    slope = chebyshev.chebval(np.cos(np.linspace(0.01, 3.13, 500)), chebyshev.chebder(series))
    if not (np.all(slope > 0) or np.all(slope < 0)):
        raise ArithmeticError("toeplitz: the symbol is not monotone")
    for nodes in NODES:
        theta = np.pi * (1 + chebyshev.chebpts1(nodes)) / 2
        delta = phase(theta, entries, left) + phase(theta, entries, right[::-1, ::-1])
        fit = chebyshev.chebfit(2 * theta / np.pi - 1, delta, nodes - 1)
        tail = np.abs(fit[-nodes // 8 :]).sum()
        if tail < 1e-11:
            break

    def total(angle: Array | float) -> Array:
        return np.asarray(chebyshev.chebval(2 * np.asarray(angle) / np.pi - 1, fit))

    first, last = float(total(0.0) / np.pi), n - 1 + float(total(np.pi) / np.pi)
    k = np.arange(np.floor(first + 1e-6) + 1, np.ceil(last - 1e-6))
    theta = np.pi * k / (n + 1)
    for _ in range(30):
        before, theta = theta, np.clip((k * np.pi - total(theta)) / (n - 1), 0, np.pi)
        if np.abs(theta - before).max(initial=0) <= 4 * EPS * np.pi:
            break
    inside = chebyshev.chebval(np.cos(theta), series)
    scale = np.abs(entries).sum() * 2
    band = np.sort(chebyshev.chebval(np.array([-1.0, 1.0]), series))
    outside = [localised(entries, corner, band) for corner in (left, right[::-1, ::-1])]
    values = np.sort(np.concatenate([inside, *outside]))[::-1]
    if len(values) != n or tail > 1e-10:
        raise ArithmeticError(f"toeplitz: {len(values)} of {n} eigenvalues were found")
    return values, scale * (8 * EPS + 4 * tail / n)


def phase(theta: Array, entries: Array, corner: Array) -> Array:
    """δ(θ), continuous: y_i → cos(θi + δ) far from the end i = 0, whose first p rows have the block `corner`.

    The p rows at the end, in the amplitudes of cos θi, sin θi and the p − 1 decaying waves z^i, have one null vector.
    """
    p = len(entries) - 1
    rows = _end(entries, corner, 2 * p)[:p]
    index = np.arange(2 * p)
    series = np.concatenate([entries[:1], 2 * entries[1:]])
    waves = []
    for angle in theta:
        shifted = series.copy()
        value = chebyshev.chebval(np.cos(angle), series)
        shifted[0] -= value
        others = chebyshev.chebroots(chebyshev.chebdiv(shifted, np.array([-np.cos(angle), 1.0]))[0]).astype(complex)
        z = others - np.sqrt(others - 1) * np.sqrt(others + 1)
        shapes = np.stack([np.cos(angle * index), np.sin(angle * index), *(z[:, None] ** index)])
        equations = (rows - value * np.eye(p, 2 * p)) @ shapes.T
        null = np.linalg.svd(equations)[2][-1].conj()
        turned = null[:2] / null[np.argmax(np.abs(null[:2]))]
        waves.append(np.arctan2(-turned[1].real, turned[0].real))
    order = np.argsort(theta)
    delta = np.empty(len(theta))
    delta[order] = np.unwrap(2 * np.array(waves)[order]) / 2
    return delta


def localised(entries: Array, corner: Array, band: Array) -> Array:
    """The eigenvalues outside the band of a half-infinite matrix with this corner at its end."""
    p = len(entries) - 1
    values, vectors = eigh(_end(entries, corner, 60 * p))
    beyond = (values < band[0] - 1e-9 * band[1]) | (values > band[1] + 1e-9 * band[1])
    near = (vectors[: 30 * p] ** 2).sum(axis=0) > 0.5  # not at the other end, which is cut plainly
    return np.asarray(values[beyond & near])


def _end(entries: Array, corner: Array, size: int) -> Array:
    """The first `size` rows and columns."""
    p = len(entries) - 1
    matrix = toeplitz(np.concatenate([entries, np.zeros(size - p - 1)]) if size > p else entries[:size])
    matrix[:p, :p] = corner
    return np.asarray(matrix)
