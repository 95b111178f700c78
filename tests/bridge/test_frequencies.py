"""Kernels of networks along Laplace modes: Parseval, and parameters against features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.bridge.expansion import Expansion, expand
from fembridge.bridge.frequencies import decay, rayleigh
from fembridge.networks.courant import nodal_hats
from fembridge.networks.ridges import ridges
from fembridge.theory.laplace import LaplaceModes, laplace_modes
from fembridge.theory.meshes import box_mesh
from fembridge.theory.spaces import assemble, space


def expansion(model: nn.Module, d: int, cells: int) -> Expansion:
    u = expand(model, box_mesh([(0.0, 1.0)] * d, cells))
    assert isinstance(u, Expansion)
    return u


@pytest.mark.parametrize(("d", "cells"), [(1, 6), (2, 4), (3, 2)])
def test_all_modes_together_hold_all_of_nodal_hats(d: int, cells: int) -> None:
    """Σ_k ρ_k = Σ_j ∫ψ_j², the trace of the mass matrix; each ρ_k is |M v|²."""
    u, basis = expansion(nodal_hats(cells, d), d, cells), space(box_mesh([(0.0, 1.0)] * d, cells), 1)
    modes, mass = laplace_modes(basis, basis.N), assemble("mass", basis)
    rho = rayleigh(u, basis, modes)
    assert rho == pytest.approx(((mass @ modes.vectors) ** 2).sum(axis=0), rel=1e-11)
    assert rho.sum() == pytest.approx(mass.trace(), rel=1e-12)


@pytest.mark.parametrize("d", [2, 3])
def test_tangents_by_output_weights_are_features_and_all_parameters_add(d: int) -> None:
    random = np.random.default_rng(0)
    w = random.standard_normal((4, d))
    u = expansion(ridges(nn.ReLU(), w, -w @ np.full(d, 0.45), random.choice([-1.0, 1.0], 4)), d, 4)
    basis = space(box_mesh([(0.0, 1.0)] * d, 4), 2)
    modes = laplace_modes(basis, 12)
    features = rayleigh(u, basis, modes)
    parts = [rayleigh(u, basis, modes, name) for name in ("2.weight", "0.weight", "0.bias")]
    assert np.abs(features - parts[0]).max() < 1e-13
    assert rayleigh(u, basis, modes, "*") == pytest.approx(sum(parts), rel=1e-12)
    integrals = assemble("mass", u.basis).sum(axis=0) @ u.hidden()  # along the constant mode
    assert features[0] == pytest.approx((integrals**2).sum(), rel=1e-12)


def test_a_deep_network_against_sampling() -> None:
    torch.manual_seed(0)
    layers = nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1)
    model = nn.Sequential(*layers).double()
    u, basis = expansion(model, 2, 4), space(box_mesh([(0.0, 1.0)] * 2, 4), 2)
    modes = laplace_modes(basis, 6)
    t = (np.arange(300) + 0.5) / 300
    x = np.stack(np.meshgrid(t, t), axis=-1).reshape(-1, 2)
    with torch.no_grad():
        features = model[:-1](torch.tensor(x)).numpy()
    sampled = (((features.T @ (basis.probes(x.T) @ modes.vectors)) / len(x)) ** 2).sum(axis=0)
    assert np.abs(rayleigh(u, basis, modes) - sampled).max() < 1e-4 * sampled.max()


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("power", [0.0, 3.0, 6.0])
def test_a_power_law_is_found(d: int, power: float) -> None:
    """Up to the faces' share of the modes, 1 + d/(2|k|) + … times Weyl's, which falls over the windows."""
    top, sides = 32 if d < 3 else 12, 2.0
    k = np.stack(np.meshgrid(*[np.arange(top + 1.0)] * d), axis=-1).reshape(-1, d)
    omega = np.pi / sides * np.sort(np.linalg.norm(k, axis=1))
    omega = omega[omega <= np.pi / sides * top]
    zero = np.zeros(len(omega))
    modes = LaplaceModes(omega, zero[None], zero, zero, "cosines", True, True)
    with np.errstate(divide="ignore"):
        rho = np.where(omega > 0, omega**-power, 1.0)
    found = decay(space(box_mesh([(0.0, sides)] * d, 1), 1), modes, rho)
    assert found.exponent == pytest.approx(-power, abs=(1e-9, 0.15, 0.5)[d - 1])
    if d == 1:
        assert found.means == pytest.approx(found.frequencies**-power, rel=1e-9)


def test_too_few_modes() -> None:
    basis = space(box_mesh([(0.0, 1.0)], 40), 2)
    modes = laplace_modes(basis, 5)
    with pytest.raises(ValueError, match=r"decay: expected modes up to ω = 17.2788 at least, got 12.56"):
        decay(basis, modes, np.ones(5))
