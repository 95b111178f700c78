"""Networks as pictures of the finite-element functions they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from fembridge.bridge.charts import Map
from fembridge.bridge.expansion import Expansion, expand
from fembridge.networks.affine import FixedAffine
from fembridge.problem import Interval
from fembridge.theory.partitions import MAX_CELLS


def map_chart(model: nn.Module, u: Expansion, box: Sequence[Interval], title: str, max_cells: int = MAX_CELLS) -> Map:
    """What a map shows of the expansion of a module on a box; in three dimensions, of its section x₃ = const through
    the middle of the box, an expansion of its own.

    Raises ValueError where the section would have more than max_cells cells.
    """
    if len(box) == 3:
        middle = (box[2][0] + box[2][1]) / 2
        section = nn.Sequential(FixedAffine(np.eye(3, 2), np.array([0.0, 0.0, middle])), model)
        found = expand(section, box[:2], max_cells)
        assert isinstance(found, Expansion)
        u, title = found, f"{title}, section $x_3 = {middle:.6g}$"
    mesh, kinks = u.partition.mesh, u.partition.kinks
    axes = ("$x$",) if len(box) == 1 else ("$x_1$", "$x_2$")
    return Map(title, axes, mesh.p.T, u.coefficients, mesh.t.T, u.partition.region, kinks.facets, kinks.activation + 1)
