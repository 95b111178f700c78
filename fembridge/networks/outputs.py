"""What a network says at samples, in numbers."""

from __future__ import annotations

import torch
from torch import nn

from fembridge.problem import Array
from fembridge.samples import Samples


def outputs(model: nn.Module, samples: Samples) -> Array:
    """u at the points, in float64 and in the shape of the samples' values, (N,) or (N, C).

    Computed on the device and in the dtype of the model.

    >>> outputs(nn.Identity(), Samples([[1.0], [2.0]], [0.0, 0.0]))
    array([1., 2.])
    """
    like = next(model.parameters(), torch.empty(0, dtype=torch.float64))
    with torch.no_grad():
        u = model(torch.as_tensor(samples.points).to(like)).double().cpu().numpy()
    return u.reshape(samples.values.shape)
