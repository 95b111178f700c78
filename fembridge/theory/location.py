"""Which simplex of a mesh a point lies in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from skfem import Mesh

from fembridge.problem import Array
from fembridge.theory.rows import Index

NEAR = 1e-9  # outside by so much, in barycentric coordinates, counts as inside
THIN = 1e4  # length over height; in thinner simplices rounding, which reaches far along them, excuses less
PAIRS = 2**21  # pairs of a point and a simplex that are looked at together
FEW = 128  # points that are sought first


def locate(mesh: Mesh, x: Array) -> tuple[Index, Array]:
    """The simplex (M,) of each point x (M, d), and its barycentric coordinates there (M, d+1), ≥ 0 up to rounding.

    On an interval by bisection. Else each point walks from the simplex whose centre is nearest, or from where a nearer
    point was found before, through a facet that it lies beyond, chosen at random, which ends in any triangulation of a
    convex domain (Devillers, Pion and Teillaud, Walking in a triangulation, 2002). Points that get stuck, at holes or
    in slivers, are compared with all simplices.

    Raises ValueError for points outside the mesh.

    >>> from fembridge.theory.meshes import box_mesh
    >>> cell, weights = locate(box_mesh([(0.0, 1.0), (0.0, 1.0)], 1), np.array([[0.5, 0.25]]))
    >>> weights.sum(), weights.min() >= 0
    (np.float64(1.0), np.True_)
    """
    _require(np.asarray(np.isfinite(x).all(axis=1)), x)
    scale = 2.0 ** -np.frexp(np.ptp(mesh.p, axis=1))[1]  # a power of 2 rounds nothing
    corners, at = (mesh.p.T * scale)[mesh.t.T], x * scale
    if mesh.dim() == 1:
        left = corners.min(axis=(1, 2))
        order = np.argsort(left)
        cell = order[np.maximum(np.searchsorted(left[order], at[:, 0], side="right") - 1, 0)]
        cell[(_barycentric(corners[cell], at) < -NEAR).any(axis=1)] = -1
    else:
        cell = _search(mesh, corners, at)
    _require(cell >= 0, x)
    return cell, _barycentric(corners[cell], at)


def _require(inside: NDArray[np.bool_], x: Array) -> None:
    if not inside.all():
        raise ValueError(f"expansion: expected points inside the domain, got {x[np.argmin(inside)].tolist()}")


def _search(mesh: Mesh, corners: Array, x: Array) -> Index:
    """The simplices of points, −1 for outside, when the search ends. First few are sought, then ever more, from where
    those before were found.
    """
    beside, random = _neighbours(mesh.t.T), np.random.default_rng(0)
    base = np.roll(corners, -1, axis=1)  # a corner of the facet opposite each corner
    gradient, rounding, slack = _coordinates(corners, base)
    steps = int(100 + 10 * len(corners) ** (1 / mesh.dim()))  # of the order of the simplices along a line

    def walk(points: Index) -> Index:
        """Let points walk from cell[points] and return those that do not arrive."""
        stuck = []
        for _ in range(steps):
            at = cell[points]
            beyond = np.einsum("nij,nij->ni", gradient[at], x[points, None] - base[at]) < -slack[at]
            open = beyond & (beside[at] >= 0)
            further = open.any(axis=1)
            stuck.append(points[beyond.any(axis=1) & ~further])
            facet = np.argmax(open[further] * random.random((further.sum(), beyond.shape[1])), axis=1)
            points, at = points[further], at[further]
            if not len(points):
                break
            cell[points] = beside[at, facet]
        return np.concatenate([*stuck, points])

    cell, order = np.zeros(len(x), dtype=np.intp), random.permutation(len(x))
    seeds, homes, done = corners.mean(axis=1), np.arange(len(corners)), 0
    while done < len(x):
        now = order[done : max(FEW, 8 * done)]
        cell[now] = homes[KDTree(seeds).query(x[now])[1]]
        lost = walk(now)
        cell[lost] = _best(corners, rounding, x[lost])
        if (cell[lost] < 0).any():
            break
        seeds, homes, done = np.concatenate([seeds, x[now]]), np.concatenate([homes, cell[now]]), done + len(now)
    return cell


def _neighbours(simplices: Index) -> Index:
    """The simplex opposite each corner (T, d+1); −1 for none."""
    count, corners = simplices.shape
    facet = np.sort(np.concatenate([np.delete(simplices, i, axis=1) for i in range(corners)]), axis=1)
    order = np.lexsort(facet.T)
    same: NDArray[np.bool_] = (facet[order[1:]] == facet[order[:-1]]).all(axis=1)
    first, second = order[:-1][same], order[1:][same]
    beside = np.full(len(facet), -1)
    beside[first], beside[second] = second % count, first % count
    return beside.reshape(corners, count).T


def _coordinates(corners: Array, base: Array) -> tuple[Array, Array, Array]:
    """Gradients of the barycentric coordinates (T, d+1, d); how far below 0 rounding may take them inside a simplex;
    and how far they may be for a point to stay there, −∞ where rounding has left no volume.

    Each from the normal of the facet on which it vanishes, so that it is no less exact in a thin simplex.
    """
    eps, along = np.finfo(float).eps, [np.roll(corners, -k, axis=1) - base for k in range(2, corners.shape[1])]
    normal = np.asarray(np.cross(along[0], along[1])) if len(along) == 2 else along[0][:, :, ::-1] * [-1, 1]
    height = (normal * (corners - base)).sum(axis=2)
    sizes = np.prod([np.linalg.norm(edge, axis=2) for edge in (*along, corners - base)], axis=0)
    flat = (np.abs(height) <= 64 * eps * sizes).any(axis=1, keepdims=True)
    gradient = normal / np.where(flat, 1, height)[:, :, None]
    rounding = 8 * eps * (np.abs(gradient) @ np.abs(corners).max(axis=(0, 1)))
    thin = np.einsum("tij,tj->ti", np.abs(gradient), np.ptp(corners, axis=1))
    return gradient, rounding, np.where(flat, -np.inf, rounding * np.minimum(1, THIN / np.where(flat, 1, thin)))


def _best(corners: Array, rounding: Array, x: Array) -> Index:
    """The simplices in which the least barycentric coordinate of points is largest, among those whose boxes hold them;
    −1 for points outside all by more than `NEAR` and rounding.
    """
    wide = 8 * np.finfo(float).eps * np.abs(corners).max(axis=(0, 1))
    low, high = corners.min(axis=1) - wide, corners.max(axis=1) + wide
    found, step = np.full(len(x), -1), max(1, PAIRS // len(corners))
    for start in range(0, len(x), step):
        some = x[start : start + step]
        point, cell = np.nonzero(((low <= some[:, None]) & (high >= some[:, None])).all(axis=2))
        weights = _barycentric(corners[cell], some[point])
        order = np.argsort(weights.min(axis=1))  # so that the largest is written last
        order = order[(weights + np.maximum(rounding[cell], NEAR)).min(axis=1)[order] >= 0]
        found[start + point[order]] = cell[order]
    return found


def _barycentric(corners: Array, x: Array) -> Array:
    """Barycentric coordinates of x (M, d) in simplices (M, d+1, d); −∞ in flat ones."""
    edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
    flat = np.linalg.det(edges) == 0
    edges = np.where(flat[:, None, None], np.eye(x.shape[1]), edges)
    inner = np.linalg.solve(edges, (x - corners[:, 0])[:, :, None])[:, :, 0]
    weights = np.column_stack([1 - inner.sum(axis=1), inner])
    weights[flat] = -np.inf
    return weights
