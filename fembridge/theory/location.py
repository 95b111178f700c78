"""Which simplex of a mesh a point lies in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from skfem import Mesh

from fembridge.problem import Array
from fembridge.theory.rows import Index

NEAR = 1e-9  # outside by so much, relative to the domain, counts as inside
THIN = 1e4  # length over height, from which on what rounding explains is far along a simplex
PAIRS = 2**21  # pairs of a point and a simplex that are looked at together
FEW = 128  # points that are sought first
EPS = float(np.finfo(float).eps)


def locate(mesh: Mesh, x: Array) -> tuple[Index, Array]:
    """The simplex (M,) of each point x (M, d), and its barycentric coordinates there (M, d+1), ≥ 0 up to rounding.

    On an interval by bisection. Else each point walks from the simplex whose centre is nearest, or from where a nearer
    point was found before, through a facet that it lies beyond, chosen at random, which ends in any triangulation of a
    convex domain (Devillers, Pion and Teillaud, Walking in a triangulation, 2002). Of all simplices the nearest is
    taken for points that get stuck, at holes, or on facets of simplices so thin that rounding hides their side.

    Raises ValueError for points outside the mesh.

    >>> from fembridge.theory.meshes import box_mesh
    >>> cell, weights = locate(box_mesh([(0.0, 1.0), (0.0, 1.0)], 1), np.array([[0.5, 0.25]]))
    >>> weights.sum(), weights.min() >= 0
    (np.float64(1.0), np.True_)
    """
    _require(np.asarray(np.isfinite(x).all(axis=1)), x)
    scale = 2.0 ** -np.frexp(np.ptp(mesh.p, axis=1))[1]  # to a size of about 1; a power of 2 rounds nothing
    corners, at = (mesh.p.T * scale)[mesh.t.T], x * scale
    if mesh.dim() == 1:
        left = corners.min(axis=(1, 2))
        order = np.argsort(left)
        cell = order[np.maximum(np.searchsorted(left[order], at[:, 0], side="right") - 1, 0)]
        weights, apart = _closest(corners[cell], at)
        _require(apart <= NEAR + 64 * EPS * np.abs(corners).max(), x)
    else:
        cell, weights = _search(mesh, corners, at)
        _require(cell >= 0, x)
    return cell, weights


def _require(inside: NDArray[np.bool_], x: Array) -> None:
    if not inside.all():
        raise ValueError(f"expansion: expected points inside the domain, got {x[np.argmin(inside)].tolist()}")


def _search(mesh: Mesh, corners: Array, x: Array) -> tuple[Index, Array]:
    """The simplices of points, and their coordinates. First few are sought, then ever more, from where those before
    were found; when one is outside, −1, no more.
    """
    beside, random = _neighbours(mesh.t.T), np.random.default_rng(0)
    base, gradient, least = _coordinates(corners)
    steps = int(100 + 10 * len(corners) ** (1 / mesh.dim()))  # of the order of the simplices along a line

    def walk(points: Index) -> Index:
        """Let points walk from cell[points] and return those that do not arrive."""
        stuck = []
        for _ in range(steps):
            at = cell[points]
            beyond = np.einsum("nij,nij->ni", gradient[at], x[points, None] - base[at]) < least[at]
            open = beyond & (beside[at] >= 0)
            further = open.any(axis=1)
            stuck.append(points[beyond.any(axis=1) & ~further])
            points, at, open = points[further], at[further], open[further]
            if not len(points):
                break
            cell[points] = beside[at, np.argmax(open * random.random(open.shape), axis=1)]
        return np.concatenate([*stuck, points])

    cell, weights, order = (
        np.zeros(len(x), dtype=np.intp),
        np.zeros((len(x), mesh.dim() + 1)),
        random.permutation(len(x)),
    )
    seeds, homes, done = corners.mean(axis=1), np.arange(len(corners)), 0
    while done < len(x):
        now = order[done : max(FEW, 8 * done)]
        cell[now] = homes[KDTree(seeds).query(x[now])[1]]
        lost = walk(now)
        weights[now] = _barycentric(corners[cell[now]], x[now])
        cell[lost], weights[lost] = _nearest(corners, base, gradient, x[lost])
        if (cell[lost] < 0).any():
            break
        seeds, homes, done = np.concatenate([seeds, x[now]]), np.concatenate([homes, cell[now]]), done + len(now)
    return cell, weights


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


def _coordinates(corners: Array) -> tuple[Array, Array, Array]:
    """Barycentric coordinates as gradient · (x − base), each (T, d+1, d), and how large they are inside (T, d+1): down
    to 0 up to rounding; in thin simplices beyond doubt; ∞ in those that rounding has left without a volume, where the
    gradient is 0.
    """
    base = np.roll(corners, -1, axis=1)
    along = [np.roll(corners, -k, axis=1) - base for k in range(2, corners.shape[1])]
    normal = np.asarray(np.cross(along[0], along[1])) if len(along) == 2 else along[0][:, :, ::-1] * [-1, 1]
    height, length = (normal * (corners - base)).sum(axis=2), np.ptp(corners, axis=1).max(axis=1, keepdims=True)
    flat = (height == 0).any(axis=1, keepdims=True)
    gradient = normal / np.where(flat, 1, height)[:, :, None]
    # The normal errs by ε times the product of the edges, and with it what is far along.
    edges = np.prod([np.linalg.norm(edge, axis=2) for edge in along], axis=0)
    thin = edges * length / np.where(flat, 1, np.abs(height))
    rounding = 8 * EPS * (np.abs(gradient) @ np.abs(corners).max(axis=(0, 1)) + thin)
    flat |= rounding.max(axis=1, keepdims=True) > 0.1
    gradient[flat[:, 0]] = 0
    thin = thin.max(axis=1, keepdims=True) > THIN
    return base, gradient, np.where(flat, np.inf, np.where(thin, rounding, -rounding))


def _barycentric(corners: Array, x: Array) -> Array:
    """Barycentric coordinates (M, d+1) in simplices (M, d+1, d), from a backward stable solution: what they stand for
    is x up to rounding, however thin the simplex. Those of its centre where it has no volume.
    """
    edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
    flat = np.linalg.det(edges) == 0
    inner = np.linalg.solve(np.where(flat[:, None, None], np.eye(x.shape[1]), edges), (x - corners[:, 0])[:, :, None])
    inner[flat] = 1 / corners.shape[1]
    return np.column_stack([1 - inner.sum(axis=(1, 2)), inner[:, :, 0]])


def _nearest(corners: Array, base: Array, gradient: Array, x: Array) -> tuple[Index, Array]:
    """The simplices nearest to points, among all, and the coordinates of the nearest point of each; −1 for points
    farther than `NEAR` and rounding from any.
    """
    near = NEAR + 64 * EPS * np.abs(corners).max()
    low, high, slack = corners.min(axis=1) - near, corners.max(axis=1) + near, near * np.abs(gradient).sum(axis=2)
    best, weights, step = np.full(len(x), -1), np.zeros((len(x), corners.shape[1])), max(1, PAIRS // len(corners))
    for start in range(0, len(x), step):
        some = x[start : start + step]
        point, cell = np.nonzero(((low <= some[:, None]) & (high >= some[:, None])).all(axis=2))
        at = np.einsum("nij,nij->ni", gradient[cell], some[point, None] - base[cell])
        inside = (at >= -slack[cell]).all(axis=1)
        point, cell = point[inside], cell[inside]
        found, apart = _closest(corners[cell], some[point])
        order = np.argsort(-apart)  # so that the nearest is written last
        order = order[apart[order] <= near]
        best[start + point[order]], weights[start + point[order]] = cell[order], found[order]
    return best, weights


def _closest(corners: Array, x: Array) -> tuple[Array, Array]:
    """Barycentric coordinates ≥ 0 of a point of each simplex (M, k+1, d) near x (M, d), and its distance: of x itself
    without what is negative, or of the best on a facet.
    """
    q, r = np.linalg.qr(np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2))
    r = np.where((np.diagonal(r, axis1=1, axis2=2) == 0).any(axis=1)[:, None, None], np.eye(r.shape[1]), r)
    inner = np.linalg.solve(r, np.swapaxes(q, 1, 2) @ (x - corners[:, 0])[:, :, None])[:, :, 0]
    weights = np.maximum(np.column_stack([1 - inner.sum(axis=1), inner]), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    apart = np.linalg.norm(np.einsum("nk,nkd->nd", weights, corners) - x, axis=1)
    for i in range(weights.shape[1] if weights.shape[1] > 2 else 0):
        facet, distance = _closest(np.delete(corners, i, axis=1), x)
        better = distance < apart
        weights[better], apart[better] = np.insert(facet[better], i, 0, axis=1), distance[better]
    return weights, apart
