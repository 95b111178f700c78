"""What cannot become a network: other elements and activations, and meshes that are not conforming."""

from __future__ import annotations

import numpy as np
import pytest
from skfem import (
    Basis,
    ElementLineP1,
    ElementLineP2,
    ElementQuad1,
    ElementTetP1,
    ElementTriP1,
    ElementTriP2,
    MeshLine,
    MeshLine1DG,
    MeshQuad,
    MeshTet,
    MeshTri,
    MeshTri2,
)

from fembridge.bridge.inverse import network_from
from fembridge.memory import memory_limit
from fembridge.theory.spaces import space
from tests.bridge.triangulations import WRONG, rotated


@pytest.mark.filterwarnings("ignore:.*divide:RuntimeWarning")  # of scikit-fem, about flat triangles
@pytest.mark.parametrize("name", WRONG)
def test_refused_triangles(name: str) -> None:
    mesh, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        network_from(Basis(mesh, ElementTriP1()), np.ones(Basis(mesh, ElementTriP1()).N))


@pytest.mark.parametrize("angle", np.linspace(0.01, 1.5, 12))
@pytest.mark.parametrize("name", ["hanging", "cut", "cut, crosswise", "one vertex on an edge"])
def test_touching_triangles_are_refused_at_any_angle(name: str, angle: float) -> None:
    """Rounded, points lie a little beside the edge that they touch."""
    mesh = rotated(WRONG[name][0], angle)
    with pytest.raises(ValueError, match="expected triangles"):
        network_from(Basis(mesh, ElementTriP1()), np.ones(mesh.p.shape[1]))


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (MeshLine(np.array([[0.0, 1.0, 1.0, 2.0]]), np.array([[0, 2], [1, 3]])), "between nodes that differ"),
        (MeshLine(np.array([[0.0, 1.0, 2.0]]), np.array([[0, 0], [1, 2]])), "do not overlap"),
        (MeshLine(np.array([[0.0, 1.0, 2.0]]), np.array([[0], [2]])), "vertex 1 of none"),
    ],
)
def test_refused_intervals(mesh: MeshLine, message: str) -> None:
    basis = Basis(mesh, ElementLineP1())
    for activation in ("relu", "hat"):
        with pytest.raises(ValueError, match=message):
            network_from(basis, np.ones(basis.N), activation)


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (Basis(MeshLine(), ElementLineP2()), "expected a P1 basis on intervals or triangles, got ElementLineP2 .* 1-D"),
        (Basis(MeshTri(), ElementTriP2()), "got ElementTriP2 on MeshTri1 in 2-D"),
        (Basis(MeshQuad(), ElementQuad1()), "got ElementQuad1 on MeshQuad1 in 2-D"),
        (Basis(MeshTet(), ElementTetP1()), "got ElementTetP1 on MeshTet1 in 3-D"),
        (Basis(MeshTri2.init_circle(1), ElementTriP1()), "got ElementTriP1 on MeshTri2"),  # its edges are curved
        (
            Basis(MeshLine1DG.periodic(MeshLine().refined(2), [0], [1]), ElementLineP1()),
            "got ElementLineP1 on MeshLine1DG",
        ),
    ],
)
def test_refused_bases(basis: Basis, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network_from(basis, np.zeros(basis.N))


def test_other_refusals() -> None:
    line, plane = space(MeshLine(), 1), space(MeshTri(), 1)
    for basis in (line, plane):
        for wrong in (np.zeros(7), np.full(basis.N, np.nan), np.zeros((basis.N, 1))):
            with pytest.raises(ValueError, match=f"expected {basis.N} finite coefficients"):
                network_from(basis, wrong)
    with pytest.raises(ValueError, match='expected the activation "relu", or "hat" on intervals, got "hat" in 2-D'):
        network_from(plane, np.zeros(4), "hat")
    for basis in (line, plane):
        with pytest.raises(ValueError, match='or "hat" on intervals, got "tanh" in'):
            network_from(basis, np.zeros(basis.N), "tanh")


def test_memory_is_asked_for() -> None:
    small, large = (space(MeshTri().refined(k), 1) for k in (5, 8))
    with memory_limit(0.1), pytest.raises(MemoryError, match=r"a network with two layers of 6\d\d\d neurons needs"):
        network_from(small, np.ones(small.N))
    with pytest.raises(MemoryError, match="neurons needs"):  # on any machine
        network_from(large, np.ones(large.N))
