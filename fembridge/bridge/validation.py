"""What a network does on data that it is not trained with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from fembridge.bridge.learning import accuracy
from fembridge.problem import Array
from fembridge.samples import Samples


def validation(samples: Samples) -> Callable[[nn.Module], Array]:
    """A function of a model: its loss ½ Σ w ‖u − f‖² on the samples and the part of them whose class it finds, (2,).

    The class of an output is its largest entry, or its sign where it is ±1.

    >>> seen = validation(Samples(np.array([[1.0], [-1.0]]), np.array([1.0, 1.0])))
    >>> seen(nn.Identity())
    array([1. , 0.5])
    """
    values = np.reshape(samples.values, (len(samples), -1))

    def seen(model: nn.Module) -> Array:
        like = next(model.parameters(), torch.empty(0, dtype=torch.float64))
        with torch.no_grad():
            u = model(torch.from_numpy(samples.points).to(like)).double().cpu().numpy()
        r = (u - values).reshape(samples.values.shape)
        loss = samples.weights @ np.reshape(r**2, (len(r), -1)).sum(1) / 2
        return np.array([loss, accuracy(r[None], samples.values)[0]])

    return seen
