"""Linear read-outs of features that stay: u(x) = V σ(W x + b), of which V alone trains."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from fembridge.networks.affine import linear
from fembridge.networks.outputs import outputs
from fembridge.problem import Array
from fembridge.samples import Samples


def readout(activation: nn.Module, weights: ArrayLike, biases: ArrayLike, count: int = 1) -> nn.Sequential:
    """Linear(d, n), σ, Linear(n, C) without bias, in float64; weights (n, d), biases (n,), C = count outputs, V = 0.

    V alone requires a gradient.

    >>> [p.requires_grad for p in readout(nn.ReLU(), [[1.0]], [0.0]).parameters()]
    [False, False, True]
    """
    inner = linear(weights, biases).requires_grad_(False)
    return nn.Sequential(inner, activation, linear(np.zeros((count, inner.out_features)), None))


def hidden(model: nn.Sequential, points: ArrayLike | Tensor) -> Tensor:
    """What the last layer is given at points (N, d): (N, n), without a graph.

    >>> hidden(readout(nn.ReLU(), [[1.0], [2.0]], [0.0, -1.0]), [[2.0]])
    tensor([[2., 3.]], dtype=torch.float64)
    """
    with torch.no_grad():
        out: Tensor = model[:-1](torch.as_tensor(points, dtype=torch.float64))
    return out


def risk(model: nn.Module, samples: Samples) -> Array:
    """Mean squares of u − f over the samples, (C,), or one number for one output.

    >>> risk(nn.Identity(), Samples([[1.0], [2.0]], [0.0, 0.0])).item()
    2.5
    """
    return np.asarray(np.mean((outputs(model, samples) - samples.values) ** 2, axis=0))
