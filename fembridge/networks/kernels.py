"""The tangent kernel of a network at data, by the parameters that it trains."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from fembridge.memory import fits
from fembridge.networks.affine import ScaledLinear
from fembridge.networks.curvature import dense, ntk
from fembridge.networks.layered import ELEMENTWISE, unsupported
from fembridge.problem import Array

COPIES = 3  # of a Jacobian, held while it is made into a kernel


def trained(model: nn.Module) -> tuple[str, ...]:
    """Names of the parameters that require a gradient. Raises ValueError where there is none."""
    names = tuple(name for name, p in model.named_parameters() if p.requires_grad)
    if not names:
        raise ValueError("model: expected a parameter to train, got none that requires a gradient")
    return names


def tangent_kernel(model: nn.Module, points: Array) -> Array:
    """K = Σ_θ ∂u/∂θ(x_p) ∂u/∂θ(x_q), without a factor 1/N, over the parameters that require a gradient.

    points: (N, d). Of C outputs, (N·C, N·C), datum by datum. Plain perceptrons by `curvature.ntk`; scaled ones by the
    product of their Jacobians (N·C, P) where three of them fit in memory, else by `curvature.ntk` too.

    Raises ValueError as `curvature.ntk`, and for a model that trains nothing; MemoryError where K would not fit.

    >>> from fembridge.networks.perceptrons import perceptron
    >>> line = perceptron("relu", [1, 1], parametrisation="ntk")       # u = s(wx + b), s² = 1/3
    >>> tangent_kernel(line, np.array([[1.0], [2.0]])) * 3
    array([[2., 3.],
           [3., 5.]])
    """
    names = trained(model)
    parameters = dict(model.named_parameters())
    moving = {name: parameters[name].detach() for name in names}
    rows, count = len(points) * _outputs(model), sum(p.numel() for p in moving.values())
    if unsupported(model) is None or not rows or not fits(COPIES * 8.0 * rows * count):
        return dense(ntk(model, points, names))
    x = torch.as_tensor(points).to(next(iter(moving.values())))

    def outputs(values: dict[str, Tensor], one: Tensor) -> Tensor:
        out: Tensor = functional_call(model, values, (one[None],))
        return out[0]

    parts = [j.reshape(rows, -1) for j in vmap(jacrev(outputs), (None, 0))(moving, x).values()]
    K = torch.stack([j @ j.T for j in parts]).sum(dim=0)
    return np.asarray(((K + K.T) / 2).double().cpu().numpy())


def fixed_kernel(model: nn.Module) -> bool:
    """Whether the outputs are linear in what is trained: parameters of the last layer of a Sequential, and no others.

    >>> from fembridge.networks.perceptrons import perceptron
    >>> [fixed_kernel(perceptron("relu", [1, 8, 1], trained=names)) for names in ("2.*", "*.weight")]
    [True, False]
    """
    if not isinstance(model, nn.Sequential) or not len(model) or not isinstance(model[-1], nn.Linear | ScaledLinear):
        return False
    return all(name.rsplit(".", 1)[0] == str(len(model) - 1) for name in trained(model))


def _outputs(model: nn.Module) -> int:
    """C of a sequence of layers, scaled or not, and elementwise modules; 0 of anything else."""
    layers = list(model) if isinstance(model, nn.Sequential) else []
    plain = all(type(module) in (nn.Linear, ScaledLinear, *ELEMENTWISE) for module in layers)
    last = layers[-1] if layers and plain else None
    return last.weight.shape[0] if isinstance(last, nn.Linear | ScaledLinear) else 0
