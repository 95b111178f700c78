"""The optimizers of `torch.optim` by the names of this package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

Optimizer = Literal["gd", "heavy-ball", "nesterov", "sgd", "adam"]


def optimizer(
    name: str, groups: Sequence[tuple[float, list[Tensor]]], momentum: float = 0.0
) -> torch.optim.SGD | torch.optim.Adam:
    """`torch.optim.SGD` or `torch.optim.Adam`, with g the gradient of the loss or of a batch's:

        gd, sgd     θ ← θ − η g
        heavy-ball  m ← β m + g,  θ ← θ − η m
        nesterov    m ← β m + g,  θ ← θ − η (g + β m)
        adam        PyTorch's, with β = (0.9, 0.999) and ε = 1e-8 (Kingma and Ba, arXiv 1412.6980)

    groups: learning rates η and the tensors that they move. "sgd" may have momentum, which is heavy ball's.

    Raises ValueError for an unknown name, a learning rate that is not positive, or a momentum that the name has not.
    """
    if name not in get_args(Optimizer):
        raise ValueError(f"optimizer: expected one of {', '.join(get_args(Optimizer))}, got {name!r}")
    for rate, _ in groups:
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"learning_rate: expected a positive number, got {rate:g}")
    if name in ("gd", "adam") and momentum != 0:
        raise ValueError(f'momentum: expected 0 for "{name}", got {momentum:g}')
    if name in ("heavy-ball", "nesterov") and not 0 < momentum < 1:
        raise ValueError(f'momentum: expected a number between 0 and 1 for "{name}", got {momentum:g}')
    if not 0 <= momentum < 1:
        raise ValueError(f'momentum: expected 0 ≤ momentum < 1 for "{name}", got {momentum:g}')
    settings = [{"params": tensors, "lr": float(rate)} for rate, tensors in groups]
    if name == "adam":
        # fused: one pass over memory for each tensor; a loop of a dozen small operations otherwise
        return torch.optim.Adam(settings, fused=True, capturable=groups[0][1][0].is_cuda)
    return torch.optim.SGD(settings, momentum=momentum, nesterov=name == "nesterov", foreach=False)
