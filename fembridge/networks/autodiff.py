"""A network's outputs as a function of its parameters, J and the Hessian by automatic differentiation.

Reverse mode twice, the graph of the first time kept, so that a product goes through it once and evaluates nothing
else. Where the graph would not fit, the data are cut into chunks, and the graph of each is built again for each
product.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp

from fembridge.memory import available, fits, require_memory
from fembridge.networks.layered import array, tensor
from fembridge.problem import Array

Globs = str | Sequence[str]
Data = ArrayLike | Tensor
T = TypeVar("T")
UNSTEADY = nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd | nn.RReLU


@dataclass(frozen=True, eq=False)
class Task:
    """A model on N data, of C outputs each: theta (P,) are the parameters `names` among all of them, flat."""

    model: nn.Module
    x: Tensor
    names: tuple[str, ...]
    theta: Tensor
    outputs: int

    @property
    def n(self) -> int:
        return len(self.x)

    @property
    def pick(self) -> csr_array:
        """The columns of the identity that belong to `names`: (all parameters, P)."""
        chosen = [np.full(p.numel(), name in self.names) for name, p in self.model.named_parameters()]
        mask = np.concatenate(chosen)
        return csr_array(eye_array(len(mask), format="csr")[:, mask])

    def u(self, theta: Tensor, i: slice = slice(None)) -> Tensor:
        """The outputs (N, C), or those of some data, at other values of the parameters."""
        parts = iter(theta.split([p.numel() for name, p in self.model.named_parameters() if name in self.names]))
        values = {
            id(p): next(parts).view_as(p) if name in self.names else p.detach()
            for name, p in self.model.named_parameters()
        }
        # every place of a shared parameter once: PyTorch, left to find them, does not put a shared module back
        places = {
            f"{path}.{name}".lstrip("."): values[id(p)]
            for path, module in self.model.named_modules()
            for name, p in module._parameters.items()
            if p is not None
        }
        buffers = {name: t.clone() for name, t in self.model.named_buffers()}
        out: Tensor = functional_call(self.model, {**places, **buffers}, (self.x[i],), tie_weights=False)
        return out.flatten(1) if out.ndim > 1 else out[:, None]


def on_data(model: nn.Module, x: Data, globs: Globs) -> Task:
    """The task of a model, at data x (N, …), by the parameters that match; errors: `curvature.gauss_newton`."""
    parameters = dict(model.named_parameters())
    if len({(p.dtype, p.device) for p in parameters.values()}) != 1:
        raise ValueError("model: expected parameters, all of one dtype and on one device")
    like = next(iter(parameters.values())).detach()
    if not like.is_floating_point() or not all(p.isfinite().all() for p in parameters.values()):
        raise ValueError("model: expected finite floating-point parameters")
    for module in model.modules():
        if isinstance(module, UNSTEADY) and (module.training or getattr(module, "running_mean", like) is None):
            raise ValueError(f"model: {type(module).__name__} is random or mixes the data: call model.eval() first")
    patterns = (globs,) if isinstance(globs, str) else tuple(globs)
    names = tuple(name for name in parameters if any(fnmatchcase(name, glob) for glob in patterns))
    for glob in patterns or ("",):
        if not any(fnmatchcase(name, glob) for name in names):
            raise ValueError(f"parameters: expected a glob that matches one of {', '.join(parameters)}, got {glob!r}")
    points = numbers("x", x, like)
    points = points[:, None] if points.ndim == 1 and points.is_floating_point() else points
    theta = torch.cat([parameters[name].detach().flatten() for name in names])
    task = Task(model, points, names, theta, outputs=0)
    try:
        with torch.no_grad():
            few = task.u(theta, slice(2))
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ValueError(f"model: does not take data of shape {tuple(points.shape)}: {str(error)[:200]}") from None
    if len(few) != len(points[:2]):
        raise ValueError(f"model: expected outputs for each of {len(points[:2])} data, got {len(few)} rows")
    return replace(task, outputs=few.shape[1])


def numbers(name: str, values: Data, like: Tensor) -> Tensor:
    """A tensor on the model's device: of its dtype, but for a tensor of whole numbers, which may be indices."""
    t = values.detach() if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values, dtype=float))
    t = t.to(like) if t.is_floating_point() or name == "f" else t.to(like.device)
    if not t.numel() or not t.ndim or not t.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, one row or more, got an array of shape {tuple(t.shape)}")
    return t


def jacobian(task: Task) -> tuple[LinearOperator, str]:
    """J (N·C, P), its rows datum by datum, and how its products are computed."""
    n, p = task.n, len(task.theta)

    def first(i: slice) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        u, pull = vjp(lambda v: task.u(v, i), task.theta)[:2]
        push = vjp(lambda g: pull(g)[0], torch.zeros_like(u))[1]  # g ↦ Jᵀg is linear: its own transpose is J
        return lambda v: push(v)[0], lambda g: pull(g.view(n, -1)[i])[0]

    graphs, how = _graphs(task, first)

    def forward(v: Array) -> Array:
        w = tensor(v, task.theta)
        return array(torch.cat([push(w) for push, _ in graphs()]))

    def adjoint(v: Array) -> Array:
        g = tensor(v, task.theta)
        return array(functools.reduce(torch.add, (pull(g) for _, pull in graphs())))

    shape = n * task.outputs, p
    return LinearOperator(shape, matvec=forward, rmatvec=adjoint, dtype=np.dtype(float)), how


def hessian(task: Task, target: Tensor) -> tuple[LinearOperator, str]:
    """∇² ½ mean ‖u − f‖² (P, P) for targets f (N, C), and how its products are computed."""
    p = len(task.theta)

    def second(i: slice) -> Callable[[Tensor], Tensor]:
        def loss(v: Tensor) -> Tensor:
            return (task.u(v, i) - target[i]).square().sum() / (2 * task.n)

        pull = vjp(grad(loss), task.theta)[1]
        return lambda v: pull(v)[0]

    graphs, how = _graphs(task, second)

    def product(v: Array) -> Array:
        w = tensor(v, task.theta)
        return array(functools.reduce(torch.add, (h(w) for h in graphs())))

    return LinearOperator((p, p), matvec=product, rmatvec=product, dtype=np.dtype(float)), how


def _graphs(task: Task, graph: Callable[[slice], T]) -> tuple[Callable[[], Iterable[T]], str]:
    """The graph of all data, kept; or those of as many chunks as memory asks for, each built when it is its turn."""
    each = 2 * _graph_bytes(task)  # once more for what a product needs while it runs
    if fits(each * task.n):
        kept = [graph(slice(None))]
        return lambda: kept, "torch.func"
    require_memory(each, "the graph of a single datum")
    size = int(available() / each)
    chunks = [slice(i, i + size) for i in range(0, task.n, size)]
    return lambda: map(graph, chunks), f"torch.func, {size} data at a time"


def _graph_bytes(task: Task) -> float:
    """Bytes that automatic differentiation keeps for each datum, counted on a graph of the gradient of ½‖u‖²."""

    def kept(n: int) -> int:
        stored: dict[int, int] = {}

        def pack(t: Tensor) -> Tensor:
            stored[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            theta = task.theta.clone().requires_grad_()
            loss = task.u(theta, slice(n)).square().sum()
            graph = torch.autograd.grad(loss, theta, create_graph=True)
        return sum(stored.values()) if graph else 0

    return float(kept(2) - kept(1) if task.n > 1 else kept(1))
