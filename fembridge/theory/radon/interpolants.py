"""Kernel-regime interpolants: what a seminorm of frequencies makes of data in one dimension or more.

The function through data (x_i, y_i) of least seminorm (2π)^{−d} ∫ |f̂|²/K̂ dω, K̂ as in `radon.seminorms`, is

    f(x) = Σ_i c_i K(|x − x_i|) + p(x),      [K P; Pᵀ 0] [c; b] = [y; 0],

p a polynomial that costs nothing, where K̂ has a pole at ω = 0: of degree m − 1 for |σ̂(s)|² ~ s^{−2m}. K is then known,
and needed, but for polynomials of which each monomial in (x, y) has a degree below m in one of the two. Its seminorm
squared is cᵀ y.

Random features of offsets on a bounded interval have this kernel, but for such polynomials, once the interval reaches
beyond the data by so much that features are polynomials of degree < m there: ReLU^k at once, a Hat by its width; tanh
and softplus up to e^{−c}, and the product of two such remainders enters. So with p unpenalised the infinite range is
exact for ReLU^k, Hats and splines, and up to e^{−4c} for tanh, e^{−2c} for softplus.

Sources: Sahs, Pyle, Anselmi, Patel, arXiv 2503.10587 (the seminorm); H. Wendland, Scattered Data Approximation (2004),
ch. 8 (conditionally positive kernels). Closed forms and ranges are derived here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import factorial, gamma
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import ArrayLike
from scipy.special import gammaln, j0, jv, roots_chebyt, roots_gegenbauer

from fembridge.problem import Array, composite_gauss
from fembridge.theory.radon.seminorms import Spectrum
from fembridge.theory.radon.transforms import SMOOTH, power_spectrum
from fembridge.theory.splines import ACTIVATIONS, Spline, named

NODES = 512  # of a mean over directions
POLES = {"tanh": 1, "sigmoid": 1, "softplus": 2, "gelu": 2, "gaussian": 0, "seagull": 1}  # m of |σ̂|² ~ s^{−2m}
TOP = 24.0  # beyond it smooth activations have |σ̂|² < 1e−18 (seagull), or less
SMALL, TERMS = 6.0, 30  # where a power series is summed, and its terms
CHUNK = 4_000_000  # numbers at once


@dataclass(frozen=True, eq=False)
class Kernel:
    """K(ρ) of the distance ρ = |x − y| in d dimensions, but for the kernel of polynomials of degree < poles."""

    profile: Callable[[Array], Array]
    poles: int
    dimension: int


def kernel(sigma: str | Mapping[str, Any] | Spline, dimension: int) -> Kernel:
    """The kernel of features σ(ξ·x − γ), ξ uniform on the sphere, ∫ dγ: of the transform |σ̂|² across ξ.

    In one dimension k(t) is, up to even polynomials of degree 2m − 2,

        splines    Σ J_{ir} J_{jq} (−1)^{q+1} g_{r+q+2}(t − τ_i + τ_j), J_{ir} the jump of σ^{(r)} at the knot τ_i,
                   g_n(t) = sgn(t) t^{n−1}/(2(n−1)!):   ReLU |t|³/12, ReLU² −|t|⁵/60, Hat the cubic B-spline
        tanh       −2 t coth t, ∫ (1 − tanh(t−γ) tanh(−γ)) dγ with the sign changed; sigmoid −(t/2) coth(t/2)
        Gaussian   √π e^{−t²/4}

    and others by quadrature of |σ̂|². In d dimensions it is the mean of k(ξ·x) over the sphere.

    Raises ValueError for an unknown activation, or no dimension.

    >>> kernel("relu", 1).profile(np.array([2.0])) * 12 / 2**3
    array([1.])
    >>> kernel("relu", 2).profile(np.array([2.0])) * 12 / 2**3 * 3 * np.pi / 4
    array([1.])
    """
    if isinstance(dimension, bool) or dimension not in range(1, 100):
        raise ValueError(f"dimension: expected a whole number from 1 on, got {dimension!r}")
    if isinstance(sigma, str) and sigma in SMOOTH and sigma not in CLOSED:
        return spectral_kernel(lambda s: power_spectrum(sigma, s), POLES[sigma], dimension, TOP)
    if isinstance(sigma, str) and sigma in CLOSED:
        return _mean_over_directions(CLOSED[sigma], POLES[sigma], dimension)
    if isinstance(sigma, str) and sigma not in ACTIVATIONS:
        raise ValueError(f'activation: expected one of {", ".join([*ACTIVATIONS, *SMOOTH])}, got "{sigma}"')
    spline = named(sigma)
    ends = np.abs(spline.pieces[[0, -1]]).max(axis=0)
    poles = int(np.max(np.flatnonzero(ends), initial=-1)) + 1
    if len(spline.knots) == 1:  # truncated powers: closed forms in all dimensions
        return Kernel(lambda rho: _spline_profile(spline, rho, dimension), poles, dimension)
    return _mean_over_directions(lambda t: _spline_profile(spline, t, 1), poles, dimension)


def _coth(t: Array) -> Array:
    """T coth t."""
    t = np.abs(t)
    return np.asarray(np.where(t < 1e-4, 1 + t**2 / 3, t / np.tanh(np.where(t < 1e-4, 1, t))))


CLOSED: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda t: -2 * _coth(t),
    "sigmoid": lambda t: -_coth(t / 2),
    "gaussian": lambda t: np.sqrt(np.pi) * np.exp(-(t**2) / 4),
}


def _spline_profile(sigma: Spline, t: Array, dimension: int) -> Array:
    """K(t) of a spline. Of several dimensions where it has one knot: E|ξ·x|ⁿ = |x|ⁿ Γ(d/2)Γ((n+1)/2)/(√π Γ((d+n)/2)),
    and terms of even n, which are odd in t, cancel.
    """
    jumps, value = sigma.jumps(), np.zeros_like(np.asarray(t, dtype=float))
    for (i, r), (j, q) in ((a, b) for a in np.argwhere(jumps) for b in np.argwhere(jumps)):
        n, u = int(r + q + 1), t - sigma.knots[i] + sigma.knots[j]
        mean = gamma(dimension / 2) * gamma((n + 1) / 2) / (np.pi**0.5 * gamma((dimension + n) / 2))
        power = np.abs(u) ** n * (np.sign(u) if n % 2 == 0 else 1)
        value += jumps[i, r] * jumps[j, q] * (-1) ** (q + 1) * mean * power / (2 * factorial(n))
    return value


def _mean_over_directions(profile: Callable[[Array], Array], poles: int, dimension: int) -> Kernel:
    """E k(ξ·x) by Gauss's rule for the density (1 − u²)^{(d−3)/2} of u = ξ₁; k is even."""
    if dimension == 1:
        return Kernel(profile, poles, 1)
    u, w = roots_chebyt(NODES) if dimension == 2 else roots_gegenbauer(NODES, (dimension - 2) / 2)
    u, w = u[NODES // 2 :], w[NODES // 2 :] / w[NODES // 2 :].sum()
    return Kernel(lambda rho: profile(np.multiply.outer(rho, u)) @ w, poles, dimension)


def spectral_kernel(spectrum: Spectrum, poles: int, dimension: int, top: float) -> Kernel:
    """K(ρ) = (1/π) ∫₀^top S(s) [Λ(sρ) − T(sρ) for s < 1] ds, with Λ(|x|) = E e^{iξ·x}: cos, J₀, …

    T is the Taylor polynomial of degree 2m − 2 of Λ, m the `poles` of S ~ s^{−2m} at 0: the kernel without polynomials
    that do not count. Gauss–Legendre rules on cells of a phase of 4 at most.
    """

    def profile(rho: Array) -> Array:
        flat = np.ravel(rho)
        length = min(0.5, 4 / max(float(flat.max(initial=0.0)), 1e-300))
        below = [np.geomspace(1e-6, 1, 21), np.linspace(0, 1, 1 + int(np.ceil(1 / length)))]
        s, w = composite_gauss(np.unique(np.concatenate(below)), 16)
        t, v = composite_gauss(np.linspace(1, top, 1 + int(np.ceil((top - 1) / length))), 16)
        near, far = w * spectrum(s), v * spectrum(t)
        value = np.empty(len(flat))
        for part in np.array_split(np.arange(len(flat)), 1 + len(flat) * len(t) // CHUNK):
            value[part] = _characteristic(np.multiply.outer(flat[part], s), dimension, poles) @ near
            value[part] += _wave(np.multiply.outer(flat[part], t), dimension) @ far
        return np.asarray(value.reshape(np.shape(rho)) / np.pi)

    return Kernel(profile, poles, dimension)


def _characteristic(x: Array, dimension: int, first: int) -> Array:
    """Λ(x) = Σ_k (−1)^k (x/2)^{2k} Γ(d/2)/(k! Γ(d/2 + k)) from k = `first` on: the series where x is small."""
    k = np.arange(first + TERMS)
    factors = (-1.0) ** k * np.exp(gammaln(dimension / 2) - gammaln(k + 1) - gammaln(dimension / 2 + k))
    squares = (x / 2) ** 2
    small = np.where(x < SMALL, squares, 0)
    series = polyval(small, factors[first:]) * small**first
    taylor = polyval(squares, factors[:first]) if first else 0.0
    return np.where(x < SMALL, series, _wave(x, dimension) - taylor)


def _wave(x: Array, dimension: int) -> Array:
    """Λ(x) = Γ(d/2) (2/x)^{d/2−1} J_{d/2−1}(x): cos, J₀, sin x/x."""
    if dimension < 3:
        return np.asarray(np.cos(x) if dimension == 1 else j0(x))
    order, safe = dimension / 2 - 1, np.maximum(x, 1e-8)
    return np.asarray(gamma(dimension / 2) * (2 / safe) ** order * jv(order, safe))


@dataclass(frozen=True, eq=False)
class Interpolant:
    """f(x) = Σ_i c_i K(|x − x_i|) + p(x). residual: max |f(x_i) − y_i|/max |y|. seminorm: the square, cᵀ y."""

    kernel: Kernel
    points: Array
    coefficients: Array
    polynomial: Array
    residual: float
    seminorm: float

    def __call__(self, x: ArrayLike) -> Array:
        """f at points (M, d)."""
        x = np.asarray(x, dtype=float)
        return (
            _gram(self.kernel, x, self.points) @ self.coefficients + monomials(x, self.kernel.poles) @ self.polynomial
        )


def interpolant(kernel: Kernel, points: ArrayLike, values: ArrayLike) -> Interpolant:
    """The function of least seminorm through values y_i (N,) at points x_i (N, d).

    Raises ValueError for shapes that do not fit, and where the system is singular to round-off: points that coincide,
    or that lie on the zeros of a polynomial of degree < poles.

    >>> f = interpolant(kernel("relu", 1), [[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0])   # the natural cubic spline
    >>> f([[0.5]]).round(12), round(f.seminorm, 12)                                   # ∫ f''² = 6
    (array([0.6875]), 6.0)
    """
    x, y = np.asarray(points, dtype=float), np.asarray(values, dtype=float)
    if x.ndim != 2 or x.shape[1] != kernel.dimension or y.shape != x.shape[:1]:
        raise ValueError(f"points: expected (N, {kernel.dimension}) and values (N,), got {x.shape} and {y.shape}")
    K, P = _gram(kernel, x, x), monomials(x, kernel.poles)
    system = np.block([[K, P], [P.T, np.zeros((P.shape[1], P.shape[1]))]])
    size = np.abs(system).max(axis=1)
    if not size.all() or np.linalg.cond(system) > 1 / (100 * np.finfo(float).eps):
        raise ValueError(f"points: expected distinct ones that fix a polynomial of degree {kernel.poles - 1}")
    solution = np.linalg.solve(system, np.concatenate([y, np.zeros(P.shape[1])]))
    c, b = solution[: len(x)], solution[len(x) :]
    residual = float(np.abs(K @ c + P @ b - y).max() / max(np.abs(y).max(), 1e-300))
    return Interpolant(kernel, x, c, b, residual, float(c @ y))


def _gram(kernel: Kernel, x: Array, y: Array) -> Array:
    return kernel.profile(np.linalg.norm(x[:, None] - y, axis=2))


def monomials(x: Array, poles: int) -> Array:
    """All monomials of degree < poles at points (N, d): (N, C(poles − 1 + d, d)).

    >>> monomials(np.array([[2.0, 3.0]]), 2)
    array([[1., 2., 3.]])
    """
    columns = [part for degree in range(poles) for part in combinations_with_replacement(range(x.shape[1]), degree)]
    return np.stack([x[:, list(part)].prod(axis=1) for part in columns], axis=1) if columns else np.empty((len(x), 0))


def deviation(
    minimiser: Interpolant, function: Callable[[Array], Array], offsets: tuple[float, float], x: Array
) -> Array:
    """√n times the standard deviation (M,) at points x of interpolants by n random features, to first order.

    The features are σ(ξ·x − γ), γ uniform on the range of `offsets`, of length V. With f(x) = ℓ(x)·y linear in the
    data, what a feature φ leaves on the way is φ(x) − ℓ(x)·φ(X), and

        f_n(x) − f(x) ≈ (1/n) Σ_j V (φ_j(x) − ℓ(x)·φ_j(X)) (c·φ_j(X)),

    a mean of independent numbers whose own mean is 0. Integrals over γ by Gauss's rule, over ξ, in one or two
    dimensions, by the trapezoidal one.
    """
    d, (low, high) = minimiser.kernel.dimension, offsets
    K, P = (
        _gram(minimiser.kernel, minimiser.points, minimiser.points),
        monomials(minimiser.points, minimiser.kernel.poles),
    )
    system = np.block([[K, P], [P.T, np.zeros((P.shape[1], P.shape[1]))]])
    right = np.hstack([_gram(minimiser.kernel, x, minimiser.points), monomials(x, minimiser.kernel.poles)])
    weights = np.linalg.solve(system, right.T)[: len(K)].T  # ℓ(x)
    angles = np.pi * np.arange(64) / 32 if d == 2 else np.array([0, np.pi])
    xi = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, :d]
    gamma, w = composite_gauss(np.linspace(low, high, 33), 8)
    square = np.zeros(len(x))
    for direction in xi:
        at, data = (function((points @ direction)[:, None] - gamma) for points in (x, minimiser.points))
        square += ((at - weights @ data) * (minimiser.coefficients @ data)) ** 2 @ w
    return np.sqrt((high - low) * square / len(xi))
