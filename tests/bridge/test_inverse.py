"""Finite-element functions as networks: ReLU on an interval and on triangles, Hat on an interval."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay
from skfem import (
    Basis,
    ElementLineP1,
    ElementLineP2,
    ElementQuad1,
    ElementTetP1,
    ElementTriP1,
    ElementTriP2,
    Mesh,
    MeshLine,
    MeshLine1DG,
    MeshQuad,
    MeshTet,
    MeshTri,
    MeshTri2,
)
from torch import nn

from fembridge.bridge import inverse
from fembridge.bridge.expansion import Expansion, expand
from fembridge.bridge.inverse import Stars, network_from
from fembridge.memory import memory_limit
from fembridge.networks.activations import Hat
from fembridge.problem import Array
from fembridge.theory.rows import Index
from fembridge.theory.spaces import space

EPS = float(np.finfo(float).eps)


# --- meshes -----------------------------------------------------------------------------------------------------------


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


# --- values and bounds ------------------------------------------------------------------------------------------------


def values(model: nn.Module, x: Array) -> Array:
    with torch.no_grad():
        return model(torch.as_tensor(x))[:, 0].numpy()


def matrices(model: nn.Sequential) -> list[tuple[Array, Array]]:
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    zeros = [torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach() for layer in layers]
    return [(layer.weight.detach().numpy(), b.double().numpy()) for layer, b in zip(layers, zeros, strict=True)]


def rounding(model: nn.Sequential, x: Array, slack: list[tuple[Array, Array]]) -> Array:
    """A bound (M,) on the rounding of a network at x (M, d), layer by layer, for weights and biases known to `slack`.

    W h + b is rounded by at most (n + 1) ε (|W| |h| + |b|), n the largest number of nonzero weights of a neuron, and
    carries on |W| δh + δW |h| + δb. An activation, of slope 1 at most, carries that on, but for neurons that are zero
    whatever the rounding.
    """
    h, error = x, np.zeros_like(x)
    activation = model[1]
    for k, ((w, b), (dw, db)) in enumerate(zip(matrices(model), slack, strict=True)):
        count = (w != 0).sum(axis=1).max() + 1
        error = error @ np.abs(w).T + count * EPS * (np.abs(h) @ np.abs(w).T + np.abs(b)) + np.abs(h) @ dw.T + db
        z = h @ w.T + b
        if k == len(slack) - 1:
            return np.asarray(error[:, 0])
        dead = (z + error <= 0) | (isinstance(activation, Hat) & (z - error >= 2))
        h = activation(torch.as_tensor(z)).numpy()
        error = np.where(dead, 0, error + 2 * EPS * np.abs(h))
    raise AssertionError


def sines(mesh: Mesh) -> Array:
    """sin of the angle at each corner (T, 3)."""
    a = mesh.p.T[mesh.t.T]
    near, far = np.roll(a, -1, axis=1) - a, np.roll(a, -2, axis=1) - a
    area = np.abs(near[..., 0] * far[..., 1] - near[..., 1] * far[..., 0])
    return np.asarray(area / (np.linalg.norm(near, axis=2) * np.linalg.norm(far, axis=2)))


def slopes(mesh: Mesh, u: Array) -> Array:
    """|∇u| (T,)."""
    a = mesh.p.T[mesh.t.T]
    edges = a[:, 1:] - a[:, :1]
    return np.linalg.norm(np.linalg.solve(edges, (u[mesh.t[1:]] - u[mesh.t[0]]).T[..., None])[..., 0], axis=1)


def bound(model: nn.Sequential, mesh: Mesh, u: Array, x: Array) -> Array:
    """A bound on the difference of a network on triangles from Σ_i λ_i u_i at points Σ_i λ_i x_i, which round to x.

    Directions e are known to a few ε: e × x_i to 8 ε |x_i|, sin θ, cos θ to 5 ε, and a right angle may be taken for one
    of 90° ± 16 ε, so that 1/sin θ and cot θ are known to 32 ε / sin² θ. S is known to 16 ε S / sin θ, θ the smallest
    angle at the vertex before angles were bisected.
    """
    (w1, _), (w2, _), (w3, _), (w4, _) = matrices(model)
    far = np.abs(mesh.p).max()
    row, ray = np.nonzero(w2 > 0)
    inverse_sine = np.zeros(len(w1))
    inverse_sine[ray] = w2[row, ray]  # from each ray to the next one
    before = np.zeros(len(w1), dtype=int)
    before[row] = ray
    known = 32 * EPS * (inverse_sine**2 + inverse_sine[before] ** 2)
    vertices = np.flatnonzero(u) if u.any() else np.zeros(1, dtype=int)
    worst = np.zeros(len(u))
    np.maximum.at(worst, mesh.t.T, 1 / sines(mesh))
    slack = [
        (8 * EPS * np.abs(w1), 8 * EPS * far * np.ones(len(w1))),
        (known[:, None] * ((w2 != 0) | np.eye(len(w1), dtype=bool)), np.zeros(len(w1))),
        (16 * EPS * worst[vertices, None] * np.abs(w3), np.zeros(len(w3))),
        (np.zeros_like(w4), np.zeros(1)),
    ]
    return rounding(model, x, slack) + 4 * EPS * np.abs(u).max() + 4 * EPS * far * slopes(mesh, u).max()


def sample(mesh: Mesh, u: Array, n: int, seed: int = 0) -> tuple[Array, Array]:
    """Points (n, 2) in random triangles, half of them near edges, and the P1 function there.

    They are away from edges by 1e-3 of the height, so that no rounding brings one outside.
    """
    rng = np.random.default_rng(seed)
    cell = mesh.t.T[rng.integers(mesh.t.shape[1], size=n)]
    weights = np.concatenate([rng.dirichlet([1.0] * 3, n - n // 2), rng.dirichlet([0.1] * 3, n // 2)])
    weights = (weights + 1e-3) / (1 + 3e-3)
    return np.einsum("nk,nkd->nd", weights, mesh.p.T[cell]), (weights * u[cell]).sum(axis=1)


def excess(mesh: MeshTri, u: Array, points: int = 400) -> tuple[Array, Array]:
    """The difference of the network from the function at random points and all vertices, and its bound."""
    basis = space(mesh, 1)
    assert (basis.nodal_dofs[0] == np.arange(basis.N)).all()
    model = network_from(basis, u)
    x, expected = sample(mesh, u, points)
    x, expected = np.concatenate([x, mesh.p.T]), np.concatenate([expected, u])
    return np.abs(values(model, x) - expected), bound(model, mesh, u, x)


def normal(mesh: Mesh, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(mesh.p.shape[1])


# --- triangles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MESHES)
def test_triangles(name: str) -> None:
    mesh = MESHES[name]()
    difference, allowed = excess(mesh, normal(mesh))
    assert (difference <= allowed).all()
    assert np.median(allowed) < 1e-6  # the bound says something
    assert difference.max() < 1e-8


@pytest.mark.parametrize("name", ["Delaunay", "holes", "thin"])
def test_flipped_triangles_and_zero_coefficients(name: str) -> None:
    mesh = MESHES[name]()
    cells = mesh.t.copy()
    cells[:, ::3] = cells[::-1, ::3]
    mesh, u = MeshTri(mesh.p, cells, sort_t=False), normal(mesh)
    u[::2] = 0
    difference, allowed = excess(mesh, u)
    assert (difference <= allowed).all() and np.median(allowed) < 1e-6


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(3, 40), st.floats(0.05, 1.0))
def test_any_part_of_a_random_mesh(seed: int, n: int, kept: float) -> None:
    mesh = delaunay(n, seed, kept)
    difference, allowed = excess(mesh, normal(mesh, seed), 100)
    assert (difference <= allowed).all()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data(), st.integers(2, 5), st.integers(2, 5), st.integers(0, 10**6))
def test_any_part_of_a_grid(data: st.DataObject, columns: int, rows: int, seed: int) -> None:
    """Right angles, straight boundaries, vertices that join two parts; steps from 1 to 1000."""
    rng, count = np.random.default_rng(seed), (columns - 1) * (rows - 1)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=2 * count, max_size=2 * count)))
    kept[0] = True
    x, y = (np.cumsum(10.0 ** data.draw(st.integers(0, 3)) ** rng.random(size)) for size in (columns, rows))
    mesh = grid(x, y, rng.random(count) < 0.5, kept)
    difference, allowed = excess(mesh, normal(mesh, seed), 100)
    assert (difference <= allowed).all()


def test_sizes() -> None:
    """Regular 3 × 3: 2 · 16 edges; 270° outside at four corners, 180° at four vertices; no angle above 90°."""
    mesh = MeshTri().refined(1)
    model = network_from(space(mesh, 1), np.ones(9))
    rays = 2 * 16 + 4 * 3 + 4 * 1
    assert [w.shape for w, _ in matrices(model)] == [(rays, 2), (rays, rays), (9, rays), (1, 9)]
    assert [type(layer) for layer in model] == [nn.Linear, nn.ReLU] * 3 + [nn.Linear]
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    middle = np.zeros(9)
    middle[np.argmin(np.abs(mesh.p - 0.5).sum(axis=0))] = 1
    degree = int((mesh.t == middle.argmax()).sum())
    assert [w.shape for w, _ in matrices(network_from(space(mesh, 1), middle))] == [
        (degree, 2),
        (degree, degree),
        (1, degree),
        (1, 1),
    ]
    three = matrices(network_from(space(wheel(3), 1), np.eye(4)[0]))
    assert three[1][0].shape == (6, 6)  # three angles of 120° are bisected


def test_zero_and_constants() -> None:
    mesh = delaunay(30, 3, 0.8)
    basis, (x, _) = space(mesh, 1), sample(mesh, normal(mesh), 200)
    zero = network_from(basis, np.zeros(basis.N))
    assert (values(zero, x) == 0).all()
    assert zero[4].out_features == 1
    one = network_from(basis, np.ones(basis.N))
    assert (np.abs(values(one, x) - 1) <= bound(one, mesh, np.ones(basis.N), x)).all()


def test_random_numbers_are_left_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    network_from(space(MeshTri(), 1), np.ones(4))
    assert torch.equal(before, torch.get_rng_state())


def test_there_and_back_on_triangles() -> None:
    """P1 function → ReLU network → P1 function, on a finer mesh."""
    mesh = wheel(6, np.array([1.0, 0.4]))
    u = normal(mesh)
    found = expand(network_from(space(mesh, 1), u), mesh)
    assert isinstance(found, Expansion)
    x, expected = sample(mesh, u, 500)
    assert np.abs(found(x) - expected).max() < 1e-12


# --- wrong formulas ---------------------------------------------------------------------------------------------------


def nodal_hat_by_min(mesh: Mesh, vertex: int, x: Array) -> Array:
    """max(0, min_k g_k), g_k affine and equal to φ on the k-th triangle at the vertex."""
    planes = []
    for cell in mesh.t.T[(mesh.t == vertex).any(axis=0)]:
        lifted = np.column_stack([np.ones(3), mesh.p.T[cell]])
        planes.append(np.column_stack([np.ones(len(x)), x]) @ np.linalg.solve(lifted, cell == vertex))
    return np.maximum(0, np.min(planes, axis=0))


def is_convex(mesh: Mesh, vertex: int) -> bool:
    """Whether the rim of an interior vertex's star turns one way."""
    cells = mesh.t.T[(mesh.t == vertex).any(axis=0)]
    rim = mesh.p.T[np.setdiff1d(cells, vertex)] - mesh.p.T[vertex]
    rim = rim[np.argsort(np.arctan2(rim[:, 1], rim[:, 0]))]
    first = np.roll(rim, -1, axis=0) - rim
    then = np.roll(first, -1, axis=0)
    return bool((first[:, 0] * then[:, 1] - first[:, 1] * then[:, 0] >= 0).all())


@pytest.mark.parametrize("name", ["not convex", "not convex, obtuse"])
def test_the_minimum_of_planes_needs_convex_stars(name: str) -> None:
    mesh = MESHES[name]()
    u = np.eye(mesh.p.shape[1])[0]
    x, expected = sample(mesh, u, 2000)
    model = network_from(space(mesh, 1), u)
    allowed = bound(model, mesh, u, x)
    assert not is_convex(mesh, 0)
    assert (np.abs(values(model, x) - expected) <= allowed).all()
    assert np.abs(nodal_hat_by_min(mesh, 0, x) - expected).max() > 0.1 > 1e4 * allowed.max()


def test_the_minimum_of_planes_on_convex_stars() -> None:
    """The same formula where it holds: the control measures what it says it does."""
    mesh = wheel(7)
    u = np.eye(mesh.p.shape[1])[0]
    x, expected = sample(mesh, u, 2000)
    assert is_convex(mesh, 0)
    assert np.abs(nodal_hat_by_min(mesh, 0, x) - expected).max() < 1e-14


def test_a_random_mesh_has_stars_that_are_not_convex() -> None:
    mesh = delaunay(100)
    assert not all(is_convex(mesh, int(i)) for i in mesh.interior_nodes())


@pytest.mark.parametrize("name", ["degree 3", "Delaunay", "not convex, obtuse"])
def test_obtuse_angles_must_be_bisected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Stars.bisected
    monkeypatch.setattr(Stars, "bisected", lambda self, chosen: right(self, chosen & self.outside))
    difference, _ = excess(MESHES[name](), normal(MESHES[name]()))
    assert difference.max() > 0.01


@pytest.mark.parametrize("name", ["islands", "slit", "spiral", "perforated"])
def test_the_outside_must_be_left_steeply(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = inverse._closed
    monkeypatch.setattr(inverse, "_closed", lambda *given: np.minimum(right(*given), 1.0))
    difference, _ = excess(MESHES[name](), normal(MESHES[name]()))
    assert difference.max() > 0.01


def test_one_wrong_digit_is_seen() -> None:
    mesh = MESHES["Delaunay"]()
    u = normal(mesh)
    x, expected = sample(mesh, u, 1000)
    model = network_from(space(mesh, 1), u)
    with torch.no_grad():
        model[4].weight.mul_(1 + 1e-5)
    assert (np.abs(values(model, x) - expected) > bound(model, mesh, u, x)).mean() > 0.5


# --- intervals --------------------------------------------------------------------------------------------------------

NODES = {
    "one cell": np.array([2.0, 5.0]),
    "uniform": np.linspace(-1, 2, 40),
    "uniform, far away": np.linspace(1000.1, 1000.7, 30),
    "random": np.cumsum(np.random.default_rng(0).uniform(0.1, 1, 30)),
    "graded": 2.0 ** -np.arange(20.0)[::-1],
}


def bound_on_interval(model: nn.Sequential, x: Array, u: Array, points: Array) -> Array:
    """A bound on the rounding. Weights of ramps are differences of slopes; other ones, products or quotients.

    Nodal hats are a step wide that the cells have up to 4 ε X.
    """
    (w1, _), (w2, _) = matrices(model)
    slope = np.abs(np.diff(u) / np.diff(x))
    far = np.abs(x).max()
    nodal = w2.shape[1] == len(x)
    jumps = 4 * EPS * (slope + np.append(0, slope[:-1])) / w1[:, 0] if not nodal else 0 * w2[0]
    inner = (8 if nodal else 2) * EPS * np.abs(w1)
    slack = [(inner, far * inner[:, 0]), (jumps[None], np.zeros(1))]
    return rounding(model, points[:, None], slack) + 4 * EPS * np.abs(u).max() + 4 * EPS * far * slope.max()


@pytest.mark.parametrize("activation", ["relu", "hat"])
@pytest.mark.parametrize("name", NODES)
def test_intervals(name: str, activation: str) -> None:
    x = NODES[name]
    shuffled = np.random.default_rng(1).permutation(len(x))  # nodes may come in any order
    places = np.argsort(shuffled)
    basis = space(MeshLine(x[shuffled][None], np.stack([places[1:], places[:-1]])), 1)
    u = np.random.default_rng(2).standard_normal(len(x))
    model = network_from(basis, u[shuffled], activation)
    points = np.concatenate([x, np.random.default_rng(3).uniform(x[0], x[-1], 1000)])
    difference = np.abs(values(model, points[:, None]) - np.interp(points, x, u))
    assert (difference <= bound_on_interval(model, x, u, points)).all()
    assert difference.max() < 1e-8


def test_sizes_on_intervals() -> None:
    for name, x in NODES.items():
        basis = space(MeshLine(x), 1)
        for activation, kind in (("relu", nn.ReLU), ("hat", Hat)):
            model = network_from(basis, np.ones(len(x)), activation)
            equal = name.startswith("uniform") or name == "one cell"
            width = len(x) if activation == "hat" and equal else len(x) - 1
            assert [type(layer) for layer in model] == [nn.Linear, kind, nn.Linear]
            assert (model[0].out_features, model[2].in_features) == (width, width)
            assert model[0].weight.dtype == model[2].weight.dtype == torch.float64
    one = network_from(space(MeshLine(np.linspace(0, 1, 11)), 1), np.arange(11.0), "hat")
    assert (
        np.allclose(one[0].weight.detach(), 10, rtol=1e-15) and (one[2].weight[0].numpy(force=True) == range(11)).all()
    )


def test_parts_of_an_interval() -> None:
    """Between parts the network may be anything."""
    mesh = MeshLine(np.array([[0.0, 1.0, 2.0, 3.0]]), np.array([[0, 2], [1, 3]]))
    for activation in ("relu", "hat"):
        model = network_from(space(mesh, 1), [1.0, 2.0, 7.0, 5.0], activation)
        assert np.abs(values(model, np.array([[0.5], [2.25], [3.0]])) - [1.5, 6.5, 5.0]).max() < 1e-14


@pytest.mark.parametrize("activation", ["relu", "hat"])
@pytest.mark.parametrize("name", ["uniform", "random"])
def test_there_and_back(name: str, activation: str) -> None:
    """P1 function → network → P1 function."""
    x = NODES[name]
    u = np.random.default_rng(2).standard_normal(len(x))
    model = network_from(space(MeshLine(x), 1), u, activation)
    found = expand(model, (x[0], x[-1]))
    # both sum terms of size Σ|v_j| L, or 1/h, each rounded a few times
    allowed = 8 * bound_on_interval(model, x, u, x).max()
    assert np.abs(found(x) - u).max() < allowed < 1e-8


def test_nodal_hats_are_better_conditioned_than_ramps() -> None:
    x = np.linspace(0, 1, 2001)
    u = np.random.default_rng(0).standard_normal(len(x))
    ramps, hats = (network_from(space(MeshLine(x), 1), u, activation) for activation in ("relu", "hat"))
    error = [np.abs(values(model, x[:, None]) - u).max() for model in (ramps, hats)]
    assert error[0] > 10 * error[1]
    assert error[1] < 1e-11  # ε X max|u'|, 8,000 in size, a few times


# --- refusals ---------------------------------------------------------------------------------------------------------

P1 = ElementTriP1


def mesh_of(points: list[list[float]], cells: list[list[int]]) -> MeshTri:
    return MeshTri(np.array(points, dtype=float).T, np.array(cells).T)


SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
BELOW = [[0, -1], [1, -1]]
BAR, CROSSING = [[-2, 0], [2, 0], [2, 1], [-2, 1]], [[0, -2], [1, -2], [1, 3], [0, 3]]
TWO = [[0, 1, 2], [0, 2, 3]]
APART = [*TWO, [4, 5, 6], [4, 6, 7]]

CONFORMING = {
    "flat": (mesh_of([[0, 0], [1, 1], [2, 2]], [[0, 1, 2]]), "positive area, got none for triangle 0"),
    "flat to round-off": (mesh_of([[0, 0], [0.1, 0.3], [0.2, 0.6 + 1e-16]], [[0, 1, 2]]), "positive area"),
    "a point": (mesh_of([*SQUARE, [0, 0]], [*TWO, [0, 1, 4]]), "positive area, got none for triangle 2"),
    "twice": (mesh_of(SQUARE, [*TWO, [0, 1, 2]]), "do not overlap, got some that do at an edge"),
    "folded": (mesh_of([[0, 0], [1, 0], [1, 1], [0.5, 0.7]], [[0, 1, 2], [0, 1, 3]]), "do not overlap, got some that do"),
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


@pytest.mark.parametrize("name", CONFORMING)
def test_refused_triangles(name: str) -> None:
    mesh, message = CONFORMING[name]
    with pytest.raises(ValueError, match=message):
        network_from(Basis(mesh, P1()), np.ones(Basis(mesh, P1()).N))


@pytest.mark.parametrize("angle", np.linspace(0.01, 1.5, 12))
@pytest.mark.parametrize("name", ["hanging", "cut", "cut, crosswise", "one vertex on an edge"])
def test_touching_triangles_are_refused_at_any_angle(name: str, angle: float) -> None:
    """Rounded, points lie a little beside the edge that they touch."""
    mesh = rotated(CONFORMING[name][0], angle)
    with pytest.raises(ValueError, match="expected triangles"):
        network_from(Basis(mesh, P1()), np.ones(mesh.p.shape[1]))


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
    basis = space(MeshTri().refined(5), 1)
    build = partial(network_from, basis, np.ones(basis.N))
    with memory_limit(0.1), pytest.raises(MemoryError, match=r"a network with two layers of 6\d\d\d neurons needs"):
        build()
