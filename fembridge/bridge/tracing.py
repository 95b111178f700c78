"""A PyTorch module as a graph of affine maps, activations and sums, read off by `torch.fx`."""

from __future__ import annotations

import operator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from fembridge.networks.activations import Hat, SplineActivation, SquaredReLU
from fembridge.networks.activations import Step as Heaviside
from fembridge.networks.affine import FixedAffine, ScaledLinear
from fembridge.problem import Array
from fembridge.theory import splines
from fembridge.theory.graphs import Activation, Affine, Graph, Sum
from fembridge.theory.graphs import Step as GraphStep
from fembridge.theory.splines import Spline
from fembridge.theory.tangents import Part

_ADD = {operator.add, torch.add, "add", "add_"}
_SUBTRACT = {operator.sub, torch.sub, torch.subtract, "sub", "sub_"}
_SCALE = {operator.mul, torch.mul, torch.multiply, "mul", "mul_"}
_DIVIDE = {operator.truediv, torch.div, torch.true_divide, "div", "div_"}
_NEGATE = {operator.neg, torch.neg, "neg", "neg_"}
_SAME = {"contiguous", "double"}
_RELU = {torch.relu, functional.relu, torch.relu_, "relu", "relu_"}  # functional.relu_ is torch.relu_
_LEAKY = {functional.leaky_relu, functional.leaky_relu_}
_FLATTEN = {torch.flatten, "flatten"}
_COLUMN = {torch.squeeze, "squeeze", torch.ravel, "ravel", torch.reshape, "reshape", "view"}


@dataclass(frozen=True, eq=False)
class Trace:
    """graph: the module in numbers. parameters: where weights and biases of its Linear layers stand in it, by name.
    others: names of all other parameters.
    """

    graph: Graph
    parameters: dict[str, Part]
    others: tuple[str, ...] = ()


_AFFINE = (nn.Linear, FixedAffine, ScaledLinear)
_STEPS = (
    *(*_AFFINE, nn.BatchNorm1d, nn.Identity, nn.Flatten, nn.Dropout, nn.AlphaDropout),
    *(nn.ReLU, nn.LeakyReLU, Hat, SplineActivation, SquaredReLU, Heaviside),
)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one step; a class derived from one is where it computes the same."""
        own = any(isinstance(m, kind) and type(m).forward is kind.forward for kind in _STEPS)
        return own or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module) -> Trace:
    """The graph of a module R^d → R made of Linear, piecewise-linear activations, batch-norm in eval mode, sums,
    differences and multiples; in float64. Its last step may make u (N,) of u (N, 1).

    Raises ValueError for a module that `torch.fx` cannot follow, and for anything else in it, naming that.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> [type(step).__name__ for step in trace(model).graph.steps]
    ['Affine', 'Activation', 'Affine']
    """
    model = in_double(model)
    root = nn.Sequential(model)  # so that a model that is one layer has a name, "0"
    try:
        followed = _Tracer().trace(root)
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"expand: torch.fx cannot follow {type(model).__name__}: {reason}") from None
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    reader = _Reader(root, names)
    needed = reader.needed(followed)
    reader.sizes[0] = reader.inputs(needed)
    for node in needed:
        reader.read(node)
    if reader.steps and not reader.sizes[0]:
        raise ValueError("expand: expected a module with a Linear layer")
    own = {name: reader.parameters[name] for name in names.values() if name in reader.parameters}
    graph = Graph(reader.sizes[0], tuple(reader.steps))
    return Trace(graph, own, tuple(name for name in names.values() if name not in own))


def in_double(model: nn.Module) -> nn.Module:
    """A copy in float64, in which layers derive their weights too. Raises ValueError for what has no numbers."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"expand: expected a torch.nn.Module, got {type(model).__name__}")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta or tensor.is_complex() or not tensor.isfinite().all():
            raise ValueError(f"expand: expected finite real numbers in {name}")
    for name, module in model.named_modules():
        for part, tensor in vars(module).items():
            if isinstance(tensor, Tensor) and (part in ("weight", "bias") or not tensor.is_leaf):
                where = f"a {part} of its own in {name or type(module).__name__}, got one that a hook sets"
                raise ValueError(f"expand: expected {where} (see prune.remove, parametrizations in torch.nn.utils)")
    return deepcopy(model).double().cpu()


class _Reader:
    """Steps, made from nodes of `torch.fx` one after another. Nodes with one place are one tensor in memory."""

    def __init__(self, model: nn.Module, names: dict[int, str]) -> None:
        self.modules, self.names = dict(model.named_modules()), names
        self.steps: list[GraphStep] = []
        self.sizes: list[int] = [0]
        self.place: dict[fx.Node, int] = {}
        self.parameters: dict[str, Part] = {}

    def needed(self, graph: fx.Graph) -> list[fx.Node]:
        """The nodes that the output depends on, be it through what they do in place, in their order."""
        found: set[fx.Node] = set()
        left = [node for node in graph.nodes if node.op in ("placeholder", "output")]
        while left:
            node = left.pop()
            if node not in found:
                found.add(node)
                left += node.all_input_nodes
                left += [user for user in node.users if self._in_place(user) and _first(user) is node]
        return [node for node in graph.nodes if node in found]

    def inputs(self, nodes: list[fx.Node]) -> int:
        """The dimension of x: what the first affine map takes, as all before acts elementwise; 0 if there is none."""
        for module in (self.modules[str(node.target)] for node in nodes if node.op == "call_module"):
            if isinstance(module, (*_AFFINE, nn.BatchNorm1d)):
                return int(module.num_features if isinstance(module, nn.BatchNorm1d) else module.weight.shape[1])
        return 0

    def read(self, node: fx.Node) -> None:
        """Add the steps of one node. Raises ValueError where it is none that a piecewise-linear network has."""
        if node.op == "placeholder":
            self.place[node] = 0
        elif node.op == "get_attr":
            name = str(node.target).removeprefix("0.")
            raise ValueError(f"expand: expected tensors of layers that fembridge knows alone, got {name}")
        elif node.op == "output":
            if self._source(node) != len(self.steps):
                raise ValueError("expand: expected a module that returns its last value")
        else:
            place = self._module(node) if node.op == "call_module" else self._function(node)
            if self._in_place(node):
                source = self._source(node)
                self.place |= {other: place for other, at in self.place.items() if at == source}
            self.place[node] = place

    def _in_place(self, node: fx.Node) -> bool:
        """Whether a node writes its result over what it takes."""
        if node.op == "call_module":
            return bool(getattr(self.modules[str(node.target)], "inplace", False))
        return bool(node.kwargs.get("inplace", False)) or _name(node).endswith("_")

    def _add(self, step: GraphStep, size: int) -> int:
        self.steps.append(step)
        self.sizes.append(size)
        return len(self.steps)

    def _module(self, node: fx.Node) -> int:
        source, module = self._source(node), self.modules[str(node.target)]
        if isinstance(module, _AFFINE):
            return self._linear(source, module)
        if isinstance(module, nn.BatchNorm1d):
            return self._batch_norm(source, module)
        if isinstance(module, nn.Flatten):
            return source if module.start_dim in (1, -1) else self._column(node)
        if isinstance(module, nn.Dropout | nn.AlphaDropout):
            return self._dropout(source, module.training and module.p > 0)
        return source if isinstance(module, nn.Identity) else self._activation(source, spline_of(module))

    def _linear(self, source: int, module: nn.Linear | FixedAffine | ScaledLinear) -> int:
        bias = np.zeros(len(module.weight)) if module.bias is None else numbers(module.bias)
        place = self._add(Affine(source, numbers(module.weight), bias), len(bias))
        for part in ("weight", "bias"):
            name = self.names.get(id(getattr(module, part)))
            if name in self.parameters:
                raise ValueError(f"expand: expected layers of their own parameters, got {name} used twice")
            if name is not None:
                self.parameters[name] = (place, part)
        if isinstance(module, ScaledLinear):  # the factor is a step of its own: what trains stands before it
            return self._add(Sum((place,), (module.factor,)), len(bias))
        return place

    def _batch_norm(self, source: int, module: nn.BatchNorm1d) -> int:
        if module.training or module.running_mean is None or module.running_var is None:
            raise ValueError("expand: expected batch-norm in eval mode, with running statistics (model.eval())")
        gain = 1 / np.sqrt(numbers(module.running_var) + module.eps)
        gain = gain if module.weight is None else gain * numbers(module.weight)
        shift = 0.0 if module.bias is None else numbers(module.bias)
        return self._add(Affine(source, np.diag(gain), shift - gain * numbers(module.running_mean)), len(gain))

    def _dropout(self, source: int, drops: bool) -> int:
        if drops:
            raise ValueError("expand: expected dropout in eval mode (model.eval())")
        return source

    def _activation(self, source: int, spline: Spline) -> int:
        return self._add(Activation(source, spline), self.sizes[source])

    def _column(self, node: fx.Node) -> int:
        """u (N, 1) as u (N,), which nothing but returning it may follow: sums would take it for a row."""
        if any(user.op != "output" for user in node.users):
            raise ValueError(f"expand: expected {node}, which takes an axis away, to be the last step")
        return self._source(node)

    def _function(self, node: fx.Node) -> int:
        target: Any = node.target
        first, *rest = node.args or (None,)
        arguments: Any = (*rest, *node.kwargs.values())
        if target in _RELU:
            return self._activation(self._source(node), splines.named("relu"))
        if target in _LEAKY and isinstance(slope := (*arguments, 0.01)[0], int | float):
            return self._activation(self._source(node), splines.leaky_relu(slope))
        if target is functional.dropout:
            return self._dropout(self._source(node), bool(node.kwargs["training"] and node.kwargs["p"]))
        if target in _SAME or (target in _FLATTEN and arguments in ((1,), (-1,), (1, -1))):
            return self._source(node)
        column = target in _COLUMN | _FLATTEN and arguments in ((), (0,), (1,), (-1,))
        if column or (target is operator.getitem and arguments in (((slice(None), 0),), ((..., 0),))):
            return self._column(node)
        if target in _NEGATE:
            return self._sum((first,), (-1.0,))
        if len(rest) == 1 and not node.kwargs:
            second: Any = rest[0]
            if target in _ADD | _SUBTRACT:
                return self._sum((first, second), (1.0, 1.0 if target in _ADD else -1.0))
            value, factor = (first, second) if isinstance(first, fx.Node) else (second, first)
            if target in _SCALE and isinstance(factor, int | float):
                return self._sum((value,), (float(factor),))
            if target in _DIVIDE and isinstance(second, int | float) and second:
                return self._sum((first,), (1.0 / second,))
        raise ValueError(f"expand: {_name(node)} in {node} is no known step of a piecewise-linear network")

    def _sum(self, terms: tuple[Any, ...], signs: tuple[float, ...]) -> int:
        """A sum of values and numbers, with signs."""
        pairs = list(zip(terms, signs, strict=True))
        values = [(self.place[term], sign) for term, sign in pairs if isinstance(term, fx.Node)]
        constants = [sign * term for term, sign in pairs if isinstance(term, int | float)]
        if len(values) + len(constants) < len(terms) or not np.isfinite([*signs, *constants]).all():
            raise ValueError(f"expand: expected sums and multiples of values by finite numbers, got {pairs}")
        sources, coefficients = zip(*values, strict=True)
        size = self.sizes[sources[0]]
        place = self._add(Sum(sources, coefficients), size)
        return self._add(Affine(place, np.eye(size), np.full(size, sum(constants))), size) if any(constants) else place

    def _source(self, node: fx.Node) -> int:
        if (first := _first(node)) is None:
            raise ValueError(f"expand: expected {node} to be of one tensor, got {node.args or node.kwargs}")
        return self.place[first]


def _first(node: fx.Node) -> fx.Node | None:
    """What a node acts on."""
    first = node.args[0] if node.args else node.kwargs.get("input")
    return first if isinstance(first, fx.Node) else None


def _name(node: fx.Node) -> str:
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def spline_of(activation: nn.Module) -> Spline:
    """The piecewise polynomial that an activation module is. Raises ValueError where it is none."""
    if isinstance(activation, SplineActivation):
        return splines.spline(numbers(activation.knots), numbers(activation.coefficients), activation.degree)
    if isinstance(activation, nn.LeakyReLU):
        return splines.leaky_relu(activation.negative_slope)
    if isinstance(activation, nn.Hardtanh):  # ReLU6 is one
        low, high = float(activation.min_val), float(activation.max_val)
        if not np.isfinite([low, high]).all():
            raise ValueError(f"expand: expected finite bounds of {type(activation).__name__}, got {low} and {high}")
        return Spline("hardtanh", np.array([low, high]), np.array([[low, 0.0], [low, 1.0], [high, 0.0]]))
    for kind, name in {nn.ReLU: "relu", Hat: "hat", SquaredReLU: "relu2", Heaviside: "step"}.items():
        if isinstance(activation, kind):
            return splines.named(name)
    raise ValueError(
        f"expand: {type(activation).__name__} is not a piecewise polynomial that fembridge knows; expected ReLU, "
        "LeakyReLU, ReLU6, Hardtanh, SquaredReLU, Step, Hat, BSpline or SplineActivation (approximate=True samples it)"
    )


def numbers(tensor: Tensor) -> Array:
    """A tensor as an array of float64."""
    found: Array = tensor.detach().cpu().double().numpy()
    return found
