"""Gauss–Newton matrix, tangent kernel and Hessian of any network on data, matrix-free, and their leading eigenpairs.

The loss is L(θ) = ½ mean_i ‖u(x_i; θ) − f_i‖² over N data, the C outputs summed. With J = ∂u/∂θ, (N·C, P):

    Gauss–Newton  G = JᵀJ/N,      tangent kernel  Θ = J Jᵀ (no 1/N),      Hessian  H = G + (1/N) Σ_ic r_ic ∇²u_ic.

Three methods, which `Curvature.method` names; "auto" takes the first that applies:

- "piecewise": shallow spline networks of one input in float64, O(N + P) a product: `fembridge.networks.piecewise`;
- "layers": perceptrons, by matrix products on stored layers: `fembridge.networks.layered`;
- "general": any module, by automatic differentiation: reverse mode twice, the graph of the first time kept, so that a
  product goes through it once and evaluates nothing else. Where the graph would not fit, the data are cut into
  chunks, and the graph of each is built again for each product.

Operators take and give NumPy float64 and compute on the device and in the dtype of the model: with a float32 model
their products are right to about 1e-6, and a tolerance below that is not met. Parameters count whether they require a
gradient or not; the model is used in the mode it is in, and never changed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, aslinearoperator, eigsh
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp

from fembridge.memory import available, fits, require_memory
from fembridge.networks import layered, piecewise
from fembridge.networks.layered import array, tensor
from fembridge.problem import Array

Method = Literal["auto", "piecewise", "layers", "general"]
Which = Literal["largest", "smallest", "magnitude"]
ARPACK: dict[str, Literal["LA", "SA", "LM"]] = {"largest": "LA", "smallest": "SA", "magnitude": "LM"}
Globs = str | Sequence[str]
Data = ArrayLike | Tensor

T = TypeVar("T")
SMALL = 300  # matrices up to this size are diagonalised by LAPACK
PRODUCTS = 40  # what a Lanczos run takes at least: the price below which a dense matrix is assembled for it
UNSTEADY = nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd | nn.RReLU


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


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """values (k,), descending; vectors (n, k), columns of norm 1; residuals (k,), ‖A v − λ v‖₂.

    An eigenvalue of A lies within its residual of each value. products: how many products with the matrix named in
    `method` the solver took; 0 for LAPACK.
    """

    values: Array
    vectors: Array
    residuals: Array
    products: int
    method: str


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
    task = _task(model, x, parameters)
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
    task = _task(model, x, parameters)
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
    task = _task(model, x, parameters)
    target = _numbers("f", f, task.theta)
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

    def second(i: slice) -> Callable[[Tensor], Tensor]:
        def loss(v: Tensor) -> Tensor:
            return (task.u(v, i) - target[i]).square().sum() / (2 * task.n)

        pull = vjp(grad(loss), task.theta)[1]
        return lambda v: pull(v)[0]

    graphs, how = _graphs(task, second)

    def product(v: Array) -> Array:
        w = tensor(v, task.theta)
        return array(functools.reduce(torch.add, (h(w) for h in graphs())))

    return Curvature(LinearOperator((p, p), matvec=product, rmatvec=product, dtype=np.dtype(float)), how, task.names)


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


def top_eigenvalues(
    curvature: Curvature, k: int = 10, which: Which = "largest", tolerance: float = 1e-10, restarts: int = 300
) -> Eigenpairs:
    """k eigenpairs of A: its algebraically largest or smallest, or those of the largest magnitude.

    A = RᵀR is solved on the smaller of its two sides, R Rᵀw = λw giving v = Rᵀw/√λ, and a kernel is assembled where
    that costs less than the products it saves, and fits. LAPACK up to 300 rows; beyond, ARPACK: Lanczos from a fixed
    random vector, on max(2k+1, 20) vectors, restarted until it estimates every residual below tolerance·|λ|. The
    residuals returned are computed from the pairs themselves.

    Raises ValueError for k outside 1 … n, another `which`, or a tolerance or restarts that are not positive;
    RuntimeError where fewer than k pairs converge; MemoryError where the vectors would not fit.

    >>> G = gauss_newton(nn.Sequential(nn.Linear(2, 1)).double(), [[1.0, 2.0], [3.0, 0.0]], "*.weight")
    >>> pairs = top_eigenvalues(G, k=1)
    >>> pairs.values.round(8), pairs.method
    (array([5.30277564]), 'LAPACK on 2 × 2, layer products')
    """
    n, root = curvature.operator.shape[0], curvature.root
    if which not in get_args(Which):
        raise ValueError(f"which: expected one of {', '.join(get_args(Which))}, got {which!r}")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= n:
        raise ValueError(f"k: expected a whole number from 1 to {n}, got {k!r}")
    if not (tolerance > 0 and restarts > 0):
        raise ValueError(f"tolerance, restarts: expected positive numbers, got {tolerance!r}, {restarts!r}")
    options = int(k), which, tolerance, restarts
    if root is not None and which != "smallest" and k <= root.shape[0] < n:
        require_memory(2 * 8.0 * n * k, f"{k} eigenvectors of {n} rows")
        matrix, values, w, products, how = _solve(root @ root.H, curvature.companion, *options)
        if values[-1] > n * np.finfo(float).eps * values[0]:  # else Rᵀw is round-off
            v, q = root.H @ w, matrix @ w - w * values
            norms = np.linalg.norm(v, axis=0)  # A v − λ v = Rᵀq for v = Rᵀw, before it is normalised
            residuals = np.sqrt(np.maximum(np.einsum("ij,ij->j", q, matrix @ q), 0)) / norms
            return Eigenpairs(values, v / norms, residuals, products, f"{how}, {curvature.method}")
    matrix, values, w, products, how = _solve(curvature.operator, curvature.matrix, *options)
    residuals = np.linalg.norm(matrix @ w - w * values, axis=0)
    return Eigenpairs(values, w, residuals, products, f"{how}, {curvature.method}")


def _solve(
    a: LinearOperator, assembly: Assembly | None, k: int, which: Which, tolerance: float, restarts: int
) -> tuple[LinearOperator, Array, Array, int, str]:
    """A, assembled or as it came, k eigenvalues in descending order, their vectors, the products taken, and how."""
    n, products = a.shape[0], 0
    small = n <= SMALL or 2 * k + 1 > n
    require_memory(8.0 * n * (3 * n if small else max(2 * k + 1, 20) + 2 * k), f"{k} eigenvectors of {n} rows")
    if assembly is not None and (small or (assembly.cost <= PRODUCTS and fits(2 * 8.0 * n**2))):
        a = aslinearoperator(assembly.build())
    start = np.random.default_rng(0).standard_normal(n)
    if small:
        values, w = eigh(a @ np.eye(n))
        order = np.argsort({"largest": -values, "smallest": values, "magnitude": -np.abs(values)}[which])[:k]
        values, w = values[order], w[:, order]
    elif not np.any(a @ start):  # A = 0, where ARPACK would not start
        values, w = np.zeros(k), np.eye(n, k)
    else:

        def product(v: Array) -> Array:
            nonlocal products
            products += 1
            return a @ v

        try:
            values, w = eigsh(
                LinearOperator((n, n), matvec=product, dtype=np.dtype(float)),
                k,
                which=ARPACK[which],
                v0=start,
                ncv=max(2 * k + 1, 20),
                maxiter=restarts,
                tol=tolerance,
            )
        except ArpackNoConvergence as error:
            raise RuntimeError(
                f"{len(error.eigenvalues)} of {k} eigenvalues converged to {tolerance:g} in {restarts} restarts:"
                " allow more restarts or a larger tolerance"
            ) from None
    order = np.argsort(-values)
    return a, values[order], w[:, order], products, f"{'LAPACK' if small else 'Lanczos'} on {n} × {n}"


@dataclass(frozen=True, eq=False)
class _Task:
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


def _task(model: nn.Module, x: Data, globs: Globs) -> _Task:
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
    points = _numbers("x", x, like)
    points = points[:, None] if points.ndim == 1 and points.is_floating_point() else points
    theta = torch.cat([parameters[name].detach().flatten() for name in names])
    task = _Task(model, points, names, theta, outputs=0)
    try:
        with torch.no_grad():
            few = task.u(theta, slice(2))
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ValueError(f"model: does not take data of shape {tuple(points.shape)}: {str(error)[:200]}") from None
    if len(few) != len(points[:2]):
        raise ValueError(f"model: expected outputs for each of {len(points[:2])} data, got {len(few)} rows")
    return replace(task, outputs=few.shape[1])


def _numbers(name: str, values: Data, like: Tensor) -> Tensor:
    """A tensor on the model's device: of its dtype, but for a tensor of whole numbers, which may be indices."""
    t = values.detach() if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values, dtype=float))
    t = t.to(like) if t.is_floating_point() or name == "f" else t.to(like.device)
    if not t.numel() or not t.ndim or not t.isfinite().all():
        raise ValueError(f"{name}: expected finite numbers, one row or more, got an array of shape {tuple(t.shape)}")
    return t


def _choose(task: _Task, method: str) -> str:
    """The first method that applies, or the one asked for."""
    if method not in get_args(Method):
        raise ValueError(f"method: expected one of {', '.join(get_args(Method))}, got {method!r}")
    reasons = {"piecewise": _not_piecewise(task), "layers": _not_layers(task), "general": None}
    if method == "auto":
        return next(name for name, reason in reasons.items() if reason is None)
    if reasons[method] is not None:
        raise ValueError(f'method: "{method}" does not apply: {reasons[method]}')
    return method


def _not_piecewise(task: _Task) -> str | None:
    if not piecewise.supported(task.model):
        return "the model is not a shallow spline network of one input and one output"
    if task.theta.dtype != torch.float64:
        return "the model is not in float64, and might round data on a kink to its other side"
    return _hooks(task.model)


def _not_layers(task: _Task) -> str | None:
    reason = layered.unsupported(task.model) or _hooks(task.model)
    if reason is None and task.x.ndim != 2 and not any(isinstance(m, nn.Flatten) for m in task.model.modules()):
        reason = "each datum is more than one row"
    if reason is None and not fits(layered.stored_bytes(task.model, task.n)):
        reason = "the stored layers would not fit in memory"
    return reason


def _hooks(model: nn.Module) -> str | None:
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    return "the model has hooks" if hooked else None


def _jacobian(task: _Task, method: str) -> tuple[LinearOperator, str, Assembly | None]:
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
    return LinearOperator(shape, matvec=forward, rmatvec=adjoint, dtype=np.dtype(float)), how, None


def _graphs(task: _Task, graph: Callable[[slice], T]) -> tuple[Callable[[], Iterable[T]], str]:
    """The graph of all data, kept; or those of as many chunks as memory asks for, each built when it is its turn."""
    each = 2 * _graph_bytes(task)  # once more for what a product needs while it runs
    if fits(each * task.n):
        kept = [graph(slice(None))]
        return lambda: kept, "torch.func"
    require_memory(each, "the graph of a single datum")
    size = int(available() / each)
    chunks = [slice(i, i + size) for i in range(0, task.n, size)]
    return lambda: map(graph, chunks), f"torch.func, {size} data at a time"


def _graph_bytes(task: _Task) -> float:
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
