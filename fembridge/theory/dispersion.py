"""Spectra of equispaced knots in closed form or from one scalar equation in θ: all n eigenvalues in O(n).

In the interior the pencil M y = λ DᵀD y of n ReLU features on b_j = a + jh has constant coefficients. y_i = z^i,
w = z + 1/z − 2, turns it into w + 6 = σ w², σ = 6λ/h³: one root w = −4 sin²(θ/2) that oscillates, z = e^{iθ}, and one
w = 4 sinh²(μ/2) that decays, with sinh²(μ/2) = 3 s²/(3 − 2s²), s = sin(θ/2). Hence

    λ(θ) = h³ (3 − 2 s²)/(48 s⁴) ,     y_i = A cos iθ + B sin iθ + C e^{−μi} + D e^{−μ(n−i)} ,

and the ends decide on θ. Left: y_0 = y_{−1} = 0 (all features vanish there), or with the constant y_{−1} = y_0 and
the row of y_0. Right: no jump of the slope, and the last row of the pencil. As n → ∞: cos β cosh β = −1, β = nθ, the
cantilever beam.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.optimize.elementwise import find_root

from fembridge.problem import Array

EPS = float(np.finfo(float).eps)


def relu_mass(n: int, length: float, constant: bool = False) -> tuple[Array, Array]:
    """Eigenvalues, descending, of ∫σ_iσ_j, σ_j = (x − b_j)₊ on n equispaced knots of an interval, b_0 its left end, and
    bounds on their relative errors. With the constant function as one more feature: n + 1 eigenvalues.

    The k-th root nθ lies in ((k−1)π, kπ); with the constant, between the (k−1)-th and the k-th without it (Cauchy's
    interlacing). An error δ in the phase of the equation moves θ by δ/n, λ by −4 δ/(nθ); δ is
    ε (nθ + 30), and 2 ε nθ for the root-finder.

    >>> relu_mass(2, 1.0)[0] - np.linalg.eigvalsh([[1 / 3, 5 / 48], [5 / 48, 1 / 24]])[::-1] < 1e-15
    array([ True,  True])
    """
    h = length / n
    if constant and h > 2:
        raise ArithmeticError(f"dispersion: the constant may have an eigenvalue below the band where h = {h:g} > 2")
    grid = np.pi * np.arange(n + 1) / n
    theta = roots(n, h, False, grid[:-1], grid[1:])
    if constant:
        theta = roots(n, h, True, np.append(0, theta), np.append(theta, np.pi))
    s2 = np.sin(theta / 2) ** 2
    return h**3 * (3 - 2 * s2) / (48 * s2**2), EPS * (16 + 120 / (n * theta))


def roots(n: int, h: float, constant: bool, lower: Array, upper: Array) -> Array:
    """The root of `mismatch` in each interval, by Chandrupatla's method.

    Raises ArithmeticError where there is no change of sign, unless an end is the root to round-off. Where h is
    about 2 or more, the constant has an eigenvalue below the band λ > h³/48.
    """
    ends = np.maximum(lower, 1e-3 / n), np.minimum(upper, np.pi * (1 - EPS))
    f = partial(mismatch, n=n, h=h, constant=constant)
    found = find_root(f, ends, tolerances={"xrtol": 2 * EPS, "xatol": 0})
    theta = np.asarray(found.x)
    for i in np.flatnonzero(~found.success):
        near = min((end[i] for end in ends), key=lambda end: abs(f(end)))
        if near == ends[1][-1] or np.prod(f(near * (1 + np.array([-1e-14, 1e-14])))) > 0:
            raise ArithmeticError(f"dispersion: eigenvalue {i} of {n} equispaced knots was not found below θ = π")
        theta[i] = near
    return theta


def mismatch(theta: Array, n: int, h: float, constant: bool) -> Array:
    """Zero where the waves that satisfy the two conditions on the left are those that satisfy the two on the right.

    For unit C and for unit D, each side gives the amplitudes of cosine and sine; the determinant of the differences.
    """
    s, sine = np.sin(theta / 2), np.sin(theta)
    r = 3 / (3 - 2 * s**2)
    mu = 2 * np.arcsinh(s * np.sqrt(r))
    ends = np.stack([np.ones_like(theta), np.exp(-n * mu)])  # e^{−μi} and e^{−μ(n−i)} at the left end
    back, ahead = -np.expm1(mu), np.expm1(-mu)  # e_0 − e_{−1} and e_1 − e_0 of e^{−μi}; of the other, −ahead and −back
    before, after = ends * np.stack([back, -ahead]), ends * np.stack([ahead, -back])
    if constant:
        # 3 − σh² from the row of y_0, times 2s²/3
        row = 2 * s**2 * (1 - h**2 * (3 - 2 * s**2) / (24 * s**4))
        cosine = (before + after / r - row * ends) / (row - 4 * s**2)
    else:
        cosine = -ends
    left = np.stack([cosine * sine, -before - 2 * s**2 * cosine])  # A sin θ, B sin θ

    tail = ends[::-1]  # the two at the right end
    last = tail * np.stack([back, -ahead])  # e_n − e_{n−1}
    cosine = r * tail
    right = np.stack([cosine * sine, 2 * s**2 * cosine - 2 * s**2 * (1 + r) * tail - last / r])
    turn, sway = np.cos(n * theta), np.sin(n * theta)
    (a, b), (c, d) = turn * left[0] + sway * left[1] - right[0], sway * left[0] - turn * left[1] - right[1]
    return a * d - b * c


def relu_stiffness(n: int, length: float) -> tuple[Array, Array]:
    """Eigenvalues of ∫σ_i'σ_j' = b − max(b_i, b_j), descending: h/(4 sin²((k − ½)π/(2n + 1))), with error bounds."""
    k = np.arange(1, n + 1)
    return length / n / (4 * np.sin((k - 0.5) * np.pi / (2 * n + 1)) ** 2), np.full(n, 8 * EPS)
