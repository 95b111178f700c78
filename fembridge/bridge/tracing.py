"""A PyTorch module as a graph of affine maps, activations and sums, read off by `torch.fx`."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from fembridge.networks.activations import Hat, SplineActivation, SquaredReLU
from fembridge.networks.activations import Step as Heaviside
from fembridge.problem import Array
from fembridge.theory import splines
from fembridge.theory.graphs import Activation, Affine, Graph, Sum
from fembridge.theory.graphs import Step as GraphStep
from fembridge.theory.splines import Spline
from fembridge.theory.tangents import Part

_ADD = {operator.add, operator.iadd, torch.add, "add", "add_"}
_SUBTRACT = {operator.sub, operator.isub, torch.sub, torch.subtract, "sub", "sub_"}
_SCALE = {operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_"}
_DIVIDE = {operator.truediv, torch.div, torch.true_divide, "div", "div_"}
_NEGATE = {operator.neg, torch.neg, "neg"}
_SAME = {torch.flatten, "flatten", "contiguous", "clone", "double", "float"}
_RELU = {torch.relu, functional.relu, torch.relu_, functional.relu_, "relu", "relu_"}


@dataclass(frozen=True, eq=False)
class Trace:
    """graph: the module in numbers. parameters: where weights and biases of its Linear layers stand in it, by name.
    others: names of all other parameters.
    """

    graph: Graph
    parameters: dict[str, Part]
    others: tuple[str, ...] = ()


class FixedAffine(nn.Module):
    """x ↦ W x + b with fixed W (n, m) and b (n,), which are no parameters."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Array, bias: Array) -> None:
        super().__init__()
        self.register_buffer("weight", torch.as_tensor(weight))
        self.register_buffer("bias", torch.as_tensor(bias))

    def forward(self, x: Tensor) -> Tensor:
        """W x + b for rows x."""
        return functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


_OWN = Hat | SplineActivation | SquaredReLU | Heaviside | FixedAffine  # modules that are one step


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one step."""
        return isinstance(m, Hat | SplineActivation | SquaredReLU | Heaviside | FixedAffine) or super().is_leaf_module(
            m, module_qualified_name
        )


def trace(model: nn.Module) -> Trace:
    """The graph of a module R^d → R made of Linear, piecewise-linear activations, batch-norm in eval mode, sums,
    differences and multiples; in float64.

    Raises ValueError for a module that `torch.fx` cannot follow, and for anything else in it, naming that.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> [type(step).__name__ for step in trace(model).graph.steps]
    ['Affine', 'Activation', 'Affine']
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"expand: expected a torch.nn.Module, got {type(model).__name__}")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta or tensor.is_complex() or not tensor.isfinite().all():
            raise ValueError(f"expand: expected finite real numbers in {name}")
    try:
        followed = _Tracer().trace(nn.Sequential(model))  # so that a model that is one layer has a name, "0"
    except Exception as error:
        raise ValueError(
            f"expand: torch.fx cannot follow {type(model).__name__}: {str(error).splitlines()[0]}"
        ) from None
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    reader = _Reader(nn.Sequential(model), names)
    for node in followed.nodes:
        reader.read(node)
    own = {name: reader.parameters[name] for name in names.values() if name in reader.parameters}
    others = tuple(name for name in names.values() if name not in own)
    return Trace(Graph(reader.sizes[0], tuple(reader.steps)), own, others)


class _Reader:
    """Steps, made from nodes of `torch.fx` one after another."""

    def __init__(self, model: nn.Module, names: dict[int, str]) -> None:
        self.modules, self.names = dict(model.named_modules()), names
        self.steps: list[GraphStep] = []
        self.sizes: list[int] = [0]
        self.place: dict[fx.Node, int] = {}
        self.parameters: dict[str, Part] = {}

    def read(self, node: fx.Node) -> None:
        """Add the steps of one node. Raises ValueError where it is none that a piecewise-linear network has."""
        if node.op == "output":
            if not isinstance(node.args[0], fx.Node) or self.place[node.args[0]] != len(self.steps):
                raise ValueError("expand: expected a module that returns its last value alone")
        elif node.op == "placeholder":
            if self.place:
                raise ValueError("expand: expected a module of one argument")
            self.place[node] = 0
        elif node.op == "call_module":
            self.place[node] = self._module(node, self.modules[str(node.target)])
        else:
            self.place[node] = self._function(node)

    def _add(self, step: GraphStep, size: int) -> int:
        self.steps.append(step)
        self.sizes.append(size)
        return len(self.steps)

    def _module(self, node: fx.Node, module: nn.Module) -> int:
        source = self._source(node)
        if isinstance(module, nn.Linear | FixedAffine):
            bias = np.zeros(len(module.weight)) if module.bias is None else numbers(module.bias)
            if source == 0:
                self.sizes[0] = module.weight.shape[1]
            place = self._add(Affine(source, numbers(module.weight), bias), len(bias))
            for part in ("weight", "bias"):
                name = self.names.get(id(getattr(module, part)))
                if name is not None and name in self.parameters:
                    raise ValueError(f"expand: expected layers of their own parameters, got {name} used twice")
                if name is not None:
                    self.parameters[name] = (place, part)
            return place
        if isinstance(module, nn.BatchNorm1d):
            return self._batch_norm(source, module)
        if isinstance(module, nn.Identity | nn.Flatten):
            return source
        if isinstance(module, nn.Dropout | nn.AlphaDropout):
            if module.training and module.p:
                raise ValueError("expand: expected dropout in eval mode (model.eval())")
            return source
        return self._add(Activation(source, spline_of(module)), self.sizes[source])

    def _batch_norm(self, source: int, module: nn.BatchNorm1d) -> int:
        if module.training or module.running_mean is None or module.running_var is None:
            raise ValueError("expand: expected batch-norm in eval mode, with running statistics (model.eval())")
        if source == 0:
            self.sizes[0] = module.num_features
        gain = 1 / np.sqrt(numbers(module.running_var) + module.eps)
        gain = gain if module.weight is None else gain * numbers(module.weight)
        shift = 0.0 if module.bias is None else numbers(module.bias)
        return self._add(Affine(source, np.diag(gain), shift - gain * numbers(module.running_mean)), len(gain))

    def _function(self, node: fx.Node) -> int:
        target: Any = node.target
        first, *rest = node.args or (None,)
        if target in _RELU:
            return self._add(Activation(self._source(node), splines.named("relu")), self.sizes[self._source(node)])
        if target is functional.leaky_relu:
            given: Any = node.kwargs.get("negative_slope", rest[0] if rest else 0.01)
            slope = float(given)
            return self._add(Activation(self._source(node), splines.leaky_relu(slope)), self.sizes[self._source(node)])
        if target in _SAME:
            return self._source(node)
        if target in _NEGATE:
            return self._sum((first,), (-1.0,))
        if len(rest) == 1 and not node.kwargs:
            (second,) = rest
            if target in _ADD:
                return self._sum((first, second), (1.0, 1.0))
            if target in _SUBTRACT:
                return self._sum((first, second), (1.0, -1.0))
            if target in _SCALE and isinstance(second if isinstance(first, fx.Node) else first, int | float):
                value, factor = (first, second) if isinstance(first, fx.Node) else (second, first)
                return self._sum((value,), (float(factor),))
            if target in _DIVIDE and isinstance(second, int | float) and second:
                return self._sum((first,), (1.0 / second,))
        name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
        raise ValueError(f"expand: {name} in {node} is no step of a piecewise-linear network that fembridge knows")

    def _sum(self, terms: tuple[Any, ...], signs: tuple[float, ...]) -> int:
        """A sum of values and numbers, with signs."""
        values = [
            (self.place[term], sign) for term, sign in zip(terms, signs, strict=True) if isinstance(term, fx.Node)
        ]
        constants = [sign * term for term, sign in zip(terms, signs, strict=True) if isinstance(term, int | float)]
        if len(values) + len(constants) < len(terms):
            raise ValueError(f"expand: expected sums of values and numbers, got {terms}")
        sources, coefficients = zip(*values, strict=True)
        size = self.sizes[sources[0]]
        if not size:
            raise ValueError("expand: expected a Linear layer first")
        place = self._add(Sum(sources, coefficients), size)
        return self._add(Affine(place, np.eye(size), np.full(size, sum(constants))), size) if constants else place

    def _source(self, node: fx.Node) -> int:
        first = node.args[0] if node.args else node.kwargs.get("input")
        if not isinstance(first, fx.Node):
            raise ValueError(f"expand: expected {node} to take a value of the network")
        if self.place[first] == 0 and not self.sizes[0] and node.op != "call_module":
            raise ValueError("expand: expected a Linear layer first")
        return self.place[first]


def spline_of(activation: nn.Module) -> Spline:
    """The piecewise polynomial that an activation module is. Raises ValueError where it is none."""
    if isinstance(activation, SplineActivation):
        coefficients = numbers(activation.coefficients)
        return splines.spline(numbers(activation.knots), coefficients, activation.degree)
    if isinstance(activation, nn.LeakyReLU):
        return splines.leaky_relu(activation.negative_slope)
    if isinstance(activation, nn.Hardtanh):  # ReLU6 is one
        low, high = float(activation.min_val), float(activation.max_val)
        return Spline("hardtanh", np.array([low, high]), np.array([[low, 0.0], [low, 1.0], [high, 0.0]]))
    names = {nn.ReLU: "relu", Hat: "hat", SquaredReLU: "relu2", Heaviside: "step"}
    for kind, name in names.items():
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
