"""Shallow networks of one input as finite-element functions, whatever the activation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skfem import BilinearForm
from torch import nn

from fembridge.bridge.expansion import expand
from fembridge.networks.activations import BSpline, Hat, SplineActivation, SquaredReLU, Step
from fembridge.networks.tangents import exact_gram
from fembridge.theory.grams import dense

DOMAIN = (-1.5, 2.0)
ACTIVATIONS = {
    "relu": nn.ReLU(),
    "leaky": nn.LeakyReLU(0.2),
    "relu6": nn.ReLU6(),
    "hardtanh": nn.Hardtanh(-0.5, 0.25),
    "squared": SquaredReLU(),
    "step": Step(),
    "hat": Hat(),
    "bspline0": BSpline(0),
    "bspline2": BSpline(2),
    "bspline3": BSpline(3),
    "spline": SplineActivation([0.0, 0.3, 1.0, 2.5], [1.0, -0.5], 1),
}


def random_network(activation: nn.Module, width: int = 12, bias: bool = True, seed: int = 0) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(1, width), activation, nn.Linear(width, 1, bias=bias)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    return model


def values(model: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.as_tensor(x)[:, None]).numpy()[:, 0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_expansion_equals_the_network_everywhere(name: str) -> None:
    model = random_network(ACTIVATIONS[name])
    u = expand(model, DOMAIN)
    x = np.random.default_rng(1).uniform(*DOMAIN, 10_000)
    scale = np.abs(values(model, x)).max()
    # 12 neurons of cubic growth at most, and rounding ε of w x + c: a few hundred ε.
    assert np.abs(u(x) - values(model, x)).max() < 1e-13 * max(scale, 1)
    assert u(x.reshape(100, 100)).shape == (100, 100)


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n != "hardtanh" and n != "relu6"])
def test_gram_equals_the_networks_own(name: str) -> None:
    model = random_network(ACTIVATIONS[name])
    u = expand(model, DOMAIN)
    measured = exact_gram(model, DOMAIN)
    assert np.abs(dense(u.gram()) - measured).max() < 1e-13 * np.abs(measured).max()
    assert u.features.shape == (u.basis.N, 12)


def test_a_scikit_fem_form() -> None:
    @BilinearForm
    def twice(u, v, _):  # type: ignore[no-untyped-def]
        return 2 * u * v

    u = expand(random_network(nn.ReLU()), DOMAIN)
    assert np.abs(dense(u.gram(twice)) - 2 * dense(u.gram("mass"))).max() < 1e-13


def test_any_module_of_the_three_layers() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.act, self.outer = random_network(Hat())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.outer(self.act(self.inner(x)))

    class Doubled(Named):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    assert expand(Named(), DOMAIN).features.shape[1] == 12
    assert np.array_equal(expand(Doubled(), DOMAIN).coefficients, 2 * expand(Named(), DOMAIN).coefficients)


def test_single_precision_networks() -> None:
    model = random_network(nn.ReLU()).float()
    u, x = expand(model, DOMAIN), np.linspace(*DOMAIN, 101)
    with torch.no_grad():
        measured = model(torch.as_tensor(x, dtype=torch.float32)[:, None]).numpy()[:, 0]
    assert np.abs(u(x) - measured).max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_wide_network_is_accepted_and_one_that_is_not_its_layers_is_not(dtype: torch.dtype) -> None:
    class Scaled(nn.Module):
        """Its layers of degree 2 are read off in order, and its forward may do something else."""

        def __init__(self, factor: float) -> None:
            super().__init__()
            self.layers, self.factor = random_network(SquaredReLU(), 2000).to(dtype), factor

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.factor * self.layers(x)

    expand(Scaled(1.0), DOMAIN)
    for factor in (0.0, -1.0, 1.001, 2.0):
        with pytest.raises(ValueError, match="does not equal its layers in order"):
            expand(Scaled(factor), DOMAIN)


def test_a_steep_spline_is_accepted() -> None:
    for k in (1e-3, 1e-6):
        for seed in range(10):
            expand(random_network(SplineActivation([0.0, k, 2.0], [1.0], 1), 3, seed=seed), DOMAIN)


def test_without_inner_bias() -> None:
    model = nn.Sequential(nn.Linear(1, 4, bias=False), nn.ReLU(), nn.Linear(4, 1)).double()
    assert expand(model, DOMAIN).basis.mesh.p[0].tolist() == [-1.5, 0.0, 2.0]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)), "Tanh is not a piecewise polynomial"),
        (nn.Sequential(nn.Linear(1, 4), nn.GELU(), nn.Linear(4, 1)), "GELU is not a piecewise polynomial"),
        (nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 1)).to(torch.complex64), "finite real numbers"),
    ],
)
def test_refusals(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand(model, DOMAIN)


def test_other_refusals() -> None:
    model = random_network(nn.ReLU())
    with torch.no_grad():
        model[2].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"finite real numbers in 2\.weight"):
        expand(model, DOMAIN)
    with pytest.raises(ValueError, match="finite ends a < b"):
        expand(random_network(nn.ReLU()), (1.0, 0.0))
    for activation in (nn.ReLU(), SquaredReLU()):
        with pytest.raises(ValueError, match=r"expected points inside"):
            expand(random_network(activation), DOMAIN)([2.1])
