"""Gradients of a quadratic loss by automatic differentiation, at any values of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from fembridge.networks.affine import linear
from fembridge.problem import Array


def layered_network(activation: nn.Module, layers: Sequence[tuple[ArrayLike, ArrayLike]]) -> nn.Sequential:
    """Linear layers of given weights (n, m) and biases (n,), with an activation between any two, in float64.

    >>> len(layered_network(nn.ReLU(), [(np.ones((4, 2)), np.zeros(4)), (np.ones((1, 4)), np.zeros(1))]))
    3
    """
    modules = [module for weight, bias in layers for module in (linear(weight, bias), activation)]
    return nn.Sequential(*modules[:-1])


def parameters(model: nn.Module) -> Array:
    """θ (P,): all parameters, in their order."""
    return np.array(nn.utils.parameters_to_vector(model.parameters()).detach().double().cpu().numpy())


def moved(model: nn.Module, theta: Array) -> nn.Module:
    """A copy of a model with other parameters θ (P,)."""
    copy = deepcopy(model)
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.tensor(theta), copy.parameters())  # views of it, of a copy of θ
    return copy


def gradient(model: nn.Module, x: Array, weights: Array, f: Array) -> Array:
    """∂/∂θ of ½ Σ_i w_i (u(x_i) − f_i)², (P,), at points x (N, d) with weights w (N,).

    >>> model = layered_network(nn.ReLU(), [([[1.0]], [0.0])])
    >>> gradient(model, np.array([[3.0]]), np.array([2.0]), np.array([1.0]))     # 2 (3 − 1) · (x, 1)
    array([12.,  4.])
    """
    error = model(torch.as_tensor(x))[:, 0] - torch.as_tensor(f)
    loss = 0.5 * (torch.as_tensor(weights) * error.square()).sum()
    return np.concatenate([g.numpy().ravel() for g in torch.autograd.grad(loss, list(model.parameters()))])
