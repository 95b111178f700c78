"""A network as a finite-element function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from skfem import Basis, BilinearForm, ElementDG, Mesh
from torch import nn

from fembridge.bridge.sampled import SampledExpansion, expand_sampled
from fembridge.bridge.shallow import ShallowExpansion, expand_shallow, features_of, is_shallow, layers
from fembridge.bridge.tracing import Trace, numbers, spline_of, trace
from fembridge.memory import require_memory
from fembridge.networks.curvature import Curvature
from fembridge.problem import Array, Target
from fembridge.theory import grams
from fembridge.theory.features import Features
from fembridge.theory.graphs import derivatives, gradients, rounding, values
from fembridge.theory.hessians import Function, Hessian, hessian
from fembridge.theory.location import locate
from fembridge.theory.partitions import MAX_CELLS, Domain, Partition, partition, volumes
from fembridge.theory.spaces import FORMS, assemble, named_form, space
from fembridge.theory.symmetric import Spectrum
from fembridge.theory.tangents import Frames, Tangents, kernel_spectrum, region_frames, simplex_frames
from fembridge.theory.tangents import tangent_gram as gram_of
from fembridge.theory.tangents import tangents as tangents_of

Globs = str | Sequence[str]
CHECKED = 4096  # cells in whose middle the module is compared with its graph


@dataclass(frozen=True, eq=False)
class Expansion:
    """A piecewise-linear network R^d → R on its domain, u = Σ_i coefficients[i] ψ_i, exact up to round-off.

    basis: scikit-fem's P1 basis ψ on partition.mesh, which is cut along every kink. coefficients: (N,), nodal values.
    trace: the network in numbers. neurons: of a shallow network of one input, its features.

    Parameters are those of Linear layers, chosen by globs of their names, in the order of the module. Integrals are
    over the domain, ∫ and not mean; the loss is ½∫(u − f)².
    """

    trace: Trace
    partition: Partition
    basis: Basis
    coefficients: Array
    neurons: Features | None = None

    def __call__(self, x: ArrayLike) -> Array:
        """u at points (…, d), an array (…,); on an interval elementwise. ValueError for a point outside the domain."""
        points, d = np.asarray(x, dtype=float), self.partition.mesh.dim()
        if d > 1 and (points.ndim == 0 or points.shape[-1] != d):
            raise ValueError(f"expansion: expected points (…, {d}), got an array of shape {points.shape}")
        cell, weights = locate(self.partition.mesh, points.reshape(-1, d))
        found = (self.coefficients[self.partition.mesh.t.T[cell]] * weights).sum(axis=1)
        return np.asarray(found.reshape(points.shape if d == 1 else points.shape[:-1]))

    def hidden(self, layer: int = -1) -> Array:
        """Nodal values (N, n) of the neurons of a hidden layer, after the activation: each is a function of P1.

        Raises ValueError for a layer that is not there, MemoryError where they would not fit.
        """
        graph, places = self.trace.graph, [k for k, _ in self.trace.graph.activations]
        if not -len(places) <= layer < len(places):
            raise ValueError(f"hidden: expected one of {len(places)} hidden layers, got {layer}")
        require_memory(16.0 * self.basis.N * sum(graph.sizes), "the values of all neurons")
        return values(graph, self.partition.mesh.p.T, places[layer])[-1]

    @property
    def features(self) -> Array | csr_array:
        """Nodal values (N, n) of the last hidden layer; sparse for a shallow network of one input."""
        return self.hidden() if self.neurons is None else grams.coefficients(self.neurons, self.basis)

    def gram(self, form: str | BilinearForm = "mass", intorder: int | None = None) -> Array | csr_array:
        """a(φ_i, φ_j) of the features of the last hidden layer: "mass" ∫uv, "stiffness" ∫∇u·∇v, "h1", or a scikit-fem
        form, which is integrated to the degree `intorder` on each cell.

        The stiffness is taken from gradients, cell by cell, which differences of nodal values in thin cells would lose.
        """
        if self.neurons is not None:
            return grams.gram(self.neurons, form, intorder)
        if form == "h1":
            return np.asarray(self.gram("mass") + self.gram("stiffness"))
        if form == "stiffness":
            slope = self.gradients()
            slope = np.sqrt(volumes(self.partition.mesh))[:, None, None] * slope
            return np.asarray(np.einsum("tnd,tmd->nm", slope, slope, optimize=True))
        phi = self.hidden()
        basis = space(self.partition.mesh, 1, intorder or (2 if form in FORMS else 8))
        return np.asarray(phi.T @ (assemble(named_form(form), basis) @ phi))

    def gradients(self, layer: int = -1) -> Array:
        """∇φ_i (T, n, d) of the neurons of a hidden layer on each cell."""
        graph, mesh = self.trace.graph, self.partition.mesh
        place = [k for k, _ in graph.activations][layer]
        require_memory(16.0 * mesh.t.shape[1] * sum(graph.sizes) * graph.dimension, "the gradients of all neurons")
        middle = mesh.p.T[mesh.t.T].mean(axis=1)
        return gradients(graph, derivatives(graph, middle), len(middle))[place]

    @property
    def broken(self) -> Basis:
        """The basis of the broken space, P1 on each cell alone: dof t (d + 1) + i is corner i of cell t."""
        return Basis(self.partition.mesh, ElementDG(self.basis.elem), intorder=2)

    def tangents(self, parameters: Globs = "*") -> Array:
        """∂u/∂θ in the broken space, (T (d + 1), P), exactly: column θ holds the coefficients in `broken`.

        Raises ValueError for parameters that are not there or not of a Linear layer, MemoryError where it would not
        fit; `tangent_gram`, `ntk_spectrum` and `gauss_newton` do without it.
        """
        found = self._tangents(parameters, simplex_frames(self.partition.mesh))
        require_memory(2 * 8.0 * self.broken.N * found.count, f"the tangents of {found.count} parameters")
        return found.nodal().reshape(-1, found.count)

    def tangent_gram(self, parameters: Globs = "*") -> Array:
        """∫ ∂u/∂θ_a ∂u/∂θ_b dx (P, P), exactly: a congruence of the broken mass matrix. Errors as `tangents`."""
        return gram_of(self._tangents(parameters))

    def ntk_spectrum(self, parameters: Globs = "*") -> Spectrum:
        """Eigenvalues of the operator φ ↦ ∫ Θ(·, y) φ(y) dy of the tangent kernel Θ(x, y) = Σ_θ ∂u/∂θ(x) ∂u/∂θ(y)."""
        return kernel_spectrum(self._tangents(parameters))

    def gauss_newton(self, parameters: Globs = "*") -> Curvature:
        """The Gauss–Newton matrix of ½∫(u − f)², which is `tangent_gram`, matrix-free: for `top_eigenvalues`."""
        root = self._tangents(parameters).root()
        return Curvature(root.H @ root, "exact over the domain, region by region", self.names(parameters), root)

    def hessian(self, target: Target | Function | ArrayLike, parameters: Globs = "*", degree: int = 10) -> Hessian:
        """∂²/∂θ² of ½∫(u − f)², kinks and all: what a finite difference of the exact loss tends to.

        target: f as a function of points (N, d), on an interval (N,); a `Target`; or nodal values (N,) in the basis.
        degree: to which polynomial degree products with f are integrated on each cell and facet; `Hessian.error` says
        how much of it depends on that. Errors as `tangents`.
        """
        parts = [self.trace.parameters[name] for name in self.names(parameters)]
        return hessian(self.trace.graph, self.partition, parts, self._function(target), degree)

    def names(self, parameters: Globs = "*") -> tuple[str, ...]:
        """The parameters that match. Raises ValueError where none does, or one is not of a Linear layer."""
        globs = [parameters] if isinstance(parameters, str) else list(parameters)
        every = (*self.trace.parameters, *self.trace.others)
        chosen = [name for name in every if any(fnmatchcase(name, glob) for glob in globs)]
        if not chosen:
            raise ValueError(f"parameters: expected a name among {', '.join(every)}, got {', '.join(globs)}")
        wrong = [name for name in chosen if name in self.trace.others]
        if wrong:
            raise ValueError(
                f"parameters: expected those of Linear layers, {', '.join(self.trace.parameters)}, got {wrong[0]}"
            )
        return tuple(chosen)

    def _tangents(self, parameters: Globs, frames: Frames | None = None) -> Tangents:
        parts = [self.trace.parameters[name] for name in self.names(parameters)]
        return tangents_of(self.trace.graph, frames or region_frames(self.partition), parts)

    def _function(self, target: Target | Function | ArrayLike) -> Function:
        if isinstance(target, Target):
            return lambda x: target.values(x[:, 0])
        if callable(target):
            given: Callable[[Array], ArrayLike] = target
            return lambda x: np.asarray(given(x[:, 0] if x.shape[1] == 1 else x), dtype=float)
        nodal = np.asarray(target, dtype=float)
        if nodal.shape != (self.basis.N,):
            raise ValueError(f"target: expected a function or {self.basis.N} nodal values, got shape {nodal.shape}")

        def interpolated(x: Array) -> Array:
            cell, weights = locate(self.partition.mesh, x)
            return np.asarray((nodal[self.partition.mesh.t.T[cell]] * weights).sum(axis=1))

        return interpolated


def expand(
    model: nn.Module, domain: Domain = (0.0, 1.0), max_cells: int = MAX_CELLS, approximate: bool = False
) -> Expansion | ShallowExpansion | SampledExpansion:
    """The finite-element function that a piecewise-linear network R^d → R is, on a mesh cut along its kinks, d ≤ 3.

    model: Linear layers, any piecewise-linear activations, batch-norm in eval mode, sums and multiples (`trace`).
    domain: (a, b), such an interval for each dimension, or a scikit-fem mesh of intervals, triangles or tetrahedra.
    A shallow network of one input may have any piecewise-polynomial activation; for those of another degree than 1 the
    result is a `ShallowExpansion`. The module is compared with what was read off it in the middle of cells.
    approximate: any other module, by quadratic interpolation and quadrature with an error estimate (`expand_sampled`).

    Raises ValueError for modules that are something else, smooth activations, a domain of another dimension, and more
    than max_cells cells.

    He, Li, Xu, Zheng, arXiv 1807.03973; Hong et al. 2022, arXiv 2208.04924.

    >>> net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    >>> u = expand(net, [(-1.0, 1.0), (-1.0, 1.0)])
    >>> x = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    >>> bool(np.allclose(u(x), net(torch.tensor(x))[:, 0].detach(), rtol=0, atol=1e-14))
    True
    """
    if approximate:
        return expand_sampled(model, domain, max_cells=max_cells)
    neurons = None
    if is_shallow(model) and not isinstance(domain, Mesh):
        inner, activation, _ = layers(model)
        interval = np.ravel(np.asarray(domain, dtype=object)).tolist()
        if spline_of(activation).degree != 1:
            return expand_shallow(model, features_of(model, interval))
        if bool((inner.weight != 0).all()):
            neurons = features_of(model, interval)
    found = trace(model)
    if (d := found.graph.dimension) > 3:
        what = f"expected an interval for each of the {d} inputs of the network, 3 at most"
        raise ValueError(f"domain: {what}; of more, fembridge.slice_through(model, points) gives a slice")
    pieces = partition(found.graph, domain, max_cells)
    _check_against(model, found, pieces)
    coefficients = values(found.graph, pieces.mesh.p.T)[-1][:, 0]
    return Expansion(found, pieces, space(pieces.mesh, 1), coefficients, neurons)


def _check_against(model: nn.Module, found: Trace, pieces: Partition) -> None:
    """Raise ValueError where the module, in double precision, does not compute what its graph does."""
    cells = np.random.default_rng(0).permutation(pieces.mesh.t.shape[1])[:CHECKED]
    x = pieces.mesh.p.T[pieces.mesh.t.T[cells]].mean(axis=1)
    with torch.no_grad():
        measured = numbers(deepcopy(model).double().cpu()(torch.tensor(x)))  # its own: some modules act in place
    read = values(found.graph, x)
    bound = rounding(found.graph, [np.abs(h).max(axis=0) for h in read])[-1][0]
    worst = float(np.abs(read[-1].ravel() - measured.ravel()).max()) if measured.size == len(x) else np.inf
    if not worst <= 4 * np.finfo(float).eps * bound:
        raise ValueError(f"expand: the module does not equal its layers (they differ by {worst:.2g} on the domain)")
