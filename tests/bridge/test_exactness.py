"""The expansion of a network is the network as far as rounding allows, and a network that is off by more is not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.bridge.exactness import Exactness, exactness
from fembridge.bridge.expansion import Expansion, expand
from fembridge.memory import memory_limit
from fembridge.networks.activations import Hat
from fembridge.problem import Interval


def network(layers: tuple[int, ...], activation: type[nn.Module] = nn.ReLU, scale: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    modules = [m for a, b in pairwise(layers) for m in (nn.Linear(a, b), activation())]
    model = nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


CASES: dict[str, tuple[nn.Module, list[Interval]]] = {
    "interval": (network((1, 32, 32, 1), scale=3), [(-1.0, 1.0)]),
    "hats": (network((1, 16, 1), Hat, 3), [(0.0, 1.0)]),
    "square": (network((2, 32, 32, 1)), [(-1.0, 1.0), (-1.0, 1.0)]),
    "plank": (network((2, 16, 8, 1), Hat, 3), [(0.0, 1.0), (0.0, 1e6)]),
    "far away": (network((2, 64, 1)), [(1e6, 1e6 + 1), (-1e6, 1 - 1e6)]),
    "cube": (network((3, 12, 12, 1)), [(-1.0, 1.0), (0.0, 2.0), (0.0, 3.0)]),
    "many kinks in a point": (nn.Sequential(nn.Linear(2, 32, bias=False), nn.ReLU(), nn.Linear(32, 1)),
                              [(-1.0, 1.0), (-1.0, 1.0)]),
    "affine": (network((2, 1)), [(0.0, 1.0), (0.0, 1.0)]),
}  # fmt: skip


def expanded(model: nn.Module, box: list[Interval]) -> Expansion:
    u = expand(model, box)
    assert isinstance(u, Expansion)
    return u


@pytest.mark.parametrize(("model", "box"), CASES.values(), ids=CASES)
def test_an_expansion_holds(model: nn.Module, box: list[Interval]) -> None:
    found = exactness(model, expanded(model, box), box, points=2000, seed=0)
    assert found.holds, found
    assert 0 < found.bound < np.inf and found.volume_bound < 1e-8


@pytest.mark.parametrize("name", ["interval", "square", "cube"])
def test_what_is_off_by_more_than_rounding_does_not_hold(name: str) -> None:
    model, box = CASES[name]
    u = expanded(model, box)
    bound = exactness(model, u, box, 100, 0).bound
    moved = replace(u, coefficients=u.coefficients + 2 * bound)
    assert not exactness(model, moved, box, 100, 0).holds
    larger = [(a, b + 1e-9 * (b - a)) for a, b in box]
    wide = exactness(model, u, larger, 1, 0)
    assert wide.volume_error > wide.volume_bound and not wide.holds


def test_what_is_not_a_number_does_not_hold() -> None:
    assert not Exactness(1, np.nan, 1.0, 0.0, 1.0).holds
    assert not Exactness(1, 0.0, 1.0, np.nan, 1.0).holds


def test_memory_is_asked_for() -> None:
    model, box = CASES["square"]
    u = expanded(model, box)
    with memory_limit(0.01), pytest.raises(MemoryError, match="a check at 1000000 points needs"):
        exactness(model, u, box, points=1_000_000, seed=0)
