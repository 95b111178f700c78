"""Linear read-outs of features that stay: u(x) = V σ(W x + b), of which V alone trains or is fitted at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

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


def interpolate(model: nn.Sequential, samples: Samples) -> None:
    """Set V to the least-squares solution of the least norm at the samples, (N,) or (N, C), by singular values.

    That is where gradient descent from V = 0 tends. Singular values below n ε of the largest count as 0.

    >>> line = readout(nn.ReLU(), [[1.0], [1.0]], [0.0, 0.0])
    >>> interpolate(line, Samples([[2.0]], [4.0]))
    >>> line[2].weight.detach().numpy().round(12)
    array([[1., 1.]])
    """
    hidden = model[:2](torch.as_tensor(samples.points)).detach()
    goal = torch.as_tensor(samples.values.reshape(len(samples), -1))
    found = torch.linalg.lstsq(hidden, goal, driver="gelsd").solution
    with torch.no_grad():
        outer: Any = model[2]
        outer.weight.copy_(found.T)


def risk(model: nn.Module, samples: Samples) -> Array:
    """Mean squares of u − f over the samples, (C,), or one number for one output.

    >>> risk(nn.Identity(), Samples([[1.0], [2.0]], [0.0, 0.0])).item()
    2.5
    """
    return np.asarray(np.mean((outputs(model, samples) - samples.values) ** 2, axis=0))
