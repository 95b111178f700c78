"""Smooth networks by quadrature: how far estimates of the error can be believed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from skfem import MeshQuad
from torch import nn

from fembridge.bridge.expansion import Expansion, expand
from fembridge.bridge.sampled import SampledExpansion, _closed_rule, expand_sampled
from fembridge.bridge.slices import slice_through
from fembridge.networks.leading import top_eigenvalues
from fembridge.theory.meshes import box_mesh
from fembridge.theory.spaces import simplex_rule
from tests.bridge.nets import pruned


def network(layers: tuple[int, ...], activation: nn.Module, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    modules = [m for a, b in pairwise(layers) for m in (nn.Linear(a, b, dtype=torch.float64), activation)]
    return nn.Sequential(*modules[:-1])


def box(d: int) -> list[tuple[float, float]]:
    return [(-1.0, 1.0)] * d


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.GELU(), nn.Softplus()], ids=str)
@pytest.mark.parametrize("layers", [(1, 16, 1), (2, 8, 8, 1), (3, 6, 1)], ids=str)
def test_within_the_tolerance_where_it_was_not_measured(layers: tuple[int, ...], activation: nn.Module) -> None:
    model, d = network(layers, activation), layers[0]
    u = expand_sampled(model, box(d), tolerance=1e-3)
    assert max(u.error, u.largest) <= 1e-3
    x = np.random.default_rng(0).uniform(-1, 1, (2000, d))
    with torch.no_grad():
        exact = model(torch.as_tensor(x)).numpy()[:, 0]
    found = u(x[:, 0] if d == 1 else x)
    # Between the points of the rule, an error of third order is larger by a few.
    assert np.abs(found - exact).max() < 4e-3 * np.abs(exact).max()
    assert np.linalg.norm(found - exact) < 2 * u.error * np.linalg.norm(exact)


def test_error_falls_like_the_third_power() -> None:
    model = network((2, 16, 1), nn.Tanh())
    with torch.no_grad():
        model[0].weight.mul_(3)
    errors = [expand_sampled(model, box_mesh(box(2), n), tolerance=1.0).error for n in (4, 8, 16, 32)]
    assert 2.8 < np.log2(errors[-2] / errors[-1]) < 3.2


@pytest.mark.parametrize("d", [1, 2])
def test_estimates_against_exact_integrals_of_a_relu_network(d: int) -> None:
    """Kinks within cells: the hardest case, where the true matrix is known."""
    model = network((d, 12, 1), nn.ReLU(), seed=d)
    exact = expand(model, box(d))
    assert isinstance(exact, Expansion)
    truth, spectrum = exact.tangent_gram(), exact.ntk_spectrum().eigenvalues
    for tolerance in (1e-1, 1e-2):
        u = expand_sampled(model, box(d), tolerance)
        found = u.tangent_gram()
        true_error = np.abs(found.value - truth).max()
        assert 1e-12 < true_error < 3 * found.error
        measured = u.ntk_spectrum()
        gap = np.abs(measured.eigenvalues[:3] - spectrum[:3])
        assert (gap < 3 * measured.error[:3] * measured.eigenvalues[:3]).all()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_two_rules_of_one_degree(d: int) -> None:
    (x, w), (y, v) = _closed_rule(d, 4), simplex_rule(d, 12)
    assert w.min() > 0 and np.abs(w.sum() - 1) < 1e-14 and (x.min(axis=0) == 0).all()
    for powers in np.ndindex(*[6] * d):
        if sum(powers) <= 5:
            assert w @ np.prod(x[:, 1:] ** powers, axis=1) == pytest.approx(v @ np.prod(y[:, 1:] ** powers, axis=1))


@pytest.mark.parametrize(("d", "cells"), [(1, 4), (2, 4), (3, 2)])
def test_one_jump_is_seen_wherever_it_is(d: int, cells: int) -> None:
    """∂u/∂b of a neuron that bends across one axis jumps at some place t of a cell, be it just beside a node.

    On a half of a cell of an interval the rules take for the part before the jump 0, 5/18, 13/18 or 1, and 1/12, ½ or
    11/12. These are never equal, and t is never farther from the first than 1.36 times their difference.
    """
    model = nn.Sequential(nn.Linear(d, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(1, d)), model[2].weight.fill_(1.0)
    ratios = []
    for place in (np.arange(40) + 0.3) / 40:
        with torch.no_grad():
            model[0].bias.fill_(-2 / cells * place)
        u = expand_sampled(model, box_mesh(box(d), cells), tolerance=1.0)
        found = u.tangent_gram("0.bias")
        true_error = np.abs(found.value - 2.0 ** (d - 1) * (1 - 2 / cells * place)).max()
        ratios.append(true_error / found.error)
        if d == 1 and place < 0.05:  # negative control: before the first point, 0.056, a refinement alone sees nothing
            fine, coarse, _ = u._grams("0.bias")
            assert np.abs(fine - coarse).max() < 1e-13 < 1e-3 * true_error
    assert max(ratios) < 1.36 if d == 1 else np.quantile(ratios, 0.95) < 3


def test_a_slice() -> None:
    model = network((10, 6, 1), nn.Tanh())
    plane = slice_through(model, np.random.default_rng(0).standard_normal((3, 10)))
    u = expand_sampled(plane.module, plane.domain)
    t = plane.coordinates
    with torch.no_grad():
        exact = model(torch.as_tensor(plane.origin + t @ plane.directions.T)).numpy()[:, 0]
    assert np.abs(u(t) - exact).max() < 4e-3 * np.abs(exact).max()


def test_smooth_matrices_converge() -> None:
    model = network((2, 6, 1), nn.Tanh())
    coarse, fine = expand_sampled(model, box(2), 1e-2), expand_sampled(model, box_mesh(box(2), 16), 1e-2)
    assert isinstance(coarse, SampledExpansion)
    a, b = coarse.tangent_gram(), fine.tangent_gram()
    assert b.error < 1e-8 and np.abs(a.value - b.value).max() < 3 * a.error
    some = coarse.tangent_gram("2.*").value
    assert np.abs(some - a.value[-7:, -7:]).max() < 1e-14
    leading = top_eigenvalues(fine.gauss_newton(), k=2)
    assert np.abs(leading.values - np.linalg.eigvalsh(b.value)[:-3:-1]).max() < 1e-10
    assert "quadrature of degree 4 at 18432 points" in fine.gauss_newton().method


def test_by_way_of_expand() -> None:
    model = network((2, 6, 1), nn.Tanh())
    with pytest.raises(ValueError, match="approximate=True samples it"):
        expand(model, box(2))
    assert isinstance(expand(model, box(2), approximate=True), SampledExpansion)
    zero = network((1, 3, 1), nn.Tanh())
    with torch.no_grad():
        for parameter in zero.parameters():
            parameter.zero_()
    assert expand_sampled(zero).error == 0


@pytest.mark.parametrize(
    ("model", "domain", "message"),
    [
        (network((2, 6, 2), nn.Tanh()), box(2), "expected a module of one output"),
        (network((2, 6, 1), nn.Tanh()), box(1), "does not take data of shape"),
        (network((1, 6, 1), nn.Tanh()), (1.0, 0.0), "finite ends a < b"),
        (
            network((4, 6, 1), nn.Tanh()),
            box(4),
            r"each of 1, 2 or 3 inputs, .*; fembridge\.slice_through\(model, points\)",
        ),
        (network((1, 6, 1), nn.Tanh()), 1.0, "expected an interval for each of 1, 2 or 3 inputs, got 1.0"),
        (None, (0.0, 1.0), r"expected a torch\.nn\.Module, got NoneType"),
        (nn.Linear(1, 1, device="meta"), (0.0, 1.0), "expected finite real numbers in weight"),
        (
            nn.Sequential(nn.Linear(1, 5), pruned(False), nn.Linear(5, 1)),
            (0.0, 1.0),
            "expected a weight of its own in 1",
        ),
        (network((2, 6, 1), nn.Tanh()), MeshQuad(), "expected a mesh of straight simplices"),
        (nn.Sequential(nn.Linear(1, 3), nn.Dropout(0.5), nn.Linear(3, 1)), (0.0, 1.0), "call model.eval"),
    ],
)
def test_refusals(model: nn.Module, domain: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand_sampled(model, domain)  # type: ignore[arg-type]


def test_what_cannot_be_reached_is_not_claimed() -> None:
    model = network((1, 6, 1), nn.Tanh())
    with torch.no_grad():
        model[0].weight.mul_(100)
    with pytest.raises(ValueError, match=r"1e-09 takes more than the 16 cells that there may be; 0\.\d+ was reached"):
        expand_sampled(model, (-1.0, 1.0), tolerance=1e-9, max_cells=16)
    with pytest.raises(ValueError, match="tolerance: expected a positive number"):
        expand_sampled(model, (-1.0, 1.0), tolerance=0.0)
