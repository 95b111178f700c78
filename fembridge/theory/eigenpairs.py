"""Some eigenvalues of Gram matrices with their eigenvectors: the largest, the smallest, or all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eig_banded, eigh
from scipy.sparse import csr_array, issparse

from fembridge.memory import require_memory
from fembridge.problem import Array
from fembridge.theory import lanczos, sturm
from fembridge.theory.features import Features, breakpoints
from fembridge.theory.grams import dense, derivatives, gram
from fembridge.theory.spaces import named_form
from fembridge.theory.spectra import (
    STURM,
    Method,
    affordable,
    applies,
    beam_of,
    kink_rounding,
    reach_of,
    right_facing_relu,
)
from fembridge.theory.symmetric import EPS, diagonals

End = Literal["largest", "smallest"]
Indices = NDArray[np.intp]
FEW = 5_000  # knots: up to here Sturm counts find single eigenpairs as fast as Lanczos, and certify their ranks


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Some eigenvalues (k,) of a Gram matrix, descending, with unit eigenvectors (n, k).

    error: bound on |λ̂ − λ|/λ. residuals: the smaller of ‖Gx − λx‖/λ and ‖λG⁻¹x − x‖ (also a bound on it), except for
    lanczos, where it is that of the iterated operator.
    """

    eigenvalues: Array
    vectors: Array
    error: Array
    residuals: Array
    method: str


def eigenpairs(
    features: Features, count: int | None = None, end: End = "largest", form: str = "mass", method: Method = "auto"
) -> Eigenpairs:
    """The `count` largest or smallest eigenvalues with their eigenvectors; all of them where no count is given.

    Right-facing ReLUs: sturm (up to 5,000 knots, for all eigenpairs, and for "h1"), else lanczos. Other features:
    LAPACK on the band or on the dense Gram.

    Raises as `spectrum` does, and RuntimeError where Lanczos has not converged.

    >>> from fembridge.theory.features import grid, on_knots
    >>> found = eigenpairs(on_knots("relu", grid(100_000)), 3, "smallest")
    >>> bool(abs(found.eigenvalues[-1] * 100_000**3 * 48 - 1) < 1e-6)     # → 1/(48 n³)
    True
    """
    named_form(form)
    applies(features, method, affine=False)
    n = len(features)
    if count is not None and not 1 <= count <= n:
        raise ValueError(f"count: expected a whole number from 1 to {n}, got {count}")
    k = n if count is None else count
    if method == "dispersion":
        raise ValueError("method: dispersion gives no eigenvectors; auto, sturm, lanczos, banded or dense do")
    if right_facing_relu(features) and method in ("auto", "sturm", "lanczos"):
        if method == "lanczos" or (method == "auto" and n > FEW and count is not None and form != "h1"):
            return _lanczos(features, k, end, form)
        return _sturm_pairs(features, k, end, form, method == "sturm")
    require_memory(4 * 8 * n * (k if features.activation.compact else n), f"{k} eigenvectors of {n} features")
    matrix, reach = gram(features, form), reach_of(features if form == "mass" else derivatives(features)[0])
    ranks = (n - k, n - 1) if end == "largest" else (0, k - 1)
    sparse = issparse(matrix) and method != "dense"
    if sparse:
        found = eig_banded(diagonals(csr_array(matrix)), lower=True, select="i", select_range=ranks)
    else:
        found = eigh(dense(matrix), subset_by_index=ranks)
    values, x = np.array(found[0][::-1], dtype=float), np.array(found[1][:, ::-1], dtype=float)
    residuals = np.linalg.norm(matrix @ x - x * values, axis=0)
    size = np.maximum(np.abs(values), np.finfo(float).tiny)
    rounding = (np.sqrt(n) + 4 * reach) * EPS * float(abs(csr_array(matrix)).sum(axis=0).max())
    name = "banded symmetric (LAPACK sbevx)" if sparse else "dense symmetric (LAPACK syevr)"
    return Eigenpairs(values, x, (residuals + rounding) / size, residuals / size, name)


def _sturm_pairs(features: Features, k: int, end: End, form: str, forced: bool) -> Eigenpairs:
    beam, factor, rounding = beam_of(features, form, affine=False)
    n = len(beam)
    affordable(n, forced)
    require_memory(8 * 12 * n * k, f"{k} eigenvectors of {n} knots")
    values, error = sturm.eigenvalues(beam, np.arange(k) if end == "largest" else np.arange(n - k, n))
    x = sturm.eigenvectors(beam, values)
    values, order = factor * values, np.argsort(np.argsort(breakpoints(features)[:, 0]))
    x = x[order]
    return Eigenpairs(values, x, error + rounding, _residuals(features, form, values, x), STURM)


def _congruence(features: Features, form: str) -> tuple[lanczos.Congruence, Indices]:
    """The banded factors of the Gram matrix of sorted knots, and the order that sorts them."""
    kinks = breakpoints(features)[:, 0]
    order = np.argsort(kinks)
    return lanczos.congruence(kinks[order], features.weights[order], features.domain[1], form), order


def _lanczos(features: Features, k: int, end: End, form: str) -> Eigenpairs:
    g, order = _congruence(features, form)
    found = lanczos.largest(g, k) if end == "largest" else lanczos.smallest(g, k)
    method = f"Lanczos on O(n) operators, {found.products} products" + (", shift-inverted" if end == "smallest" else "")
    error = found.error + kink_rounding(features)
    return Eigenpairs(found.eigenvalues, found.vectors[np.argsort(order)], error, found.residuals, method)


def _residuals(features: Features, form: str, values: Array, x: Array) -> Array:
    """min(‖Gx − λx‖/λ, ‖λG⁻¹x − x‖), both at least the relative distance to an eigenvalue; for "h1" the first."""
    parts = ("mass", "stiffness") if form == "h1" else (form,)
    factors = [_congruence(features, part)[0] for part in parts]
    x = x[np.argsort(breakpoints(features)[:, 0])]
    forward = np.linalg.norm(sum(lanczos.gram(g, x) for g in factors) - values * x, axis=0) / values
    if form == "h1":
        return np.asarray(forward)
    return np.minimum(forward, np.linalg.norm(values * lanczos.inverse(factors[0], x) - x, axis=0))
