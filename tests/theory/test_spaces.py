"""Spaces on simplices: integrals of polynomials are exact, and constants have no gradient."""

from __future__ import annotations

import numpy as np
import pytest
from skfem import MeshQuad, MeshTet, MeshTri

from fembridge.theory.meshes import box_mesh
from fembridge.theory.spaces import assemble, space

MESHES = {
    "interval": box_mesh([(0.0, 1.0)], 5),
    "square": box_mesh([(0.0, 1.0)] * 2, 3),
    "cube": box_mesh([(0.0, 1.0)] * 3, 2),
    "l-shape": MeshTri.init_lshaped().refined(1),
    "disc": MeshTri.init_circle(2),
    "ball": MeshTet.init_ball(1),
}


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_polynomials_are_integrated_exactly(name: str, degree: int) -> None:
    """u = x^p in nodal values: ∫u² and ∫|∇u|² against cell integrals of high order."""
    basis = space(MESHES[name], degree)
    exact = space(MESHES[name], degree, intorder=8)
    u = basis.doflocs[0] ** degree
    w = np.asarray(exact.global_coordinates())[0]
    integral = float((w ** (2 * degree) * exact.dx).sum())
    assert u @ assemble("mass", basis) @ u == pytest.approx(integral, rel=1e-13)
    if degree:
        energy = float(((degree * w ** (degree - 1)) ** 2 * exact.dx).sum())
        assert u @ assemble("stiffness", basis) @ u == pytest.approx(energy, rel=1e-12)
        assert np.abs(assemble("stiffness", basis) @ np.ones(basis.N)).max() < 1e-13
        h1 = assemble("mass", basis) + assemble("stiffness", basis)
        assert abs(h1 - assemble("h1", basis)).max() < 1e-14
    else:
        assert (assemble("mass", basis) - np.diag(assemble("mass", basis).diagonal()) == 0).all()


def test_what_a_space_does_not_have_is_one_line() -> None:
    with pytest.raises(ValueError, match="intervals, triangles or tetrahedra, got MeshQuad1"):
        space(MeshQuad(), 1)
    with pytest.raises(ValueError, match="expected degree 0, 1 or 2 on triangles and tetrahedra, got 3"):
        space(MESHES["square"], 3)
    with pytest.raises(ValueError, match="panels"):
        space(MESHES["cube"], 1, panels=2)
