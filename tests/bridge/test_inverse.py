"""Finite-element functions as networks: ReLU on an interval and on triangles, Hat on an interval."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skfem import Mesh, MeshLine, MeshTri
from torch import nn

from fembridge.bridge import inverse
from fembridge.bridge.expansion import Expansion, expand
from fembridge.bridge.inverse import Stars, network_from
from fembridge.networks.activations import Hat
from fembridge.problem import Array
from fembridge.theory.spaces import space
from tests.bridge.rounding import matrices, on_interval, on_triangles, values
from tests.bridge.triangulations import MESHES, delaunay, grid, wheel


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
    return np.abs(values(model, x) - expected), on_triangles(model, mesh, u, x)


def normal(mesh: Mesh, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(mesh.p.shape[1])


# --- triangles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MESHES)
def test_triangles(name: str) -> None:
    mesh = MESHES[name]()
    difference, allowed = excess(mesh, normal(mesh))
    assert (difference <= allowed).all()
    assert np.median(allowed) < 1e-8  # the bound says something
    assert difference.max() < 1e-9


@pytest.mark.parametrize("name", ["Delaunay", "holes", "thin"])
def test_flipped_triangles_and_zero_coefficients(name: str) -> None:
    mesh = MESHES[name]()
    cells = mesh.t.copy()
    cells[:, ::3] = cells[::-1, ::3]
    mesh, u = MeshTri(mesh.p, cells, sort_t=False), normal(mesh)
    u[::2] = 0
    difference, allowed = excess(mesh, u)
    assert (difference <= allowed).all() and np.median(allowed) < 1e-8


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(3, 40), st.floats(0.05, 1.0))
def test_any_part_of_a_random_mesh(seed: int, n: int, kept: float) -> None:
    mesh = delaunay(n, seed, kept)
    difference, allowed = excess(mesh, normal(mesh, seed), 100)
    assert (difference <= allowed).all()


@settings(max_examples=25, deadline=None, derandomize=True)
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
    assert (np.abs(values(one, x) - 1) <= on_triangles(one, mesh, np.ones(basis.N), x)).all()


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
    allowed = on_triangles(model, mesh, u, x)
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
    assert (np.abs(values(model, x) - expected) > on_triangles(model, mesh, u, x)).mean() > 0.5


# --- intervals --------------------------------------------------------------------------------------------------------

NODES = {
    "one cell": np.array([2.0, 5.0]),
    "uniform": np.linspace(-1, 2, 40),
    "uniform, far away": np.linspace(1000.1, 1000.7, 30),
    "random": np.cumsum(np.random.default_rng(0).uniform(0.1, 1, 30)),
    "graded": 2.0 ** -np.arange(20.0)[::-1],
}


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
    assert (difference <= on_interval(model, x, u, points)).all()
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
    allowed = 8 * on_interval(model, x, u, x).max()
    assert np.abs(found(x) - u).max() < allowed < 1e-8


def test_nodal_hats_are_better_conditioned_than_ramps() -> None:
    x = np.linspace(0, 1, 2001)
    u = np.random.default_rng(0).standard_normal(len(x))
    ramps, hats = (network_from(space(MeshLine(x), 1), u, activation) for activation in ("relu", "hat"))
    error = [np.abs(values(model, x[:, None]) - u).max() for model in (ramps, hats)]
    assert error[0] > 10 * error[1]
    assert error[1] < 1e-11  # ε X max|u'|, 8,000 in size, a few times
