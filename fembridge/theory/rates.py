"""Predicted error after any number of steps: per eigenmode and per frequency, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular, svd
from skfem import LinearForm

from fembridge.problem import Array, Complex, Problem, sample
from fembridge.theory.features import Features
from fembridge.theory.grams import coefficients, feature_space
from fembridge.theory.modes import fourier, fourier_functionals
from fembridge.theory.spaces import assemble

OPTIMIZERS = ("gd", "flow", "heavy-ball", "nesterov")


def contraction(
    eigenvalues: ArrayLike, steps: ArrayLike, optimizer: str, learning_rate: float, momentum: float = 0.0
) -> Array:
    """e_t/e_0 of a mode of curvature λ, shape (len(steps), len(eigenvalues)), with x = ηλ:

    gd          (1 − x)^t
    flow        e^{−xt}, gradient flow at time ηt
    heavy-ball  e_{t+1} = (1 + β − x) e_t − β e_{t−1},               e_1 = (1 − x) e_0
    nesterov    e_{t+1} = (1 + β)(1 − x) e_t − β(1 − x) e_{t−1},     e_1 = (1 − (1 + β)x) e_0

    with PyTorch's momentum, whose velocity starts at zero. Any of them is e_t = e_1 s_t − D s_{t−1} e_0 where
    s_t = (z_1^t − z_2^t)/(z_1 − z_2), and z_1, z_2 are the roots of z² − T z + D.

    Raises ValueError for an unknown optimizer, or a momentum outside [0, 1).

    >>> contraction([0.5], [0, 1, 2], "gd", 1.0).ravel()
    array([1.  , 0.5 , 0.25])
    """
    x = learning_rate * np.asarray(eigenvalues, dtype=float)
    t = np.asarray(steps)[:, None]
    check_optimizer(optimizer, momentum)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if optimizer == "gd":
            return np.asarray((1 - x) ** t)
        if optimizer == "flow":
            return np.exp(-x * t)
        if optimizer == "heavy-ball":
            spread, determinant, first = 1 - momentum + x, np.full_like(x, momentum), 1 - x
        else:
            spread, determinant, first = 1 - momentum + (1 + momentum) * x, momentum * (1 - x), 1 - (1 + momentum) * x
        current, previous = (_power_sums(spread, x, power) for power in (t, t - 1))
        value = np.where(t == 0, 1.0, first * current - determinant * previous)
    return np.where(np.isnan(value), np.inf, value)  # a complex power beyond the range of numbers is not a number


def _power_sums(spread: Array, x: Array, t: NDArray[np.integer]) -> Array:
    """s_t = (z_1^t − z_2^t)/(z_1 − z_2) for t ≥ 0 and z_1, z_2 = 1 − u, u² − spread·u + x = 0.

    As z_1^{t−1} (1 − q^t)/(1 − q) with q = z_2/z_1, which does not cancel at a double root; and through
    log(1 − u), which keeps the digits of a root next to 1 over millions of steps.
    """
    root = np.sqrt((spread**2 - 4 * x).astype(complex))
    logs = np.stack([np.log1p(-2 * x / (spread + root)), np.log(1 - (spread + root) / 2)])
    logs = np.where(np.isfinite(logs), logs, -1e3)  # a root 0
    order = np.argsort(-logs.real, axis=0)
    larger, smaller = np.take_along_axis(logs, order, axis=0)
    log_q = smaller - larger
    ratio = np.where(log_q == 0, t, np.expm1(t * log_q) / np.where(log_q == 0, 1, np.expm1(log_q)))
    return np.asarray(np.where(t <= 0, 0, np.exp(np.maximum(t - 1, 0) * larger) * ratio).real)


def check_optimizer(optimizer: str, momentum: float) -> None:
    """Raise ValueError for an optimizer without closed form, or a momentum outside [0, 1)."""
    if optimizer not in OPTIMIZERS:
        raise ValueError(f'optimizer: expected one of {", ".join(OPTIMIZERS)}, got "{optimizer}"')
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum: expected 0 ≤ momentum < 1, got {momentum:g}")


def stability_limit(largest: float, optimizer: str, momentum: float = 0.0) -> float:
    """The learning rate below which every mode decays: 2/λ_max for gd, 2(1+β)/λ_max for heavy ball,
    2(1+β)/((1+2β)λ_max) for Nesterov.

    Gradient flow has none. Where one root of the quadratic leaves the unit circle at z = −1.
    """
    check_optimizer(optimizer, momentum)
    limits = {
        "gd": 2.0,
        "flow": np.inf,
        "heavy-ball": 2 * (1 + momentum),
        "nesterov": 2 * (1 + momentum) / (1 + 2 * momentum),
    }
    return float(limits[optimizer] / largest)


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


def _load(basis, problem: Problem) -> Array:  # type: ignore[no-untyped-def]
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


def _target_coefficients(basis, problem: Problem) -> Complex:  # type: ignore[no-untyped-def]
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
