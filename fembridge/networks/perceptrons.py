"""Randomly initialised perceptrons of any depth and number of inputs, in standard and in tangent-kernel scaling."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from fembridge.networks.activations import Spec, activation
from fembridge.networks.affine import ScaledLinear, linear
from fembridge.problem import check_whole

Law = Literal["he", "glorot", "gaussian", "uniform"]
Parametrisation = Literal["standard", "ntk"]


def perceptron(
    spec: Spec,
    layers: Sequence[int],
    *,
    init: Law = "uniform",
    seed: int = 0,
    weight_scale: float = 1.0,
    parametrisation: Parametrisation = "standard",
    output_scale: float = 1.0,
    trained: str | Sequence[str] = "*",
) -> nn.Sequential:
    """Linear(n₀, n₁), σ, …, σ, Linear(n_{L−1}, n_L) with biases, in float64, its numbers drawn from `seed`.

    Weights and biases of a layer of `a` inputs and `c` outputs are independent, of one law and standard deviation s:

    | init       | law     | s                                            |
    |------------|---------|----------------------------------------------|
    | "he"       | normal  | √(2/a)                                       |
    | "glorot"   | normal  | √(2/(a + c))                                 |
    | "gaussian" | normal  | √(1/a)                                       |
    | "uniform"  | uniform | √(1/3a), on ±1/√a, as PyTorch's `nn.Linear`  |

    weight_scale multiplies s of the first layer (the slopes, and with its biases the offsets, of the features).
    parametrisation: "standard" trains the weights themselves, "ntk" weights of variance 1, s being a factor that stays
    (Jacot et al., arXiv 1806.07572): the same function at the start, whose tangent kernel converges as widths grow.
    output_scale multiplies the output (Chizat et al., arXiv 1812.07956). trained: globs of the parameters that require
    a gradient, as "*.bias"; "*" is all of them.

    Raises ValueError on layers that are not two or more positive whole numbers, an unknown init or parametrisation, a
    negative seed, scales that are not positive, and globs that match nothing.

    >>> perceptron("relu", [2, 8, 8, 1])[2].weight.shape
    torch.Size([8, 8])
    >>> wide = perceptron("relu", [1, 4096, 1], init="gaussian", parametrisation="ntk")
    >>> float(wide[2].weight.detach().std()), wide[2].factor  # doctest: +ELLIPSIS
    (1.0..., 0.015625)
    """
    sizes = [check_whole("layers", [size])[0] for size in layers]
    if len(sizes) < 2:
        raise ValueError(f"layers: expected two sizes or more, got {list(layers)}")
    if init not in get_args(Law):
        raise ValueError(f"init: expected one of {', '.join(get_args(Law))}, got {init!r}")
    if parametrisation not in get_args(Parametrisation):
        raise ValueError(f'parametrisation: expected "standard" or "ntk", got {parametrisation!r}')
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed: expected a whole number from 0 on, got {seed!r}")
    for name, scale in (("weight_scale", weight_scale), ("output_scale", output_scale)):
        if not (np.isfinite(scale) and scale > 0):
            raise ValueError(f"{name}: expected a positive number, got {scale:g}")
    generator = torch.Generator().manual_seed(int(seed))
    modules: list[nn.Module] = []
    for depth, (inputs, outputs) in enumerate(pairwise(sizes)):
        deviation = {"he": 2 / inputs, "glorot": 2 / (inputs + outputs), "uniform": 1 / (3 * inputs)}
        s = deviation.get(init, 1 / inputs) ** 0.5 * (weight_scale if depth == 0 else 1.0)
        scale = output_scale if depth == len(sizes) - 2 else 1.0
        draws = _unit(init, outputs * (inputs + 1), generator)
        weight, bias = draws[:-outputs].reshape(outputs, inputs), draws[-outputs:]
        modules += [_layer(weight, bias, s, scale, parametrisation), activation(spec)]
    model = nn.Sequential(*modules[:-1])
    return train_only(model, trained)


def _unit(init: Law, count: int, generator: torch.Generator) -> Tensor:
    """Numbers of mean 0 and variance 1."""
    if init == "uniform":
        return 3**0.5 * (2 * torch.rand(count, dtype=torch.float64, generator=generator) - 1)
    return torch.randn(count, dtype=torch.float64, generator=generator)


def _layer(weight: Tensor, bias: Tensor, s: float, scale: float, parametrisation: Parametrisation) -> nn.Module:
    if parametrisation == "ntk":
        return ScaledLinear(weight, bias, s * scale)
    if scale != 1:
        return ScaledLinear(s * weight, s * bias, scale)
    return linear(s * weight, s * bias)


def train_only(model: nn.Sequential, globs: str | Sequence[str]) -> nn.Sequential:
    """The model, whose parameters require a gradient where their name matches one of the globs, and no others.

    Raises ValueError where a glob matches no parameter.
    """
    patterns = (globs,) if isinstance(globs, str) else tuple(globs)
    names = [name for name, _ in model.named_parameters()]
    for glob in patterns or ("",):
        if not any(fnmatchcase(name, glob) for name in names):
            raise ValueError(f"trained: expected a glob that matches one of {', '.join(names)}, got {glob!r}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(fnmatchcase(name, glob) for glob in patterns))
    return model
