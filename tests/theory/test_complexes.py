"""Complexes of polytopes: what cuts leave conforms, whatever the cut meets."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fembridge.theory.complexes import BOUNDARY, SEAM, Complex, box, simplicial
from fembridge.theory.meshes import box_mesh
from fembridge.theory.partitions import KINDS
from fembridge.theory.rows import Rows, distinct
from tests.theory.conformity import assert_conforming, surface

SQUARE, CUBE = ([(0.0, 1.0)] * d for d in (2, 3))


def check(body: Complex, volume: float = 1.0, boundary: float | None = None) -> None:
    d = body.dimension
    mesh = KINDS[d](body.points.rows.T.copy(), body.simplices(d)[0].T.copy())
    assert_conforming(mesh, volume, surface([(0.0, 1.0)] * d) if boundary is None else boundary)
    facets = body.faces[d - 1] if d > 2 else body.edges
    assert len(body.labels) == len(facets)
    counts = [len(body.points), len(body.edges), *(len(faces) for faces in body.faces.values())]
    assert sum((-1) ** k * n for k, n in enumerate(counts)) == 1  # Euler's characteristic of a ball


def plane(body: Complex, normal: tuple[float, ...], offset: float) -> np.ndarray:
    return body.points.rows @ np.array(normal, dtype=float) + offset


def test_faces_of_a_box() -> None:
    square, cube = box(SQUARE), box(CUBE)
    assert (len(square.points), len(square.edges), len(square)) == (4, 4, 1)
    assert (len(cube.points), len(cube.edges), len(cube.faces[2]), len(cube)) == (8, 12, 6, 1)
    for body in (square, cube):
        check(body)
        assert (body.labels.rows == BOUNDARY).all()
    assert len(square.simplices(2)[0]) == 2 and len(cube.simplices(3)[0]) == 6


@pytest.mark.parametrize("d", [2, 3])
def test_seams_are_the_facets_within(d: int) -> None:
    mesh = box_mesh([(0.0, 1.0)] * d, 3)
    body = simplicial(mesh.p.T, mesh.t.T)
    check(body)
    assert len(body) == mesh.t.shape[1] and len(body.edges) == (mesh.edges if d == 3 else mesh.facets).shape[1]
    assert (body.labels.rows == SEAM).sum() == (mesh.f2t[1] >= 0).sum()
    assert (body.labels.rows == BOUNDARY).sum() == (mesh.f2t[1] < 0).sum()
    assert body.joined()[0] == 1


CUTS = [  # planes one after another, and how many cells they leave
    (SQUARE, [((1, 0), 0)], 1),  # along a side
    (SQUARE, [((1, 1), 0)], 1),  # a corner
    (SQUARE, [((1, -1), 0), ((1, 1), -1)], 4),  # the diagonals
    (SQUARE, [((1, -1), 0), ((1, 1), -1), ((1, 0), -0.5), ((0, 1), -0.5)], 8),  # four lines through the middle
    (SQUARE, [((1, -1), 0)] * 3, 2),  # again
    (SQUARE, [((2, 0), -1), ((0, 2), -1), ((1, 1), -0.5)], 5),  # from side to side through no vertex, then two
    (SQUARE, [((2, 0), -1), ((2, 1), -1)], 3),  # two from the same point of a side
    (CUBE, [((1, 0, 0), 0), ((1, 1, 0), 0), ((1, 1, 1), 0)], 1),  # a face, an edge, a corner
    (CUBE, [((1, -1, 0), 0)], 2),  # through two edges
    (CUBE, [((1, 1, -1), 0)], 2),  # through three corners and a fourth
    (CUBE, [((1, 1, 1), -1)], 2),  # through three corners
    (CUBE, [((1, 1, 1), -1), ((1, 1, 1), -2), ((1, 1, 1), -1.5)], 4),  # parallel, a hexagon in the middle
    (CUBE, [((1, -1, 0), 0), ((0, 1, -1), 0), ((1, 0, -1), 0)], 6),  # three planes through a diagonal
    (CUBE, [((1, -1, 0), 0), ((1, 1, 0), -1), ((1, 0, 0), -0.5), ((0, 1, 0), -0.5)], 8),  # four through a line
    (CUBE, [((1, 0, 0), -0.5), ((0, 1, 0), -0.5), ((0, 0, 1), -0.5), ((1, 1, 1), -1.5)], 14),  # four through a point
]


@pytest.mark.parametrize(("sides", "planes", "cells"), CUTS)
@pytest.mark.parametrize("grid", [0, 1, 2])
def test_planes_through_vertices_edges_and_faces(sides, planes, cells, grid) -> None:
    mesh = box_mesh(sides, max(grid, 1))
    body = simplicial(mesh.p.T, mesh.t.T) if grid else box(sides)
    for label, (normal, offset) in enumerate(planes):
        body.cut(plane(body, normal, offset), label)
    check(body)
    if not grid:
        assert len(body) == cells
    assert body.joined()[0] == cells  # seams divide nothing, but where a plane is along them


@pytest.mark.parametrize("d", [2, 3])
def test_random_planes(d: int) -> None:
    """n of them have Σ_{k ≤ d} C(n, k) cells where all meet inside, fewer here; new facets lie on them."""
    rng, body = np.random.default_rng(d), box([(0.0, 1.0)] * d)
    planes = rng.standard_normal((12, d)), rng.uniform(-0.3, 0.3, 12)
    offsets = planes[1] - planes[0].sum(axis=1) / 2
    for label, (normal, offset) in enumerate(zip(planes[0], offsets, strict=True)):
        count = len(body.points)
        a, b, t = body.cut(plane(body, tuple(normal), offset), label)
        new = body.points.rows[count:]
        assert np.abs(new @ normal + offset).max() < 1e-14
        assert np.abs((1 - t)[:, None] * body.points.rows[a] + t[:, None] * body.points.rows[b] - new).max() < 1e-15
    check(body)
    assert body.joined()[0] == len(body)
    facets, facet = body.simplices(d - 1)
    for label, (normal, offset) in enumerate(zip(planes[0], offsets, strict=True)):
        on = facets[body.labels.rows[facet] == label]
        assert len(on) and np.abs(body.points.rows[on] @ normal + offset).max() < 1e-14


def test_values_that_no_affine_function_has() -> None:
    """A square whose corners are + − + − is divided first, a triangle never."""
    body = box(SQUARE)
    body.cut(np.array([1.0, -1.0, -1.0, 1.0]), 0)
    check(body)
    assert len(body) == 4 and body.joined()[0] == 3  # two corners cut off, the diagonal a seam
    for patterns in (product((-1.0, 0.0, 1.0), repeat=3), product((-1.0, 0.0, 1.0), repeat=4)):
        for z in map(np.array, patterns):
            corners = np.concatenate([np.zeros((1, len(z) - 1)), np.eye(len(z) - 1)])
            body = simplicial(corners, np.arange(len(z))[None, :])
            body.cut(z, 0)
            assert len(body) == 1 + (z.min() < 0 < z.max())
            check(body, *((0.5, 2 + np.sqrt(2)) if len(z) == 3 else (1 / 6, (3 + np.sqrt(3)) / 2)))


def test_a_corner_at_which_four_parts_meet() -> None:
    """An octahedron, zero at its top and + − + − around it: each triangle may be cut, the whole only divided."""
    points = np.vstack([np.eye(3), -np.eye(3)])
    triangles = np.array(list(product((0, 3), (1, 4), (2, 5))))
    edges, sides = distinct(np.sort(triangles[:, [[0, 1], [0, 2], [1, 2]]].reshape(-1, 2), axis=1))
    facets = Rows(np.full(8, 3), sides)
    body = Complex(points, edges, [facets, Rows(np.array([8]), np.arange(8))], np.full(8, BOUNDARY))
    check(body, 4 / 3, 4 * np.sqrt(3))
    body.cut(np.array([1.0, -1.0, 0.0, 1.0, -1.0, 1.0]), 0)
    check(body, 4 / 3, 4 * np.sqrt(3))
    assert len(body) == 8  # four tetrahedra about the axis, each cut


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sides", [SQUARE, CUBE], ids=["square", "cube"])
def test_the_worst_of_rounding(seed: int, sides) -> None:
    """Planes through the middle whose values are turned into signs and zeros at random, where they are small."""
    rng, body = np.random.default_rng(seed), box(sides)
    for label in range(8):
        normal = Rotation.random(random_state=rng).as_matrix()[0, : len(sides)]
        z = plane(body, tuple(normal), -normal.sum() / 2)
        small = np.abs(z) < 0.2
        z[small] = 1e-3 * rng.integers(-1, 2, small.sum())
        body.cut(z, label)
    d = body.dimension
    simplices = np.sort(body.simplices(d)[0], axis=1)
    facets = np.concatenate([np.delete(simplices, i, axis=1) for i in range(d + 1)])
    facets, used = np.unique(facets, axis=0, return_counts=True)
    once = body.points.rows[facets[used == 1]]
    assert used.max() == 2 and len(np.unique(simplices, axis=0)) == len(simplices)
    assert ((once == 0).all(axis=1) | (once == 1).all(axis=1)).any(axis=1).all()  # on a side


@pytest.mark.parametrize("d", [2, 3])
def test_division_keeps_labels(d: int) -> None:
    rng, body = np.random.default_rng(0), box([(0.0, 1.0)] * d)
    for label in range(6):
        normal = rng.standard_normal(d)
        body.cut(plane(body, tuple(normal), -normal.sum() / 2 + rng.uniform(-0.2, 0.2)), label)
    regions = body.joined()[0]
    facets, facet = body.simplices(d - 1)
    before = {(*sorted(f), int(n)) for f, n in zip(facets.tolist(), body.labels.rows[facet], strict=True)}
    cells = len(body.simplices(d)[0])
    body.divide()
    check(body)
    facets, facet = body.simplices(d - 1)
    after = {(*sorted(f), int(n)) for f, n in zip(facets.tolist(), body.labels.rows[facet], strict=True)}
    assert len(body) == cells and body.joined()[0] == regions
    assert before <= after and {f[-1] for f in after - before} <= {SEAM}


def test_three_triangles_at_an_edge_are_refused() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match="at most two simplices at a facet, got 3"):
        simplicial(points, np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]]))
