"""Modules for whatever is done with the layers of a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

Forward = Callable[["Net", Tensor], object]


class Net(nn.Module):
    """Linear layers a: R³ → R⁵, b, c: R⁵ → R⁵ and u: R⁵ → R with batch-norm and activations, for any `forward`."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c, self.u = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 1)
        self.over, self.relu, self.drop = nn.ReLU(inplace=True), nn.ReLU(), nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.how = forward

    def forward(self, x: Tensor) -> object:
        return self.how(self, x)


def stack(*modules: nn.Module, seed: int = 0) -> nn.Sequential:
    """R³ → R⁵, the modules, R⁵ → R."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), *modules, nn.Linear(5, 1))


def norm(size: int, affine: bool = True) -> nn.BatchNorm1d:
    """Batch-norm with statistics, gain and shift that are not those of a new one."""
    made, generator = nn.BatchNorm1d(size, affine=affine), torch.Generator().manual_seed(size)
    for tensor in (made.running_mean, made.running_var, *made.parameters()):
        assert tensor is not None
        tensor.data = torch.rand(size, generator=generator) + 0.5
    return made


def pruned(remove: bool) -> nn.Linear:
    layer = prune.l1_unstructured(nn.Linear(5, 5), "weight", amount=0.4)
    return prune.remove(layer, "weight") if remove else layer
