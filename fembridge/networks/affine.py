"""Affine layers of given numbers: plain ones, ones with a factor that does not train, and fixed ones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional

from fembridge.problem import Array


def linear(weight: ArrayLike, bias: ArrayLike | None) -> nn.Linear:
    """The layer x ↦ W x + b of given numbers, in float64. (One that fills itself would draw random numbers.)

    >>> linear([[1.0, 2.0]], [3.0])(torch.ones(2, dtype=torch.float64)).item()
    6.0
    """
    w = torch.tensor(np.asarray(weight, dtype=float))
    n, d = w.shape
    layer = nn.Linear(d, n, bias=bias is not None, dtype=torch.float64, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.copy_(w)
        if bias is not None:
            layer.bias.copy_(torch.tensor(np.asarray(bias, dtype=float)))
    return layer


class ScaledLinear(nn.Module):
    """y = s (W x + b): a linear layer whose factor s is not trained.

    Trained at rate η it moves as a plain layer of weights s W would at rate s²η.

    >>> layer = ScaledLinear(torch.ones(1, 2), torch.zeros(1), 0.5)
    >>> layer(torch.tensor([[1.0, 3.0]])).item()
    2.0
    """

    def __init__(self, weight: Tensor, bias: Tensor, factor: float) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.factor = float(factor)

    def forward(self, x: Tensor) -> Tensor:
        """s (W x + b) for x (…, inputs)."""
        return self.factor * functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """What stands between the brackets of `repr`."""
        return f"in_features={self.weight.shape[1]}, out_features={self.weight.shape[0]}, factor={self.factor}"


class FixedAffine(nn.Module):
    """x ↦ W x + b with fixed W (n, m) and b (n,), which are no parameters.

    >>> list(FixedAffine(np.eye(2), np.ones(2)).parameters())
    []
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Array, bias: Array) -> None:
        super().__init__()
        self.register_buffer("weight", torch.as_tensor(weight))
        self.register_buffer("bias", torch.as_tensor(bias))

    def forward(self, x: Tensor) -> Tensor:
        """W x + b for rows x."""
        return functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))
