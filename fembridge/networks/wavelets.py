"""Networks whose activation is the linear B-spline wavelet (BW-ReLU), in all scales and shifts of an interval."""

from __future__ import annotations

import numpy as np
from torch import nn

from fembridge.networks.activations import SplineActivation
from fembridge.networks.affine import linear
from fembridge.networks.models import shallow
from fembridge.problem import Array

SLOPES = (1 / 6, -8 / 6, 23 / 6, -32 / 6, 23 / 6, -8 / 6, 1 / 6)  # jumps of ψ' at 0, ½, …, 3


def as_relus() -> nn.Sequential:
    """ψ as a network of seven ReLUs: Σ_i c_i ReLU(x − i/2), c = (1, −8, 23, −32, 23, −8, 1)/6.

    >>> import torch
    >>> as_relus()(torch.tensor([[1.5], [4.0]], dtype=torch.float64)).detach().round(decimals=12).ravel()
    tensor([0.8333, 0.0000], dtype=torch.float64)
    """
    return shallow(nn.ReLU(), np.ones(7), -np.arange(7) / 2, SLOPES)


def wavelets(levels: int) -> nn.Sequential:
    """Linear(1, N), ψ, Linear(N, n), Linear(n, 1): a network of n = 2^levels − 1 features on [0, 1], with output zero.

    On level l there are neurons 2^{l/2} ψ(2^l x − k), k = −2 … 2^l − 1, all whose support meets (0, 1). The second
    layer is fixed: it takes the first neuron of a level from the second, and the last from the last but one, which
    makes features that vanish at 0 and 1. Only the output trains.

    Raises ValueError for fewer than one level.

    >>> net = wavelets(3)
    >>> net[0].out_features, net[2].out_features
    (13, 7)
    """
    if levels < 1:
        raise ValueError(f"levels: expected one or more, got {levels}")
    inner = [(2.0**level, -float(k)) for level in range(levels) for k in range(-2, 2**level)]
    weights, biases = np.array(inner).T
    fold = np.zeros((2**levels - 1, len(inner)))
    row = column = 0
    for level in range(levels):
        count, scale = 2**level, 2 ** (level / 2)
        fold[row : row + count, column : column + count + 2] += scale * _folded(count)
        row, column = row + count, column + count + 2
    psi = SplineActivation(np.arange(7) / 2, np.array([1, -6, 10, -6, 1]) / 12, 1)
    fixed = [linear(weights[:, None], biases), psi, linear(fold, None)]
    return nn.Sequential(*(module.requires_grad_(False) for module in fixed), linear(np.zeros((1, len(fold))), None))


def _folded(count: int) -> Array:
    """Which of count + 2 neurons are in which of count features."""
    fold = np.eye(count, count + 2, 1)
    fold[0, 0] -= 1
    fold[-1, -1] -= 1
    return fold
