"""The loss of an ensemble on its samples, all of them or a batch, ready to be differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import jvp

from fembridge.networks.autodiff import UNSTEADY
from fembridge.networks.ensembles import Ensemble
from fembridge.problem import Array
from fembridge.samples import Samples


@dataclass(frozen=True, eq=False)
class Objective:
    """all(): outputs ([R,] N, C) and squares S ([R]) on all points, of which the losses are `factor` times.

    batch(b, generators): squares on b points of each network, of which the losses are `factor` N/b times.
    """

    all: Callable[[], tuple[Tensor, Tensor]]
    batch: Callable[[int, Sequence[torch.Generator]], Tensor]
    factor: float


def objective(ensemble: Ensemble, samples: Sequence[Samples]) -> Objective:
    """L_r = ½ Σ_q w_q ‖u_r(x_q) − f_q‖² of each network r, on the samples of all or on those of each.

    Weights that are all the same stand before the sum, as the factor; else √(w/2) stands inside the squares.

    Raises ValueError where the samples of the networks differ in shape or loss, or do not fit the networks, and where
    a network is random or mixes the data (dropout or batch normalisation in training mode).
    """
    one = samples[0]
    if any((s.points.shape, s.values.shape, s.loss) != (one.points.shape, one.values.shape, one.loss) for s in samples):
        raise ValueError("samples: expected points and values of one shape, and one loss, for all networks")
    like, first = ensemble.parameters[0].detach(), one.weights[0]
    equal = all((s.weights == first).all() for s in samples)
    x = _together([s.points for s in samples], like)
    f = _together([s.values.reshape(len(s), -1) for s in samples], like)
    root = None if equal else _together([np.sqrt(s.weights / 2)[:, None] for s in samples], like)
    _check_output(ensemble, x, f.shape[-2:])
    goal = f if root is None else root * f
    factor = float(first / 2) if equal else 1.0
    if one.loss != "mass":
        return Objective(_of_slopes(ensemble, samples, x, root, goal), _no_batch(one.loss), factor)

    def everywhere() -> tuple[Tensor, Tensor]:
        u = ensemble.run(x)
        return u, _squares(u, root, goal)

    def batch(size: int, generators: Sequence[torch.Generator]) -> Tensor:
        n = len(one)
        if ensemble.size == 1:
            drawn: tuple[Tensor, ...] = (torch.randint(n, (size,), generator=generators[0]).to(like.device),)
        else:
            each = torch.stack([torch.randint(n, (size,), generator=g) for g in generators]).to(like.device)
            drawn = torch.arange(len(generators), device=like.device)[:, None], each

        def those(t: Tensor) -> Tensor:
            return t[drawn[-1:] if t.ndim == 2 else drawn]

        return _squares(ensemble.run(those(x)), None if root is None else those(root), those(goal))

    return Objective(everywhere, batch, factor)


def _of_slopes(
    ensemble: Ensemble, samples: Sequence[Samples], x: Tensor, root: Tensor | None, goal: Tensor
) -> Callable[[], tuple[Tensor, Tensor]]:
    """Squares of u' − f', with those of u − f beside them for the loss "h1"."""
    loss = samples[0].loss
    if any(getattr(module, "degree", 1) == 0 for module in ensemble.models[0].modules()):
        raise ValueError(f'loss: "{loss}" needs a continuous activation, got a piecewise-constant one')
    slope = _together([np.asarray(s.slopes, dtype=float)[:, None] for s in samples], goal)
    slope, ones = slope if root is None else root * slope, torch.ones_like(x)

    def everywhere() -> tuple[Tensor, Tensor]:
        u, du = jvp(ensemble.run, (x,), (ones,))[:2]
        energy = _squares(du, root, slope)
        return u, energy if loss == "stiffness" else energy + _squares(u, root, goal)

    return everywhere


def _no_batch(loss: str) -> Callable[[int, Sequence[torch.Generator]], Tensor]:
    def batch(size: int, generators: Sequence[torch.Generator]) -> Tensor:
        raise ValueError(f'batch: expected none for the loss "{loss}"')

    return batch


def _squares(u: Tensor, root: Tensor | None, goal: Tensor) -> Tensor:
    """Σ (root u − goal)²: a number for u (N, C), (R,) for (R, N, C)."""
    scaled = u if root is None else root * u
    if u.ndim == 2:
        return torch.nn.functional.mse_loss(scaled, goal, reduction="sum")  # fused
    return (scaled - goal).square().sum(dim=(1, 2))


def _together(arrays: Sequence[Array | NDArray[np.floating]], like: Tensor) -> Tensor:
    """The array that all networks have, or (R, …) where each has its own."""
    same = all(array is arrays[0] or np.array_equal(array, arrays[0]) for array in arrays)
    return torch.from_numpy(np.array(arrays[0]) if same else np.stack(arrays)).to(like)


def _check_output(ensemble: Ensemble, inputs: Tensor, shape: torch.Size) -> None:
    for module in ensemble.models[0].modules():
        if isinstance(module, UNSTEADY) and (module.training or getattr(module, "running_mean", inputs) is None):
            raise ValueError(f"model: {type(module).__name__} is random or mixes the data: call model.eval() first")
    points, outputs, few = tuple(inputs.shape[-2:]), tuple(shape), min(2, shape[0])
    try:
        with torch.no_grad():
            came = tuple(ensemble.run(inputs[..., :2, :]).shape)[ensemble.size > 1 :]
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ValueError(f"model: does not take points of shape {points}: {str(error).splitlines()[0]}") from None
    if came != (few, outputs[1]):
        came = (outputs[0], *came[1:]) if came[:1] == (few,) else came
        raise ValueError(f"model: expected outputs of shape {outputs}, got {came} for points of shape {points}")
