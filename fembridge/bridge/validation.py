"""What a network does on data that it is not trained with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from fembridge.bridge.learning import accuracy
from fembridge.networks.outputs import outputs
from fembridge.problem import Array
from fembridge.samples import Samples


def validation(samples: Samples) -> Callable[[nn.Module], Array]:
    """A function of a model: its loss ½ Σ w ‖u − f‖² on the samples and the part of them whose class it finds, (2,).

    The class of an output is its largest entry, or its sign where it is ±1.

    >>> seen = validation(Samples(np.array([[1.0], [-1.0]]), np.array([1.0, 1.0])))
    >>> seen(nn.Identity())
    array([1. , 0.5])
    """

    def seen(model: nn.Module) -> Array:
        r = outputs(model, samples) - samples.values
        loss = samples.weights @ np.reshape(r**2, (len(r), -1)).sum(1) / 2
        return np.array([loss, accuracy(r[None], samples.values)[0]])

    return seen
