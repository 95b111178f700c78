"""The leading eigenpairs of the curvature of a network, and whether they are all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from fembridge.memory import fits, require_memory
from fembridge.networks.curvature import Assembly, Curvature
from fembridge.networks.lanczos import Lanczos
from fembridge.problem import Array

Which = Literal["largest", "smallest", "magnitude"]

SMALL = 300  # matrices up to this size are diagonalised by LAPACK
PRODUCTS = 40  # what a Lanczos run takes at least: the price below which a dense matrix is assembled for it


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """values (k,), descending; vectors (n, k), columns of norm 1; residuals (k,), ‖A v − λ v‖₂.

    An eigenvalue of A lies within its residual of each value, copies of multiple eigenvalues included.

    checked: whether it was made sure that no other eigenvalue surpasses the least wanted of the values, λ, by more
    than tolerance·|λ|, or round-off: certain with LAPACK; with Lanczos, a search from another random vector would have
    met it, but for a chance of 1e-6. False where such searches ended undecided, on eigenvalues crowded about λ.
    products: how many products with the matrix named in `method` the solver took; 0 for LAPACK.
    """

    values: Array
    vectors: Array
    residuals: Array
    checked: bool
    products: int
    method: str


def top_eigenvalues(
    curvature: Curvature, k: int = 10, which: Which = "largest", tolerance: float = 1e-10, restarts: int = 300
) -> Eigenpairs:
    """k eigenpairs of A: its algebraically largest or smallest, or those of the largest magnitude.

    A = RᵀR is solved on the smaller of its two sides, R Rᵀw = λw giving v = Rᵀw/√λ, and a kernel is assembled where
    that costs less than the products it saves, and fits. LAPACK up to 300 rows; beyond, Lanczos from a fixed random
    vector, on 3k + 40 vectors, restarted until every residual is below tolerance·|λ|, or round-off; then from other
    random vectors, until a check finds no further copy (`fembridge.networks.lanczos`).

    Raises ValueError for k outside 1 … n, another `which`, or a tolerance or restarts that are not positive;
    RuntimeError where fewer than k pairs converge; MemoryError where the vectors would not fit.

    >>> import torch
    >>> from fembridge.networks.curvature import gauss_newton
    >>> G = gauss_newton(torch.nn.Sequential(torch.nn.Linear(2, 1)).double(), [[1.0, 2.0], [3.0, 0.0]], "*.weight")
    >>> pairs = top_eigenvalues(G, k=1)
    >>> pairs.values.round(8), pairs.checked, pairs.method
    (array([5.30277564]), True, 'LAPACK on 2 × 2, layer products')
    """
    n, root = curvature.operator.shape[0], curvature.root
    if which not in get_args(Which):
        raise ValueError(f"which: expected one of {', '.join(get_args(Which))}, got {which!r}")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= n:
        raise ValueError(f"k: expected a whole number from 1 to {n}, got {k!r}")
    if not (tolerance > 0 and restarts > 0):
        raise ValueError(f"tolerance, restarts: expected positive numbers, got {tolerance!r}, {restarts!r}")
    options = int(k), which, tolerance, restarts
    if root is not None and which != "smallest" and k <= root.shape[0] < n:
        require_memory(2 * 8.0 * n * k, f"{k} eigenvectors of {n} rows")
        matrix, pairs = _solve(root @ root.H, curvature.companion, curvature.method, *options)
        values, w = pairs.values, pairs.vectors
        if values[-1] > n * np.finfo(float).eps * values[0]:  # else Rᵀw is round-off
            v, q = root.H @ w, matrix @ w - w * values
            norms = np.linalg.norm(v, axis=0)  # A v − λ v = Rᵀq for v = Rᵀw, before it is normalised
            residuals = np.sqrt(np.maximum(np.einsum("ij,ij->j", q, matrix @ q), 0)) / norms
            return replace(pairs, vectors=v / norms, residuals=residuals)
    return _solve(curvature.operator, curvature.matrix, curvature.method, *options)[1]


def _solve(
    a: LinearOperator, assembly: Assembly | None, name: str, k: int, which: Which, tolerance: float, restarts: int
) -> tuple[LinearOperator, Eigenpairs]:
    """A, assembled or as it came, and its eigenpairs."""
    n = a.shape[0]
    small, room = n <= SMALL or 2 * k + 1 > n, min(3 * k + 40, n)
    require_memory(8.0 * n * (3 * n if small else 4 * room), f"{k} eigenvectors of {n} rows")
    if assembly is not None and (small or (assembly.cost <= PRODUCTS and fits(2 * 8.0 * n**2))):
        a = aslinearoperator(assembly.build())
    checked, products, sign = True, 0, -1 if which == "smallest" else 1
    if small:
        values, w = eigh(a @ np.eye(n))
        chosen = np.argsort(-np.abs(values) if which == "magnitude" else -sign * values)[:k]
        values, w = values[chosen], w[:, chosen]
        residuals = np.linalg.norm(a @ w - w * values, axis=0)
    else:
        search = Lanczos(lambda x: sign * (a @ x), n, k, room, which == "magnitude")
        checked = search.solve(tolerance, restarts)
        values, w, residuals, products = sign * search.values, search.v[:, :k], search.residuals, search.products
    order = np.argsort(-values)
    how = f"{'LAPACK' if small else 'Lanczos'} on {n} × {n}, {name}"
    return a, Eigenpairs(values[order], w[:, order], residuals[order], checked, products, how)
