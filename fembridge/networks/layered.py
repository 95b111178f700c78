"""Jacobian, tangent kernel and Hessian of multilayer perceptrons in closed form, by matrix products.

Layer l maps h_{l−1} to z_l = W_l h_{l−1} + b_l and h_l = σ_l(z_l); the last h is u, of C components. One forward and
one backward sweep keep, for all N data at once,

    H_{l−1} (N, m)    σ_l'(z_l) (N, n)    B_l = ∂u/∂z_l (N, C, n) = (B_{l+1} W_{l+1}) ∘ σ_l',

and every derivative of u is a product of these, ∂u_c/∂W_l = B_lc ⊗ h_{l−1} and ∂u_c/∂b_l = B_lc: nothing is
differentiated automatically again. A layer s (W h + b) of fixed s is one of z = W h + b, followed by σ(s z).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import mul

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn
from torch.nn import functional

from fembridge.networks.activations import BSpline, Hat, SplineActivation, SquaredReLU, Step
from fembridge.networks.affine import ScaledLinear
from fembridge.problem import Array

ELEMENTWISE = (
    *(nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Hardtanh, nn.Softsign, nn.Tanhshrink),
    *(Hat, BSpline, SplineActivation, SquaredReLU, Step),
)
LINEAR = (nn.Linear, ScaledLinear)
CHUNK = 512  # data of a product with the Hessian: what it holds at once stays in the cache
TILE = 512  # rows of a tile of the kernel: the tile stays in the cache while the layers are summed into it


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer after the sweep: H_{l−1} (N, m), σ_l' and σ_l'' (N, n); None where σ' is 1, or σ'' is 0, everywhere.

    weight_at, bias_at: where they stand in the vector of parameters; None where they are held fixed.
    """

    weight: Tensor
    weight_at: slice | None
    bias_at: slice | None
    inputs: Tensor
    slope: Tensor | None
    bend: Tensor | None


def unsupported(model: nn.Module) -> str | None:
    """Why these formulas do not hold for a model; None where they do.

    >>> unsupported(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)))
    >>> unsupported(nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1)))
    'Softmax is neither Linear nor elementwise'
    """
    if type(model).forward is not nn.Sequential.forward:
        return f"{type(model).__name__} is not a Sequential"
    modules = _flat(model)
    first = next((i for i, module in enumerate(modules) if type(module) in LINEAR), None)
    if first is None:
        return "there is no Linear layer"
    for i, module in enumerate(modules):
        if not (type(module) in (*LINEAR, *ELEMENTWISE) or (i < first and type(module) is nn.Flatten)):
            return f"{type(module).__name__} is neither Linear nor elementwise"
    owned = [id(p) for module in modules for p in module.parameters()]
    return "layers share parameters" if len(owned) > len(set(owned)) else None


def stored_bytes(model: nn.Module, n: int) -> float:
    """Bytes that n data take: H, σ', σ'', the sensitivities of all components, and the same again in a product."""
    weights = [module.weight for module in _flat(model) if isinstance(module, LINEAR)]
    sizes = sum(2 * w.shape[1] + (5 + len(weights[-1])) * len(w) for w in weights)
    return float(n * sizes * weights[0].element_size())


def sweep(model: nn.Module, x: Tensor, names: Collection[str], bends: bool = False) -> tuple[Tensor, list[Layer]]:
    """u (N, C), and the layers from the first that is differentiated by, at the data x (N, …).

    names: the parameters to differentiate by, in the order of `named_parameters`. bends: whether to keep σ''.
    Raises ValueError where the first Linear layer does not meet one row for each datum.
    """
    at, start = {}, 0
    for name, p in model.named_parameters():
        if name in names:
            at[id(p)] = slice(start, start + p.numel())
            start += p.numel()
    before: list[nn.Module] = []
    groups: list[tuple[nn.Linear | ScaledLinear, list[Callable[[Tensor], Tensor]]]] = []
    for module in _flat(model):
        if isinstance(module, LINEAR):
            groups.append((module, [partial(mul, module.factor)] if isinstance(module, ScaledLinear) else []))
        elif groups:
            groups[-1][1].append(module)
        else:
            before.append(module)
    with torch.no_grad():
        h: Tensor = nn.Sequential(*before)(x)
        if h.ndim != 2:
            raise ValueError(f"x: expected one row for each datum at the first Linear layer, got {tuple(h.shape)}")
        layers = []
        for linear, sigma in groups:
            value, slope, bend = _derivatives(sigma, functional.linear(h, linear.weight, linear.bias), bends)
            weight_at, bias_at = (at.get(id(p)) for p in (linear.weight, linear.bias))
            layers.append(Layer(linear.weight.detach(), weight_at, bias_at, h, slope, bend))
            h = value
    while layers[0].weight_at is None and layers[0].bias_at is None:
        layers = layers[1:]  # what stands before the first free parameter is data
    return h, layers


def sensitivities(layers: Sequence[Layer]) -> list[Tensor]:
    """B_l = ∂u/∂z_l (N, C, n) for each layer, by one backward sweep of all components."""
    n, c = len(layers[-1].inputs), len(layers[-1].weight)
    b = torch.eye(c).to(layers[-1].weight).expand(n, c, c)
    out = []
    for layer in reversed(layers):
        b = b if layer.slope is None else b * layer.slope[:, None]
        out.append(b)
        b = b @ layer.weight if layer is not layers[0] else b
    return out[::-1]


def jacobian(layers: Sequence[Layer], b: Sequence[Tensor], parameters: int) -> LinearOperator:
    """J (N·C, P), its rows datum by datum: (J v)_i = Σ_l B_l[i] (V_l h_{l−1}[i] + v_l), for weights V and biases v.

    Jᵀg is D_lᵀ H_{l−1} and Σ_i D_l[i] for each layer, D_l[i] = Σ_c g_ic B_lc[i]: 2NP flops, as J v.
    """
    like, (n, c) = layers[0].inputs, b[0].shape[:2]

    def push(v: Array) -> Array:
        w, u = tensor(v, like), like.new_zeros(n, c)
        for layer, sensitivity in zip(layers, b, strict=True):
            u += (sensitivity @ _push(layer, w)[..., None])[..., 0]
        return array(u)

    def pull(g: Array) -> Array:
        rows, out = tensor(g, like).reshape(n, 1, c), like.new_zeros(parameters)
        for layer, sensitivity in zip(layers, b, strict=True):
            _pull(layer, (rows @ sensitivity)[:, 0], out)
        return array(out)

    return LinearOperator((n * c, parameters), matvec=push, rmatvec=pull, dtype=np.dtype(float))


def kernel_flops(layers: Sequence[Layer]) -> tuple[float, float]:
    """Flops of assembling the kernel, and of one product with J Jᵀ through `jacobian`."""
    n, c = len(layers[0].inputs), len(layers[-1].weight)
    return (
        sum(float(n) ** 2 * (layer.inputs.shape[1] + c * c * len(layer.weight)) for layer in layers),
        sum(4.0 * n * (layer.weight.numel() + c * len(layer.weight)) for layer in layers),
    )


def kernel(layers: Sequence[Layer], b: Sequence[Tensor]) -> Array:
    """Θ = J Jᵀ = Σ_l (B_l B_lᵀ) ∘ (H_{l−1} H_{l−1}ᵀ + 1) (N·C, N·C): the weight's and the bias's part of each layer.

    Only tiles of the lower triangle are computed. Source: A. Jacot, F. Gabriel and C. Hongler, arXiv 1806.07572.
    """
    pairs = ((b_l, _features(layer)) for layer, b_l in zip(layers, b, strict=True))
    factors = [(b_l, features) for b_l, features in pairs if features is not None]
    n, c = factors[0][0].shape[:2]
    out, step = np.empty((n * c, n * c)), max(1, TILE // c)
    tile, gram, mean = (layers[0].inputs.new_empty(step * k * step * k) for k in (c, c, 1))
    for i in range(0, n, step):
        for j in range(0, i + 1, step):
            rows, columns = min(step, n - i), min(step, n - j)
            total = tile[: rows * c * columns * c].view(rows, c, columns, c).zero_()
            for b_l, h in factors:
                g = torch.mm(
                    b_l[i : i + rows].flatten(0, 1),
                    b_l[j : j + columns].flatten(0, 1).T,
                    out=gram[: total.numel()].view(rows * c, columns * c),
                )
                f = torch.mm(h[i : i + rows], h[j : j + columns].T, out=mean[: rows * columns].view(rows, columns))
                total.addcmul_(g.view(total.shape), f[:, None, :, None])
            block = array(total).reshape(rows * c, columns * c)
            block = (block + block.T) / 2 if i == j else block
            out[i * c : (i + rows) * c, j * c : (j + columns) * c] = block
            out[j * c : (j + columns) * c, i * c : (i + rows) * c] = block.T
    return out


def hessian(model: nn.Module, x: Tensor, f: Tensor, names: Collection[str], parameters: int) -> LinearOperator:
    """∇² ½ mean ‖u − f‖² (P, P), f (N, C), by Pearlmutter's R-operator on the stored sweep; `names` as for `sweep`.

    With e_l the gradient of the loss by h_l and δ_l = σ_l' e_l that by z_l, H v takes six matrix products a layer:

        Rz_l = V_l h_{l−1} + v_l + W_l Rh_{l−1},     Rh_l = σ_l' Rz_l,                  Rh_0 = 0,
        Rδ_l = σ_l' Re_l + σ_l'' e_l Rz_l,       Re_{l−1} = W_lᵀ Rδ_l + V_lᵀ δ_l,       Re_L = Rh_L/N,
        (H v)_{W_l} = Σ_i Rδ_l h_{l−1}ᵀ + δ_l Rh_{l−1}ᵀ,     (H v)_{b_l} = Σ_i Rδ_l.

    Source: B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).
    """
    parts = []
    for i in range(0, len(x), CHUNK):
        u, layers = sweep(model, x[i : i + CHUNK], names, bends=True)
        e, back = (u - f[i : i + CHUNK]) / len(x), []
        for layer in reversed(layers):
            delta = e if layer.slope is None else layer.slope * e
            back.append((layer, delta, None if layer.bend is None else layer.bend * e))
            e = delta @ layer.weight
        parts.append(back)

    def product(v: Array) -> Array:
        w, out = tensor(v, f), f.new_zeros(parameters)
        for back in parts:
            rh: Tensor | None = None
            path: list[tuple[Tensor | None, Tensor]] = []
            for layer, *_ in back[::-1]:
                rz = _push(layer, w)
                rz = rz if rh is None else rz.addmm_(rh, layer.weight.T)
                path.append((rh, rz))
                rh = re = rz if layer.slope is None else rz * layer.slope
            re = re / len(x)
            for (layer, delta, bend), (rh, rz) in zip(back, path[::-1], strict=True):
                rdelta = re if layer.slope is None else re.mul_(layer.slope)
                rdelta = rdelta if bend is None else rdelta.addcmul_(bend, rz)
                _pull(layer, rdelta, out)
                if rh is not None:
                    re = rdelta @ layer.weight
                    if layer.weight_at is not None:
                        out[layer.weight_at].view_as(layer.weight).addmm_(delta.T, rh)
                        re.addmm_(delta, w[layer.weight_at].view_as(layer.weight))
        return array(out)

    return LinearOperator((parameters, parameters), matvec=product, rmatvec=product, dtype=np.dtype(float))


def tensor(v: Array, like: Tensor) -> Tensor:
    """A NumPy vector on the device and in the dtype of `like`."""
    return torch.as_tensor(np.ascontiguousarray(v).ravel()).to(like)


def array(t: Tensor) -> Array:
    """A tensor as a flat NumPy vector of float64."""
    out: Array = t.detach().double().cpu().numpy().ravel()
    return out


def _flat(model: nn.Module) -> list[nn.Module]:
    """The modules of nested Sequentials, in the order in which they act, each as often as it does."""
    steps = [module for module in model._modules.values() if module is not None]
    inside = [_flat(step) if type(step) is nn.Sequential else [step] for step in steps]
    return [module for modules in inside for module in modules]


def _derivatives(
    sigma: Sequence[Callable[[Tensor], Tensor]], z: Tensor, bends: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """σ(z), σ'(z) and, if asked for, σ''(z), as automatic differentiation has them."""
    if not sigma:
        return z, None, None
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = reduce(lambda h, step: step(h), sigma, z.clone())  # a clone: some modules act in place
        (slope,) = torch.autograd.grad(value.sum(), z, create_graph=bends)
        bend = None
        if slope.requires_grad:
            (bend,) = torch.autograd.grad(slope.sum(), z, allow_unused=True)
    return value.detach(), slope.detach(), bend if bend is not None and bend.any() else None


def _push(layer: Layer, w: Tensor) -> Tensor:
    """V_l H_{l−1} + v_l (N, n), what the tangent w of the parameters does to z_l at fixed h_{l−1}."""
    n, (rows, columns) = len(layer.inputs), layer.weight.shape
    dz = w.new_zeros(n, rows) if layer.bias_at is None else w[layer.bias_at].repeat(n, 1)
    return dz if layer.weight_at is None else dz.addmm_(layer.inputs, w[layer.weight_at].view(rows, columns).T)


def _pull(layer: Layer, d: Tensor, out: Tensor) -> None:
    """Add dᵀH_{l−1} and Σ_i d_i, the gradients of Σ_i d_i·z_l[i], to the vector of parameters."""
    if layer.weight_at is not None:
        out[layer.weight_at].view_as(layer.weight).addmm_(d.T, layer.inputs)
    if layer.bias_at is not None:
        out[layer.bias_at] += d.sum(0)


def _features(layer: Layer) -> Tensor | None:
    """What a layer's parameters multiply, (N, m), with a column of ones for its bias; None where it has none."""
    ones = layer.inputs.new_ones(len(layer.inputs), 1)
    factors = [layer.inputs] * (layer.weight_at is not None) + [ones] * (layer.bias_at is not None)
    return torch.cat(factors, dim=1) if factors else None
