"""The Hessian of ½∫(u − f)² by the parameters of a piecewise-linear network, with what happens on its kinks.

    H = ∫ ∂u ∂uᵀ + ∫ r ∂²u,    r = u − f.

Between kinks ∂²u is a function; across the kink z = τ of a neuron σ' jumps by [σ'], σ'' = [σ'] δ(z − τ), and
∫ δ(z − τ) g dx = ∫_{z=τ} g/|∇z| dS. So a neuron with the value z(x; θ) before and the sensitivity B = ∂u/∂σ(z) adds

    [σ'] ∫_{z=τ} r B/|∇z| ∂z ∂zᵀ dS,

which automatic differentiation on samples never sees, as no sample lies on a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import factorial

import numpy as np

from fembridge.memory import require_memory
from fembridge.problem import Array
from fembridge.theory.graphs import (
    Activation,
    Affine,
    Graph,
    derivatives,
    gradients,
    rounding,
    sensitivities,
    slopes,
    values,
)
from fembridge.theory.partitions import TOLERANCE, Partition, volumes
from fembridge.theory.rows import Index
from fembridge.theory.spaces import simplex_rule
from fembridge.theory.tangents import CHUNK, Part, region_frames, tangent_gram, tangents

HIGHER = 4  # by how many degrees the second quadrature is better, whose difference is the error

Function = Callable[[Array], Array]  # of points (N, d)


@dataclass(frozen=True, eq=False)
class Hessian:
    """The three parts of the Hessian (P, P): Gauss–Newton ∫ ∂u ∂uᵀ, `smooth` ∫ r ∂²u between kinks, and `kinks`.

    error: the largest change of an entry when f is integrated by a quadrature of four degrees more; 0 where f is
    linear on each cell. Gauss–Newton is exact.
    """

    gauss_newton: Array
    smooth: Array
    kinks: Array
    error: float

    @property
    def matrix(self) -> Array:
        return self.gauss_newton + self.smooth + self.kinks


def hessian(graph: Graph, partition: Partition, parts: Sequence[Part], f: Function, degree: int) -> Hessian:
    """H at the network's parameters `parts`, f integrated by quadrature of a polynomial degree on cells and facets.

    Kinks of several neurons on one facet are all counted, as is right in the first layer; where deeper kinks coincide,
    u is not twice differentiable by θ in this sense, and one of the two one-sided values is taken. Kinks on the
    boundary of the domain are left out.

    Raises MemoryError where matrices of this size would not fit.
    """
    count = sum(_size(graph, part) for part in parts)
    require_memory(8 * 8.0 * count**2, f"a Hessian of {count} parameters")
    gauss_newton = tangent_gram(tangents(graph, region_frames(partition), parts))
    facets = kink_facets(graph, partition)
    both = [
        (_smooth(graph, partition, parts, f, q), _kinks(graph, partition, facets, parts, f, q))
        for q in (degree, degree + HIGHER)
    ]
    error = max(float(np.abs(a - b).max(initial=0.0)) for a, b in zip(*both, strict=True))
    return Hessian(gauss_newton, *both[1], error)


@dataclass(frozen=True, eq=False)
class KinkFacets:
    """Facets (K, d), by vertices, each with a cell beside it, the activation's step, its neuron, and [σ'] there."""

    facets: Index
    cell: Index
    step: Index
    neuron: Index
    jump: Array


def kink_facets(graph: Graph, partition: Partition) -> KinkFacets:
    """All inner facets on which z = τ for a neuron, once for each neuron: |z − τ| ≤ 16 times what `partition` took for
    zero, at all corners.
    """
    mesh = partition.mesh
    inner = np.flatnonzero(mesh.f2t[1] >= 0)
    corners = mesh.facets[:, inner]
    found = values(graph, mesh.p.T)
    bounds = rounding(graph, [np.abs(h).max(axis=0) for h in found])
    reach, parts = 16 * max(TOLERANCE, partition.moved) * np.finfo(float).eps, []
    for k, step in graph.activations:
        jumps = np.diff(slopes(step.spline))
        for tau, jump in zip(step.spline.knots[jumps != 0], jumps[jumps != 0], strict=True):
            tolerance = reach * (bounds[step.source] + abs(tau))
            on = np.abs(found[step.source] - tau) <= tolerance
            facet, neuron = np.nonzero(on[corners].all(axis=0))
            same = np.ones(len(facet), dtype=np.intp)
            parts.append((corners[:, facet].T, mesh.f2t[0, inner[facet]], k * same, neuron, jump * same))
    return KinkFacets(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _size(graph: Graph, part: Part) -> int:
    step = graph.steps[part[0] - 1]
    assert isinstance(step, Affine)
    return step.weight.size if part[1] == "weight" else len(step.bias)


def _places(graph: Graph, parts: Sequence[Part]) -> list[slice]:
    ends = np.cumsum([0, *(_size(graph, part) for part in parts)])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def _chunks(length: int, each: int) -> Iterator[slice]:
    step = max(1, CHUNK // max(1, each))
    return (slice(start, start + step) for start in range(0, length, step))


def _moments(corners: Array, measure: Array, residual: Array, f: Function, degree: int, order: int) -> Array:
    """∫ r λ_a … over simplices with corners (S, k+1, d): r = Σ residual_c λ_c − f, `order` barycentric factors."""
    k = corners.shape[1] - 1
    barycentric, weights = simplex_rule(k, degree)
    x = barycentric @ corners
    r = residual @ barycentric.T - np.reshape(f(x.reshape(-1, corners.shape[2])), x.shape[:2])
    letters = "abc"[:order]
    formula = f"sq,{','.join('q' + letter for letter in letters)}->s{letters}"
    return np.asarray(np.einsum(formula, r * weights * measure[:, None], *[barycentric] * order, optimize=True))


def _smooth(graph: Graph, partition: Partition, parts: Sequence[Part], f: Function, degree: int) -> Array:
    """∫ r ∂²u between kinks: ∂²u/∂W_m,pq ∂W_k,ij = B_m,p ∂h_q/∂h_k,i h_j, h_q what W_m acts on, h_j what W_k does."""
    mesh, places = partition.mesh, _places(graph, parts)
    total = np.zeros((places[-1].stop,) * 2)
    corners = mesh.p.T[mesh.t.T]
    nodal = values(graph, mesh.p.T)
    moments = _moments(corners, volumes(mesh), nodal[-1][mesh.t.T, 0], f, degree, 1)
    pairs = [(a, b) for a, (k, _) in enumerate(parts) for b, (m, kind) in enumerate(parts) if m > k and kind != "bias"]
    deep = {parts[a][0] for a, b in pairs if not _adjacent(graph, parts[a][0], parts[b][0])}
    widest = max(graph.sizes) ** (2 if deep else 1) * len(graph.steps) * len(parts)
    for at in _chunks(len(corners), widest):
        cells, moment = mesh.t.T[at], moments[at]
        derivative = derivatives(graph, corners[at].mean(axis=1))
        sensitivity = sensitivities(graph, derivative, len(cells))
        onward = {k: gradients(graph, derivative, len(cells), k) for k in deep}
        for a, b in pairs:
            (k, kind), m = parts[a], parts[b][0]
            h = nodal[graph.steps[k - 1].source]  # type: ignore[union-attr]
            inputs = moment.sum(axis=1)[:, None] if kind == "bias" else (moment[:, None] @ h[cells])[:, 0]
            before = graph.steps[m - 1].source  # type: ignore[union-attr]
            onto = derivative[before] if k not in deep else onward[k][before]
            block = _product(sensitivity[m], inputs, onto)
            total[places[a], places[b]] += block
            total[places[b], places[a]] += block.T
    return total


def _adjacent(graph: Graph, k: int, m: int) -> bool:
    """Whether nothing but one activation stands between steps k and m: ∂h_q/∂h_k is then diagonal."""
    between = graph.steps[graph.steps[m - 1].source - 1]  # type: ignore[union-attr]
    return isinstance(between, Activation) and between.source == k


def _product(left: Array, inputs: Array, onto: Array) -> Array:
    """Σ_t left[t, p] inputs[t, j] onto[t, q, i] as a matrix ((i, j), (p, q)); onto (T, q) stands for a diagonal one."""
    (count, p), j = left.shape, inputs.shape[1]
    both = (left[:, :, None] * inputs[:, None]).reshape(count, p * j)
    block = (both.T @ onto.reshape(count, -1)).reshape(p, j, *onto.shape[1:])
    if onto.ndim == 2:
        q = onto.shape[1]
        diagonal = np.zeros((q, j, p, q))
        diagonal[np.arange(q), :, :, np.arange(q)] = block.transpose(2, 1, 0)
        return diagonal.reshape(q * j, p * q)
    return np.asarray(block.transpose(3, 1, 0, 2)).reshape(onto.shape[2] * j, p * onto.shape[1])


def _kinks(
    graph: Graph, partition: Partition, kinks: KinkFacets, parts: Sequence[Part], f: Function, degree: int
) -> Array:
    """Σ over facets of [σ'] ∫ r B/|∇z| ∂z ∂zᵀ dS."""
    mesh, d, places = partition.mesh, graph.dimension, _places(graph, parts)
    total = np.zeros((places[-1].stop,) * 2)
    if not len(kinks.facets):
        return total
    u = values(graph, mesh.p.T)[-1][:, 0]
    corners = mesh.p.T[kinks.facets]
    moments = _moments(corners, facet_measures(corners), u[kinks.facets], f, degree, 2)
    sizes = graph.sizes
    for k in np.unique(kinks.step):
        mine = np.flatnonzero(kinks.step == k)
        z = graph.steps[k - 1].source
        for at in _chunks(len(mine), d * len(total) + 4 * sum(sizes)):
            some = mine[at]
            count, neuron = len(some), kinks.neuron[some]
            derivative = derivatives(graph, mesh.p.T[mesh.t.T[kinks.cell[some]]].mean(axis=1))
            unit = np.zeros((count, sizes[z]))
            unit[np.arange(count), neuron] = 1
            back = sensitivities(graph, derivative, count, (z, unit))
            steepness = np.linalg.norm(back[0], axis=1)
            b = sensitivities(graph, derivative, count)[k][np.arange(count), neuron]
            weight = kinks.jump[some] * b / np.where(steepness > 0, steepness, np.inf)
            nodal = values(graph, corners[some].reshape(-1, d), z)
            columns = np.zeros((count, d, len(total)))
            for (step, kind), place in zip(parts, places, strict=True):
                if step <= z:
                    source = graph.steps[step - 1].source  # type: ignore[union-attr]
                    h = np.ones((count, d, 1)) if kind == "bias" else nodal[source].reshape(count, d, -1)
                    columns[:, :, place] = (back[step][:, None, :, None] * h[:, :, None]).reshape(count, d, -1)
            weighted = np.einsum("sab,sbp->sap", moments[some] * weight[:, None, None], columns)
            total += columns.reshape(-1, len(total)).T @ weighted.reshape(-1, len(total))
    return total


def facet_measures(corners: Array) -> Array:
    """1 for points, lengths of segments, areas of triangles with corners (S, k+1, d)."""
    edges = corners[:, 1:] - corners[:, :1]
    gram = edges @ np.swapaxes(edges, 1, 2)
    return np.asarray(np.sqrt(np.maximum(np.linalg.det(gram), 0)) / factorial(edges.shape[1]))
