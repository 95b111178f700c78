"""A training of one input and one output as a film: the function, and the breakpoints that make it, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fembridge.bridge.expansion import Expansion, expand
from fembridge.networks.activations import breakpoints, degree
from fembridge.networks.affine import ScaledLinear
from fembridge.networks.outputs import outputs
from fembridge.problem import Array, Interval
from fembridge.samples import Samples
from fembridge.theory.graphs import derivatives, gradients

Kind = Literal["neurons", "kinks", "first layer"]


@dataclass(frozen=True, eq=False)
class Bends:
    """Where a network bends: positions x (n,), heights (n,), and orientations (n,), the sign of w, 0 for kinks of u.

    kind "neurons", of a shallow network u = Σ_j v_j σ(w_j x + b_j) + d: one point for each neuron, at the input
    (c − b_j)/w_j that lies in the middle c of its activation, of height v_j |w_j|. For a ReLU that is its breakpoint
    −b_j/w_j and the jump of u' there; for a hat its tip and the slope of its flanks.
    kind "kinks", of deeper piecewise-linear networks: every breakpoint of u, of whatever layer, and the jump of u'.
    kind "first layer", of other deeper networks: the neurons of the first layer, of height |w_j|.
    """

    kind: Kind
    positions: Array
    heights: Array
    orientations: Array

    def outside(self, domain: Interval) -> tuple[int, int]:
        """How many lie to the left of a domain, and how many to its right."""
        return int(np.sum(self.positions < domain[0])), int(np.sum(self.positions > domain[1]))


@dataclass(frozen=True, eq=False)
class Frame:
    """One step: u (G,) on the film's grid, and where the network bends."""

    u: Array
    bends: Bends


@dataclass(frozen=True, eq=False)
class Film:
    """T frames of one training, on a grid of G points, with F frequencies.

    steps: (T,). x, target: (G,). frames: T of them. points, values: the N data. measured: amplitudes (T, F) of the
    error u − f; predicted: the same by theory, None where there is none. theory: "exact", "linearised" or "none".
    drift: (T,), how far the tangent kernel has moved; None where theory does not ask. diverged: the step at which the
    loss left the range of numbers, after which there are no frames.

    Raises ValueError for shapes that do not match.
    """

    label: str
    domain: Interval
    steps: NDArray[np.integer]
    x: Array
    target: Array
    frames: tuple[Frame, ...]
    points: Array
    values: Array
    frequencies: tuple[int, ...]
    measured: Array
    predicted: Array | None = None
    theory: str = "none"
    drift: Array | None = None
    diverged: int | None = None

    def __post_init__(self) -> None:
        count, amplitudes = len(self.steps), (len(self.steps), len(self.frequencies))
        if not count or len(self.frames) != count:
            raise ValueError(f"frames: expected one for each of {count} steps, 1 at least, got {len(self.frames)}")
        for name, values, shape in (
            ("target", self.target, self.x.shape),
            ("values", self.values, self.points.shape),
            ("measured", self.measured, amplitudes),
            ("predicted", self.predicted, amplitudes),
            ("drift", self.drift, (count,)),
            *(("u", frame.u, self.x.shape) for frame in self.frames),
        ):
            if values is not None and values.shape != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {values.shape}")

    @property
    def u(self) -> Array:
        """The network on the grid, (T, G)."""
        return np.stack([frame.u for frame in self.frames])

    @property
    def residuals(self) -> Array:
        """u − f on the grid, (T, G)."""
        return self.u - self.target


def watch(
    grid: Array, domain: Interval, wanted: Sequence[bool]
) -> tuple[Callable[[nn.Module], list[float]], list[Frame]]:
    """What to observe a training with, and the frames of its first network, a list that fills while it trains.

    wanted: for each recorded step, whether it is to have a frame. They are kept beside the training, as the number of
    breakpoints may change from step to step.
    """
    samples = Samples(grid[:, None], np.zeros(len(grid)))
    first: list[nn.Module] = []
    left, frames = iter(wanted), []

    def observe(model: nn.Module) -> list[float]:
        if not first:
            first.append(model)
        if model is first[0] and next(left):
            frames.append(Frame(outputs(model, samples), bends(model, domain)))
        return []

    return observe, frames


def bends(model: nn.Module, domain: Interval) -> Bends:
    """Where a network Linear(1, n), σ, …, Linear(m, 1) bends, as `Bends` says; kinks of u are those inside the domain.

    Raises ValueError for a model that is none of these.

    >>> from fembridge.networks.models import shallow
    >>> u = shallow(nn.ReLU(), weights=[2.0, -1.0], biases=[-1.0, 0.25], output=[3.0, 1.0])
    >>> found = bends(u, (0.0, 1.0))
    >>> found.positions, found.heights, found.orientations
    (array([0.5 , 0.25]), array([6., 1.]), array([ 1., -1.]))
    """
    layers = list(model.children())
    affine, sigmas = layers[::2], layers[1::2]
    if not sigmas or not all(isinstance(layer, nn.Linear | ScaledLinear) for layer in affine):
        raise ValueError(f"model: expected Linear, activation, …, Linear, got {' '.join(repr(model).split())}")
    if len(sigmas) == 1:
        return _of_neurons("neurons", affine[0], sigmas[0], _weight(affine[1])[0])
    if all(_is_piecewise_linear(sigma) for sigma in sigmas):
        return _of_function(model, domain)
    return _of_neurons("first layer", affine[0], sigmas[0], np.ones(len(_weight(affine[0]))))


def _of_neurons(kind: Kind, inner: nn.Module, sigma: nn.Module, v: Array) -> Bends:
    w, factor = _weight(inner)[:, 0], getattr(inner, "factor", 1.0)
    b = np.zeros_like(w) if inner.bias is None else factor * _numbers(inner.bias)  # type: ignore[arg-type]
    with np.errstate(divide="ignore", invalid="ignore"):
        return Bends(kind, (_middle(sigma) - b) / w, v * np.abs(w), np.sign(w))


def _of_function(model: nn.Module, domain: Interval) -> Bends:
    """Breakpoints of u inside the domain, where the slopes of its cells differ by more than round-off."""
    expansion = expand(model, domain)
    assert isinstance(expansion, Expansion)  # it is piecewise linear
    graph, nodes = expansion.trace.graph, expansion.partition.mesh.p[0]
    middle = (nodes[:-1] + nodes[1:])[:, None] / 2
    slopes = gradients(graph, derivatives(graph, middle), len(middle))[-1][:, 0, 0]
    jumps = np.diff(slopes)
    bent = np.abs(jumps) > 1e-12 * np.abs(slopes).max()
    return Bends("kinks", nodes[1:-1][bent], jumps[bent], np.zeros(bent.sum()))


def _middle(sigma: nn.Module) -> float:
    """The middle of the breakpoints of an activation; 0 of a smooth one, about which those of this package turn."""
    try:
        tau = breakpoints(sigma)
    except ValueError:
        return 0.0
    return float(tau[0] + tau[-1]) / 2


def _is_piecewise_linear(sigma: nn.Module) -> bool:
    try:
        return degree(sigma) == 1
    except ValueError:
        return False


def _weight(layer: nn.Module) -> Array:
    return getattr(layer, "factor", 1.0) * _numbers(layer.weight)  # type: ignore[arg-type]


def _numbers(tensor: torch.Tensor) -> Array:
    out: Array = tensor.detach().double().cpu().numpy()
    return out.copy()
