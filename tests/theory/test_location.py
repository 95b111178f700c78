"""Points are found in the simplices that hold them: anywhere in them, on their facets, at their corners."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from skfem import Mesh, MeshLine1, MeshTri

from fembridge.theory.graphs import rounding, values
from fembridge.theory.location import locate
from fembridge.theory.meshes import box_mesh
from fembridge.theory.partitions import partition, volumes
from tests.theory.conformity import EPS, network, random_layers
from tests.theory.test_partitions import annulus, u_shape


def ridges(d: int, n: int = 200) -> Mesh:
    """n slabs across a box, with simplices far longer than wide."""
    normal = np.array([0.6, 0.75, 0.3])[:d]
    layers = [(np.tile(normal, (n, 1)), np.linspace(-1, 1, n))]
    return partition(network(layers), [(-1.0, 1.0)] * d).mesh


def cut(domain, *widths: int) -> Mesh:
    return partition(network(random_layers(0, *widths)), domain).mesh


def far() -> Mesh:
    weight, bias = random_layers(0, 2, 40)[0]
    box = [(1e6, 1e6 + 1.0)] * 2
    return partition(network([(weight, bias - 1e6 * weight.sum(axis=1))]), box).mesh


MESHES: dict[str, Callable[[], Mesh]] = {
    "interval": lambda: box_mesh([(0.0, 1.0)], 7),
    "a few units of round-off": lambda: box_mesh([(1e6, 1e6 + 1e-6)], 4),
    "square": lambda: box_mesh([(0.0, 1.0)] * 2, 5),
    "cube": lambda: box_mesh([(-1.0, 1.0)] * 3, 3),
    "lines": lambda: cut([(-1.0, 1.0)] * 2, 2, 30, 20),
    "planes": lambda: cut([(-1.0, 1.0)] * 3, 3, 12),
    "ridges": lambda: ridges(2),
    "slabs": lambda: ridges(3, 60),
    "notch": lambda: cut(u_shape(), 2, 20),
    "hole": lambda: cut(annulus(), 2, 20),
    "two parts": lambda: box_mesh([(0.0, 1.0)] * 2, 2) + box_mesh([(3.0, 4.0), (0.0, 1.0)], 2),
    "far": far,
    "thin": lambda: cut([(-1e-6, 1e-6), (-1e6, 1e6)], 2, 9),
    "tiny": lambda: box_mesh([(0.0, 1e-90), (0.0, 2e-90)], 3),
}


@cache
def mesh_of(name: str) -> Mesh:
    return MESHES[name]()


def some_points(mesh: Mesh, count: int = 400) -> np.ndarray:
    """In simplices, however small, on facets, on the boundary, and at vertices."""
    rng, corners = np.random.default_rng(1), [mesh.t.T, mesh.facets.T, mesh.facets.T[mesh.boundary_facets()]]
    points = [mesh.p.T[rng.integers(mesh.p.shape[1], size=count)]]
    for simplices in corners:
        chosen = simplices[rng.integers(len(simplices), size=count)]
        weights = rng.dirichlet(np.ones(simplices.shape[1]), count)
        points.append(np.einsum("nk,nkd->nd", weights, mesh.p.T[chosen]))
    return np.concatenate(points)


@pytest.mark.parametrize("name", MESHES)
def test_points_are_where_they_are_found(name: str) -> None:
    """x = Σ λ_i p_i with Σ λ_i = 1, and without what is below 0 by rounding still, but for rounding: where a simplex is
    a thousand times as long as high, of a thousand times as much.
    """
    mesh = mesh_of(name)
    x, size = some_points(mesh), np.abs(mesh.p).max(axis=1)
    cell, weights = locate(mesh, x)
    corners = mesh.p.T[mesh.t.T[cell]]
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-12
    assert (np.abs(np.einsum("nk,nkd->nd", weights, corners) - x) <= 8 * EPS * size).all()
    inside = np.maximum(weights, 0) / np.maximum(weights, 0).sum(axis=1, keepdims=True)
    assert (np.abs(np.einsum("nk,nkd->nd", inside, corners) - x) <= 1e4 * EPS * size).all()


@pytest.mark.parametrize("apart", [1e-13, 1e-12, 1e-10, 1e-6])
@pytest.mark.parametrize("d", [2, 3])
def test_needles_have_the_values_of_the_network(d: int, apart: float) -> None:
    """Pairs of kinks turned by so little, among others: at any point the simplex that is found has the right value.

    By rounding of 8ε one may be outside a simplex up to 1e4 times as long as high, and 1e4 times as far along it.
    """
    (weight, bias), rng = random_layers(3, d, [9, 4][d - 2])[0], np.random.default_rng(0)
    again, others = weight * (1 + apart * rng.standard_normal(weight.shape)), rng.standard_normal((6, d))
    graph = network([(np.concatenate([weight, again, others]), np.concatenate([bias, bias, np.zeros(6)]))])
    found = partition(graph, [(-1.0, 1.0)] * d)
    x, nodal = some_points(found.mesh, 2000), values(graph, found.mesh.p.T)
    cell, weights = locate(found.mesh, x)
    u = (nodal[-1][found.mesh.t.T[cell], 0] * weights).sum(axis=1)
    bound = (4 + found.moved) * rounding(graph, [np.abs(h).max(axis=0) for h in nodal])[-1][0]
    steepest = float(graph.steps[-1].weight[0] @ np.linalg.norm(graph.steps[0].weight, axis=1))
    difference = np.abs(u - values(graph, x)[-1][:, 0])
    assert difference.max() <= EPS * (bound + 8e4 * steepest)
    assert np.median(difference) <= EPS * bound


@pytest.mark.parametrize("name", ["lines", "planes", "ridges", "notch", "hole", "two parts", "interval"])
def test_every_simplex_finds_itself(name: str) -> None:
    """By its centre, unless it is thinner than rounding; and one point at a time as all at once."""
    mesh = mesh_of(name)
    centres = mesh.p.T[mesh.t.T].mean(axis=1)
    wide = volumes(mesh) > 1e-10
    cell, weights = locate(mesh, centres)
    assert np.array_equal(cell[wide], np.flatnonzero(wide))
    assert np.abs(weights[wide] - 1 / (mesh.dim() + 1)).max() < 1e-5
    for i in np.flatnonzero(wide)[:3]:
        assert locate(mesh, centres[i : i + 1])[0] == i


def test_functions_are_continued_from_corners() -> None:
    """An affine function is the same in all simplices, at any of many points: no walk is lost."""
    mesh = mesh_of("ridges")
    x = np.random.default_rng(0).uniform(-1, 1, (20_000, 2))
    cell, weights = locate(mesh, x)
    found = ((mesh.p.T @ [1.0, -2.0])[mesh.t.T[cell]] * weights).sum(axis=1)
    assert np.abs(found - x @ [1.0, -2.0]).max() < 1e-14
    assert np.array_equal(locate(mesh, np.empty((0, 2)))[1], np.empty((0, 3)))


def test_simplices_without_a_volume_are_passed() -> None:
    """A flat triangle between two others, and one that is a point, hold nothing."""
    points = np.array([[0.0, 1.0, 0.5, 0.0, 1.0, 0.5], [0.0, 0.0, 0.0, 1.0, -1.0, 0.0]])
    mesh = MeshTri(points, np.array([[0, 2, 3], [2, 1, 3], [0, 1, 4], [0, 1, 2], [0, 2, 5]]).T)
    x = np.array([[0.1, 0.0], [0.5, 0.0], [0.7, 0.0], [0.2, 0.3], [0.9, -0.5], [0.6, 0.2]])
    cell, weights = locate(mesh, x)
    assert cell.max() <= 2 and weights.min() >= -EPS
    assert cell[3:].tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("interval", [1.0 + 1e-6]),
        ("square", [0.5, 1.001]),
        ("square", [np.nan, 0.5]),
        ("cube", [0.0, np.inf, 0.0]),
        ("notch", [1.5, 2.0]),
        ("hole", [0.0, 0.0]),
        ("two parts", [2.0, 0.5]),
        ("ridges", [1.0, 1.0 + 1e-6]),
        ("far", [1e6 - 1e-3, 1e6]),
    ],
)
def test_outside(name: str, x: list[float]) -> None:
    mesh = mesh_of(name)
    many = np.vstack([some_points(mesh, 20), [x]])
    with pytest.raises(ValueError, match="expected points inside the domain, got") as caught:
        locate(mesh, many)
    assert str(x) in str(caught.value) and "\n" not in str(caught.value)


def test_intervals_in_any_order_and_with_a_gap() -> None:
    mesh = MeshLine1(np.array([[3.0, 0.0, 2.0, 1.0]]), np.array([[0, 1], [2, 3]]))
    cell, weights = locate(mesh, np.array([[0.25], [2.5], [1.0], [2.0]]))
    assert cell.tolist() == [1, 0, 1, 0]
    assert weights.tolist() == [[0.75, 0.25], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]]
    with pytest.raises(ValueError, match=r"got \[1\.5\]"):
        locate(mesh, np.array([[0.5], [1.5]]))
