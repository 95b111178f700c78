"""Shallow networks of one input and one output, u(x) = Σ_j v_j σ(w_j x + b_j): builders, kinks, features, Gram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from fembridge.networks.activations import Hat, Spec, SplineActivation, activation, breakpoints
from fembridge.networks.affine import linear
from fembridge.problem import check_domain

Init = Literal["grid", "he", "glorot", "gaussian", "uniform"]
Array = NDArray[np.float64]


def shallow(
    activation: nn.Module, weights: ArrayLike, biases: ArrayLike, output: ArrayLike | None = None
) -> nn.Sequential:
    """u(x) = Σ_j v_j σ(w_j x + b_j) as Linear(1, n), σ, Linear(n, 1) without bias, in float64.

    weights w, biases b, output v: (n,) each; v is zero where it is not given. Only v requires a gradient.

    Raises ValueError unless they are rows of finite numbers of one length.

    >>> u = shallow(nn.ReLU(), weights=[1.0, 2.0], biases=[0.0, -1.0], output=[3.0, 1.0])
    >>> u(torch.tensor([[1.0]], dtype=torch.float64)).item()
    4.0
    """
    w = _row("weights", weights)
    b = _row("biases", biases, len(w))
    v = torch.zeros_like(w) if output is None else _row("output", output, len(w))
    return nn.Sequential(linear(w[:, None], b).requires_grad_(False), activation, linear(v[None], None))


def on_knots(spec: Spec, knots: ArrayLike, domain: Sequence[float], weight_scale: float = 1.0) -> nn.Sequential:
    """The features σ(s (x − b_j)/h) of knots b_j in [a, b), with output zero: w_j = s/h and bias −b_j s/h.

    h = (b−a)/n for activations of compact support (hat, B-splines, splines on knots), 1 for the others (relu,
    relu2, leaky-relu, step); s is the weight scale.

    Raises ValueError unless the knots increase strictly and lie in [a, b), and the weight scale is positive.

    >>> grid = on_knots("hat", np.arange(4) / 4, domain=(0.0, 1.0))
    >>> x = torch.tensor([[0.25], [0.375]], dtype=torch.float64)
    >>> grid[:2](x)
    tensor([[1.0000, 0.0000, 0.0000, 0.0000],
            [0.5000, 0.5000, 0.0000, 0.0000]], dtype=torch.float64)
    """
    a, b = check_domain(domain)
    position = _row("knots", knots).numpy()
    if not (np.diff(position) > 0).all():
        raise ValueError("knots: expected strictly increasing knots, got some out of order or repeated")
    if position[0] < a or position[-1] >= b:
        outside = position[0] if position[0] < a else position[-1]
        raise ValueError(f"knots: expected knots in [{a:g}, {b:g}), got {outside:g}")
    module = activation(spec)
    width = (b - a) / len(position) if isinstance(module, Hat | SplineActivation) else 1.0
    weight = _check_scale(weight_scale) / width
    return shallow(module, np.full(len(position), weight), -weight * position)


def initialise(
    spec: Spec, width: int, init: Init, domain: Sequence[float], seed: int, weight_scale: float = 1.0
) -> nn.Sequential:
    """A network of n = `width` neurons, its numbers drawn by a generator of its own from `seed`.

    | init       | inner weights w and biases b | output v      |
    |------------|------------------------------|---------------|
    | "grid"     | knots b_j = a + j(b−a)/n: `on_knots`, nothing random | 0 |
    | "he"       | N(0, 2)                      | N(0, 2/n)     |
    | "glorot"   | N(0, 2/(n+1))                | N(0, 2/(n+1)) |
    | "gaussian" | N(0, 1)                      | N(0, 1/n)     |
    | "uniform"  | U(−1, 1)                     | U(±1/√n)      |

    "he" and "glorot" take variance 2/fan_in and 2/(fan_in + fan_out), with fans 1 and n or n and 1; "uniform" is
    PyTorch's own U(±1/√fan_in), "gaussian" the normal law of variance 1/fan_in. The weight scale multiplies w and b,
    which leaves the zero −b/w of each neuron's input where it was. The domain matters to "grid" alone.

    Raises ValueError on an unknown init, a width below 1, a negative seed or a weight scale that is not positive.

    Sources: He et al., arXiv 1502.01852; Glorot and Bengio, AISTATS 2010; Sahs et al., arXiv 2008.01772.

    >>> initialise("relu", 3, "he", (0.0, 1.0), seed=0)[2].weight.shape
    torch.Size([1, 3])
    """
    a, b = check_domain(domain)
    n = _check_whole("width", width, 1)
    if init == "grid":
        return on_knots(spec, a + (b - a) * np.arange(n) / n, domain, weight_scale)
    if init not in get_args(Init):
        raise ValueError(f"init: expected one of {', '.join(get_args(Init))}, got {init!r}")
    generator = torch.Generator().manual_seed(_check_whole("seed", seed, 0))
    inner, outer = {"he": (2, 2 / n), "glorot": (2 / (n + 1), 2 / (n + 1))}.get(init, (1, 1 / n))
    if init == "uniform":
        draws = 2 * torch.rand(3, n, dtype=torch.float64, generator=generator) - 1
    else:
        draws = torch.randn(3, n, dtype=torch.float64, generator=generator)
    w, bias = draws[:2] * inner**0.5 * _check_scale(weight_scale)
    return shallow(activation(spec), w.numpy(), bias.numpy(), (draws[2] * outer**0.5).numpy())


def kinks(model: nn.Module, domain: Sequence[float]) -> Array:
    """The breakpoints x = (τ − b_j)/w_j of a shallow network inside the open domain, ascending.

    Those that agree with each other, or with an end of the domain, to round-off (8 ε max(|a|, |b|)) count as one.

    Raises ValueError where an inner weight is zero, or the model is not Linear(1, n), activation, Linear(n, 1).

    >>> kinks(on_knots("hat", [0.0, 0.25, 0.5, 0.75], (0.0, 1.0)), (0.0, 1.0))
    array([0.25, 0.5 , 0.75])
    """
    a, b = check_domain(domain)
    inner, sigma = hidden_layer(model)
    w, bias, tau = (_numpy(t).ravel() for t in (inner.weight, inner.bias, breakpoints(sigma)))
    if not w.all():
        raise ValueError(f"kinks: expected inner weights other than zero, got 0 at neuron {int(np.argmin(w != 0))}")
    x = np.sort(((tau[:, None] - bias) / w).ravel())
    roundoff = 8 * np.finfo(float).eps * max(abs(a), abs(b))
    x = x[(x > a + roundoff) & (x < b - roundoff)]
    return x[np.diff(x, prepend=-np.inf) > roundoff]


def hidden_layer(model: nn.Module) -> tuple[nn.Linear, nn.Module]:
    """Linear(1, n) and the activation of a shallow network. Raises ValueError for another module."""
    match list(model) if isinstance(model, nn.Sequential) else []:
        case [nn.Linear(in_features=1) as inner, sigma, nn.Linear(out_features=1)] if inner.bias is not None:
            return inner, sigma
    came = " ".join(repr(model).split())
    raise ValueError(f"model: expected Sequential(Linear(1, n), activation, Linear(n, 1)), got {came}")


def _row(name: str, values: ArrayLike, length: int | None = None) -> Tensor:
    row = torch.tensor(np.asarray(values, dtype=float))
    if row.ndim != 1 or not len(row) or not row.isfinite().all():
        raise ValueError(f"{name}: expected one row of finite numbers, got an array of shape {tuple(row.shape)}")
    if length not in (None, len(row)):
        raise ValueError(f"{name}: expected {length} numbers, one for each neuron, got {len(row)}")
    return row


def _numpy(tensor: Tensor) -> Array:
    out: Array = tensor.detach().double().cpu().numpy()
    return out


def _check_whole(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: expected a whole number from {least} on, got {value!r}")
    return int(value)


def _check_scale(weight_scale: float) -> float:
    if not (np.isfinite(weight_scale) and weight_scale > 0):
        raise ValueError(f"weight_scale: expected a positive number, got {weight_scale:g}")
    return float(weight_scale)
