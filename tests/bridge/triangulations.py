"""Triangulations: regular, random, thin, with holes and slits, with stars that are not convex; and wrong ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import Delaunay
from skfem import MeshTri

from fembridge.problem import Array
from fembridge.theory.rows import Index


def triangles(points: Array, cells: Index) -> MeshTri:
    """Of the vertices that cells have."""
    used, cells = np.unique(cells, return_inverse=True)
    return MeshTri(points[used].T, cells.reshape(-1, 3).T)


def delaunay(n: int, seed: int = 0, kept: float = 1.0) -> MeshTri:
    """Of random points in a square; with a part of the triangles: holes, slits, isolated corners, islands."""
    rng = np.random.default_rng(seed)
    points = rng.random((n, 2))
    cells = Delaunay(points).simplices
    chosen = rng.random(len(cells)) < kept
    chosen[0] = True
    return triangles(points, cells[chosen])


def grid(x: Array, y: Array, diagonals: Array, kept: Array) -> MeshTri:
    """A tensor grid, each rectangle cut along one of its diagonals; kept (rectangles, 2) of the triangles."""
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    corner = (np.arange(len(y) - 1)[:, None] * len(x) + np.arange(len(x) - 1)).ravel()
    a, b, c, d = corner, corner + 1, corner + len(x), corner + len(x) + 1
    rising, falling = np.stack([[a, b, d], [a, d, c]]), np.stack([[a, b, c], [b, d, c]])
    cells = np.where(diagonals, rising, falling).transpose(2, 0, 1)
    return triangles(points, cells[kept.reshape(-1, 2)])


def graded() -> MeshTri:
    x = 2.0 ** -np.arange(12.0)[::-1]
    return grid(x, x**0.5, np.zeros(121, bool), np.ones((121, 2), bool))


def wheel(n: int, radii: Array | None = None) -> MeshTri:
    """n triangles around the origin; with two radii in turn, the star of the origin is not convex."""
    angle = 2 * np.pi * (np.arange(n) + 0.1) / n
    radius = np.resize(np.ones(1) if radii is None else radii, n)
    rim = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    k = np.arange(n)
    return MeshTri(np.vstack([[0.0, 0.0], rim]).T, np.stack([np.zeros(n, int), 1 + k, 1 + (k + 1) % n]))


def perforated() -> MeshTri:
    mesh = MeshTri().refined(4)
    x, y = mesh.p[:, mesh.t].mean(axis=1)
    hole = ((x - 0.35) ** 2 + (y - 0.4) ** 2 < 0.04) | (abs(x - 0.75) < 0.07) & (abs(y - 0.6) < 0.25)
    return triangles(mesh.p.T, mesh.t.T[~hole])


def slit(width: float) -> MeshTri:
    """A square whose lower and upper part meet beside a slit only."""
    kept = np.ones((2, 3, 2), bool)
    kept = np.insert(kept, 1, [[True, True], [False, False], [False, False]], axis=0)
    x, y = np.arange(4.0), np.array([0.0, 1.0, 1.0 + width, 2.0])
    return grid(x, y, np.arange(9) % 2 == 0, kept)


def spiral() -> MeshTri:
    """A strip that winds around itself twice: angles outside look at the next turn."""
    angle = np.linspace(0, 4 * np.pi, 50)
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([(1 + angle / 6)[:, None] * rim, (1.7 + angle / 6)[:, None] * rim])
    k = np.arange(49)
    return MeshTri(points.T, np.concatenate([[k, k + 1, k + 50], [k + 1, k + 51, k + 50]], axis=1))


def rotated(mesh: MeshTri, angle: float) -> MeshTri:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return MeshTri(turn @ mesh.p, mesh.t)


MESHES: dict[str, Callable[[], MeshTri]] = {
    "two triangles": MeshTri,
    "one triangle": lambda: MeshTri(np.array([[0.3, 1.0, 0.7], [0.0, 0.1, 2.0]]), np.array([[0], [1], [2]])),
    "regular": lambda: MeshTri().refined(3),
    "rotated": lambda: rotated(MeshTri().refined(3), 0.5),
    "criss-cross": lambda: MeshTri.init_symmetric().refined(2),
    "far away": lambda: MeshTri().refined(2).translated((300.0, -500.0)),
    "small": lambda: MeshTri().refined(2).scaled(1e-9),
    "L-shaped": lambda: MeshTri.init_lshaped().refined(2),
    "disk": lambda: MeshTri.init_circle(2),
    "graded": graded,
    "thin": lambda: MeshTri().refined(2).scaled((1.0, 1e-4)),
    "Delaunay": lambda: delaunay(100),
    "holes": lambda: delaunay(120, 1, 0.9),
    "islands": lambda: delaunay(150, 2, 0.3),
    "perforated": perforated,
    "slit": lambda: slit(1e-3),
    "spiral": spiral,
    "degree 3": lambda: wheel(3),
    "degree 20": lambda: wheel(20),
    "not convex": lambda: wheel(10, np.array([1.0, 0.2])),
    "not convex, obtuse": lambda: wheel(6, np.array([1.0, 0.02])),
    "a corner of one": lambda: MeshTri.init_refdom().refined(1),
    "bow tie": lambda: MeshTri(np.array([[0.0, 1, 1, -1, -1], [0, -1, 2, 1, -2]]), np.array([[0, 1, 2], [0, 3, 4]]).T),
}


def mesh_of(points: list[list[float]], cells: list[list[int]]) -> MeshTri:
    return MeshTri(np.array(points, dtype=float).T, np.array(cells).T)


SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
BELOW = [[0, -1], [1, -1]]
BAR, CROSSING = [[-2, 0], [2, 0], [2, 1], [-2, 1]], [[0, -2], [1, -2], [1, 3], [0, 3]]
TWO = [[0, 1, 2], [0, 2, 3]]
APART = [*TWO, [4, 5, 6], [4, 6, 7]]

WRONG = {
    "flat": (mesh_of([[0, 0], [1, 1], [2, 2]], [[0, 1, 2]]), "positive area, got none for triangle 0"),
    "flat to round-off": (mesh_of([[0, 0], [0.1, 0.3], [0.2, 0.6 + 1e-16]], [[0, 1, 2]]), "positive area"),
    "a point": (mesh_of([*SQUARE, [0, 0]], [*TWO, [0, 1, 4]]), "positive area, got none for triangle 2"),
    "twice": (mesh_of(SQUARE, [*TWO, [0, 1, 2]]), "do not overlap, got some that do at an edge"),
    "folded": (
        mesh_of([[0, 0], [1, 0], [1, 1], [0.5, 0.7]], [[0, 1, 2], [0, 1, 3]]),
        "do not overlap, got some that do",
    ),
    "folded at a vertex": (mesh_of([*SQUARE, [2, 1], [1, 2]], [*TWO, [0, 4, 5]]), "got some that do at vertex 0"),
    "hanging": (
        mesh_of([*SQUARE, *BELOW, [0.5, 0]], [*TWO, [0, 4, 6], [4, 5, 6], [5, 1, 6]]),
        "do not overlap, got some that do at vertex",
    ),
    "cut": (mesh_of([*SQUARE, *BELOW, [0, 0], [1, 0]], [*TWO, [4, 5, 7], [4, 7, 6]]), "vertex 0 in triangle 3"),
    "cut, crosswise": (mesh_of([*SQUARE, *BELOW, [-1, 0], [2, 0]], [*TWO, [4, 5, 7], [4, 7, 6]]), "in triangle"),
    "nested": (mesh_of([*BAR, [0, 0.2], [1, 0.2], [1, 0.5], [0, 0.5]], APART), "vertex 4 in triangle"),
    "crossed": (mesh_of([*BAR, *CROSSING], APART), "touch in common edges and vertices alone, .* at vertex 0"),
    "one vertex on an edge": (mesh_of([*SQUARE, [1, 0.5], [2, 0], [2, 1]], [*TWO, [4, 5, 6]]), "vertex 4 in triangle"),
    "unused vertex": (mesh_of([*SQUARE, [0.5, 0.2]], TWO), "expected vertices of cells, got vertex 4 of none"),
}
