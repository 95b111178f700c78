"""Meshes of an interval, cut along the breakpoints of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from skfem import MeshLine

from fembridge.problem import Array, Interval


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
