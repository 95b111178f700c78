"""Eigenvalues of Gram matrices and of the Laplace pencil, each with a bound on its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky_banded, eigvals_banded, eigvalsh, eigvalsh_tridiagonal, solve_banded, svdvals
from scipy.sparse import csr_array, issparse
from scipy.sparse.linalg import eigsh
from skfem import Basis

from fembridge.problem import Array
from fembridge.theory.features import Features, breakpoints
from fembridge.theory.grams import dense, derivatives, gram, nodal_to_relu, relu_to_nodal
from fembridge.memory import require_memory
from fembridge.theory.meshes import interval_mesh
from fembridge.theory.spaces import assemble, space

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a Gram matrix, descending.

    error: bound on |λ̂_k − λ_k|/λ_k, first order in the unit round-off; 1 or more where no digit is certain.
    noise_floor: eigenvalues smaller than this are not resolved by the method (0 where it resolves all of them).
    """

    eigenvalues: Array
    error: Array
    method: str
    noise_floor: float

    @property
    def condition_number(self) -> float:
        """λ_max/λ_min; infinite where the smallest eigenvalue is not positive."""
        smallest = self.eigenvalues[-1]
        return float(self.eigenvalues[0] / smallest) if smallest > 0 else float("inf")


def spectrum(features: Features, form: str = "mass") -> Spectrum:
    """Eigenvalues of the Gram matrix a(φ_i, φ_j): ∫uv ("mass"), ∫u'v' ("stiffness") or their sum ("h1").

    ReLU features that all face right: `two_sided`, every eigenvalue to high relative accuracy. Otherwise the assembled
    Gram: `banded` where the activation has compact support, else `dense_symmetric`, with a noise floor.

    Raises ValueError for an unknown form; MemoryError before a matrix that would not fit is allocated.

    >>> from fembridge.theory.features import grid, on_knots
    >>> s = spectrum(on_knots("relu", grid(100)))
    >>> bool(abs(s.eigenvalues[0] / 100 * 1.8751040687**4 - 1) < 4 / 100)     # → n β₁⁻⁴, the cantilever beam
    True
    """
    if _right_facing_relu(features) and form in ("mass", "stiffness"):
        return two_sided(*relu_factors(features, form), _kink_rounding(features))
    if not features.activation.compact:
        require_memory(4 * 8 * len(features) ** 2, f"the dense Gram of {len(features)} features")
    matrix, reach = gram(features, form), _reach(features if form == "mass" else derivatives(features)[0])
    if issparse(matrix) and len(features) > 200:
        return banded(csr_array(matrix), reach)
    return dense_symmetric(dense(matrix), reach)


def _reach(features: Features) -> float:
    """max |σ'(z)| (|w x| + |c|) over max |σ(z)|, z = w x + c: how many ε the rounding of z is in the features.

    Looked for at the ends of the domain and at the activation's knots. For σ of degree 0 a jump moves by that much.
    """
    sigma, (a, b) = features.activation, features.domain
    ends = np.outer(features.weights, [a, b]) + features.biases[:, None]
    inside = (sigma.knots >= ends.min(axis=1)[:, None]) & (sigma.knots <= ends.max(axis=1)[:, None])
    z = np.concatenate([ends.ravel(), np.broadcast_to(sigma.knots, inside.shape)[inside]])
    rounded = np.abs(features.weights).max() * np.abs(features.domain).max() + np.abs(features.biases).max()
    slope = np.abs(sigma.derivative()(z)).max() if sigma.degree else 1.0
    return float(rounded * slope / max(np.abs(sigma(z)).max(), np.finfo(float).tiny))


def _right_facing_relu(features: Features) -> bool:
    """Whether these are ReLUs with distinct kinks inside [a, b), all of them active to the right."""
    if features.activation.name != "relu" or (features.weights <= 0).any():
        return False
    kinks, (a, b) = np.sort(breakpoints(features)[:, 0]), features.domain
    return bool(kinks[0] >= a and kinks[-1] < b and (np.diff(kinks) > 0).all())


def _kink_rounding(features: Features) -> float:
    """6 ε |b|/h for the smallest step h: where w ≠ 1 a kink −c/w is rounded, and so is the distance to the next."""
    if (features.weights == 1).all():
        return 0.0
    steps = np.diff(np.sort(np.append(breakpoints(features), features.domain[1])))
    return float(6 * EPS * np.abs(features.domain).max() / steps.min())


def dense_symmetric(matrix: Array, reach: float = 0.0) -> Spectrum:
    """All eigenvalues of a symmetric matrix by LAPACK, |λ̂ − λ| ≤ (n + 4 reach) ε λ_max.

    n ε covers the sums of n terms that formed the matrix and the backward error of the solver; reach ε is what the
    rounding of w x + c leaves in the features. Eigenvalues below that have no certain digit and may be negative.
    """
    values = np.asarray(eigvalsh(matrix)[::-1], dtype=float)
    return _absolute(values, (len(values) + 4 * reach) * EPS * np.abs(values).max(), "dense symmetric (LAPACK syevr)")


def banded(matrix: csr_array, reach: float = 0.0) -> Spectrum:
    """All eigenvalues of a sparse symmetric matrix with few diagonals, in O(n²) time and O(n) memory.

    |λ̂ − λ| ≤ (√n + width + 4 reach) ε λ_max; reach as in `dense_symmetric`.
    """
    lower = _diagonals(matrix)
    width = len(lower) - 1
    if 4 * width > matrix.shape[0]:
        return dense_symmetric(matrix.toarray(), reach)
    values = np.asarray(eigvals_banded(lower, lower=True)[::-1], dtype=float)
    return _absolute(
        values,
        (np.sqrt(len(values)) + width + 4 * reach) * EPS * np.abs(values).max(),
        "banded symmetric (LAPACK sbevd)",
    )


def extreme_eigenvalues(matrix: csr_array) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of a sparse symmetric tridiagonal matrix.

    By bisection in O(n), to a few ε λ_max. Raises ValueError for a matrix with more diagonals.

    >>> low, high = extreme_eigenvalues(csr_array(np.array([[2.0, 1.0], [1.0, 2.0]])))
    >>> round(low, 12), round(high, 12)
    (1.0, 3.0)
    """
    diagonals = _diagonals(matrix)
    if len(diagonals) != 2:
        raise ValueError(f"extreme_eigenvalues: expected a tridiagonal matrix, got {2 * len(diagonals) - 1} diagonals")
    d, e, n = diagonals[0], diagonals[1, :-1], matrix.shape[0]
    low, high = (float(eigvalsh_tridiagonal(d, e, select="i", select_range=(i, i))[0]) for i in (0, n - 1))
    return low, high


def _diagonals(matrix: csr_array) -> Array:
    """The main diagonal and those below it, as LAPACK stores a lower band."""
    rows, columns = matrix.nonzero()
    width = int(np.abs(rows - columns).max())
    return np.stack([np.append(matrix.diagonal(-k), np.zeros(k)) for k in range(width + 1)])


def _absolute(values: Array, bound: float, method: str) -> Spectrum:
    with np.errstate(over="ignore"):
        return Spectrum(values, bound / np.maximum(np.abs(values), np.finfo(float).tiny), method, float(bound))


def two_sided(factor: Array, inverse: Array, rounding: float = 0.0) -> Spectrum:
    """Eigenvalues of G = JᵀJ from J and from J⁻¹: squared singular values of the first, inverse squared ones of the
    second.

    An SVD errs by √n ε σ_max in every singular value, so J resolves the large ones and J⁻¹ the small ones; whichever
    has the smaller bound is taken: relative error 2√n ε (8 + min(σ_1/σ_k, σ_k/σ_n)), at worst about 2√n ε κ(G)^{1/4}.
    (κ(G)^{1/4} is n for ReLU on a uniform grid.) J and J⁻¹ must have entries of high relative accuracy; `rounding` is
    added where theirs is less.
    """
    large = svdvals(factor, overwrite_a=True)
    small = 1 / svdvals(inverse, overwrite_a=True)[::-1]
    from_large = large[0] / large
    from_small = small / small[-1]
    sigma = np.where(from_large <= from_small, large, small)
    error = 2 * np.sqrt(len(sigma)) * EPS * (8 + np.minimum(from_large, from_small)) + rounding
    order = np.argsort(sigma)[::-1]
    return Spectrum(sigma[order] ** 2, error[order], "two-sided SVD of the finite-element factors", 0.0)


def relu_factors(features: Features, form: str = "mass") -> tuple[Array, Array]:
    """J and J⁻¹ with JᵀJ = ∫σ_iσ_j or ∫σ_i'σ_j' for ReLU features w_j(x − b_j)₊, w_j > 0, without cancellation.

    mass: M = L Lᵀ on the nodes b_1 … b_{n−1}, b, L bidiagonal: J = Lᵀ C diag(w), J⁻¹ = diag(w)⁻¹ E S L⁻ᵀ. L⁻ᵀ has a
    checkerboard of signs, so the differences E S add, and all entries are right to a few ε.
    stiffness: K = Sᵀ diag(h) S, so J = diag(√h) S C diag(w), a lower triangle of ones scaled.

    The kinks must be distinct and inside [a, b). Raises MemoryError where two n × n matrices and their copies do not
    fit into half of this machine's memory.
    """
    kinks, end = breakpoints(features)[:, 0], features.domain[1]
    order = np.argsort(kinks)
    knots, weights = kinks[order], features.weights[order]
    n = len(knots)
    require_memory(4 * 8 * n**2, f"the two-sided spectrum of {n} knots")
    nodes = np.append(knots, end)
    if form == "stiffness":
        root = np.sqrt(np.diff(nodes))
        ones = np.tri(n)
        return root[:, None] * ones * weights, (np.eye(n) - np.eye(n, k=-1)) / root / weights[:, None]
    matrix = assemble("mass", space(interval_mesh(nodes), 1))[1:, 1:]
    lower = cholesky_banded(np.stack([matrix.diagonal(), np.append(matrix.diagonal(-1), 0)]), lower=True)
    c = relu_to_nodal(knots, end) @ np.eye(n)
    factor = lower[0][:, None] * c
    factor[:-1] += lower[1][:-1, None] * c[1:]
    upper = np.stack([np.append(0, lower[1][:-1]), lower[0]])
    inverse = nodal_to_relu(knots, end) @ solve_banded((0, 1), upper, np.eye(n))
    return factor * weights, inverse / weights[:, None]


@dataclass(frozen=True, eq=False)
class LaplaceModes:
    """Eigenpairs K v = ω² M v of a finite-element space: what "frequency" means on its domain.

    frequencies: ω ≥ 0 ascending. vectors: columns, M-orthonormal. residuals: ‖K v − ω² M v‖₂/(‖K v‖₂ + ω²‖M v‖₂), 0
    for ω = 0.
    """

    frequencies: Array
    vectors: Array
    residuals: Array


def laplace_modes(basis: Basis, count: int) -> LaplaceModes:
    """The `count` lowest modes of the pencil (K, M), natural (Neumann) ends: on [0, 1] cosines, ω_k → kπ.

    Shift-invert Lanczos about a negative number of the size of −1/|Ω|², where the pencil is positive definite.

    >>> modes = laplace_modes(space(interval_mesh(np.linspace(0, 1, 201)), 1), 3)
    >>> np.round(modes.frequencies / np.pi, 3)
    array([0., 1., 2.])
    """
    k, m = assemble("stiffness", basis), assemble("mass", basis)
    if not 1 <= count < basis.N - 1:
        raise ValueError(f"laplace_modes: expected a count from 1 to {basis.N - 2}, got {count}")
    shift = -1 / float(m.sum()) ** 2
    values, vectors = eigsh(
        k.tocsc(), count, m.tocsc(), sigma=shift, v0=np.ones(basis.N) + np.arange(basis.N) / basis.N, tol=0
    )
    order = np.argsort(values)
    values, vectors = np.maximum(values[order], 0), vectors[:, order]
    kv, mv = k @ vectors, m @ vectors
    scale = np.linalg.norm(kv, axis=0) + values * np.linalg.norm(mv, axis=0)
    residual = np.linalg.norm(kv - mv * values, axis=0)
    return LaplaceModes(np.sqrt(values), vectors, np.where(values > -shift * 1e-8, residual / scale, 0.0))
