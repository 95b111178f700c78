"""Shallow networks of several inputs by the zero-planes of their neurons: directions, offsets and delta-slopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fembridge.networks.activations import SquaredReLU, Step
from fembridge.networks.affine import ScaledLinear, linear
from fembridge.networks.shallow import numpy_copy
from fembridge.problem import Array
from fembridge.samples import Samples

Affine = nn.Linear | ScaledLinear


@dataclass(frozen=True, eq=False)
class ZeroPlanes:
    """u(x) = Σ_i μ_i σ(ξ_i·x − γ_i) + c, of neurons that vanish on the planes ξ_i·x = γ_i.

    directions: ξ = w/‖w‖ (n, d). offsets: γ = −b/‖w‖ (n,). delta_slopes: μ = v‖w‖^k, (n,) of one output or (n, C).
    scales: ‖w‖ (n,), of which u does not depend. offset: c, () or (C,). degree, leak: σ(z) = z^k for z > 0 and a z^k
    for z < 0, k the degree and a the leak.
    """

    directions: Array
    offsets: Array
    delta_slopes: Array
    scales: Array
    offset: Array
    degree: int
    leak: float


def zero_planes(model: nn.Module) -> ZeroPlanes:
    """The zero-planes of Sequential(Linear(d, n), σ, Linear(n, C)), with or without biases; a `ScaledLinear` counts
    with its factor.

    (w, b, v) and (αw, αb, v/α^k), α > 0, are one neuron: σ is positively homogeneous of degree k, as ReLU (1), leaky
    ReLU (1), squared ReLU (2) and the step (0) are. Along ξ the k-th derivative of u jumps by k!(1 − a)μ on the plane:
    its (k+1)-th radial derivative is a sum of deltas.

    Raises ValueError for another model or activation, and for a neuron with w = 0.

    Source: Sahs, Pyle, Anselmi, Patel, arXiv 2503.10587.

    >>> from fembridge.networks.ridges import ridges
    >>> planes = zero_planes(ridges(nn.ReLU(), weights=[[3.0, 4.0]], biases=[-10.0], output=[2.0]))
    >>> planes.directions, planes.offsets, planes.delta_slopes
    (array([[0.6, 0.8]]), array([2.]), array([10.]))
    """
    inner, sigma, outer = _layers(model)
    degree, leak = _homogeneous(sigma)
    w, b, v, c = _numbers(inner, outer)
    xi, gamma, mu = (numpy_copy(t) for t in _view(w, b, v, degree))
    scales = numpy_copy(w.norm(dim=1))
    if not scales.all():
        raise ValueError(f"zero_planes: expected weights other than zero, got 0 at neuron {int(np.argmin(scales > 0))}")
    return ZeroPlanes(xi, gamma, mu, scales, numpy_copy(c), degree, leak)


def network(planes: ZeroPlanes) -> nn.Sequential:
    """The network of these planes, w = ‖w‖ξ, b = −‖w‖γ, v = μ/‖w‖^k: Linear(d, n), σ, Linear(n, C), in float64.

    >>> from fembridge.networks.ridges import ridges
    >>> one = ridges(nn.ReLU(), weights=[[3.0, 4.0]], biases=[-10.0], output=[2.0])
    >>> network(zero_planes(one))[2].weight.item()
    2.0
    """
    r = planes.scales
    v = np.reshape(planes.delta_slopes, (len(r), -1)) / r[:, None] ** planes.degree
    inner = linear(r[:, None] * planes.directions, -r * planes.offsets)
    leaky = nn.LeakyReLU(planes.leak) if planes.leak else nn.ReLU()
    sigma = {0: Step(), 1: leaky, 2: SquaredReLU()}[planes.degree]
    return nn.Sequential(inner, sigma, linear(v.T, np.reshape(planes.offset, -1)))


def velocities(model: nn.Module, samples: Samples) -> tuple[Array, Array, Array]:
    """ξ̇ (n, d), γ̇ (n,) and μ̇ (n,) or (n, C) under gradient flow of ½ Σ_q w_q ‖u(x_q) − f_q‖² in all parameters, by
    automatic differentiation: the derivative of (ξ, γ, μ) along minus the gradient.

    Raises ValueError as `zero_planes` does, and where a layer has a factor: it would not move as its product with it.

    >>> from fembridge.networks.ridges import ridges
    >>> one = ridges(nn.ReLU(), weights=[[2.0]], biases=[0.0], output=[1.0])  # u(1) = 2
    >>> velocities(one, Samples([[1.0]], [1.0]))[1]  # γ̇ = (v/‖w‖) ε
    array([0.5])
    """
    inner, sigma, outer = _layers(model)
    if isinstance(inner, ScaledLinear) or isinstance(outer, ScaledLinear):
        raise ValueError("velocities: expected layers without a factor, got a ScaledLinear")
    degree, _ = _homogeneous(sigma)
    error = model(torch.as_tensor(samples.points)).reshape(samples.values.shape) - torch.as_tensor(samples.values)
    squares = error.square().reshape(len(samples), -1).sum(dim=1)
    loss = 0.5 * (torch.as_tensor(samples.weights) * squares).sum()
    own = [inner.weight, inner.bias, outer.weight]
    down = [-g for g in torch.autograd.grad(loss, own)]
    values = tuple(p.detach() for p in own)
    rates = torch.autograd.functional.jvp(lambda w, b, v: _view(w, b, v, degree), values, tuple(down))[1]
    xi, gamma, mu = (numpy_copy(t) for t in rates)
    return xi, gamma, mu


def jumps(model: nn.Module, points: Array, directions: Array, distance: float) -> Array:
    """By how much the k-th derivatives of u along ξ_i differ between p_i + hξ_i and p_i − hξ_i, (n, C), by automatic
    differentiation; k is the degree of the model's activation.

    points: p (n, d); directions: ξ (n, d); distance: h.

    >>> from fembridge.networks.ridges import ridges
    >>> one = ridges(nn.ReLU(), weights=[[3.0, 4.0]], biases=[-10.0], output=[2.0])
    >>> jumps(one, np.array([[1.2, 1.6]]), np.array([[0.6, 0.8]]), 1e-6).round(12)
    array([[10.]])
    """
    p, xi = torch.as_tensor(points), torch.as_tensor(directions)
    degree, _ = _homogeneous(_layers(model)[1])

    def derivative(t: Tensor) -> Tensor:
        out: Tensor = model(p + t[:, None] * xi)
        columns = []
        for column in out.unbind(1):
            along = column
            for _ in range(degree):  # of a row of its own t each
                along = torch.autograd.grad(along.sum(), t, create_graph=True)[0]
            columns.append(along)
        return torch.stack(columns, dim=1)

    sides = [derivative(torch.full((len(p),), side, dtype=p.dtype).requires_grad_()) for side in (distance, -distance)]
    return numpy_copy(sides[0] - sides[1])


def _view(w: Tensor, b: Tensor, v: Tensor, degree: int) -> tuple[Tensor, Tensor, Tensor]:
    """ξ, γ and μ, (n,) of one output."""
    r = w.norm(dim=1)
    mu = (v * r**degree).T
    return w / r[:, None], -b / r, mu[:, 0] if mu.shape[1] == 1 else mu


def _layers(model: nn.Module) -> tuple[Affine, nn.Module, Affine]:
    parts = list(model) if isinstance(model, nn.Sequential) else []
    match parts:
        case [nn.Linear() | ScaledLinear() as inner, sigma, nn.Linear() | ScaledLinear() as outer]:
            if inner.weight.shape[0] == outer.weight.shape[1]:
                return inner, sigma, outer
    came = " ".join(repr(model).split())
    raise ValueError(f"zero_planes: expected Sequential(Linear(d, n), σ, Linear(n, C)), got {came}")


def _homogeneous(sigma: nn.Module) -> tuple[int, float]:
    """Degree and leak."""
    match sigma:
        case nn.ReLU():
            return 1, 0.0
        case nn.LeakyReLU():
            return 1, float(sigma.negative_slope)
        case SquaredReLU():
            return 2, 0.0
        case Step():
            return 0, 0.0
    raise ValueError(f"zero_planes: expected relu, leaky-relu, relu2 or step, got {type(sigma).__name__}")


def _numbers(inner: Affine, outer: Affine) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """w (n, d), b (n,), v (C, n) and c, (C,) or () of one output, with the factors of the layers."""

    def scaled(layer: Affine) -> tuple[Tensor, Tensor]:
        factor = layer.factor if isinstance(layer, ScaledLinear) else 1.0
        weight = layer.weight.detach().double()
        bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias.detach()
        return factor * weight, factor * bias.to(weight)

    (w, b), (v, c) = scaled(inner), scaled(outer)
    return w, b, v, c[0] if len(c) == 1 else c
