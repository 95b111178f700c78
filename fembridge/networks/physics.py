"""Physics-informed training on an interval, with derivatives by automatic differentiation: −u'' = f, u = 0 at the ends.

u = N(x) − N(0)(1 − x) − N(1)x on [0, 1] vanishes at both ends whatever the network N is, and u'' = N''.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import jvp

from fembridge.networks.ensembles import Ensemble
from fembridge.networks.optimizers import Optimizer, optimizer
from fembridge.problem import Array

Run = Callable[[Tensor], Tensor]
Form = Literal["energy", "strong"]
Goal = Callable[[], tuple[Tensor, Tensor]]  # u' or u'' at the points, and the loss, ready to be differentiated


def derivative(run: Run, x: Tensor, order: int) -> Tensor:
    """The derivative of outputs by the one input, in forward mode, at points (N, 1).

    >>> x = torch.tensor([[3.0]])
    >>> derivative(lambda z: z**3, x, 2)
    tensor([[18.]])
    """
    if order == 0:
        return run(x)
    slope: Tensor = jvp(lambda z: derivative(run, z, order - 1), (x,), (torch.ones_like(x),))[1]
    return slope


def gram(network: nn.Sequential, points: Array, weights: Array, order: int) -> Array:
    """Σ_q w_q φ_i^(order) φ_j^(order) of what the last layer is given, (n, n)."""
    with torch.no_grad():
        phi = derivative(network[:-1], torch.as_tensor(points)[:, None], order)
        return np.asarray((phi.T @ (torch.as_tensor(weights)[:, None] * phi)).numpy())


def in_output(network: nn.Sequential, form: Form, points: Array, weights: Array, load: Array) -> Goal:
    """½ Σ w u'² − Σ w f u ("energy", deep Ritz; features must vanish at the ends) or ½ Σ w (u'' + f)² ("strong", PINN)
    of a network whose last layer alone trains: derivatives of what that is given, which stay, are taken once.

    points, weights, load f: (N,). Raises ValueError where another parameter trains.
    """
    if [name for name, p in network.named_parameters() if p.requires_grad] != [f"{len(network) - 1}.weight"]:
        raise ValueError("network: expected one whose output weights alone train")
    x, w, f = (torch.as_tensor(np.asarray(row, dtype=float))[:, None] for row in (points, weights, load))
    hidden, last = network[:-1], network[-1]
    with torch.no_grad():
        phi, derived = hidden(x), derivative(hidden, x, 1 if form == "energy" else 2)

    def goal() -> tuple[Tensor, Tensor]:
        values = last(derived)
        if form == "strong":
            return values, 0.5 * (w * (values + f).square()).sum()
        return values, (w * (0.5 * values.square() - f * last(phi))).sum()

    return goal


def strong_form(networks: Ensemble, points: Array, weights: Array, load: Array) -> Goal:
    """½ Σ w (u'' + f)² of R networks, added up, by all that trains; u'' by reverse mode, twice.

    points, weights, load f: (N,).
    """
    x, w, f = (torch.as_tensor(np.asarray(row, dtype=float))[:, None] for row in (points, weights, load))
    every = x.expand(networks.size, *x.shape) if networks.size > 1 else x
    z = every.clone().requires_grad_()

    def goal() -> tuple[Tensor, Tensor]:
        (slope,) = torch.autograd.grad(networks.run(z).sum(), z, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), z, create_graph=True)
        return bend, 0.5 * (w * (bend + f).square()).sum()

    return goal


def descend(
    goal: Goal,
    parameters: Sequence[Tensor],
    *,
    name: Optimizer,
    learning_rate: float,
    momentum: float = 0.0,
    steps: int,
) -> Array:
    """Minimise the loss of a goal. Returns its derivatives at the points, at steps 0 … `steps`: (steps + 1, [R,] N).

    The parameters are trained in place.
    """
    moving, seen = optimizer(name, [(learning_rate, list(parameters))], momentum), []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # at these sizes handing work out costs more than it saves
    try:
        for step in range(steps + 1):
            values, loss = goal()
            seen.append(values.detach()[..., 0].numpy().copy())
            if step < steps:
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True)  # an output bias has no slope
                for p, g in zip(parameters, gradients, strict=True):
                    p.grad = g
                moving.step()
    finally:
        torch.set_num_threads(threads)
    return np.stack(seen)
