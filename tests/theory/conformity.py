"""What every mesh of a partition must be, and networks to cut along."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from skfem import Mesh

from fembridge.theory.graphs import Activation, Affine, Graph, Step, rounding, values
from fembridge.theory.location import locate
from fembridge.theory.partitions import Partition, volumes
from fembridge.theory.splines import named
from tests.theory.regions import Box, Layers

EPS = np.finfo(float).eps


def network(layers: Layers, activation: str = "relu") -> Graph:
    """Hidden layers (W, b), and behind them an output of random weights, on which every neuron counts."""
    steps: list[Step] = []
    for weight, bias in layers:
        steps += [Affine(len(steps), weight, bias), Activation(len(steps) + 1, named(activation))]
    output = np.random.default_rng(9).uniform(0.5, 1, (1, len(layers[-1][1])))
    return Graph(layers[0][0].shape[1], (*steps, Affine(len(steps), output, np.zeros(1))))


def random_layers(seed: int, *widths: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((n, m)) / np.sqrt(m), rng.uniform(-0.7, 0.7, n)) for m, n in pairwise(widths)]


def surface(box: Box) -> float:
    """How much boundary a box has: 2 ends, a perimeter, an area."""
    sides = np.array([high - low for low, high in box])
    return 2 * sum(float(np.prod(np.delete(sides, i))) for i in range(len(sides)))


def assert_conforming(mesh: Mesh, volume: float, boundary: float) -> None:
    """Simplices with a volume that fill the domain, no two alike, that meet in common facets: two at one facet, or one
    on the boundary of the domain. A vertex on another's facet would leave facets with one simplex inside.
    """
    d, simplices, points = mesh.dim(), np.sort(mesh.t.T, axis=1), mesh.p.T
    assert np.isfinite(points).all()
    assert np.array_equal(np.unique(simplices), np.arange(len(points)))
    assert (np.diff(simplices, axis=1) > 0).all() and len(np.unique(simplices, axis=0)) == len(simplices)
    assert volumes(mesh).min() > 0
    assert abs(volumes(mesh).sum() - volume) <= 1e-12 * volume
    facets = np.concatenate([np.delete(simplices, i, axis=1) for i in range(d + 1)])
    facets, used = np.unique(facets, axis=0, return_counts=True)
    assert used.max() <= 2
    assert abs(_measures(points[facets[used == 1]]).sum() - boundary) <= 1e-12 * boundary


def _measures(corners: np.ndarray) -> np.ndarray:
    edges = corners[:, 1:] - corners[:, :1]
    if edges.shape[1] == 2:
        return np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / 2
    return np.linalg.norm(edges[:, 0], axis=1) if edges.shape[1] else np.ones(len(corners))


def assert_partition(graph: Graph, found: Partition, volume: float, boundary: float, most: float = 4) -> None:
    """A conforming mesh; the network is affine on each simplex; regions are what kinks separate; kinks are where their
    neurons vanish, up to `most` units of rounding by which vertices may have been snapped.
    """
    mesh = found.mesh
    assert_conforming(mesh, volume, boundary)
    assert 0 <= found.moved <= most and found.overlap <= 1e-12 and (found.moved > 0) == (found.snapped > 0)
    assert np.array_equal(np.unique(found.region), np.arange(found.regions))
    inner = np.flatnonzero(mesh.f2t[1] >= 0)
    between = inner[np.diff(found.region[mesh.f2t[:, inner]], axis=0)[0] != 0]
    assert _set(mesh.facets[:, between].T) == _set(found.kinks.facets)
    assert len(found.kinks.facets) == len(between)

    nodal = values(graph, mesh.p.T)
    bounds = rounding(graph, [np.abs(h).max(axis=0) for h in nodal])
    for number, (_, step) in enumerate(graph.activations):
        mine = found.kinks.activation == number
        neuron, tau = found.kinks.neuron[mine], step.spline.knots[found.kinks.knot[mine]]
        z = nodal[step.source][found.kinks.facets[mine], neuron[:, None]] - tau[:, None]
        # Vertices were snapped to a kink by so much; new ones and their values are rounded, by ερ or a little more.
        assert (np.abs(z) <= (4 + found.moved) * EPS * (bounds[step.source][neuron] + np.abs(tau))[:, None]).all()

    rng, measure, points = np.random.default_rng(1), volumes(mesh), 500
    cell = rng.choice(len(measure), points, p=measure / measure.sum())
    x = np.einsum("nk,nkd->nd", rng.dirichlet(np.ones(mesh.dim() + 1), points), mesh.p.T[mesh.t.T[cell]])
    cell, weights = locate(mesh, x)
    interpolated = (nodal[-1][mesh.t.T[cell], 0] * weights).sum(axis=1)
    # ερ each for the network, nodal values, new vertices and the place of a point.
    assert np.abs(interpolated - values(graph, x)[-1][:, 0]).max() <= (4 + found.moved) * EPS * bounds[-1][0]


def _set(facets: Sequence[Sequence[int]] | np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, np.sort(facets, axis=1).tolist()))
