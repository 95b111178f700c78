"""Nodal hats of finite elements as a deep ReLU network."""

from __future__ import annotations

import numpy as np
from torch import nn

from fembridge.networks.affine import linear


def nodal_hats(cells: int, dimension: int) -> nn.Sequential:
    """A ReLU network of dimension + 1 hidden layers, the last of them all nodal hats of [0, 1]^d cut into `cells`^d
    cubes and each cube, along x_i = x_j, into d! simplices; output zero.

        ψ_p(x) = (1 − max(0, y_1, …, y_d) − max(0, −y_1, …, −y_d))₊,    y = (x − p)/h,

    and max(a, y) = a + (y − a)₊, one more coordinate in each layer. Hidden layers carry x and maxima, which are not
    negative, unchanged. Nodes p run through the grid, the last coordinate fastest.

    Raises ValueError unless cells and dimension are positive.

    Source: He, Li, Xu, Zheng, ReLU Deep Neural Networks and Linear Finite Elements, arXiv 1807.03973.

    >>> import torch
    >>> psi = nodal_hats(cells=1, dimension=2)[:-1]
    >>> psi(torch.tensor([[0.25, 0.75]], dtype=torch.float64)).tolist()
    [[0.25, 0.5, 0.0, 0.25]]
    """
    if cells < 1 or dimension < 1:
        raise ValueError(f"nodal_hats: expected positive cells and dimension, got {cells} and {dimension}")
    d, count, knots = dimension, cells + 1, np.arange(cells + 1.0)  # x and p in units of h
    x, upper, lower = np.eye(d), np.zeros((1, d)), np.zeros((1, d))  # rows: functions, linear in the hidden layer
    layers: list[nn.Module] = []
    for i in range(d):
        nodes, y = len(upper), cells * x[i]
        rise, fall = (np.repeat(sign * y - known, count, axis=0) for sign, known in ((1, upper), (-1, lower)))
        bias = np.concatenate([np.zeros(d + 2 * nodes), np.tile(-knots, nodes), np.tile(knots, nodes)])
        layers += [linear(np.concatenate([x, upper, lower, rise, fall]), bias), nn.ReLU()]
        place = np.split(np.eye(len(bias)), np.cumsum([d, nodes, nodes, nodes * count]))
        x = place[0]
        upper, lower = (np.repeat(old, count, axis=0) + new for old, new in zip(place[1:3], place[3:], strict=True))
    return nn.Sequential(
        *layers, linear(-upper - lower, np.ones(len(upper))), nn.ReLU(), linear(np.zeros((1, len(upper))), None)
    )
