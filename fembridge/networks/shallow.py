"""Shallow spline networks of one input and one output, read into numbers."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from torch import Tensor, nn

from fembridge.networks.activations import Hat, SplineActivation, SquaredReLU, Step, piecewise_polynomials
from fembridge.problem import Array

SPLINES = nn.ReLU | nn.LeakyReLU | SquaredReLU | Step | Hat | SplineActivation


class Network(NamedTuple):
    """A shallow network in numbers; σ(z) = Σ_q pieces[q, m] (z − left[m])^q for knots[m−1] ≤ z < knots[m]."""

    w: Array
    c: Array
    v: Array
    inner_bias: bool
    outer_bias: bool
    knots: Array
    left: Array
    pieces: Array


def supported(model: nn.Module) -> bool:
    """Whether a model is Sequential(Linear(1, n), σ, Linear(n, 1)), with σ a piecewise polynomial of this package,
    `torch.nn.ReLU` or `torch.nn.LeakyReLU`. Either Linear may do without its bias.

    >>> supported(nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1)))
    True
    >>> supported(nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)))
    False
    """
    match list(model) if isinstance(model, nn.Sequential) else []:
        case [nn.Linear(in_features=1) as inner, sigma, nn.Linear(out_features=1) as outer]:
            own = [p for p in (inner.weight, inner.bias, outer.weight, outer.bias) if p is not None]
            shallow = isinstance(sigma, SPLINES) and inner.out_features == outer.in_features > 0
            # by identity: a weight that is tied or computed from others is not among the parameters
            return shallow and [id(p) for p in model.parameters()] == [id(p) for p in own]
    return False


def read(model: nn.Module) -> Network:
    """A model in numbers, float64. Raises ValueError unless it is `supported` and its parameters are finite."""
    if not supported(model):
        came = " ".join(repr(model).split())
        raise ValueError(f"model: expected Sequential(Linear(1, n), a piecewise polynomial, Linear(n, 1)), got {came}")
    inner, sigma, outer = cast("tuple[nn.Linear, nn.Module, nn.Linear]", tuple(model.children()))
    w, v = numpy_copy(inner.weight)[:, 0], numpy_copy(outer.weight)[0]
    c = np.zeros_like(w) if inner.bias is None else numpy_copy(inner.bias)
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise ValueError("model: expected finite parameters")
    knots, left, pieces = _spline(sigma)
    degree = np.flatnonzero(pieces.any(axis=1)).max(initial=0)
    return Network(w, c, v, inner.bias is not None, outer.bias is not None, knots, left, pieces[: degree + 1])


def _spline(sigma: nn.Module) -> tuple[Array, Array, Array]:
    """knots, left and pieces of an activation; z > 0, where PyTorch asks that, is z ≥ the least positive number."""
    above, left = np.array([np.nextafter(0.0, 1.0)]), np.zeros(2)
    match sigma:
        case nn.ReLU():
            return above, left, np.array([[0.0, 0.0], [0.0, 1.0]])
        case nn.LeakyReLU():
            return above, left, np.array([[0.0, 0.0], [sigma.negative_slope, 1.0]])
        case SquaredReLU():
            return above, left, np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
        case Step():
            return np.zeros(1), left, np.array([[0.0, 1.0]])
        case SplineActivation():
            return numpy_copy(sigma.knots), numpy_copy(sigma.left), numpy_copy(sigma.pieces)
    return np.arange(3.0), *piecewise_polynomials([0, 1, 2], [1.0], 1)  # Hat


def numpy_copy(tensor: Tensor) -> Array:
    """A tensor in NumPy, float64, that does not change when the tensor does."""
    out: Array = tensor.detach().double().cpu().numpy()
    return out.copy()
