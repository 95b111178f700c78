"""The largest or smallest eigenpairs of ReLU Gram matrices with millions of knots, by Lanczos on O(n) operators."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded, solveh_banded
from scipy.sparse import csc_array, csr_array, diags_array
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu

from fembridge.memory import require_memory
from fembridge.problem import Array
from fembridge.theory.grams import operator, relu_to_nodal
from fembridge.theory.meshes import interval_mesh
from fembridge.theory.spaces import assemble, space
from fembridge.theory.symmetric import diagonals

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Congruence:
    """G = W F⁻ᵀ A F⁻¹ W with A and F banded, W = diag(weights): the Gram matrix of ReLU features on sorted knots.

    mass: A the mass matrix on the nodes b_1 … b, F = C⁻¹ (differences of slopes). stiffness: A = diag(h), F the
    differences of neighbours, F⁻¹ cumulative sums. `up` applies F⁻¹ by cumulative sums.
    """

    a: csr_array
    f: csr_array
    up: LinearOperator
    weights: Array


def congruence(knots: Array, weights: Array, end: float, form: str) -> Congruence:
    """The factors for features w_j (x − b_j)₊, b_0 < b_1 < … < end. Raises ValueError for another form."""
    if form not in ("mass", "stiffness"):
        raise ValueError(f'form: lanczos expects "mass" or "stiffness", got "{form}"')
    n, nodes = len(knots), np.append(knots, end)
    h = np.diff(nodes)
    difference = csr_array(diags_array(np.ones(n)) - diags_array(np.ones(n - 1), offsets=-1))
    if form == "stiffness":
        sums = operator(lambda v: np.cumsum(v, axis=0), lambda v: np.cumsum(v[::-1], axis=0)[::-1], n)
        return Congruence(csr_array(diags_array(h)), difference, sums, weights)
    mass = csr_array(assemble("mass", space(interval_mesh(nodes), 1))[1:, 1:])
    slopes = diags_array(1 / h) @ difference
    return Congruence(mass, csr_array(difference @ slopes), relu_to_nodal(knots, end), weights)


def gram(g: Congruence, x: Array) -> Array:
    """G x for columns x (n, m), in O(n m)."""
    w = g.weights[:, None]
    return np.asarray(w * g.up.rmatmat(g.a @ g.up.matmat(w * x)))


def inverse(g: Congruence, x: Array) -> Array:
    """G⁻¹ x for columns x (n, m), in O(n m): banded solves with A and products with F."""
    w = g.weights[:, None]
    bands = diagonals(g.a, min(1, len(x) - 1))  # of one knot, no lower band
    return np.asarray(g.f @ solveh_banded(bands, g.f.T @ (x / w), lower=True) / w)


def inverse_iteration(g: Congruence, values: Array) -> Array:
    """Unit eigenvectors (n, m) of single eigenvalues (m,), by LU factorisations of A − λFᵀW⁻²F with pivoting.

    For a λ that is also an eigenvalue of the knots to the right of another one, where elimination from the right fails.
    """
    f = csr_array(diags_array(1 / g.weights) @ g.f)
    square, x = f.T @ f, np.random.default_rng(0).standard_normal((len(g.weights), len(values)))
    for j, value in enumerate(values):
        factor = splu(csc_array(g.a - value * (1 + EPS) * square))
        for _ in range(2):
            column = f @ factor.solve(f.T @ x[:, j])
            x[:, j] = column / np.linalg.norm(column)
    return x


@dataclass(frozen=True, eq=False)
class Extremes:
    """Eigenvalues (k,) descending, unit vectors (n, k), bounds on the relative errors of the eigenvalues, residuals
    ‖Hx − νx‖/ν of the operator H that was iterated (G or (G − σ)⁻¹), and how many products with it that took.
    """

    eigenvalues: Array
    vectors: Array
    error: Array
    residuals: Array
    products: int


def largest(g: Congruence, count: int) -> Extremes:
    """The `count` largest eigenpairs, by Lanczos on G; O(n) a product.

    λ = yᵀA y, y = F⁻¹W x. Its error is at most ‖r‖ and at most ‖r‖²/gap (Kato and Temple; the gap to the neighbours);
    4 √n ε is added for the cumulative sums, whose roundings grow like √n (Higham and Mary, SIAM J. Sci. Comput. 41,
    2019).

    Raises as `_lanczos` does.
    """
    w, n = g.weights, len(g.weights)
    _, x, residuals, products = _lanczos(lambda v: gram(g, v[:, None])[:, 0], n, count)
    values = np.array([y @ (g.a @ y) for y in (g.up.matvec(w * v) for v in x.T)])
    apart = np.abs(np.diff(values)) / values[:-1]
    gap = np.minimum(apart, np.append(np.inf, apart[:-1]))
    residuals, values = residuals[:count], values[:count]
    error = np.minimum(residuals, residuals**2 / gap) + 4 * np.sqrt(n) * EPS
    return Extremes(values, x[:, :count], error, residuals, products)


def smallest(g: Congruence, count: int) -> Extremes:
    """The `count` smallest eigenpairs, by Lanczos on (G − σ)⁻¹ = W⁻¹ F (A − σ FᵀW⁻²F)⁻¹ Fᵀ W⁻¹; O(n) a product.

    The banded matrix in the middle has a Cholesky factorisation for 0 ≤ σ < λ_min; how close σ has to be depends on
    the distance between the eigenvalues (`_below`), and is corrected once they are known.

    λ = σ + 1/ν: the residual of ν leaves an error ‖r‖/ν², the factorisation one of 30 ε (yᵀ diag(A + σFᵀW⁻²F) y)/yᵀAy,
    y = F⁻¹W x.

    Raises as `_lanczos` does.
    """
    n = len(g.weights)
    _check_count(count, n)
    pencil = Pencil(g)

    def attempt(sigma: float) -> Extremes:
        nodal, apply = pencil.inverse(sigma)
        nu, x, residuals, products = _lanczos(apply, n, count)
        nu, x, residuals = nu[:count], x[:, :count], residuals[:count]
        values = sigma + 1 / nu
        y = np.stack([nodal(v) for v in x.T], axis=1)
        weight = pencil.a[0] + sigma * pencil.b[0]
        rounded = (weight[:, None] * y**2).sum(axis=0) / (y * (g.a @ y)).sum(axis=0)
        error = residuals / (nu * values) + 30 * EPS * rounded
        return Extremes(values[::-1], x[:, ::-1], error[::-1], residuals[::-1], products)

    found = attempt(_below(pencil))
    if found.error.max() > 1e-11:
        high, low = found.eigenvalues[[0, -1]]
        found = attempt(max(0.0, low - (high - low) / 8))
    return found


class Pencil:
    """A − σ FᵀW⁻²F, and (G − σ)⁻¹ through it."""

    def __init__(self, g: Congruence) -> None:
        self.g = g
        square = csr_array(g.f.T @ diags_array(g.weights**-2.0) @ g.f)
        self.a, self.b = diagonals(g.a, 2), diagonals(square, 2)

    def inverse(self, sigma: float) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
        """x ↦ F⁻¹W (G − σ)⁻¹ x and x ↦ (G − σ)⁻¹ x. Raises LinAlgError where σ is not below λ_min."""
        factor, f, w = (cholesky_banded(self.a - sigma * self.b, lower=True), True), self.g.f, self.g.weights

        def nodal(v: Array) -> Array:
            return np.asarray(cho_solve_banded(factor, f.T @ (v / w)))

        return nodal, lambda v: (f @ nodal(v)) / w


def _below(pencil: Pencil) -> float:
    """A shift σ < λ_min, to about 1e-12, by Noda's iteration (Numer. Math. 17, 1971).

    G⁻¹ has a checkerboard of signs, and so has (G − σ)⁻¹ = Σ σᵏ G⁻ᵏ⁻¹; with H = |(G − σ)⁻¹| and any x > 0 the distance
    λ_min − σ is at least 1/max_i (Hx)_i/x_i (Collatz and Wielandt), which is added.
    """
    n = len(pencil.g.weights)
    sign, x, sigma = np.where(np.arange(n) % 2, -1.0, 1.0), np.ones(n), 0.0
    apply = pencil.inverse(sigma)[1]
    for _ in range(25):
        image = sign * apply(sign * x)
        step = (1 - 1e-13) / (image / x).max()
        if step < 1e-12 * sigma:
            break
        try:
            apply = pencil.inverse(sigma + step)[1]
        except np.linalg.LinAlgError:  # so close that it is not positive definite in floating point
            break
        sigma, x = sigma + step, np.maximum(image / image.max(), 1e-200)
    return sigma


def _check_count(count: int, n: int) -> None:
    if not 1 <= count <= n - 3:
        raise ValueError(f"count: Lanczos expects a whole number from 1 to n − 3 = {n - 3}, got {count}")


def _lanczos(apply: Callable[[Array], Array], n: int, count: int) -> tuple[Array, Array, Array, int]:
    """The count + 1 largest eigenpairs of a symmetric map, their relative residuals, and the number of its uses.

    ARPACK from a fixed random start, 2 count + 3 vectors or 20, 60 restarts at most, to the limit of round-off. Raises
    ValueError for a count outside 1 … n − 3, RuntimeError where it has not converged, MemoryError before too much
    memory is taken.
    """
    _check_count(count, n)
    size = min(n, max(2 * count + 3, 20))
    require_memory(8 * n * (size + count + 40), f"{count} eigenpairs of {n} knots")
    uses, start = itertools.count(), np.random.default_rng(0).standard_normal(n)

    def counted(v: Array) -> Array:
        next(uses)
        return apply(np.ravel(v))

    h = LinearOperator((n, n), matvec=counted, dtype=float)
    try:
        values, x = eigsh(h, count + 1, which="LA", v0=start, ncv=size, maxiter=60, tol=0)
    except ArpackNoConvergence as stopped:
        raise RuntimeError(f"lanczos: {len(stopped.eigenvalues)} of {count + 1} eigenvalues converged") from None
    order = np.argsort(values)[::-1]
    values, x = values[order], x[:, order]
    residuals = np.array([np.linalg.norm(apply(v) - value * v) for v, value in zip(x.T, values, strict=True)])
    return values, x, residuals / np.maximum(np.abs(values), np.finfo(float).tiny), next(uses)
