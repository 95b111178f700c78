"""Gauss–Newton matrix, tangent kernel and Hessian of any network on data, dense or matrix-free.

The loss is L(θ) = ½ mean_i ‖u(x_i; θ) − f_i‖² over N data, the C outputs summed. With J = ∂u/∂θ, (N·C, P):

    Gauss–Newton  G = JᵀJ/N,      tangent kernel  Θ = J Jᵀ (no 1/N),      Hessian  H = G + (1/N) Σ_ic r_ic ∇²u_ic.

Three methods, which `Curvature.method` names; "auto" takes the first that applies:

- "piecewise": shallow spline networks of one input in float64, O(N + P) a product: `fembridge.networks.piecewise`;
- "layers": perceptrons, by matrix products on stored layers: `fembridge.networks.layered`;
- "general": any module, by automatic differentiation: `fembridge.networks.autodiff`.

Operators take and give NumPy float64 and compute on the device and in the dtype of the model: with a float32 model
their products are right to about 1e-6, and a tolerance below that is not met. Parameters count whether they require a
gradient or not; the model is used in the mode it is in, and never changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from torch import nn

from fembridge.memory import fits, require_memory
from fembridge.networks import autodiff, layered, piecewise, shallow
from fembridge.networks.autodiff import Data, Globs, Task, numbers, on_data
from fembridge.problem import Array

Method = Literal["auto", "piecewise", "layers", "general"]


class Assembly(NamedTuple):
    """A way to a dense matrix, and its cost in products with the matrix-free operator."""

    build: Callable[[], Array]
    cost: float


@dataclass(frozen=True, eq=False)
class Curvature:
    """A symmetric matrix A of a network on data: (P, P), or (N·C, N·C) for a tangent kernel, datum by datum.

    method: how its products are computed. names: the parameters it differentiates by, in the order of A.
    root: R with A = RᵀR, where there is one; R Rᵀ, the `companion`, has the same eigenvalues but for zeros.
    matrix, companion: ways to assemble A and R Rᵀ, where there are better ones than their products with unit vectors.
    """

    operator: LinearOperator
    method: str
    names: tuple[str, ...]
    root: LinearOperator | None = None
    matrix: Assembly | None = None
    companion: Assembly | None = None


def gauss_newton(model: nn.Module, x: Data, parameters: Globs = "*", method: Method = "auto") -> Curvature:
    """G = JᵀJ/N (P, P) at the data x (N, …), by the parameters whose names match a glob or one of several.

    x (N,) stands for (N, 1). The model maps (N, …) to (N, …), each datum by itself.

    Raises ValueError on data that are empty or not finite, a model that they do not fit, that holds no finite
    floating-point parameters of one dtype and device, or that is random or batch-dependent (dropout in training mode,
    batch normalisation unless it uses running statistics), on globs without a match and on a method that does not
    apply.

    >>> model = nn.Sequential(nn.Linear(2, 1)).double()
    >>> gauss_newton(model, [[1.0, 2.0], [3.0, 0.0]], "*.weight").operator @ np.eye(2)
    array([[5., 1.],
           [1., 2.]])
    """
    task = on_data(model, x, parameters)
    jacobian, how, kernel = _jacobian(task, method)
    root = task.n**-0.5 * jacobian
    companion = kernel and Assembly(lambda: kernel.build() / task.n, kernel.cost)
    return Curvature(root.H @ root, how, task.names, root, companion=companion)


def ntk(model: nn.Module, x: Data, parameters: Globs = "*", method: Method = "auto") -> Curvature:
    """Θ = J Jᵀ (N·C, N·C), the empirical tangent kernel at the data x (N, …); arguments and errors: `gauss_newton`.

    Source: A. Jacot, F. Gabriel and C. Hongler, arXiv 1806.07572.

    >>> model = nn.Sequential(nn.Linear(2, 1)).double()
    >>> dense(ntk(model, [[1.0, 2.0], [3.0, 0.0]]))  # x·x' + 1
    array([[ 6.,  4.],
           [ 4., 10.]])
    """
    task = on_data(model, x, parameters)
    jacobian, how, kernel = _jacobian(task, method)
    return Curvature(jacobian @ jacobian.H, how, task.names, jacobian.H, matrix=kernel)


def hessian(model: nn.Module, x: Data, f: Data, parameters: Globs = "*", method: Method = "auto") -> Curvature:
    """H = ∇²L (P, P) for targets f of the shape of the model's outputs, or (N,) where it has one output.

    Arguments and errors otherwise: `gauss_newton`. Source: B. A. Pearlmutter, Fast exact multiplication by the
    Hessian, Neural Computation 6 (1994).

    >>> model = nn.Sequential(nn.Linear(2, 1)).double()
    >>> hessian(model, [[1.0, 2.0], [3.0, 0.0]], [0.0, 1.0], "*.weight").operator @ np.eye(2)
    array([[5., 1.],
           [1., 2.]])
    """
    task = on_data(model, x, parameters)
    target = numbers("f", f, task.theta)
    if len(target) != task.n or target.numel() != task.n * task.outputs:
        raise ValueError(f"f: expected {task.outputs} for each of {task.n} data, got shape {tuple(target.shape)}")
    target, p = target.reshape(task.n, task.outputs), len(task.theta)
    chosen = _choose(task, method)
    if chosen == "layers":
        return Curvature(layered.hessian(model, task.x, target, task.names, p), "layer products", task.names)
    if chosen == "piecewise":
        jacobian, how, _ = _jacobian(task, chosen)
        residual = (task.u(task.theta) - target)[:, 0]
        bend = task.pick.T @ piecewise.residual_curvature(model, task.x[:, 0], residual) @ task.pick
        return Curvature(1 / task.n * (jacobian.H @ jacobian + aslinearoperator(bend)), how, task.names)

    operator, how = autodiff.hessian(task, target)
    return Curvature(operator, how, task.names)


def dense(curvature: Curvature) -> Array:
    """The matrix itself, (n, n), symmetric to the last digit. Raises MemoryError where it would not fit."""
    a, root = curvature.operator, curvature.root
    n = a.shape[0]
    require_memory(3 * 8.0 * n**2, f"a dense matrix of {n} rows")
    if curvature.matrix is not None:
        return curvature.matrix.build()
    if root is not None and fits(8.0 * n * (2 * n + 2 * root.shape[0])):
        r = root @ np.eye(n) if n <= root.shape[0] else (root.H @ np.eye(root.shape[0])).T
        return np.asarray(r.T @ r)
    columns = np.concatenate([a @ np.eye(n, min(n - i, 64), -i) for i in range(0, n, 64)], axis=1)
    return np.asarray((columns + columns.T) / 2)


def _choose(task: Task, method: str) -> str:
    """The first method that applies, or the one asked for."""
    if method not in get_args(Method):
        raise ValueError(f"method: expected one of {', '.join(get_args(Method))}, got {method!r}")
    reasons = {"piecewise": _not_piecewise(task), "layers": _not_layers(task), "general": None}
    if method == "auto":
        return next(name for name, reason in reasons.items() if reason is None)
    if reasons[method] is not None:
        raise ValueError(f'method: "{method}" does not apply: {reasons[method]}')
    return method


def _not_piecewise(task: Task) -> str | None:
    if not shallow.supported(task.model):
        return "the model is not a shallow spline network of one input and one output"
    if task.theta.dtype != torch.float64:
        return "the model is not in float64, and might round data on a kink to its other side"
    return _hooks(task.model)


def _not_layers(task: Task) -> str | None:
    reason = layered.unsupported(task.model) or _hooks(task.model)
    if reason is None and task.x.ndim != 2 and not any(isinstance(m, nn.Flatten) for m in task.model.modules()):
        reason = "each datum is more than one row"
    if reason is None and not fits(layered.stored_bytes(task.model, task.n)):
        reason = "the stored layers would not fit in memory"
    return reason


def _hooks(model: nn.Module) -> str | None:
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    return "the model has hooks" if hooked else None


def _jacobian(task: Task, method: str) -> tuple[LinearOperator, str, Assembly | None]:
    """J (N·C, P), how its products are computed, and a way to assemble J Jᵀ where there is one."""
    chosen, n, p = _choose(task, method), task.n, len(task.theta)
    if chosen == "piecewise":
        every = piecewise.jacobian(task.model, task.x[:, 0])
        picked = every if every.shape[1] == p else every @ aslinearoperator(task.pick)
        return picked, "sums along the sorted data", None
    if chosen == "layers":
        _, layers = layered.sweep(task.model, task.x, task.names)
        b = layered.sensitivities(layers)
        assembly, product = layered.kernel_flops(layers)
        saved = max(product - 8.0 * (n * task.outputs) ** 2, 1.0)  # a product with a dense matrix waits for memory
        kernel = Assembly(lambda: layered.kernel(layers, b), assembly / saved)
        return layered.jacobian(layers, b, p), "layer products", kernel
    return *autodiff.jacobian(task), None
