"""Meshes of an interval, cut along the breakpoints of a network, and of boxes in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from skfem import MeshLine, MeshTet, MeshTri

from fembridge.problem import Array, Interval, check_domain


def interval_nodes(domain: Interval, *points: ArrayLike) -> Array:
    """The ends of the domain and all points inside it, sorted.

    Points closer than `node_tolerance` are one node.
    """
    a, b = domain
    inside = np.concatenate([np.ravel(np.asarray(p, dtype=float)) for p in points]) if points else np.empty(0)
    nodes = np.unique(np.concatenate([[a, b], inside[(inside > a) & (inside < b)]]))
    tolerance = node_tolerance(domain)
    if (np.diff(nodes) > tolerance).all():
        return nodes
    kept = [a]  # each measured from the last that was kept, and from b: both ends of the domain stay
    for node in nodes[nodes < b - tolerance]:
        if node > kept[-1] + tolerance:
            kept.append(node)
    return np.array([*kept, b])


def node_tolerance(domain: Interval) -> float:
    """16 units of round-off of the largest coordinate: the same breakpoint, reached by two neurons, differs by that
    much.
    """
    a, b = domain
    return float(16 * np.finfo(float).eps * max(abs(a), abs(b), b - a))


def interval_mesh(nodes: Array) -> MeshLine:
    """The scikit-fem mesh whose i-th cell is [nodes[i], nodes[i+1]]."""
    cells = np.arange(len(nodes) - 1)
    return MeshLine(nodes[None, :], np.stack([cells, cells + 1]))


def box_mesh(domain: Sequence[Sequence[float]], cells: int | Sequence[int]) -> MeshLine | MeshTri | MeshTet:
    """The simplicial scikit-fem mesh of a box: intervals, triangles (2 in each cell of the grid) or tetrahedra (6).

    domain: (a, b) of each dimension. cells: cells of the grid along each, or one number for all.

    Raises ValueError for an interval that is not finite and increasing, 0 or more than 3 dimensions, and cells that are
    not one positive number for each.

    >>> mesh = box_mesh([(0.0, 1.0), (0.0, 2.0)], (3, 4))
    >>> mesh.p.shape, mesh.t.shape      # 4·5 nodes, 2·3·4 triangles
    ((2, 20), (3, 24))
    """
    kinds = {1: MeshLine, 2: MeshTri, 3: MeshTet}
    if np.ndim(domain) != 2 or len(domain) not in kinds:
        raise ValueError(f"box_mesh: expected (a, b) for each of 1, 2 or 3 dimensions, got {domain}")
    intervals = [check_domain(interval) for interval in domain]
    numbers = [cells] * len(intervals) if isinstance(cells, int | np.integer) else list(cells)
    if len(numbers) != len(intervals) or not all(isinstance(n, int | np.integer) and n >= 1 for n in numbers):
        raise ValueError(f"box_mesh: expected {len(intervals)} positive numbers of cells, got {cells}")
    return kinds[len(intervals)].init_tensor(
        *(np.linspace(a, b, n + 1) for (a, b), n in zip(intervals, numbers, strict=True))
    )
