"""One network, or several of one shape as a stack, as a function of the data: what training differentiates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One network, or R at once.

    run: x (N, d) -> outputs (N, C) of one; x (N, d), the same for all, or (R, N, d) -> (R, N, C) of a stack.

    groups: of each learning rate, the rate and the tensors that it moves, of shape (members, …) in a stack.
    member: the network of a place, with its present parameters. models: the networks as they were given.
    """

    run: Callable[[Tensor], Tensor]
    groups: tuple[tuple[float, list[Tensor]], ...]
    member: Callable[[int], nn.Module]
    models: tuple[nn.Module, ...]

    @property
    def size(self) -> int:
        return len(self.models)

    @property
    def parameters(self) -> list[Tensor]:
        return [p for _, group in self.groups for p in group]

    @property
    def work(self) -> int:
        """Parameters that train, in all."""
        return sum(p.numel() for p in self.parameters)


def single(model: nn.Module, learning_rate: float) -> Ensemble:
    """One network, itself: what trains are its own parameters."""
    return Ensemble(model, ((learning_rate, trainable(model)),), lambda _: model, (model,))


def stack(models: Sequence[nn.Module], learning_rates: Sequence[float]) -> Ensemble:
    """Networks of one structure: one tensor for each parameter of all those that share a learning rate.

    The parameters of a member are written back into its model when `member` is asked for it.

    Raises ValueError where they are not `alike`.

    >>> models = [nn.Linear(1, 1), nn.Linear(1, 1)]
    >>> stack(models, [0.1, 0.1]).run(torch.zeros(3, 1)).shape
    torch.Size([2, 3, 1])
    """
    for r, model in enumerate(models):
        if not alike(models[0], model):
            raise ValueError(f"models: expected modules of one structure to stack, got another at {r}")
    rates = sorted(set(learning_rates))
    order = [r for rate in rates for r, own in enumerate(learning_rates) if own == rate]
    states = [dict(model.named_parameters()) for model in models]
    names = [name for name, p in models[0].named_parameters() if p.requires_grad]
    grouped = [[r for r, own in enumerate(learning_rates) if own == rate] for rate in rates]
    leaves = [
        {name: torch.stack([states[r][name].detach() for r in members]).requires_grad_() for name in names}
        for members in grouped
    ]
    fixed = {name: torch.stack([s[name].detach() for s in states]) for name in states[0] if name not in names}
    template = deepcopy(models[0])
    place = torch.tensor([order.index(r) for r in range(len(models))], device=next(models[0].parameters()).device)
    sorted_already = order == list(range(len(models)))

    def call(values: dict[str, Tensor], x: Tensor) -> Tensor:
        out: Tensor = functional_call(template, values, (x,))
        return out

    def run(x: Tensor) -> Tensor:
        moving = {
            name: torch.cat([group[name] for group in leaves]) if len(leaves) > 1 else leaves[0][name] for name in names
        }
        if not sorted_already:
            moving = {name: value.index_select(0, place) for name, value in moving.items()}
        out: Tensor = vmap(call, in_dims=(0, None if x.ndim == 2 else 0))({**moving, **fixed}, x)
        return out

    def member(r: int) -> nn.Module:
        group = rates.index(learning_rates[r])
        with torch.no_grad():
            for name in names:
                states[r][name].copy_(leaves[group][name][grouped[group].index(r)])
        return models[r]

    groups = tuple((rate, list(group.values())) for rate, group in zip(rates, leaves, strict=True))
    return Ensemble(run, groups, member, tuple(models))


def trainable(model: nn.Module) -> list[Tensor]:
    """The parameters that require a gradient. Raises ValueError where there is none."""
    parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("model: expected a parameter to train, got none that requires a gradient")
    return parameters


def alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules differ in the values of their parameters alone.

    >>> alike(nn.LeakyReLU(0.1), nn.LeakyReLU(0.2))
    False
    """
    buffers = [dict(model.named_buffers()) for model in (one, other)]
    same = buffers[0].keys() == buffers[1].keys() and _structure(one) == _structure(other)
    return same and all(torch.equal(t, buffers[1][name]) for name, t in buffers[0].items())


def _structure(model: nn.Module) -> list[object]:
    """Modules with what they hold besides tensors (a slope, a factor, hooks), and the shapes of the parameters."""
    parts: list[object] = [repr(model), *((name, p.shape, p.requires_grad) for name, p in model.named_parameters())]
    for module in model.modules():
        parts.append(
            sorted((key, value) for key, value in vars(module).items() if isinstance(value, int | float | str))
        )
        parts += [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    return parts
