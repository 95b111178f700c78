"""Gram matrices of network features, as congruences of finite-element matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, diags_array, issparse
from scipy.sparse.linalg import LinearOperator
from skfem import Basis, BilinearForm

from fembridge.problem import Array
from fembridge.theory.features import Features, breakpoints
from fembridge.theory.meshes import interval_mesh, interval_nodes, node_tolerance
from fembridge.theory.spaces import assemble, collocation, space


def feature_space(features: Features, points: ArrayLike = (), intorder: int | None = None, panels: int = 1) -> Basis:
    """The space P_p, p the degree of the activation, on the domain cut at every breakpoint (and at further points).

    It contains every feature exactly. intorder and panels as in `space`.

    Raises ValueError for a neuron so narrow that its own breakpoints are one node.
    """
    kinks = breakpoints(features)
    gaps = np.diff(features.activation.knots, prepend=-np.inf).min() / np.abs(features.weights)
    if (gaps <= node_tolerance(features.domain)).any():
        raise ValueError(f"features: neuron {int(np.argmin(gaps))} is narrower than round-off on this domain")
    nodes = interval_nodes(features.domain, kinks, points)
    return space(interval_mesh(nodes), features.activation.degree, intorder, panels)


def coefficients(features: Features, basis: Basis) -> csr_array:
    """C[i, j]: the i-th finite-element coefficient of feature j, φ_j = Σ_i C[i, j] ψ_i (sparse, dofs × n).

    The basis must be of the activation's degree (or higher), on a mesh cut at the breakpoints (`feature_space`).
    ReLU on its knots: C[i, j] = (x_i − b_j)₊ (Hong et al. 2022, arXiv 2208.04924).
    """
    nodes = basis.mesh.p[0]
    support = (np.array(features.activation.support) - features.biases[:, None]) / features.weights[:, None]
    # Half a cell inside, so that a breakpoint that was merged with its node still finds that node.
    middle = (nodes[:-1] + nodes[1:]) / 2
    first = np.searchsorted(middle, support.min(axis=1))
    count = np.searchsorted(middle, support.max(axis=1)) - first
    feature = np.repeat(np.arange(len(features)), count)
    cell = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)

    points, to_local = collocation(basis.elem.maxdeg)
    x = nodes[cell, None] * (1 - points) + nodes[cell + 1, None] * points
    local = features.activation(x * features.weights[feature, None] + features.biases[feature, None]) @ to_local.T

    dofs = basis.element_dofs[:, cell].T
    # A dof shared by two cells gets the same value from both, and is written by the left one alone: where that cell
    # lies outside the support the value is zero.
    owner = np.empty(basis.N, dtype=int)
    owner[basis.element_dofs[:, ::-1].T] = np.arange(basis.nelems)[::-1, None]
    mine = owner[dofs] == cell[:, None]
    if features.activation.degree:  # continuous, so zero where the support ends: no entry made of round-off
        mine[:, 1] &= nodes[cell + 1] < support.max(axis=1)[feature] - node_tolerance(features.domain)
    columns = np.broadcast_to(feature[:, None], dofs.shape)
    return csr_array((local[mine], (dofs[mine], columns[mine])), shape=(basis.N, len(features)))


def gram(features: Features, form: str | BilinearForm = "mass", intorder: int | None = None) -> Array | csr_array:
    """G[i, j] = a(φ_i, φ_j) = (Cᵀ A C)[i, j] over the domain, A the assembled finite-element matrix of the form.

    ∫ over the domain: no factor ½, no mean. Sparse (CSR) for compactly supported activations, dense otherwise.
    Not an approximation (Hong et al. 2022, arXiv 2208.04924). "stiffness" is taken as the mass of the derivatives,
    K = DᵀM'D, which is exact to round-off on any mesh; a scikit-fem form a(u, v) of derivatives loses ε/h to the
    differences of nodal values, h the smallest cell. A form with coefficients is integrated on each cell to the
    polynomial degree `intorder` (2p + 8 where nothing is said, p the degree of the activation).

    Raises ValueError for an unknown form, or derivatives of an activation that jumps.

    >>> from fembridge.theory.features import grid, on_knots
    >>> G = gram(on_knots("relu", grid(2)))     # φ_0 = x, φ_1 = (x − ½)₊ on [0, 1]
    >>> np.allclose(G, [[1 / 3, 5 / 48], [5 / 48, 1 / 24]], rtol=0, atol=1e-15)
    True
    """
    if form == "stiffness":
        slopes, factor = derivatives(features)
        scale = diags_array(factor)
        return cast("Array | csr_array", scale @ gram(slopes) @ scale)
    if form == "h1":
        return cast("Array | csr_array", gram(features) + gram(features, "stiffness"))
    if intorder is None:
        intorder = 2 * features.activation.degree + (0 if isinstance(form, str) else 8)
    basis = feature_space(features, intorder=intorder)
    c, a = coefficients(features, basis), assemble(form, basis)
    if features.activation.compact:
        return csr_array(c.T @ a @ c)
    dense = c.toarray()
    return np.asarray(dense.T @ (a @ dense))


def derivatives(features: Features) -> tuple[Features, Array]:
    """φ_j' = w_j σ'(w_j x + c_j): the features of σ', and the factors w_j. Raises ValueError where σ jumps."""
    if features.activation.degree == 0:
        raise ValueError(f'form: "{features.activation.name}" jumps, so its derivative is not square integrable')
    return replace(features, activation=features.activation.derivative()), features.weights


def relu_to_nodal(knots: ArrayLike, end: float) -> LinearOperator:
    """C with C[i, j] = (x_i − b_j)₊ for the nodes x_1 … x_n = b_1, …, b_{n−1}, end: ReLU weights to nodal values.

    In O(n): cumulative sums turn slope jumps into slopes and slopes into values.

    >>> relu_to_nodal([0.0, 0.5], 1.0) @ np.array([1.0, 2.0])
    array([0.5, 2. ])
    """
    h = np.diff(np.append(np.asarray(knots, dtype=float), end))[:, None]

    def apply(v: Array) -> Array:
        return np.cumsum(h * np.cumsum(v, axis=0), axis=0)

    def transposed(u: Array) -> Array:
        return np.cumsum((h * np.cumsum(u[::-1], axis=0)[::-1])[::-1], axis=0)[::-1]

    return operator(apply, transposed, len(h))


def nodal_to_relu(knots: ArrayLike, end: float) -> LinearOperator:
    """C⁻¹ = E S: nodal values at b_1, …, b_{n−1}, end (zero at b_0) to ReLU weights.

    In O(n): slopes (S), then their differences (E).

    >>> nodal_to_relu([0.0, 0.5], 1.0) @ np.array([0.5, 2.0])
    array([1., 2.])
    """
    h = np.diff(np.append(np.asarray(knots, dtype=float), end))[:, None]

    def apply(u: Array) -> Array:
        return np.diff(np.diff(u, axis=0, prepend=0.0) / h, axis=0, prepend=0.0)

    def transposed(v: Array) -> Array:
        return np.diff(np.diff(v, axis=0, append=0.0) / h, axis=0, append=0.0)

    return operator(apply, transposed, len(h))


def operator(apply: Callable[[Array], Array], transposed: Callable[[Array], Array], n: int) -> LinearOperator:
    """A LinearOperator from maps of (n, m) arrays."""

    def column(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda v: f(np.reshape(v, (n, 1)))[:, 0]

    return LinearOperator(
        (n, n), matvec=column(apply), matmat=apply, rmatvec=column(transposed), rmatmat=transposed, dtype=float
    )


def dense(matrix: Array | csr_array) -> Array:
    """The matrix as a plain array."""
    return matrix.toarray() if issparse(matrix) else np.asarray(matrix)
