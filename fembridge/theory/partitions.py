"""The mesh on which a piecewise-linear network is a finite-element function: its domain, cut along all its kinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any, TypeAlias

import numpy as np
from skfem import Mesh, MeshLine1, MeshTet1, MeshTri1

from fembridge.problem import Array, check_domain
from fembridge.theory import complexes
from fembridge.theory.complexes import Complex
from fembridge.theory.graphs import Graph, rounding, slopes, values
from fembridge.theory.intervals import Intervals
from fembridge.theory.rows import Index

KINDS = {1: MeshLine1, 2: MeshTri1, 3: MeshTet1}
TOLERANCE = 4.0  # times the bound on rounding: a vertex so near to a kink is on it
WIDER = (1, 16, 256)  # times this, where cells that it leaves overlap
MAX_CELLS = 1_000_000
HELD = 2**25  # numbers held at once while a layer is cut

Domain: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | Mesh


@dataclass(frozen=True, eq=False)
class Kinks:
    """Facets (K, d) of the mesh, by vertices, on which a neuron's activation bends, one neuron each where several meet.

    activation: number of the activation, from 0 on, in the order of the network. neuron: number in its layer. knot:
    which knot of the activation.
    """

    facets: Index
    activation: Index
    neuron: Index
    knot: Index


@dataclass(frozen=True, eq=False)
class Partition:
    """A conforming simplicial mesh on each cell of which every neuron is affine.

    mesh: scikit-fem's, in one dimension with ascending nodes. region (T,): the linear region of each simplex. regions:
    their number; a linear region is a connected part of the domain on which no neuron bends. kinks: facets between
    them. cells: convex cells before they were divided into simplices.
    snapped: pairs of a vertex and a kink through it that were not exactly so, but within the tolerance; moved: the
    largest of their values, in units of the bound ερ on rounding. overlap: by how much more than the domain the volumes
    add up to, relative: 0 up to rounding, unless three kinks or more in space nearly coincide.
    """

    mesh: Mesh
    region: Index
    regions: int
    cells: int
    kinks: Kinks
    snapped: int
    moved: float
    overlap: float


def partition(graph: Graph, domain: Domain, max_cells: int = MAX_CELLS) -> Partition:
    """Cut a domain, layer by layer and neuron by neuron, where an activation bends.

    domain: (a, b), one interval for each dimension, or a mesh of intervals, triangles or tetrahedra. A neuron is affine
    on each cell that the earlier layers left; where it changes sign about a knot the cell is cut. A vertex is taken to
    be on a kink where |z − τ| ≤ 4 ε ρ, ρ the bound on rounding of `graphs.rounding`. Kinks between which there is room
    for rounding alone may leave cells that overlap; where these take up more than 1e-12 of the domain, 64 and 1024 ερ
    are tried too, and the least overlap is taken.

    Raises ValueError for a domain that does not fit, and where there would be more than max_cells cells.

    >>> from fembridge.theory.graphs import Activation, Affine
    >>> from fembridge.theory.splines import named
    >>> lines = Affine(0, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([-0.5, -0.5]))
    >>> cross = Graph(2, (lines, Activation(1, named("relu")), Affine(2, np.ones((1, 2)), np.zeros(1))))
    >>> found = partition(cross, [(0.0, 1.0), (0.0, 1.0)])
    >>> found.regions, found.mesh.p.shape[1], found.mesh.t.shape[1]
    (4, 9, 8)
    """
    if max_cells < 1:
        raise ValueError(f"max_cells: expected a positive number, got {max_cells}")
    tries = []
    for wider in WIDER:
        found = _partition(graph, _start(domain, graph.dimension), max_cells, wider * TOLERANCE)
        tries.append(found)
        far = np.max(np.abs(found.mesh.p).max(axis=1) / np.ptp(found.mesh.p, axis=1))
        if found.overlap <= 1e-12 + 16 * np.finfo(float).eps * far:
            break
    return min(tries, key=lambda found: found.overlap)


def _partition(graph: Graph, body: Complex | Intervals, max_cells: int, tolerance: float) -> Partition:
    """Cut with one tolerance, in units of ερ."""
    whole = measures(body.points.rows[body.simplices(body.dimension)[0]]).sum()
    names: list[tuple[int, int, int]] = []
    snapped, moved = 0, 0.0
    for number, (_, step) in enumerate(graph.activations):
        bends = np.flatnonzero(np.diff(slopes(step.spline)))
        left = [(number, neuron, int(knot)) for neuron in range(graph.sizes[step.source]) for knot in bends]
        while left:
            points = body.points.rows
            block = left[: max(1, HELD // _width(len(points)))]
            neurons, knots = np.array(block).T[1:]
            z, bound = _values(graph, points, step.source, neurons)
            tau = step.spline.knots[knots]
            unit = np.finfo(float).eps * (bound + np.abs(tau))
            if isinstance(body, Intervals):
                done, found = len(block), body.cut(z - tau, unit, tolerance, len(names))
            else:
                done, found = _cut(body, z - tau, unit, tolerance, len(names), max_cells)
            if len(body) > max_cells:
                where = f"at neuron {block[done - 1][1]} of activation {number + 1} of {len(graph.activations)}"
                raise ValueError(f"max_cells: expected at most {max_cells} cells, got {len(body)} {where}")
            names, left = names + block[:done], left[done:]
            snapped, moved = snapped + found[0], max(moved, found[1])
    return _finish(body, np.array(names, dtype=np.intp).reshape(-1, 3), snapped, moved, whole)


def _width(count: int) -> int:
    """For how many vertices values are held, of which so many are there."""
    return 4 * count + 256


def _values(graph: Graph, x: Array, place: int, neurons: Index) -> tuple[Array, Array]:
    """Some neurons of a value at points: (V, K), and their bounds on rounding (K,)."""
    z, largest = np.empty((len(x), len(neurons))), [np.zeros(size) for size in graph.sizes[: place + 1]]
    step = max(1, HELD // (16 * sum(graph.sizes)))
    for at in (slice(start, start + step) for start in range(0, len(x), step)):
        found = values(graph, x[at], place)
        z[at] = found[-1][:, neurons]
        largest = [np.maximum(most, np.abs(h).max(axis=0)) for most, h in zip(largest, found, strict=True)]
    bound = rounding(graph, largest)[-1][neurons]
    if not (np.isfinite(z).all() and np.isfinite(bound).all()):
        raise ValueError("network: expected values in the range of float64 on the domain")
    return z, bound


def _cut(
    body: Complex, z: Array, unit: Array, tolerance: float, label: int, most: int
) -> tuple[int, tuple[int, float]]:
    """Cut along the zero set of each column of z (V, K) in turn; new vertices inherit the later ones by interpolation.

    unit (K,): ερ. Returns after how many columns the vertices had become too many to hold their values, or the cells
    more than `most`; how many values were taken for zero, and the largest of these in that unit.
    """
    count, snapped, moved = len(z), 0, 0.0
    held = np.empty((_width(count), z.shape[1]))
    held[:count] = z
    # A column of one sign stays so: new values lie between old ones.
    for j in np.flatnonzero((z > 0).any(axis=0) & (z < 0).any(axis=0)):
        column = held[:count, j].copy()
        near = np.flatnonzero((np.abs(column) <= tolerance * unit[j]) & (column != 0))
        snapped, moved = snapped + len(near), max(moved, float(np.abs(column[near] / unit[j]).max(initial=0.0)))
        column[near] = 0
        a, b, t = body.cut(column, label + int(j))
        new = slice(count, count + len(t))
        if new.stop > len(held) or len(body) > most:
            return int(j) + 1, (snapped, moved)
        count, t = new.stop, t[:, None]
        held[new, j + 1 :] = (1 - t) * held[a, j + 1 :] + t * held[b, j + 1 :]
    return z.shape[1], (snapped, moved)


def _start(domain: Domain, dimension: int) -> Complex | Intervals:
    """A box or a mesh, to be cut. Raises ValueError for anything else, and for another dimension."""
    if isinstance(domain, Mesh):
        if type(domain) not in KINDS.values():
            kinds = ", ".join(kind.__name__ for kind in KINDS.values())
            raise ValueError(f"domain: expected a mesh of straight simplices ({kinds}), got {type(domain).__name__}")
        if domain.dim() != dimension:
            raise ValueError(
                f"domain: expected a mesh of {dimension} dimensions, as the network has, got {domain.dim()}"
            )
        mesh = domain.remove_unused_nodes()
        if not (np.isfinite(mesh.p).all() and (volumes(mesh) > 0).all()):
            raise ValueError("domain: expected a mesh of simplices with finite corners and a volume")
        if dimension > 1:
            return complexes.simplicial(mesh.p.T.astype(float), mesh.t.T.astype(np.intp))
        nodes, place = np.unique(mesh.p[0, mesh.t].astype(float), return_inverse=True)
        ends = np.sort(place.reshape(2, -1), axis=0)
        if (np.diff(ends, axis=0) != 1).any() or len(np.unique(ends[0])) < len(ends[0]):
            raise ValueError("domain: expected a mesh of intervals that do not overlap")
        return Intervals(nodes, np.isin(np.arange(len(nodes) - 1), ends[0]))
    intervals: Any = [domain] if np.ndim(domain) == 1 else domain
    if np.ndim(domain) not in (1, 2) or len(intervals) != dimension or dimension not in KINDS:
        raise ValueError(
            f"domain: expected an interval for each of the {dimension} inputs of the network, 3 at most, got {domain}"
        )
    box = [check_domain(interval) for interval in intervals]
    return complexes.box(box) if dimension > 1 else Intervals(np.array(box[0]), np.array([True]))


def _finish(body: Complex | Intervals, names: Index, snapped: int, moved: float, whole: float) -> Partition:
    """The simplices, the parts and the labelled facets of what was cut, as a `Partition`."""
    d = body.dimension
    simplices, cell = body.simplices(d)
    simplices.sort(axis=1)
    facets, facet = body.simplices(d - 1)
    label = body.labels.rows[facet]
    regions, part = body.joined()
    points = _opened(body.points.rows, simplices)
    mesh = KINDS[d](np.ascontiguousarray(points.T), np.ascontiguousarray(simplices.T))
    kinks = Kinks(facets[label >= 0], *names[label[label >= 0]].T)
    overlap = max(0.0, float(volumes(mesh).sum() / whole - 1))
    return Partition(mesh, part[cell], regions, len(body), kinks, snapped, moved, overlap)


def _opened(points: Array, simplices: Index) -> Array:
    """Points of which single ones are moved by a unit in the last place, until no simplex is flat.

    Rounding makes flat what is thinner than it. Sizes too small for a volume in float64 stay so.
    """
    low, high, random = points.min(axis=0), points.max(axis=0), np.random.default_rng(0)
    ulp = np.spacing(np.maximum(-low, high))
    for _ in range(64):
        flat = simplices[measures(points[simplices]) == 0]
        if not len(flat):
            break
        moved = flat[np.arange(len(flat)), random.integers(flat.shape[1], size=len(flat))]
        points[moved] = np.clip(points[moved] + ulp * random.integers(-1, 2, (len(flat), len(low))), low, high)
    return points


def volumes(mesh: Mesh) -> Array:
    """Lengths, areas or volumes of the cells of a simplicial mesh, (T,)."""
    return measures(mesh.p.T[mesh.t.T])


def measures(corners: Array) -> Array:
    """Lengths, areas or volumes of simplices with corners (T, d + 1, d): 0 where scikit-fem's determinant is."""
    edges = (corners[:, 1:] - corners[:, :1]).transpose(2, 1, 0)
    return np.asarray(np.abs(_determinant(edges)) / factorial(len(edges)))


def _determinant(a: Array) -> Array:
    """Determinants of matrices (d, d, T), expanded by their first rows."""
    minors = (_determinant(np.delete(a[1:], j, axis=1)) if len(a) > 1 else 1.0 for j in range(len(a)))
    return np.asarray(sum((-1) ** j * a[0, j] * minor for j, minor in enumerate(minors)))
