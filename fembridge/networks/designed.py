"""Networks whose features are fixed combinations of B-splines, as a designed activation has them on an interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

from fembridge.networks.activations import BSpline
from fembridge.networks.affine import FixedAffine, linear
from fembridge.networks.readouts import hidden
from fembridge.problem import Array


def spline_network(degree: int, cells: int, matrix: ArrayLike) -> nn.Sequential:
    """u = vᵀ T B(x): Linear(1, n + p), BSpline(p), T, Linear(m, 1); B the n + p B-splines B_p(n x − j) on [0, 1].

    matrix: T, (m, n + p), fixed. Only v is trained, and it starts at zero.

    Raises ValueError for a matrix of another width.

    >>> import torch
    >>> u = spline_network(1, cells=2, matrix=np.eye(3))
    >>> u[:-1](torch.tensor([[0.25]], dtype=torch.float64))
    tensor([[0.5000, 0.5000, 0.0000]], dtype=torch.float64)
    """
    T = np.asarray(matrix, dtype=float)
    if T.ndim != 2 or T.shape[1] != cells + degree:
        raise ValueError(f"matrix: expected {cells + degree} columns, one for each B-spline, got shape {T.shape}")
    shifts = -np.arange(-degree, cells, dtype=float)
    splines = linear(np.full((len(shifts), 1), float(cells)), shifts).requires_grad_(False)
    mixed, output = FixedAffine(T, np.zeros(len(T))), linear(np.zeros((1, len(T))), None)
    return nn.Sequential(splines, BSpline(degree), mixed, output)


def last_gram(model: nn.Sequential, points: ArrayLike, weights: ArrayLike) -> Array:
    """G_ij = Σ_q w_q φ_i(x_q) φ_j(x_q) of what the last layer combines, (m, m), at points x (N,) with weights w (N,).

    >>> last_gram(spline_network(1, 1, np.eye(2)), [0.0, 0.5], [1.0, 1.0])
    array([[1.25, 0.25],
           [0.25, 0.25]])
    """
    phi = hidden(model, np.asarray(points, dtype=float)[:, None]).numpy()
    return np.asarray((phi.T * np.asarray(weights)) @ phi)
