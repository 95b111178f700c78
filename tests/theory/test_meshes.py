"""Meshes of boxes: their cells fill them."""

from __future__ import annotations

import numpy as np
import pytest
from skfem import MeshLine, MeshTet, MeshTri

from fembridge.theory.meshes import box_mesh, interval_mesh
from fembridge.theory.spaces import assemble, space

BOXES = [
    ([(0.0, 2.0)], 5, MeshLine, 6, 5),
    ([(0.0, 1.0), (-1.0, 2.0)], (3, 4), MeshTri, 20, 24),
    ([(0.0, 1.0), (0.0, 0.5), (2.0, 4.0)], (1, 2, 3), MeshTet, 24, 36),
]


@pytest.mark.parametrize(("domain", "cells", "kind", "nodes", "simplices"), BOXES)
def test_a_box_is_filled_by_its_simplices(domain, cells, kind, nodes, simplices) -> None:
    mesh = box_mesh(domain, cells)
    assert isinstance(mesh, kind) and mesh.p.shape[1] == nodes and mesh.t.shape[1] == simplices
    assert assemble("mass", space(mesh, 1)).sum() == pytest.approx(np.prod([b - a for a, b in domain]), rel=1e-14)
    for x, (a, b) in zip(mesh.p, domain, strict=True):
        assert (x.min(), x.max()) == (a, b)


def test_a_box_of_one_dimension_is_an_interval() -> None:
    mesh, other = box_mesh([(0.0, 1.0)], 7), interval_mesh(np.linspace(0, 1, 8))
    assert (mesh.p == other.p).all() and (mesh.t == other.t).all()


@pytest.mark.parametrize(
    ("domain", "cells", "message"),
    [
        ([], 3, "1, 2 or 3 dimensions"),
        ((0.0, 1.0), 3, "1, 2 or 3 dimensions"),
        ([(0.0, 1.0)] * 4, 3, "1, 2 or 3 dimensions"),
        ([(1.0, 0.0)], 3, "expected finite ends a < b"),
        ([(0.0, 1.0)], 0, "expected 1 positive numbers of cells, got 0"),
        ([(0.0, 1.0)] * 2, (3,), "expected 2 positive numbers of cells"),
        ([(0.0, 1.0)] * 2, (3, 2.5), "expected 2 positive numbers of cells"),
    ],
)
def test_a_wrong_box_is_one_line(domain, cells, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        box_mesh(domain, cells)
    assert "\n" not in str(caught.value)
