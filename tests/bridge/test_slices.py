"""Slices of networks of many inputs through given points: as exact as networks of one, two and three inputs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

import fembridge
from fembridge.bridge.exactness import exactness
from fembridge.bridge.expansion import Expansion, expand
from fembridge.bridge.slices import slice_through
from fembridge.problem import Array
from fembridge.theory.partitions import volumes

EPS = np.finfo(float).eps


def network(layers: tuple[int, ...], seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    modules = [m for a, b in pairwise(layers) for m in (nn.Linear(a, b, dtype=torch.float64), nn.ReLU())]
    return nn.Sequential(*modules[:-1])


def exact(model: nn.Module, domain: list[tuple[float, float]]) -> Expansion:
    found = expand(model, domain)
    assert isinstance(found, Expansion)
    return found


def random_points(count: int, d: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((count, d))


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("layers", [(10, 16, 16, 1), (784, 32, 1)], ids=str)
def test_the_expansion_of_a_slice_is_the_network_on_it(layers: tuple[int, ...], k: int) -> None:
    model, points = network(layers), random_points(k + 1, layers[0])
    found = slice_through(model, points)
    u = exact(found.module, found.domain)
    checked = exactness(found.module, u, found.domain, points=2000, seed=1)
    assert checked.holds
    low, high = np.array(found.domain).T
    t = low + (high - low) * np.random.default_rng(2).random((2000, k))
    x = found.origin + t @ found.directions.T
    with torch.no_grad():
        expected = model(torch.as_tensor(x))[:, 0].numpy()
    # x is rounded once more than in the module of the slice, which is one of the roundings that the bound counts.
    assert np.abs(u(t[:, 0] if k == 1 else t) - expected).max() <= checked.bound
    # Negative control: another plane through the first point.
    other = model(torch.as_tensor(found.origin + t @ found.directions[::-1].T))[:, 0].detach().numpy()
    assert np.abs(other - expected).max() > 1e6 * checked.bound
    assert u.names() == tuple(f"1.{name}" for name, _ in model.named_parameters())


@pytest.mark.parametrize("k", [1, 2, 3])
def test_coordinates(k: int) -> None:
    points = 5 + random_points(k + 1, 20, seed=k)
    found = slice_through(network((20, 3, 1)), points)
    assert np.abs(found.directions.T @ found.directions - np.eye(k)).max() < 20 * EPS
    assert (
        np.abs(found.origin + found.coordinates @ found.directions.T - points).max() < 20 * EPS * np.abs(points).max()
    )
    assert not found.coordinates[0].any() and not np.triu(found.coordinates[1:], 1).any()
    assert (np.diag(found.coordinates[1:]) > 0).all()
    assert found.coordinates[1, 0] == pytest.approx(np.linalg.norm(points[1] - points[0]), rel=20 * EPS)
    for (low, high), t in zip(found.domain, found.coordinates.T, strict=True):
        assert (low, high) == pytest.approx((t.min() - 0.1 * np.ptp(t), t.max() + 0.1 * np.ptp(t)), rel=4 * EPS)


def test_what_was_given_is_not_held() -> None:
    points = random_points(3, 4)
    found, before = slice_through(network((4, 3, 1)), points), points[0].copy()
    points[:] = 0
    assert np.array_equal(found.origin, before) and np.array_equal(found.module[0].bias.numpy(), before)


def test_the_tangent_gram_of_a_slice() -> None:
    """∫ ∂u/∂θ_a ∂u/∂θ_b over a plane: products of linear functions, which three points in each triangle integrate."""
    model = network((6, 5, 4, 1))
    found = slice_through(model, random_points(3, 6))
    u = exact(found.module, found.domain)
    mesh, size = u.partition.mesh, volumes(u.partition.mesh)
    t = ((np.ones((3, 3)) + 3 * np.eye(3)) / 6 @ mesh.p.T[mesh.t.T]).reshape(-1, 2)
    at = {name: p.detach() for name, p in model.named_parameters()}

    def value(p: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(model, p, (x[None],))[0, 0]

    rows = vmap(jacrev(value), in_dims=(None, 0))(at, torch.as_tensor(found.origin + t @ found.directions.T))
    J = np.concatenate([row.reshape(len(t), -1).numpy() for row in rows.values()], axis=1)
    measured = J.T @ (np.repeat(size / 3, 3)[:, None] * J)
    gram = u.tangent_gram()
    assert np.abs(gram - measured).max() < 1e-12 * np.abs(measured).max()
    assert np.abs(gram - 1.001 * measured).max() > 1e-4 * np.abs(measured).max()  # negative control


def test_one_input_and_a_module_in_single_precision() -> None:
    model = network((1, 4, 1))
    line = slice_through(model, [[2.0], [1.0]])
    t = np.linspace(-0.1, 1.1, 20)
    expected = model(torch.as_tensor(2 - t[:, None]))[:, 0].detach().numpy()
    assert np.abs(exact(line.module, line.domain)(t[1:-1]) - expected[1:-1]).max() < 1e-14
    single = network((5, 4, 1)).float()
    plane = slice_through(single, random_points(3, 5))
    assert exact(plane.module, plane.domain).partition.regions > 1
    assert single[0].weight.dtype == torch.float32 and plane.module[1] is single


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (random_points(1, 10), r"expected 2, 3 or 4 rows \(k \+ 1, D\) with k ≤ D, got shape \(1, 10\)"),
        (random_points(5, 10), r"got shape \(5, 10\)"),
        (random_points(3, 1), r"got shape \(3, 1\)"),
        (np.zeros(10), r"got shape \(10,\)"),
        (np.zeros((2, 0)), r"got shape \(2, 0\)"),
        (np.full((2, 10), np.nan), "expected finite numbers"),
        (np.array([np.zeros(10), np.full(10, np.inf)]), "expected finite numbers"),
        (np.array([np.zeros(10), np.full(10, 1e300)]), "expected finite numbers with finite squares"),
        (np.ones((2, 10)), "expected affinely independent points, got 2 that are dependent"),
        (np.outer([0.1, 0.2, 0.3], np.arange(10)) + np.pi, "expected affinely independent points, got 3"),
        (random_points(3, 9), "expected rows that the model takes, got 9 numbers: mat1 and mat2"),
    ],
)
def test_refusals(points: Array, message: str) -> None:
    with pytest.raises(ValueError, match=f"points: .*{message}|points: {message}"):
        slice_through(network((10, 3, 1)), points)


def test_dependent_up_to_rounding() -> None:
    """Points of a line in R^784, the third of which lies on it but for rounding; and one 1e-9 beside it."""
    a, b, beside = random_points(3, 784)
    model = network((784, 2, 1))
    with pytest.raises(ValueError, match="dependent"):
        slice_through(model, [a, b, a / 3 + 2 * b / 3])
    assert slice_through(model, [a, b, a / 3 + 2 * b / 3 + 1e-9 * beside]).coordinates[2, 1] > 1e-9


def test_of_no_module() -> None:
    with pytest.raises(ValueError, match=r"expected a torch\.nn\.Module, got int"):
        slice_through(3, random_points(2, 10))  # type: ignore[arg-type]


def test_expand_names_the_way() -> None:
    assert fembridge.slice_through is slice_through
    with pytest.raises(
        ValueError, match=r"784 inputs of the network, 3 at most; .*bridge\.slice_through\(model, points\)"
    ):
        expand(network((784, 2, 1)), (0.0, 1.0))
