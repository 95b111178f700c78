"""Physics-informed training of output weights as least squares: strong forms and energies of −u'' = f."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import lambertw

from fembridge.problem import Array
from fembridge.theory.features import Features
from fembridge.theory.grams import dense, derivatives, gram
from fembridge.theory.prediction import LeastSquares, solve
from fembridge.theory.rates import check_optimizer


def differentiated(features: Features, order: int) -> tuple[Features, Array]:
    """φ_j^(order) = factor_j ψ_j, with features ψ of the derived activation, and the factors w_j^order.

    Raises ValueError where a derivative is not square integrable.

    >>> from fembridge.theory.features import on_knots
    >>> steps, factor = differentiated(on_knots("relu2", [0.0, 0.5]), 2)
    >>> steps([0.25, 0.75]) * factor
    array([[2., 0.],
           [2., 2.]])
    """
    factor = np.ones(len(features))
    for _ in range(order):
        features, slopes = derivatives(features)
        factor = factor * slopes
    return features, factor


def derivative_gram(features: Features, order: int) -> Array:
    """∫ φ_i^(order) φ_j^(order) over the domain: the Hessian of the energy ½∫u'² − ∫fu for order 1 (deep Ritz), that of
    the strong form ½∫(u'' + f)² for order 2 (PINN); a congruence of the mass matrix of the derived spline space.

    Sources: W. E, B. Yu, arXiv 1710.00211; M. Raissi, P. Perdikaris, G. Karniadakis, J. Comput. Phys. 378 (2019).
    """
    psi, factor = differentiated(features, order)
    return factor[:, None] * dense(gram(psi)) * factor


def residual_system(features: Features, order: int, points: Array, weights: Array, target: Array) -> LeastSquares:
    """L(a) = ½ Σ_q w_q (u^(order)(x_q) − target_q)², read nowhere: points, weights and target (N,) each.

    The energy is this with the slopes of its minimiser as target, but for a constant.
    """
    psi, factor = differentiated(features, order)
    root = np.sqrt(weights)
    none = np.empty((0, len(features)), complex)
    return LeastSquares(
        root[:, None] * psi(points) * factor, root * target, none, np.empty(0, complex), float(np.abs(target).max())
    )


def momentum(eigenvalues: Array) -> float:
    """β = (1 − √(λ_min/λ_max))²: the best of heavy ball at η = 1/λ_max; every mode contracts by √β = 1 − 1/√κ.

    Source: B. Polyak, USSR Comput. Math. and Math. Phys. 4 (1964).

    >>> momentum(np.array([4.0, 1.0]))
    0.25
    """
    return float((1 - np.sqrt(eigenvalues.min() / eigenvalues.max())) ** 2)


def iterations(system: LeastSquares, part: float, optimizer: str, beta: float = 0.0) -> int:
    """The first step at which the residual's norm is at most `part` of its start, at η = 1/λ_max, from zero weights.

    For targets in the span of the features. Raises ValueError as `rates.contraction`.

    >>> two = LeastSquares(np.diag([1.0, 0.5]), np.array([0.0, 1.0]), np.empty((0, 2)), np.empty(0), 1.0)
    >>> iterations(two, 0.1, "gd")                           # (3/4)^t ≤ 1/10
    9
    """
    check_optimizer(optimizer, beta)
    high = 1
    while True:
        found = solve(system, (), np.arange(high + 1), optimizer, momentum=beta)
        norm = np.linalg.norm(found.modes, axis=1)
        below = norm <= part * norm[0]
        if below.any():
            return int(np.argmax(below))
        high *= 2


def slowest(kappa: ArrayLike, part: float) -> Array:
    """Steps t, not whole, until the slowest mode is at `part` of its start, η = 1/λ_max: (…, 2), of gradient descent
    and of heavy ball with the best `momentum`.

        (1 − 1/κ)^t = part :  κ log(1/part)              z^t (1 + t(1 − z)) = part, z = 1 − 1/√κ :  √κ τ

    for large κ, with e^{−τ}(1 + τ) = part (τ = 3.89 for a tenth), by Lambert's W.

    >>> slowest(1e8, 0.1).round(-1)
    array([2.3025851e+08, 3.8890000e+04])
    """
    condition = np.asarray(kappa, dtype=float)
    gap = 1 / np.sqrt(condition)
    log = np.log1p(-gap)  # with s = 1 + t gap: s e^{s log/gap} = part e^{log/gap}
    s = lambertw(part * np.exp(log / gap) * log / gap, -1).real * gap / log
    return np.stack([np.log(part) / np.log1p(-1 / condition), (s - 1) / gap], axis=-1)
