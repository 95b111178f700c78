"""Some eigenvalues of Gram matrices with their eigenvectors: the largest, the smallest, or all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import eig_banded, eigh, eigh_tridiagonal
from scipy.sparse import csr_array, issparse

from fembridge.memory import require_memory
from fembridge.problem import Array
from fembridge.theory import lanczos, sturm
from fembridge.theory.features import Features, breakpoints
from fembridge.theory.grams import dense
from fembridge.theory.spaces import named_form
from fembridge.theory.spectra import (
    QUADRATIC,
    STURM,
    Method,
    affordable,
    applies,
    assembled,
    beam_of,
    kink_rounding,
    right_facing_relu,
)
from fembridge.theory.symmetric import EPS, diagonals

End = Literal["largest", "smallest"]
FEW = 5_000  # knots: up to here Sturm counts find single eigenpairs as fast as Lanczos, and certify their ranks
LOST = 1e-6  # residual of a vector above which another factorisation is tried
PART = 20  # of larger spectra: from n/20 eigenpairs on, counts are faster than Lanczos
CUBIC = 10_000  # features with a band: above, LAPACK takes more than some minutes, and must be asked for


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

    Right-facing ReLUs: sturm (up to 5,000 knots, for many eigenpairs, and for "h1"), else lanczos. Other features:
    LAPACK on the band (in O(nk) for three diagonals, the hats', else in O(n³)) or on the dense Gram.

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
        few = n > FEW and (PART * k <= n or n > QUADRATIC) and count is not None and form != "h1"
        if method == "lanczos" or (method == "auto" and few):
            return _lanczos(features, k, end, form)
        return _sturm_pairs(features, k, end, form, method == "sturm")
    return _lapack(features, k, end, form, method)


def _lapack(features: Features, k: int, end: End, form: str, method: Method) -> Eigenpairs:
    """From the assembled matrix, by the solver for its number of diagonals."""
    n = len(features)
    matrix, reach = assembled(features, form, method)
    ranks = (n - k, n - 1) if end == "largest" else (0, k - 1)
    sparse = issparse(matrix) and method != "dense"
    band = diagonals(csr_array(matrix)) if sparse else np.empty((0, n))
    if sparse and len(band) <= 2:
        require_memory(4 * 8 * n * k, f"{k} eigenvectors of {n} features")
        main, side = np.concatenate([band, np.zeros((2 - len(band), n))])
        found = eigh_tridiagonal(main, side[:-1], select="i", select_range=ranks)
    elif sparse:
        if n > CUBIC and method == "auto":
            raise ValueError(
                f"features: eigenvectors of {2 * len(band) - 1} diagonals take O(n³) time: expected at most "
                f'{CUBIC:,} features, got {n:,}, or the method "banded"'
            )
        require_memory(2 * 8 * n * (n + k), f"{k} eigenvectors of {n} features")
        found = eig_banded(band, lower=True, select="i", select_range=ranks)
    else:
        found = eigh(dense(matrix), subset_by_index=ranks)
    values, x = np.array(found[0][::-1], dtype=float), np.array(found[1][:, ::-1], dtype=float)
    residuals = np.linalg.norm(matrix @ x - x * values, axis=0)
    size = np.maximum(np.abs(values), np.finfo(float).tiny)
    rounding = (np.sqrt(n) + 4 * reach) * EPS * float(abs(csr_array(matrix)).sum(axis=0).max())
    lapack = "sbevx" if len(band) > 2 else "stebz" if k < n else "stemr"
    name = f"banded symmetric (LAPACK {lapack})" if sparse else "dense symmetric (LAPACK syevr)"
    return Eigenpairs(values, x, (residuals + rounding) / size, residuals / size, name)


def _sturm_pairs(features: Features, k: int, end: End, form: str, forced: bool) -> Eigenpairs:
    beam, factor, rounding = beam_of(features, form, affine=False)
    n = len(beam)
    affordable(n, k, forced)
    require_memory(8 * 12 * n * k, f"{k} eigenvectors of {n} knots")
    values, error = sturm.eigenvalues(beam, np.arange(k) if end == "largest" else np.arange(n - k, n))
    x, values = sturm.eigenvectors(beam, values), factor * values
    parts = [_congruence(features, part) for part in (("mass", "stiffness") if form == "h1" else (form,))]
    residuals = _residuals(parts, values, x)
    if form != "h1" and (lost := residuals > LOST).any():
        again = lanczos.inverse_iteration(parts[0], values[lost])
        found = _residuals(parts, values[lost], again)
        x[:, lost] = np.where(found < residuals[lost], again, x[:, lost])
        residuals[lost] = np.minimum(found, residuals[lost])
    return Eigenpairs(values, _as_given(features, x), error + rounding, residuals, STURM)


def _congruence(features: Features, form: str) -> lanczos.Congruence:
    """The banded factors of the Gram matrix of the features with their kinks sorted."""
    kinks = breakpoints(features)[:, 0]
    order = np.argsort(kinks)
    return lanczos.congruence(kinks[order], features.weights[order], features.domain[1], form)


def _as_given(features: Features, x: Array) -> Array:
    """Rows of the sorted kinks in the order of the neurons."""
    return np.asarray(x[np.argsort(np.argsort(breakpoints(features)[:, 0]))])


def _lanczos(features: Features, k: int, end: End, form: str) -> Eigenpairs:
    g = _congruence(features, form)
    found = lanczos.largest(g, k) if end == "largest" else lanczos.smallest(g, k)
    method = f"Lanczos on O(n) operators, {found.products} products" + (", shift-inverted" if end == "smallest" else "")
    error = found.error + kink_rounding(features)
    return Eigenpairs(found.eigenvalues, _as_given(features, found.vectors), error, found.residuals, method)


def _residuals(parts: list[lanczos.Congruence], values: Array, x: Array) -> Array:
    """min(‖Gx − λx‖/λ, ‖λG⁻¹x − x‖), both at least the relative distance to an eigenvalue, for sorted kinks; of a sum
    of two forms the first.
    """
    forward = np.linalg.norm(sum(lanczos.gram(g, x) for g in parts) - values * x, axis=0) / values
    if len(parts) > 1:
        return np.asarray(forward)
    return np.minimum(forward, np.linalg.norm(values * lanczos.inverse(parts[0], x) - x, axis=0))
