"""Any network of one to three inputs as a finite-element function, approximately, with an estimate of the error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.sparse import diags_array
from scipy.sparse.linalg import aslinearoperator
from scipy.special import roots_jacobi
from skfem import Basis, Mesh
from torch import nn

from fembridge.bridge.tracing import in_double, numbers
from fembridge.memory import require_memory
from fembridge.networks.autodiff import Globs, on_data
from fembridge.networks.curvature import Curvature, dense
from fembridge.networks.curvature import gauss_newton as on_points
from fembridge.problem import Array, check_domain
from fembridge.theory.location import locate
from fembridge.theory.meshes import box_mesh
from fembridge.theory.partitions import KINDS, Domain, volumes
from fembridge.theory.rows import Index
from fembridge.theory.spaces import simplex_rule, space
from fembridge.theory.symmetric import Spectrum, absolute

TOLERANCE = 1e-3
MAX_CELLS = 100_000
START = 4  # cells along each side of a box, at first
CHECK = 6  # degree of the rule whose points the module and its interpolant are compared at
DEGREE = 4  # of the rules for products of derivatives, in each cell and in each part of a refined cell

Rule = Callable[[int, int], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A matrix by quadrature on the refined mesh, and the largest difference of an entry from two other rules: the same
    on the mesh itself, and a closed one on the refined mesh.

    No bound. Where derivatives jump within cells, errors fall like h only in one dimension. That of one number for one
    jump is at most 1.36 times the estimate there; on triangles and tetrahedra it was more than 3 times in less than 1 %
    of the places of the jump, and up to 16 times.
    """

    value: Array
    error: float


@dataclass(frozen=True, eq=False)
class SampledExpansion:
    """A network interpolated by piecewise quadratics, u ≈ Σ_i coefficients[i] ψ_i.

    error: ‖u_h − u‖/‖u‖ in L², and largest: max|u_h − u|/max|u|, at the points of a rule of degree 6 in each cell: of
    the module itself, but not between these points. Integrals are over the domain, by quadrature on its cells.
    """

    module: nn.Module
    basis: Basis
    coefficients: Array
    error: float
    largest: float

    def __call__(self, x: ArrayLike) -> Array:
        """u_h at points (…, d), an array (…,); on an interval elementwise. ValueError for a point outside."""
        points, d = np.asarray(x, dtype=float), self.basis.mesh.dim()
        if d > 1 and (points.ndim == 0 or points.shape[-1] != d):
            raise ValueError(f"expansion: expected points (…, {d}), got an array of shape {points.shape}")
        cell, weights = locate(self.basis.mesh, points.reshape(-1, d))
        found = _interpolated(self.basis, self.coefficients, cell, weights[:, None])[:, 0]
        return np.asarray(found.reshape(points.shape if d == 1 else points.shape[:-1]))

    def tangent_gram(self, parameters: Globs = "*") -> Estimate:
        """∫ ∂u/∂θ_a ∂u/∂θ_b dx (P, P). Errors as `networks.curvature.gauss_newton`."""
        gram, *others = self._grams(parameters)
        return Estimate(gram, max(float(np.abs(gram - other).max()) for other in others))

    def ntk_spectrum(self, parameters: Globs = "*") -> Spectrum:
        """Eigenvalues of φ ↦ ∫ Θ(·, y) φ(y) dy, Θ the tangent kernel; error ‖G − G'‖₂ (Weyl), the larger of both."""
        gram, *others = self._grams(parameters)
        bound = max(float(np.linalg.norm(gram - other, 2)) for other in others)
        bound += len(gram) * float(np.finfo(float).eps) * np.trace(gram)
        values = np.asarray(np.linalg.eigvalsh(gram)[::-1], dtype=float)
        return absolute(values, bound, f"quadrature of degree {DEGREE}, refined")

    def gauss_newton(self, parameters: Globs = "*") -> Curvature:
        """The Gauss–Newton matrix of ½∫(u − f)², matrix-free, by quadrature: for `top_eigenvalues`."""
        return self._weighted(parameters, self.basis.mesh.refined(), simplex_rule)

    def _grams(self, parameters: Globs) -> tuple[Array, Array, Array]:
        """∫ ∂u ∂uᵀ on the refined mesh, on the mesh, and on the refined mesh by a closed rule.

        The first two have nodes in common and no points near to them, so that both miss a jump beside a node.
        """
        mesh = self.basis.mesh
        rules = (mesh.refined(), simplex_rule), (mesh, simplex_rule), (mesh.refined(), _closed_rule)
        fine, coarse, closed = (dense(self._weighted(parameters, *rule)) for rule in rules)
        return fine, coarse, closed

    def _weighted(self, parameters: Globs, mesh: Mesh, rule: Rule) -> Curvature:
        """R with RᵀR = Σ_q w_q ∂u ∂uᵀ: √w_q times the rows of the Jacobian at the points."""
        x, weights, _ = _points(mesh, DEGREE, rule)
        plain = on_points(self.module, x.reshape(-1, x.shape[2]), parameters)
        assert plain.root is not None
        root = aslinearoperator(diags_array(np.sqrt(weights.ravel() * weights.size))) @ plain.root
        how = f"quadrature of degree {DEGREE} at {weights.size} points, {plain.method}"
        return Curvature(root.H @ root, how, plain.names, root)


def expand_sampled(
    model: nn.Module, domain: Domain = (0.0, 1.0), tolerance: float = TOLERANCE, max_cells: int = MAX_CELLS
) -> SampledExpansion:
    """A network R^d → R, d ≤ 3, interpolated on a mesh that is refined until both of its errors are within tolerance.

    domain: as for `expand`. For networks that are not piecewise linear; those that are, are exact by `expand`.

    Raises ValueError for a model that is random, or does not map rows of d numbers to one, a domain that does not fit,
    and where the tolerance would take more than max_cells cells: the error reached is named.

    >>> net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    >>> u = expand_sampled(net, (-1.0, 1.0), tolerance=1e-6)
    >>> bool(abs(u(0.3) - net(torch.tensor([[0.3]]).double()).item()) < 1e-5), u.error < 1e-6
    (True, True)
    """
    if not 0 < tolerance < np.inf:
        raise ValueError(f"tolerance: expected a positive number, got {tolerance}")
    module, mesh = in_double(model), _mesh(domain)
    if on_data(module, np.zeros((2, mesh.dim())), "*").outputs != 1:
        raise ValueError("expand: expected a module of one output")
    error = np.inf
    while mesh.nelements <= max_cells:
        basis = space(mesh, 2)
        coefficients = _values(module, basis.doflocs.T)
        error, largest = _errors(module, basis, coefficients)
        if max(error, largest) <= tolerance:
            return SampledExpansion(module, basis, coefficients, error, largest)
        mesh = mesh.refined()
    raise ValueError(
        f"tolerance: {tolerance:g} takes more than the {max_cells} cells that there may be; {error:.2g} was reached"
    )


def _mesh(domain: Domain) -> Mesh:
    if isinstance(domain, Mesh):
        if type(domain) not in KINDS.values():
            raise ValueError(f"domain: expected a mesh of straight simplices, got {type(domain).__name__}")
        return domain.remove_unused_nodes()
    intervals: Any = [domain] if np.ndim(domain) == 1 else domain
    if np.ndim(domain) not in (1, 2) or len(intervals) not in KINDS:
        remedy = "fembridge.slice_through(model, points) gives a slice of a network of more"
        raise ValueError(f"domain: expected an interval for each of 1, 2 or 3 inputs, got {domain}; {remedy}")
    return box_mesh([check_domain(interval) for interval in intervals], START)


def _points(mesh: Mesh, degree: int, rule: Rule = simplex_rule) -> tuple[Array, Array, Array]:
    """Points (T, Q, d) and weights (T, Q) of a rule in each cell, and their barycentric coordinates (Q, d+1)."""
    barycentric, weights = rule(mesh.dim(), degree)
    return barycentric @ mesh.p.T[mesh.t.T], np.outer(volumes(mesh), weights), barycentric


def _closed_rule(dimension: int, degree: int) -> tuple[Array, Array]:
    """As `spaces.simplex_rule`, with points on all facets too: conical products of Gauss–Lobatto–Jacobi rules."""
    points, weights = np.ones((1, 1)), np.ones(1)
    n = degree // 2 + 2  # points of a rule of degree 2n − 3
    for k in range(1, dimension + 1):
        s = (1 + np.array([-1.0, *roots_jacobi(n - 2, k, 1)[0], 1.0])) / 2
        z, w = roots_jacobi(n, k - 1, 0)
        moments = np.vander((1 + z) / 2, n, increasing=True).T @ (w / w.sum())
        w = np.linalg.solve(np.vander(s, n, increasing=True).T, moments)
        points = np.column_stack([(points[:, None] * (1 - s)[:, None]).reshape(-1, k), np.tile(s, len(points))])
        weights = np.multiply.outer(weights, w).ravel()
    return points, weights


def _values(module: nn.Module, x: Array) -> Array:
    """u (N,) at points (N, d). Raises ValueError where it is not finite."""
    with torch.no_grad():
        u = numbers(module(torch.as_tensor(x))).reshape(len(x))
    if not np.isfinite(u).all():
        raise ValueError("expand: expected finite values on the domain")
    return u


def _errors(module: nn.Module, basis: Basis, coefficients: Array) -> tuple[float, float]:
    """‖u_h − u‖/‖u‖ and max|u_h − u|/max|u|; 0 where both are zero."""
    x, weights, barycentric = _points(basis.mesh, CHECK)
    require_memory(40.0 * x.size, f"the points of {len(x)} cells")
    u = _values(module, x.reshape(-1, x.shape[2])).reshape(weights.shape)
    difference = _interpolated(basis, coefficients, np.arange(len(x)), barycentric[None]) - u
    pairs = ((np.sqrt((weights * d**2).sum()), np.abs(d).max()) for d in (difference, u))
    return tuple(float(a / b) if a else 0.0 for a, b in zip(*pairs, strict=True))  # type: ignore[return-value]


def _interpolated(basis: Basis, coefficients: Array, cell: Index, barycentric: Array) -> Array:
    """Σ_i coefficients[i] ψ_i (M, Q) in cells (M,), at barycentric coordinates (M or 1, Q, d+1)."""
    local = np.moveaxis(barycentric[..., 1:], 2, 0)
    dofs = coefficients[basis.element_dofs[:, cell]]
    return np.asarray(sum(dofs[i][:, None] * basis.elem.lbasis(local, i)[0] for i in range(basis.Nbfun)))
