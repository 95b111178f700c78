"""A network at parameters near its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn
from torch.func import functional_call

from fembridge.networks.ensembles import trainable
from fembridge.problem import Array, check_whole


def perturbed(model: nn.Module, points: ArrayLike, distances: Sequence[float], directions: int, seed: int) -> Array:
    """u(x; θ + δ g/‖g‖) at points (N, d), g normal: isotropic directions. Shape (distances, directions, N).

    θ: the parameters that require a gradient, all together one vector. Directions are the same at each distance, and
    the model stays as it is.

    Raises ValueError for a model without trainable parameters, and for a number of directions that is not positive.

    Source: Rahaman et al. 2019, arXiv 1806.08734, section 3.3.

    >>> line = nn.Linear(1, 1)  # u(0) = b, moved by δ cos α
    >>> u = perturbed(line, [[0.0]], [0.0, 1e-3], directions=100, seed=0)
    >>> u.shape, float(np.ptp(u[0])), bool(np.abs(u[1] - u[0]).max() <= 1.001e-3)
    ((2, 100, 1), 0.0, True)
    """
    trainable(model)
    moving = {name: p for name, p in model.named_parameters() if p.requires_grad}
    kind = next(iter(moving.values())).dtype
    generator = torch.Generator().manual_seed(seed)
    x = torch.tensor(np.asarray(points, dtype=float), dtype=kind)
    u = np.empty((len(distances), check_whole("directions", [directions])[0], len(x)))
    with torch.no_grad():
        for j in range(directions):
            step = {name: torch.randn(p.shape, dtype=torch.float64, generator=generator) for name, p in moving.items()}
            norm = sum(float((g**2).sum()) for g in step.values()) ** 0.5
            for i, delta in enumerate(distances):
                near = {name: p + (delta / norm * step[name]).to(kind) for name, p in moving.items()}
                u[i, j] = functional_call(model, near, (x,)).double().numpy()[:, 0]
    return u
