"""How far an expansion is from its network: measured, beside what rounding alone explains."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
import torch
from torch import nn

from fembridge.bridge.expansion import Expansion
from fembridge.bridge.tracing import numbers
from fembridge.memory import require_memory
from fembridge.problem import Array, Interval
from fembridge.theory.graphs import rounding, values
from fembridge.theory.partitions import volumes

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Exactness:
    """An expansion beside its module at random points of a box, and its cells beside the box; `holds` if within bounds.

    difference: max|u_h − u|. bound: (4 + m) ε ρ, ρ the bound of `graphs.rounding` on u. Of it ε ρ each is for the
    module, for the nodal values, for new vertices, which are not exactly on their kinks, and for the place of a point
    in its cell; m, in the same units, is the largest value of a kink that vertices were snapped to (0 for none).

    volume_error: |Σ volumes − volume of the box| relative to the latter. volume_bound: ε Σ_T r_T, where rounding moves
    the corners of a cell T by ε X and spoils its determinant by d² ε hᵈ: r_T = ((d + 1) X + d² h) hᵈ⁻¹ / (d − 1)!, in
    units in which the box is a unit cube, X the largest coordinate and h the longest edge.
    """

    points: int
    difference: float
    bound: float
    volume_error: float
    volume_bound: float

    @property
    def holds(self) -> bool:
        return self.difference <= self.bound and self.volume_error <= self.volume_bound


def exactness(model: nn.Module, u: Expansion, box: Sequence[Interval], points: int, seed: int) -> Exactness:
    """Compare an expansion on a box with its module in float64, at so many uniformly distributed random points.

    Raises MemoryError where that many would not fit.

    >>> from fembridge.bridge.expansion import expand
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> box = [(-1.0, 1.0), (0.0, 2.0)]
    >>> exactness(model, expand(model, box), box, points=100, seed=0).holds
    True
    """
    graph, mesh = u.trace.graph, u.partition.mesh
    require_memory(8.0 * (points + mesh.p.shape[1]) * sum(graph.sizes), f"a check at {points} points")
    low, high = np.array(box).T
    x = low + (high - low) * np.random.default_rng(seed).random((points, mesh.dim()))
    with torch.no_grad():
        module = numbers(deepcopy(model).double().cpu()(torch.tensor(x))).reshape(points)  # its own: some act in place
    difference = np.abs(u(x[:, 0] if mesh.dim() == 1 else x) - module).max()
    largest = [
        np.abs(h).max(axis=0) for h in values(graph, mesh.p.T)
    ]  # |h| is largest at a vertex: h is affine on cells
    bound = (4 + u.partition.moved) * EPS * rounding(graph, largest)[-1][0]
    error = abs(volumes(mesh).sum() / np.prod(high - low) - 1)
    return Exactness(points, float(difference), float(bound), float(error), _volume_bound(u, low, high))


def _volume_bound(u: Expansion, low: Array, high: Array) -> float:
    """Σ_T r_T ε of `Exactness`."""
    mesh, d = u.partition.mesh, len(low)
    corners = (mesh.p.T / (high - low))[mesh.t.T]
    far = np.abs([low, high] / (high - low)).max()
    h = np.max(
        [np.linalg.norm(corners[:, i] - corners[:, j], axis=1) for i, j in combinations(range(d + 1), 2)], axis=0
    )
    return float(EPS * (((d + 1) * far + d**2 * h) * h ** (d - 1)).sum() / factorial(d - 1))
