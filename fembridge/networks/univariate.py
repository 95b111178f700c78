"""Shallow ReLU networks of one input and one output as linear splines: by breakpoints and slopes, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from fembridge.networks.affine import linear
from fembridge.networks.shallow import numpy_copy, read
from fembridge.problem import Array
from fembridge.samples import Samples


@dataclass(frozen=True, eq=False)
class SplineView:
    """f(x) = offset + Σ_i v_i ReLU(w_i x + b_i) = offset + Σ_i s_i μ_i ReLU(s_i (x − β_i)), whatever the scale of w_i.

    breakpoints: β = −b/w (n,). delta_slopes: μ = w v (n,). orientations: s = sgn w (n,), ±1, the side on which a neuron
    is active. The slope of f jumps at β_i by s_i μ_i = v_i |w_i|. balance: w² + b² − v² (n,), which gradient flow
    conserves. offset: the bias of the output, 0 where there is none.

    Source: Sahs et al. 2020 (arXiv 2008.01772); the balance: Williams et al. 2019 (arXiv 1906.07842).
    """

    breakpoints: Array
    delta_slopes: Array
    orientations: Array
    balance: Array
    offset: float

    def __call__(self, x: ArrayLike) -> Array:
        """f (…) at points (…).

        >>> view = SplineView(np.array([1.0]), np.array([-6.0]), np.array([-1.0]), np.array([0.0]), 1.0)
        >>> view([0.0, 2.0])                               # 1 + 6 (1 − x)_+
        array([7., 1.])
        """
        s = self.orientations
        active = np.maximum(s * (np.asarray(x, dtype=float)[..., None] - self.breakpoints), 0)
        return np.asarray(self.offset + active @ (s * self.delta_slopes))


def spline_view(model: nn.Module) -> SplineView:
    """A network Sequential(Linear(1, n), ReLU, Linear(n, 1)) as a spline. Either Linear may do without its bias.

    Raises ValueError for another module, parameters that are not finite, and neurons without a breakpoint: where an
    inner weight is zero, or so small that −b/w overflows.

    >>> view = spline_view(nn.Sequential(linear([[2.0]], [-4.0]), nn.ReLU(), linear([[3.0]], None)))
    >>> view.breakpoints, view.delta_slopes, view.balance                      # 4/2, 2 · 3, 2² + 4² − 3²
    (array([2.]), array([6.]), array([11.]))
    """
    net = read(model)
    _, sigma, outer = cast("tuple[nn.Linear, nn.Module, nn.Linear]", tuple(model.children()))
    if not isinstance(sigma, nn.ReLU):
        raise ValueError(f"model: expected the activation ReLU, got {sigma!r}")
    if not net.w.all():
        raise ValueError(f"model: expected inner weights other than zero, got 0 at neuron {int(np.argmin(net.w != 0))}")
    with np.errstate(over="ignore"):
        beta, mu, balance = -net.c / net.w, net.w * net.v, net.w**2 + net.c**2 - net.v**2
    if not np.isfinite([beta, mu, balance]).all():
        raise ValueError("model: expected breakpoints, delta-slopes and balances within float64, got one beyond")
    offset = 0.0 if outer.bias is None else float(numpy_copy(outer.bias)[0])
    return SplineView(beta, mu, np.sign(net.w), balance, offset)


def spline_network(view: SplineView) -> nn.Sequential:
    """The one network with that view, as Linear(1, n), ReLU, Linear(n, 1) with both biases, in float64:

    (1 + β²) w² − μ²/w² = c, so that w² = [c + √(c² + 4μ²(1+β²))] / (2(1+β²)), b = −βw, v = μ/w, with the balance c.

    No digits cancel: for c < 0 the same root is 2μ² / [√(c² + 4μ²(1+β²)) − c], so w, b, v are found to a few ε.

    Raises ValueError where arrays do not match or are not finite, an orientation is not ±1, and where w would be zero
    (or below float64): for a delta-slope of 0 with a balance that is not positive.

    >>> network = spline_network(SplineView(np.array([2.0]), np.array([6.0]), np.ones(1), np.array([11.0]), 0.5))
    >>> [parameter.item() for parameter in network.parameters()]
    [2.0, -4.0, 3.0, 0.5]
    """
    beta, mu, s, c = (
        np.asarray(a, dtype=float) for a in (view.breakpoints, view.delta_slopes, view.orientations, view.balance)
    )
    if beta.ndim != 1 or not len(beta) or not beta.shape == mu.shape == s.shape == c.shape:
        raise ValueError(f"view: expected four rows of one length, got {beta.shape}, {mu.shape}, {s.shape}, {c.shape}")
    if not (np.isfinite([beta, mu, c]).all() and np.isfinite(view.offset)):
        raise ValueError("view: expected finite numbers")
    if not (np.abs(s) == 1).all():
        raise ValueError(f"view: expected orientations of ±1, got {s[np.argmax(np.abs(s) != 1)]:g}")
    length = np.hypot(1, beta)
    root = np.hypot(c, 2 * mu * length)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0/0 at μ = c = 0
        w = s * np.where(c > 0, np.sqrt((c + root) / 2) / length, np.abs(mu) * np.sqrt(2 / (root - c)))
    if not (np.abs(w) > 0).all():
        i = int(np.argmin(np.abs(w) > 0))
        raise ValueError(f"view: expected a balance > 0 where the delta-slope is 0, got {c[i]:g} at neuron {i}")
    return nn.Sequential(linear(w[:, None], -beta * w), nn.ReLU(), linear((mu / w)[None], [view.offset]))


def spline_velocities(model: nn.Module, samples: Samples) -> tuple[Array, Array]:
    """β̇ and μ̇ (n,) along the gradient flow θ̇ = −∇L, by automatic differentiation alone: the chain rule for (−b/w, wv)
    in the direction of −∇L.

    L = ½ Σ_q w_q (f(x_q) − y_q)² over the samples' points, values and weights. All parameters move, the biases of
    either layer where there are some.

    Raises ValueError as `spline_view` does, and unless the samples have one input, one output and the loss "mass".

    >>> model = nn.Sequential(linear([[2.0]], [0.0]), nn.ReLU(), linear([[1.0]], None))
    >>> spline_velocities(model, Samples([[1.0]], [1.0]))     # ε = 1: (v/w)(1 + β), −(v² + w²) − wb
    (array([0.5]), array([-5.]))
    """
    spline_view(model)
    if samples.points.shape[1] != 1 or samples.values.ndim != 1 or samples.loss != "mass":
        raise ValueError('samples: expected one input, one output and the loss "mass"')
    inner = cast("nn.Linear", next(model.children()))
    parameters = [p.detach().clone().requires_grad_() for p in model.parameters()]
    named = dict(zip([name for name, _ in model.named_parameters()], parameters, strict=True))
    x, f, weights = (torch.as_tensor(a).to(inner.weight) for a in (samples.points, samples.values, samples.weights))
    error = torch.func.functional_call(model, named, (x,))[:, 0] - f
    moving = torch.autograd.grad((weights * error.square()).sum() / 2, parameters)
    theta, rate = [_row(inner, list(each)) for each in (parameters, [-g for g in moving])]
    beta, mu = torch.func.jvp(lambda w, b, v: (-b / w, w * v), theta, rate)[1]
    return numpy_copy(beta), numpy_copy(mu)


def _row(inner: nn.Linear, parameters: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """w, b and v (n,) each from parameters in their order; b is 0 where there is none."""
    w, v = parameters[0][:, 0], parameters[1 if inner.bias is None else 2][0]
    return w, torch.zeros_like(w) if inner.bias is None else parameters[1], v
