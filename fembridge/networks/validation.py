"""The error of a network on data that it is not trained on."""

from __future__ import annotations

import torch
from torch import nn

from fembridge.networks.recording import Observe
from fembridge.problem import Array
from fembridge.samples import Samples


def errors_on(samples: Samples) -> Observe:
    """What `train` observes to follow u − f on other samples: model ↦ residuals (N,), or (N, C) of C outputs.

    >>> from fembridge.networks.perceptrons import perceptron
    >>> from fembridge.networks.training import train
    >>> from fembridge.samples import on_circle
    >>> path = train(perceptron("relu", [2, 4, 1]), on_circle(1, 8), learning_rate=0.1, record=[0, 5],
    ...              observe=errors_on(on_circle(1, 100)))
    >>> path.observed.shape
    (2, 100)
    """

    def errors(model: nn.Module) -> Array:
        like = next(model.parameters())
        with torch.no_grad():
            u = model(torch.from_numpy(samples.points).to(like)).double().cpu().numpy()
        return u.reshape(samples.values.shape) - samples.values

    return errors
