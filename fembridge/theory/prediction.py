"""Predicted training of the output weights: the error per eigenmode and per frequency, all steps at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cholesky, solve_triangular, svd
from skfem import Basis, LinearForm

from fembridge.memory import require_memory
from fembridge.problem import Array, Complex, Problem, sample
from fembridge.theory.features import Features
from fembridge.theory.grams import coefficients, derivatives, feature_space
from fembridge.theory.modes import fourier, fourier_functionals
from fembridge.theory.rates import check_optimizer, contraction, stability_limit
from fembridge.theory.spaces import assemble

LONGEST = 1e12  # steps that are looked through
ABSENT = 1e-9  # an amplitude that is this part of the target's size, or less, is round-off


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A problem in the output weights: L(a) = ½‖J a − y‖² + const, and how it is read at frequencies.

    JᵀJ is the Gram matrix (∫, or the mean over samples), Jᵀy the load. coefficients(t) = `read` @ a_t − `target`,
    shape (F,). size: √2 times the root mean square of f, the amplitude of a sine of that size.
    """

    factor: Array
    y: Array
    read: Complex
    target: Complex
    size: float


def least_squares(features: Features, problem: Problem) -> LeastSquares:
    """J, y and the Fourier functionals of a problem, from sampled features or from assembled finite-element matrices.

    samples: J = Φ/√N, y = f/√N. exact: with the Cholesky factor of the mass matrix M = RᵀR and the load g_i = ∫ f ψ_i,
    J = R C and y = R⁻ᵀ g, so that JᵀJ = CᵀMC; for "stiffness" the same with φ' and f', for "h1" both, stacked.
    """
    if features.domain != problem.domain:
        raise ValueError(f"domain: the features live on {features.domain}, the problem on {problem.domain}")
    n = len(features)
    rows = int(problem.samples) if problem.samples != "exact" else n * (features.activation.degree + 1)
    require_memory(6 * 8 * n * max(rows, n), f"the prediction for {n} neurons")
    f, frequencies, (a, b) = problem.target.values, problem.frequencies, problem.domain
    if problem.samples != "exact":
        x, _ = sample(problem)
        weights = np.full(len(x), 1 / len(x))
        return of_features(features(x), f(x), weights, fourier(x, frequencies, (a, b)) / len(x))
    basis = _fine_space(features, problem)
    c = coefficients(features, basis).toarray()
    parts = [_projection(basis, c, f)] if problem.loss in ("mass", "h1") else []
    if problem.loss in ("stiffness", "h1"):
        slopes, factor = derivatives(features)
        broken = _fine_space(slopes, problem)
        parts.append(_projection(broken, coefficients(slopes, broken).toarray() * factor, problem.target.slopes))
    x, w = basis.global_coordinates()[0].ravel(), basis.dx.ravel() / (b - a)
    read = fourier_functionals(basis, frequencies, (a, b)) @ c
    target = fourier(x, frequencies, (a, b)) @ (w * f(x))
    factor, y = (np.concatenate(both) for both in zip(*parts, strict=True))
    return LeastSquares(factor, y, read, target, np.sqrt(2 * w @ f(x) ** 2))


def of_features(phi: ArrayLike, values: ArrayLike, weights: ArrayLike, waves: ArrayLike) -> LeastSquares:
    """½ Σ_q w_q ((Φa)_q − f_q)² of any features Φ (N, n) at N points, f (N,) and w (N,); waves (F, N) read an error.

    J = √w Φ and y = √w f.

    >>> one = of_features([[1.0], [2.0]], [1.0, 3.0], [0.5, 0.5], np.ones((1, 2)))
    >>> bool(np.isclose((one.factor.T @ one.factor).item(), 2.5)), one.read, one.target
    (True, array([[3.]]), array([4.]))
    """
    phi, f, w, read = (np.asarray(numbers) for numbers in (phi, values, weights, waves))
    root = np.sqrt(w)
    return LeastSquares(root[:, None] * phi, root * f, read @ phi, read @ f, float(np.sqrt(2 * w @ f**2 / w.sum())))


def _fine_space(features: Features, problem: Problem) -> Basis:
    """The feature space on a mesh cut at the target's breakpoints too, with quadrature for the waves of the problem."""
    nodes = feature_space(features, problem.target.breakpoints).mesh.p[0]
    waves = problem.highest_product * np.diff(nodes).max() / (problem.domain[1] - problem.domain[0])
    # 16 points and more for one period: (e π/(4·16))³² = 1e-28 of a wave is left.
    return feature_space(features, problem.target.breakpoints, 2 * features.activation.degree + 30, int(np.ceil(waves)))


def _projection(basis: Basis, c: Array, f: Callable[[Array], Array] | None) -> tuple[Array, Array]:
    """R C and R⁻ᵀ g of the L²-projection of f onto the span of the columns of C."""
    assert f is not None, "a problem with this loss has a target with slopes"
    load = LinearForm(lambda v, w: np.reshape(f(np.ravel(w.x[0])), w.x[0].shape) * v).assemble(basis)
    upper = cholesky(assemble("mass", basis).toarray())
    return upper @ c, solve_triangular(upper, load, trans="T")


@dataclass(frozen=True, eq=False)
class Prediction:
    """The error of a linear least-squares problem along its training.

    coefficients: (T, F) complex, c_k(t) = 2 mean(e_t exp(−2πik(x−a)/(b−a))), e = u − f: |c_k| is the error's amplitude
    at frequency k.
    modes: (T, r), α_i(t) = <e_t, v_i> for the orthonormal eigenfunctions v_i = Σ_j eigenfunctions[j, i] φ_j (inner
    product of the loss).
    eigenvalues: (r,) of the Gram matrix, descending. stability_limit: largest stable learning rate.
    size: √2 times the root mean square of the target.
    """

    steps: NDArray[np.integer]
    frequencies: tuple[int, ...]
    coefficients: Complex
    modes: Array
    eigenvalues: Array
    eigenfunctions: Array
    learning_rate: float
    stability_limit: float
    size: float

    @property
    def stable(self) -> bool:
        return self.learning_rate < self.stability_limit


def predict(
    features: Features,
    problem: Problem,
    steps: ArrayLike,
    optimizer: str = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
    initial: ArrayLike | None = None,
) -> Prediction:
    """Training of the output weights by an optimizer of `contraction`, at the given steps at once.

    With J = U Σ Vᵀ and r_0 = J a_0 − y: the modes are α(t) = p(σ², t) Uᵀr_0, the weights
    a_t = a_0 − V Σ⁻¹(1 − p(σ², t)) Uᵀr_0.
    Eigenmodes are not Fourier modes near a boundary, so the error is always projected, never equated (Hong et al.
    2022, arXiv 2208.04924).
    learning_rate "auto" is 1/λ_max. initial: output weights a_0, zeros where nothing is said.

    Raises ValueError for steps that are no row of whole numbers from 0 on, a learning rate that is not positive,
    initial weights that are not n finite numbers, and as `contraction`; MemoryError where the problem does not fit.
    """
    t = check_steps(steps)
    check_optimizer(optimizer, momentum)
    system = least_squares(features, problem)
    return solve(system, problem.frequencies, t, optimizer, learning_rate, momentum, initial)


def solve(
    system: LeastSquares,
    frequencies: tuple[Any, ...],
    steps: ArrayLike,
    optimizer: str = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
    initial: ArrayLike | None = None,
) -> Prediction:
    """`predict`, of any linear least-squares problem, read at F frequencies of these labels."""
    t = check_steps(steps)
    modes = _eigenmodes(system, initial)
    eta = step_size(float(modes.eigenvalues[0]), learning_rate)
    p = contraction(modes.eigenvalues, t, optimizer, eta, momentum)
    with np.errstate(over="ignore", invalid="ignore"):
        return Prediction(
            steps=t,
            frequencies=frequencies,
            coefficients=modes.at(p),
            modes=p * modes.amplitudes,
            eigenvalues=modes.eigenvalues,
            eigenfunctions=modes.eigenfunctions,
            learning_rate=eta,
            stability_limit=stability_limit(float(modes.eigenvalues[0]), optimizer, momentum),
            size=system.size,
        )


def check_steps(steps: ArrayLike) -> NDArray[np.integer]:
    """Steps as an array. Raises ValueError unless they are one row of whole numbers from 0 on."""
    t = np.asarray(steps)
    if t.ndim != 1 or not np.issubdtype(t.dtype, np.integer) or (t < 0).any():
        raise ValueError(f"steps: expected one row of whole numbers from 0 on, got {steps!r}")
    return t


@dataclass(frozen=True, eq=False)
class Eigenmodes:
    """How what is read of an error, start (F,) at first, depends on its r modes: start + weight @ (p(λ, t) − 1).

    eigenvalues, amplitudes: (r,) λ_i and <e_0, v_i>. weight: (F, r), a reading of v_i times its amplitude.
    eigenfunctions: (n, r), v_i in the functions that are trained; empty where there are none.
    """

    eigenvalues: Array
    amplitudes: Array
    weight: Array | Complex
    start: Array | Complex
    eigenfunctions: Array = field(default_factory=lambda: np.empty((0, 0)))

    def at(self, p: Array) -> Any:
        """The readings (T, F) after contractions p (T, r); exactly the start where p = 1."""
        return self.start + (p - 1) @ self.weight.T


def _eigenmodes(system: LeastSquares, initial: ArrayLike | None) -> Eigenmodes:
    left, sigma, right = svd(system.factor, full_matrices=False)
    keep = sigma > sigma[0] * np.finfo(float).eps * max(system.factor.shape)
    if not keep.any():
        raise ValueError("features: all of them vanish on the domain, so nothing can be learned")
    n = system.factor.shape[1]
    initial = np.zeros(n) if initial is None else np.asarray(initial, dtype=float)
    if initial.shape != (n,) or not np.isfinite(initial).all():
        raise ValueError(f"initial: expected {n} finite output weights, got an array of shape {initial.shape}")
    eigenfunctions = right[keep].T / sigma[keep]
    amplitudes = left[:, keep].T @ (system.factor @ initial - system.y)
    return Eigenmodes(
        eigenvalues=sigma[keep] ** 2,
        eigenfunctions=eigenfunctions,
        amplitudes=amplitudes,
        weight=(system.read @ eigenfunctions) * amplitudes,
        start=system.read @ initial - system.target,
    )


def step_size(largest: float, wanted: float | Literal["auto"]) -> float:
    """1/λ_max for "auto". Raises ValueError for a learning rate that is not positive."""
    eta = 1 / largest if wanted == "auto" else float(wanted)
    if not (np.isfinite(eta) and eta > 0):
        raise ValueError(f'learning_rate: expected "auto" or a positive number, got {wanted}')
    return eta


def steps_to_tolerance(
    features: Features,
    problem: Problem,
    tolerance: float = 0.1,
    optimizer: str = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
    initial: ArrayLike | None = None,
) -> Array:
    """For each frequency the step at which the error's amplitude falls to `tolerance` times its start.

    Looked for on steps 0, 1, 2, … that grow by 2 %, then by bisection: the first such step where the amplitude does not
    oscillate; with momentum it may dip below between two of those and rise again, which is passed over. inf where the
    span of the features or an unstable learning rate keep it from it, or where it takes more than 10¹² steps; nan for a
    frequency that is absent at the start.

    Raises ValueError unless 0 < tolerance < 1, and as `predict`.
    """
    return steps_of(least_squares(features, problem), tolerance, optimizer, learning_rate, momentum, initial)


def steps_of(
    system: LeastSquares,
    tolerance: float = 0.1,
    optimizer: str = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
    initial: ArrayLike | None = None,
) -> Array:
    """`steps_to_tolerance`, of any linear least-squares problem."""
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance: expected a number between 0 and 1, got {tolerance:g}")
    check_optimizer(optimizer, momentum)
    modes = _eigenmodes(system, initial)
    eta = step_size(float(modes.eigenvalues[0]), learning_rate)

    def amplitudes(t: NDArray[np.int64]) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.abs(modes.at(contraction(modes.eigenvalues, t, optimizer, eta, momentum)))

    goal = tolerance * np.abs(modes.start)
    grid = np.unique(np.round(1.02 ** np.arange(np.log(LONGEST) / np.log(1.02))).astype(np.int64))
    grid = np.concatenate([[0], grid])
    below = amplitudes(grid) <= goal
    result = np.full(len(goal), np.inf)
    for k in np.flatnonzero(below.any(axis=0)):
        i = int(np.argmax(below[:, k]))
        low, high = (grid[i - 1], grid[i]) if i else (-1, 0)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if amplitudes(np.array([middle]))[0, k] <= goal[k] else (middle, high)
        result[k] = high
    return np.where(np.abs(modes.start) > ABSENT * max(system.size, np.abs(modes.start).max()), result, np.nan)
