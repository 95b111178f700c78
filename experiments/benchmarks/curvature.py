"""Gauss–Newton matrix, tangent kernel and Hessian of ReLU networks on data, all parameters, float64.

The loss is ½ mean (u − f)². Iterative solvers find the ten largest eigenvalues to one tolerance, whoever multiplies.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, jvp, vjp, vmap

from experiments.benchmarks.harness import Array, Case, Side, worst_scaled
from fembridge.networks.curvature import dense, gauss_newton, hessian, ntk
from fembridge.networks.leading import top_eigenvalues
from fembridge.networks.models import initialise

LEADING = 10
TOLERANCE = 1e-8  # ‖A v − λ v‖ ≤ TOLERANCE λ; an eigenvalue errs by the square of a residual over a gap
POINTS = 4096


class Task(NamedTuple):
    model: nn.Sequential
    x: Tensor
    f: Tensor


def data(model: nn.Sequential, points: int = POINTS) -> Task:
    """sin 2πx at random points of (−1, 1)."""
    x = torch.as_tensor(np.random.default_rng(0).uniform(-1, 1, (points, 1)))
    return Task(model.requires_grad_(), x, torch.sin(2 * torch.pi * x))


def shallow(width: int, points: int = POINTS) -> Task:
    return data(initialise("relu", width, "he", (-1.0, 1.0), seed=0), points)


def deep(width: int, points: int = POINTS) -> Task:
    """1-n-n-n-n-1, as PyTorch initialises it."""
    torch.manual_seed(0)
    widths = (1, width, width, width, width, 1)
    layers = [nn.Linear(m, n, dtype=torch.float64) for m, n in pairwise(widths)]
    modules = [module for layer in layers for module in (layer, nn.ReLU())]
    return data(nn.Sequential(*modules[:-1]), points)


# Ours


def our_gauss_newton(task: Task) -> Callable[[], Array]:
    return lambda: top_eigenvalues(gauss_newton(task.model, task.x), LEADING, tolerance=TOLERANCE).values


def our_hessian(task: Task) -> Callable[[], Array]:
    return lambda: top_eigenvalues(hessian(task.model, task.x, task.f), LEADING, tolerance=TOLERANCE).values


# Peers: products, and SciPy's Lanczos method on them


def largest(operator: LinearOperator) -> Callable[[], Array]:
    start = np.random.default_rng(0).standard_normal(operator.shape[0])
    return lambda: np.sort(eigsh(operator, LEADING, which="LA", tol=TOLERANCE, v0=start)[0])[::-1]


def curvlinops(kind: str) -> Callable[[Task], LinearOperator]:
    """½ of the matrix of nn.MSELoss, whose mean has no ½, without the test for determinism, which costs products."""

    def operator(task: Task) -> LinearOperator:
        import curvlinops as library

        build = {"ggn": library.GGNLinearOperator, "hessian": library.HessianLinearOperator}[kind]
        parameters = list(task.model.parameters())
        matrix = build(task.model, nn.MSELoss(), parameters, [(task.x, task.f)], check_deterministic=False)
        return (0.5 * matrix).to_scipy(dtype=np.float64)

    return operator


def torch_func(kind: str) -> Callable[[Task], LinearOperator]:
    """JᵀJ/N as jvp and vjp, H as the jvp of a gradient: what one would write by hand."""

    def operator(task: Task) -> LinearOperator:
        at = {name: p.detach() for name, p in task.model.named_parameters()}
        sizes = [p.numel() for p in at.values()]

        def u(p: dict[str, Tensor]) -> Tensor:
            return functional_call(task.model, p, (task.x,))

        def loss(p: dict[str, Tensor]) -> Tensor:
            return 0.5 * (u(p) - task.f).square().mean()

        pull = vjp(u, at)[1] if kind == "ggn" else None

        def product(v: Array) -> Array:
            parts = torch.as_tensor(v.ravel()).split(sizes)
            tangent = {name: part.reshape(p.shape) for (name, p), part in zip(at.items(), parts, strict=True)}
            if pull is not None:
                moved = pull(jvp(u, (at,), (tangent,))[1] / len(task.x))[0]
            else:
                moved = jvp(grad(loss), (at,), (tangent,))[1]
            return torch.cat([part.reshape(-1) for part in moved.values()]).detach().numpy()

        return LinearOperator((sum(sizes), sum(sizes)), matvec=product, dtype=float)

    return operator


def pyhessian(task: Task) -> Callable[[], Array]:
    """Power iteration with deflation. It stops by itself: two estimates within 1e-3 of each other, or 100 products."""
    from pyhessian import hessian as library

    torch.set_default_dtype(torch.float64)  # it draws its vectors in that

    def mean_square(u: Tensor, f: Tensor) -> Tensor:
        return 0.5 * (u - f).square().mean()

    def run() -> Array:
        torch.manual_seed(0)
        task.model.zero_grad()
        values, _ = library(task.model, mean_square, data=(task.x, task.f), cuda=False).eigenvalues(top_n=LEADING)
        return np.sort(values)[::-1]

    return run


def top_of(operator: Callable[[Task], LinearOperator]) -> Callable[[Task], Callable[[], Array]]:
    return lambda task: largest(operator(task))


def product_of(operator: Callable[[Task], LinearOperator]) -> Callable[[Task], Callable[[], Array]]:
    """One product with a vector of random signs."""

    def prepare(task: Task) -> Callable[[], Array]:
        matrix = operator(task)
        v = np.random.default_rng(0).choice([-1.0, 1.0], matrix.shape[0])
        return lambda: matrix @ v

    return prepare


def per_sample_jacobians(task: Task) -> Callable[[], Array]:
    """J Jᵀ from the Jacobian of each datum by reverse mode, all of them kept."""
    at = {name: p.detach() for name, p in task.model.named_parameters()}

    def u(p: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(task.model, p, (x,))[0]

    def run() -> Array:
        rows = vmap(jacrev(u), in_dims=(None, 0))(at, task.x)
        parts = [row.reshape(len(task.x), -1) for row in rows.values()]
        return sum(part @ part.T for part in parts).numpy()

    return run


# References: by formulas, in NumPy


def kernel(task: Task) -> Array:
    """J Jᵀ = Σ_l (H_{l−1} H_{l−1}ᵀ + 1) ∘ (B_l B_lᵀ), B_l = ∂u/∂z_l; without the 1 where a layer has no bias."""
    layers = [module for module in task.model if isinstance(module, nn.Linear)]
    inputs, slopes = [task.x.numpy()], []
    for layer in layers:
        bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
        z = inputs[-1] @ layer.weight.detach().numpy().T + bias
        inputs.append(np.maximum(z, 0))
        slopes.append(z > 0)
    total, back = np.zeros((len(task.x), len(task.x))), np.ones((len(task.x), 1))
    for i in reversed(range(len(layers))):
        total += (inputs[i] @ inputs[i].T + (layers[i].bias is not None)) * (back @ back.T)
        if i:
            back = back @ layers[i].weight.detach().numpy() * slopes[i - 1]
    return total


def leading_of_kernel(task: Task) -> Array:
    """JᵀJ/N has the eigenvalues of J Jᵀ/N."""
    matrix = kernel(task) / len(task.x)
    return np.sort(eigsh(matrix, LEADING, which="LA", return_eigenvectors=False))[::-1]


def leading_of_dense_hessian(task: Task) -> Array:
    """H = JᵀJ/N + R of a shallow network, by LAPACK; R couples w_j to v_j by mean rσ'x, and b_j to v_j by mean rσ'."""
    inner, _, outer = task.model
    x, v = task.x.numpy(), outer.weight.detach().numpy()
    z = x * inner.weight.detach().numpy().T + inner.bias.detach().numpy()
    n, active, features = z.shape[1], z > 0, np.maximum(z, 0)
    jacobian = np.concatenate([v * active * x, v * active, features], axis=1)
    matrix = jacobian.T @ jacobian / len(x)
    pull = (features @ v.T - task.f.numpy()) * active / len(x)
    j = np.arange(n)
    for rows, values in ((j, (x * pull).sum(axis=0)), (j + n, pull.sum(axis=0))):
        matrix[rows, j + 2 * n] += values
        matrix[j + 2 * n, rows] += values
    return np.linalg.eigvalsh(matrix)[: -LEADING - 1 : -1]


def peers(kind: str) -> tuple[Side, Side]:
    return (
        Side("curvlinops", top_of(curvlinops(kind)), needs="curvlinops"),
        Side("torch.func", top_of(torch_func(kind))),
    )


CASES = [
    Case(
        f"Gauss–Newton, {LEADING} largest, shallow ReLU network on {POINTS:,} points",
        inputs=shallow,
        sides=(Side("ours", our_gauss_newton), Side("curvlinops", top_of(curvlinops("ggn")), needs="curvlinops")),
        sizes=(16_384,),
        quick=(32,),
        size="width",
        reference=leading_of_kernel,
    ),
    Case(
        f"Hessian, {LEADING} largest, shallow ReLU network on {POINTS:,} points",
        inputs=shallow,
        sides=(
            Side("ours", our_hessian),
            Side("curvlinops", top_of(curvlinops("hessian")), needs="curvlinops"),
            Side("PyHessian", pyhessian, needs="pyhessian"),
        ),
        sizes=(1024,),
        quick=(32,),
        size="width",
        reference=leading_of_dense_hessian,
    ),
    Case(
        f"Gauss–Newton, {LEADING} largest, 1-n-n-n-n-1 ReLU network on {POINTS:,} points",
        inputs=deep,
        sides=(Side("ours", our_gauss_newton), *peers("ggn")),
        sizes=(256,),
        quick=(8,),
        reference=leading_of_kernel,
    ),
    Case(
        f"Hessian, {LEADING} largest, 1-n-n-n-n-1 ReLU network on {POINTS:,} points",
        inputs=deep,
        sides=(Side("ours", our_hessian), *peers("hessian")),
        sizes=(256,),
        quick=(8,),
        reference="torch.func",
    ),
    Case(
        "tangent kernel on N points, 1-256-256-256-256-1 ReLU network",
        inputs=lambda points: deep(256, points),
        sides=(
            Side("ours", lambda task: lambda: dense(ntk(task.model, task.x))),
            Side("torch.func, per-sample Jacobians", per_sample_jacobians),
        ),
        sizes=(128, 256, 512, 1024),
        quick=(16,),
        size="N",
        reference=kernel,
        error=worst_scaled,
    ),
    Case(
        "Gauss–Newton product, shallow ReLU network of width n on n points",
        inputs=lambda n: shallow(n, n),
        sides=(
            Side("ours", product_of(lambda task: gauss_newton(task.model, task.x).operator)),
            Side("curvlinops", product_of(curvlinops("ggn")), needs="curvlinops", upto=4096),
            Side("torch.func", product_of(torch_func("ggn")), upto=4096),
        ),
        sizes=(512, 1024, 2048, 4096, 65_536, 1_048_576),
        quick=(64,),
        reference="torch.func",
        error=worst_scaled,
    ),
]
