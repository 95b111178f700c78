"""A finite-element function as a network: the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skfem import Basis, ElementLineP1, ElementTriP1, Mesh
from torch import nn

from fembridge.memory import require_memory
from fembridge.networks.activations import Hat
from fembridge.networks.affine import linear
from fembridge.problem import Array
from fembridge.theory.grams import nodal_to_relu
from fembridge.theory.rows import Index

EPS = float(np.finfo(float).eps)
SAME = 16 * EPS  # rays at an angle that small have one direction: each is known to a few units of round-off


def network_from(basis: Basis, coefficients: ArrayLike, activation: str = "relu") -> nn.Sequential:
    """The network that equals a continuous piecewise-linear function u = Σ_i u_i φ_i on its mesh, in float64.

    On an interval with nodes x_0 < … < x_n, "relu" is one neuron for each cell,

        u(x) = u_0 + Σ_j v_j (x − x_j)₊,    v = E S (u − u_0),

    and "hat" on equal steps h one for each node, u(x) = Σ_j u_j Hat((x − x_j)/h + 1). On other steps no single Hat is
    φ_j; there (x − x_j)₊ = L Hat((x − x_j)/L), as this Hat rises all over the domain, of length L.

    On triangles "relu" is three hidden layers: one neuron for each ray around a vertex in the first and the second, one
    for each vertex with u_i ≠ 0 in the third (one if there is none). Rays are the edges at a vertex, one more in each
    angle above 90°, and one in an angle outside the domain, or three if it is above 180°. Vertices with u_i = 0 need
    none. Stars of triangles need not be convex. Weights are dense.

    u is anything outside the mesh. Rounding is ε X Σ|v_j| with ramps, ε X max|u'| with a Hat for each node, and grows
    like ε X / (h sin θ) in the plane: X the largest coordinate, θ the smallest angle, h the shortest edge or gap.

    Raises ValueError for a basis that is not P1 on intervals or triangles, coefficients that do not fit, another
    activation, "hat" in the plane, and cells without size to round-off, that overlap or that touch otherwise than in
    common edges and vertices, and vertices of no cell; MemoryError where the weights would not fit.

    Sources: Hong et al. 2022, arXiv 2208.04924; He, Li, Xu, Zheng, arXiv 1807.03973 (for convex stars).

    >>> import torch
    >>> from skfem import MeshTri
    >>> net = network_from(Basis(MeshTri(), ElementTriP1()), [0.0, 1.0, 2.0, 5.0])   # at (0, 0), (1, 0), (0, 1), (1, 1)
    >>> values = net(torch.tensor([[0.25, 0.25], [0.75, 0.75]], dtype=torch.float64)).ravel()
    >>> bool(np.allclose(values.detach(), [0.75, 3.25], rtol=0, atol=1e-14))
    True
    """
    mesh, u = basis.mesh, np.asarray(coefficients, dtype=float)
    if type(basis.elem) not in (ElementLineP1, ElementTriP1) or mesh.elem is not type(basis.elem):
        kinds = f"{type(basis.elem).__name__} on {type(mesh).__name__}"
        raise ValueError(f"network_from: expected a P1 basis on intervals or triangles, got {kinds} in {mesh.dim()}-D")
    if activation != "relu" and (activation != "hat" or mesh.dim() > 1):
        came = f'"{activation}" in {mesh.dim()}-D'
        raise ValueError(f'network_from: expected the activation "relu", or "hat" on intervals, got {came}')
    if u.shape != (basis.N,) or not np.isfinite(u).all():
        raise ValueError(f"network_from: expected {basis.N} finite coefficients, got an array of shape {u.shape}")
    unused = np.setdiff1d(np.arange(mesh.p.shape[1]), mesh.t)
    if len(unused):
        raise ValueError(f"network_from: expected vertices of cells, got vertex {unused[0]} of none")
    nodal = u[basis.nodal_dofs[0]]
    return _on_interval(mesh, nodal, activation) if mesh.dim() == 1 else _on_triangles(mesh, nodal)


def _on_interval(mesh: Mesh, u: Array, activation: str) -> nn.Sequential:
    order = np.argsort(mesh.p[0])
    x, u = mesh.p[0][order], u[order]
    steps, places = np.diff(x), np.sort(np.argsort(order)[mesh.t], axis=0)
    if not (steps > 0).all() or (places[1] - places[0] != 1).any():
        raise ValueError("network_from: expected cells that do not overlap, between nodes that differ")
    length = x[-1] - x[0]
    h = length / len(steps)
    # nodes of equal steps are rounded once or twice, and so are their differences
    if activation == "hat" and np.abs(steps - h).max() <= 4 * EPS * np.abs(x).max():
        return nn.Sequential(linear(np.full((len(x), 1), 1 / h), 1 - x / h), Hat(), linear(u[None], None))
    scale = length if activation == "hat" else 1.0
    jumps = nodal_to_relu(x[:-1], x[-1]) @ (u[1:] - u[0])
    inner = linear(np.full((len(jumps), 1), 1 / scale), -x[:-1] / scale)
    return nn.Sequential(inner, Hat() if activation == "hat" else nn.ReLU(), linear(scale * jumps[None], u[:1]))


@dataclass(frozen=True, eq=False)
class Stars:
    """Rays (R, 2) around vertices, ordered by vertex and counterclockwise around each; apex (R,) is the vertex.

    tip (R,): the vertex at the end, −1 for rays that are no edges. outside (R,): whether the angle from a ray to the
    next lies outside the domain. S is 1 at the ends of rays, except for those with `outside` on both sides.
    """

    apex: Index
    ray: Array
    tip: Index
    outside: NDArray[np.bool_]

    @property
    def following(self) -> Index:
        """The place of the next ray around the same vertex."""
        last = np.append(self.apex[1:] != self.apex[:-1], True)
        return np.where(last, np.searchsorted(self.apex, self.apex), np.arange(len(last)) + 1)

    @property
    def previous(self) -> Index:
        return np.argsort(self.following)

    @property
    def added_outside(self) -> NDArray[np.bool_]:
        return self.outside & self.outside[self.previous]

    @property
    def lengths(self) -> Array:
        return np.linalg.norm(self.ray, axis=1)

    def angles(self) -> tuple[Array, Array]:
        """Sine and cosine of the angle from each ray to the next one."""
        e = self.ray / self.lengths[:, None]
        return _cross(e, e[self.following]), (e * e[self.following]).sum(axis=1)

    def bisected(self, chosen: NDArray[np.bool_]) -> Stars:
        """With one more ray in the middle of each chosen angle: to the opposite edge, of length 1 outside."""
        k = np.flatnonzero(chosen)
        near, far = self.lengths[k], self.lengths[self.following[k]]
        e, f = self.ray[k] / near[:, None], self.ray[self.following[k]] / far[:, None]
        sine, cosine, chord = _cross(e, f), (e * f).sum(axis=1), f - e
        # of two formulas the one that does not cancel; a sum of directions points backwards beyond 180°
        middle = np.where(cosine[:, None] < 0, -_turned(chord), np.copysign(1, sine)[:, None] * (e + f))
        middle /= np.linalg.norm(middle, axis=1)[:, None]
        opposite = 2 * sine / ((1 / near + 1 / far) * np.linalg.norm(chord, axis=1))
        ray = np.where(self.outside[k], 1.0, opposite)[:, None] * middle
        return Stars(
            np.insert(self.apex, k + 1, self.apex[k]),
            np.insert(self.ray, k + 1, ray, axis=0),
            np.insert(self.tip, k + 1, -1),
            np.insert(self.outside, k + 1, self.outside[k]),
        )


def _on_triangles(mesh: Mesh, u: Array) -> nn.Sequential:
    """With rays r_k around x_i at angles θ_k ≤ 90° from the next one, e_k = r_k/|r_k| and y = x − x_i,

        φ_i(x) = (1 − Σ_k S(e_k) q_k(y))₊,
        q_k(y) = ((e_{k−1} × y)₊ / sin θ_{k−1} − (cot θ_{k−1} + cot θ_k) (e_k × y)₊)₊.

    q_k is 1 at e_k, linear up to the two rays beside it, where it is 0, and 0 beyond, as these are at most 180° apart.
    S is linear between rays and 1 on the edges opposite x_i: 1 − S is φ_i in the triangles at x_i and ≤ 0 beyond.
    """
    points = mesh.p.T
    edges = _edges(points, mesh.t.T)
    stars = edges.bisected(edges.outside)
    stars = stars.bisected(stars.angles()[1] < -SAME)
    vertices = np.flatnonzero(u) if u.any() else np.zeros(1, dtype=np.intp)
    used = np.isin(stars.apex, vertices)
    n = int(used.sum())
    require_memory(3 * 8.0 * n * (n + len(vertices) + 3), f"a network with two layers of {n} neurons")
    boundary = np.stack([edges.apex, edges.tip[edges.following]], axis=1)[edges.outside]
    _check_apart(points, mesh.t.T, np.unique(boundary))
    S = _closed(stars, points, boundary)[used]

    stars = Stars(*(values[used] for values in vars(stars).values()))
    e, k, before = stars.ray / stars.lengths[:, None], np.arange(n), stars.previous
    sine, cosine = stars.angles()
    cotangent = np.maximum(cosine, 0) / sine
    hats, sums = np.zeros((n, n)), np.zeros((len(vertices), n))
    hats[k, before] = 1 / sine[before]
    hats[k, k] = -cotangent[before] - cotangent
    sums[np.searchsorted(vertices, stars.apex), k] = -S / stars.lengths
    sides, functions = linear(_turned(e), -_cross(e, points[stars.apex])), linear(sums, np.ones(len(vertices)))
    layers = (sides, nn.ReLU(), linear(hats, None), nn.ReLU(), functions, nn.ReLU(), linear(u[None, vertices], None))
    return nn.Sequential(*layers)


def _edges(points: Array, triangles: Index) -> Stars:
    """The edges at each vertex as rays.

    Raises ValueError for triangles without area, and for such as overlap at a vertex or share one side of an edge.
    """
    a, b, c = points[triangles].swapaxes(0, 1)
    flipped = _cross(b - a, c - a) < 0
    triangles = np.where(flipped[:, None], triangles[:, ::-1], triangles)  # counterclockwise
    apex, start, end = (np.roll(triangles, -i, axis=1).ravel().astype(np.intp) for i in range(3))
    near, far = points[start] - points[apex], points[end] - points[apex]
    size = np.linalg.norm(near, axis=1) * np.linalg.norm(far, axis=1)
    flat = ~(_cross(near, far) > SAME * size).reshape(-1, 3).all(axis=1)
    if flat.any():
        raise ValueError(f"network_from: expected triangles of positive area, got none for triangle {np.argmax(flat)}")

    count = len(points)
    first, last = apex * count + start, apex * count + end  # numbers of rays
    ends = np.unique(np.concatenate([first, last]))
    rays = points[ends % count] - points[ends // count]
    order = np.lexsort((np.arctan2(rays[:, 1], rays[:, 0]), ends // count))
    place = np.argsort(order)
    begin, stop = place[np.searchsorted(ends, first)], place[np.searchsorted(ends, last)]
    outside = np.ones(len(ends), dtype=bool)
    outside[begin] = False
    stars = Stars((ends // count)[order], rays[order], (ends % count)[order], outside)
    sine, cosine = stars.angles()
    merged = (np.abs(sine) <= SAME) & (cosine > 0)
    wrong = np.concatenate([apex[stars.following[begin] != stop], stars.apex[merged]])
    if len(wrong) or len(np.unique(first)) < len(first):
        where = f"vertex {wrong[0]}" if len(wrong) else "an edge"
        raise ValueError(f"network_from: expected triangles that do not overlap, got some that do at {where}")
    return stars


def _check_apart(points: Array, triangles: Index, vertices: Index) -> None:
    """Raise ValueError where a vertex of the boundary lies in a triangle that it is no corner of."""
    corners = points[triangles]
    sides = np.roll(corners, -1, axis=1) - corners
    for i in vertices:
        turns = _cross(sides, points[i] - corners)
        inside = ((turns >= 0).all(axis=1) | (turns <= 0).all(axis=1)) & (triangles != i).all(axis=1)
        if inside.any():
            raise ValueError(
                f"network_from: expected triangles that do not overlap, got vertex {i} in triangle {np.argmax(inside)}"
            )


def _closed(stars: Stars, points: Array, boundary: Index) -> Array:
    """S at the end of each ray, (R,): where rays were added outside, the least value ≥ 0, the same for all of a vertex,
    for which S ≥ 1 where the domain meets the angles there.

    In an angle S is linear, and least at a corner of the part of the domain there: a vertex of the boundary, or where
    an edge of it crosses a ray. boundary: (B, 2) edges. Raises ValueError where the domain touches itself.
    """
    added, following, least = stars.added_outside, stars.following, np.zeros(len(points))
    for k in np.flatnonzero(stars.outside):
        i, pair = stars.apex[k], [k, following[k]]
        first, last = np.moveaxis(_coordinates(points[boundary] - points[i], *stars.ray[pair]), 1, 0)
        corners = [first[(first >= 0).all(axis=1) & (boundary[:, 0] != i)]]
        for axis in range(2):
            crossing = np.sign(first[:, axis]) * np.sign(last[:, axis]) < 0
            p, q = first[crossing], last[crossing]
            met = p + (p[:, axis] / (p[:, axis] - q[:, axis]))[:, None] * (q - p)
            met[:, axis] = 0
            corners.append(met[met[:, 1 - axis] > 0])
        c = np.concatenate(corners)
        known, rest = c @ ~added[pair], c @ added[pair]
        low = known < 1
        with np.errstate(divide="ignore"):
            least[i] = max(least[i], ((1 - known[low]) / rest[low]).max(initial=0))
    if not np.isfinite(least).all():
        i = int(np.argmax(~np.isfinite(least)))
        raise ValueError(
            "network_from: expected triangles that touch in common edges and vertices alone, "
            f"got others that touch those at vertex {i}"
        )
    return np.where(added, least[stars.apex], 1.0)


def _coordinates(y: Array, a: Array, b: Array) -> Array:
    """c (…, 2) with y = c_0 a + c_1 b, exactly 0 where that is within rounding."""
    turns = np.stack([_cross(y, b), _cross(a, y)], axis=-1)
    size = np.linalg.norm(y, axis=-1)[..., None] * [np.linalg.norm(b), np.linalg.norm(a)]
    return np.asarray(np.where(np.abs(turns) <= SAME * size, 0, turns) / _cross(a, b))


def _cross(a: Array, b: Array) -> Array:
    """a × b = a_0 b_1 − a_1 b_0."""
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _turned(a: Array) -> Array:
    """a by 90° counterclockwise: a × y = turned(a) · y."""
    return np.stack([-a[..., 1], a[..., 0]], axis=-1)
