"""Predicted training of the output weights: the error per eigenmode and per frequency, all steps at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular, svd
from skfem import Basis, LinearForm

from fembridge.problem import Array, Complex, Problem, sample
from fembridge.theory.features import Features
from fembridge.theory.grams import coefficients, feature_space
from fembridge.theory.modes import fourier, fourier_functionals
from fembridge.theory.rates import check_optimizer, contraction, stability_limit
from fembridge.theory.spaces import assemble


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A problem in the output weights: L(a) = ½‖J a − y‖² + const, and how it is read at frequencies.

    JᵀJ is the Gram matrix (∫, or the mean over samples), Jᵀy the load. coefficients(t) = `read` @ a_t − `target`,
    shape (F,).
    """

    factor: Array
    y: Array
    read: Complex
    target: Complex


def least_squares(features: Features, problem: Problem) -> LeastSquares:
    """J, y and the Fourier functionals of a problem, from sampled features or from assembled finite-element matrices.

    samples: J = Φ/√N, y = f/√N. exact: with the finite-element matrix A = BᵀB of the loss and the load g_i = a(f, ψ_i),
    J = B C and y = B⁻ᵀ g, so that JᵀJ = CᵀAC.
    """
    if features.domain != problem.domain:
        raise ValueError(f"domain: the features live on {features.domain}, the problem on {problem.domain}")
    if problem.samples != "exact":
        x, _ = sample(problem)
        phi, f = features(x), problem.target.values(x)
        read = fourier(x, problem.frequencies, problem.domain) / len(x)
        return LeastSquares(phi / np.sqrt(len(x)), f / np.sqrt(len(x)), read @ phi, read @ f)
    coarse = feature_space(features, problem.target.breakpoints)
    highest = max(*problem.frequencies, problem.target.bandlimit)
    phase = 2 * np.pi * highest * np.diff(coarse.mesh.p[0]).max() / (problem.domain[1] - problem.domain[0])
    basis = feature_space(
        features, problem.target.breakpoints, intorder=2 * features.activation.degree + 24 + int(phase)
    )
    c = coefficients(features, basis).toarray()
    root, y = _square_root(assemble(problem.loss, coarse).toarray(), _load(basis, problem))
    read = fourier_functionals(basis, problem.frequencies, problem.domain)
    return LeastSquares(root @ c, y, read @ c, _target_coefficients(basis, problem))


def _load(basis: Basis, problem: Problem) -> Array:
    """g_i = ∫ f ψ_i, ∫ f' ψ_i', or their sum."""
    f, slopes = problem.target.values, problem.target.slopes

    def at(g, x: Array) -> Array:  # type: ignore[no-untyped-def]
        return np.asarray(g(x.ravel())).reshape(x.shape)

    load = np.zeros(basis.N)
    if problem.loss in ("mass", "h1"):
        load += LinearForm(lambda v, w: at(f, w.x[0]) * v).assemble(basis)
    if problem.loss in ("stiffness", "h1"):
        load += LinearForm(lambda v, w: at(slopes, w.x[0]) * v.grad[0]).assemble(basis)
    return load


def _target_coefficients(basis: Basis, problem: Problem) -> Complex:
    """2/(b−a) ∫ f exp(−2πik(x−a)/(b−a)) by the quadrature of the basis."""
    x, w = basis.global_coordinates().value[0].ravel(), basis.dx.ravel()
    a, b = problem.domain
    return np.asarray(fourier(x, problem.frequencies, problem.domain) @ (w * problem.target.values(x)) / (b - a))


def _square_root(matrix: Array, load: Array) -> tuple[Array, Array]:
    """B with BᵀB = A, and B⁻ᵀ g: Cholesky where A is positive definite, else its eigenvectors (a null mode is never
    learned).
    """
    try:
        upper = cholesky(matrix)
        if np.diag(upper).min() < 1e-6 * np.diag(upper).max():
            raise LinAlgError
        return upper, solve_triangular(upper, load, trans="T")
    except LinAlgError:
        values, vectors = eigh(matrix)
        keep = values > len(values) * np.finfo(float).eps * values[-1]
        root = np.sqrt(values[keep])
        return root[:, None] * vectors[:, keep].T, vectors[:, keep].T @ load / root


@dataclass(frozen=True, eq=False)
class Prediction:
    """The error of a linear least-squares problem along its training.

    coefficients: (T, F) complex, c_k(t) = 2 mean(e_t exp(−2πik(x−a)/(b−a))), e = u − f: |c_k| is the error's amplitude
    at frequency k.
    modes: (T, r), α_i(t) = <e_t, v_i> for the orthonormal eigenfunctions v_i = Σ_j eigenfunctions[j, i] φ_j (inner
    product of the loss).
    eigenvalues: (r,) of the Gram matrix, descending. stability_limit: largest stable learning rate.
    """

    steps: NDArray[np.integer]
    frequencies: tuple[int, ...]
    coefficients: Complex
    modes: Array
    eigenvalues: Array
    eigenfunctions: Array
    learning_rate: float
    stability_limit: float

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

    With J = U Σ Vᵀ and r_0 = J a_0 − y: the modes are α(t) = p(σ², t) Uᵀr_0, the weights a_t = a_0 − V Σ⁻¹(1 − p(σ²,
    t)) Uᵀr_0.
    Eigenmodes are not Fourier modes near a boundary, so the error is always projected, never equated (Hong et al.
    2022, arXiv 2208.04924).
    learning_rate "auto" is 1/λ_max. initial: output weights a_0, zeros where nothing is said.

    Raises ValueError for a learning rate that is not positive, and as `contraction`.
    """
    system = least_squares(features, problem)
    modes = _eigenmodes(system, np.zeros(len(features)) if initial is None else np.asarray(initial, dtype=float))
    check_optimizer(optimizer, momentum)
    eta = 1 / float(modes.eigenvalues[0]) if learning_rate == "auto" else float(learning_rate)
    if not (np.isfinite(eta) and eta > 0):
        raise ValueError(f'learning_rate: expected "auto" or a positive number, got {learning_rate}')
    t = np.asarray(steps, dtype=np.int64)
    p = contraction(modes.eigenvalues, t, optimizer, eta, momentum)
    with np.errstate(over="ignore", invalid="ignore"):
        return Prediction(
            steps=t,
            frequencies=problem.frequencies,
            coefficients=modes.start + (p - 1) @ modes.weight.T,
            modes=p * modes.amplitudes,
            eigenvalues=modes.eigenvalues,
            eigenfunctions=modes.eigenfunctions,
            learning_rate=eta,
            stability_limit=stability_limit(float(modes.eigenvalues[0]), optimizer, momentum),
        )


@dataclass(frozen=True, eq=False)
class _Eigenmodes:
    """coefficients(t) = start + weight @ (p(λ, t) − 1)."""

    eigenvalues: Array
    eigenfunctions: Array
    amplitudes: Array
    weight: Complex
    start: Complex


def _eigenmodes(system: LeastSquares, initial: Array) -> _Eigenmodes:
    left, sigma, right = svd(system.factor, full_matrices=False)
    keep = sigma > sigma[0] * np.finfo(float).eps * max(system.factor.shape)
    eigenfunctions = right[keep].T / sigma[keep]
    amplitudes = left[:, keep].T @ (system.factor @ initial - system.y)
    return _Eigenmodes(
        eigenvalues=sigma[keep] ** 2,
        eigenfunctions=eigenfunctions,
        amplitudes=amplitudes,
        weight=(system.read @ eigenfunctions) * amplitudes,
        start=system.read @ initial - system.target,
    )


def steps_to_tolerance(
    features: Features,
    problem: Problem,
    tolerance: float = 0.1,
    optimizer: str = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
    initial: ArrayLike | None = None,
    longest: float = 1e12,
) -> Array:
    """For each frequency the first step at which the error's amplitude is at most `tolerance` times its start.

    Looked for on steps 0, 1, 2, … that grow by 2 %, then by bisection; an amplitude that dips below and rises again
    between two of those is passed over. inf where the span of the features, an unstable learning rate or `longest`
    keep it from it.

    Raises ValueError unless 0 < tolerance < 1, and as `predict`.
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance: expected a number between 0 and 1, got {tolerance:g}")
    # One SVD serves every step that is asked for.
    modes = _eigenmodes(
        least_squares(features, problem),
        np.zeros(len(features)) if initial is None else np.asarray(initial, dtype=float),
    )
    eta = predict(features, problem, [0], optimizer, learning_rate, momentum, initial).learning_rate

    def amplitudes(t: NDArray[np.int64]) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.abs(
                modes.start + (contraction(modes.eigenvalues, t, optimizer, eta, momentum) - 1) @ modes.weight.T
            )

    goal = tolerance * np.abs(modes.start)
    grid = np.unique(np.round(1.02 ** np.arange(np.log(longest) / np.log(1.02))).astype(np.int64))
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
    return result
