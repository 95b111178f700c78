"""Smooth activations by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Gaussian(nn.Module):
    """σ(z) = exp(−z²/2).

    >>> Gaussian()(torch.tensor([0.0, 2.0]))
    tensor([1.0000, 0.1353])
    """

    def forward(self, z: Tensor) -> Tensor:
        """σ(z), elementwise."""
        return torch.exp(-z.square() / 2)


class Sine(nn.Module):
    """σ(z) = sin z.

    Source: Sitzmann et al., arXiv 2006.09661.

    >>> Sine()(torch.tensor(0.0))
    tensor(0.)
    """

    def forward(self, z: Tensor) -> Tensor:
        """σ(z), elementwise."""
        return torch.sin(z)


class Seagull(nn.Module):
    """σ(z) = log(1 + z²).

    >>> Seagull()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """

    def forward(self, z: Tensor) -> Tensor:
        """σ(z), elementwise."""
        return torch.log1p(z.square())


SMOOTH: dict[str, Any] = {
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "gaussian": Gaussian,
    "sine": Sine,
    "seagull": Seagull,
}
