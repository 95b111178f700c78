"""Piecewise-polynomial activations as PyTorch modules: Hat, B-splines, any spline on knots, squared ReLU, step.

All act elementwise on floating-point tensors of any shape, and answer in the dtype of their input. Where a slope
jumps, automatic differentiation gives the derivative from the right (`torch.nn.ReLU`, PyTorch's own: 0 at 0).
Not-a-number in, not-a-number out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from fembridge.networks.smooth import SMOOTH

Spec = str | Mapping[str, Any]
Array = NDArray[np.float64]


class SplineActivation(nn.Module):
    """σ(z) = Σ_m c_m B_m(z): B_m is the B-spline of `degree` p on the knots τ_m … τ_{m+p+1}, and 0 outside them.

    knots: (K,) strictly increasing; coefficients: (K−p−1,). Both are buffers: they move with `.to()`, stand in
    `state_dict()`, and loading others re-shapes σ. Degree 0 is right-continuous; p ≥ 1 has p−1 continuous derivatives.

    Raises ValueError on knots that do not increase strictly, values that are not finite, or a number of
    coefficients other than K − p − 1; at a call, on an input that is not floating-point.

    Source: C. de Boor, A Practical Guide to Splines (2001), ch. IX.

    >>> wavelet = SplineActivation(knots=[0, 1, 2, 3], coefficients=[1.0, -1.0], degree=1)
    >>> wavelet(torch.tensor([0.5, 1.0, 1.5, 2.0, 9.0]))
    tensor([ 0.5000,  1.0000,  0.0000, -1.0000,  0.0000])
    """

    knots: Tensor
    coefficients: Tensor
    left: Tensor
    pieces: Tensor

    def __init__(self, knots: ArrayLike, coefficients: ArrayLike, degree: int) -> None:
        super().__init__()
        left, pieces = piecewise_polynomials(knots, coefficients, degree)
        self.degree = int(degree)
        self.register_buffer("knots", torch.tensor(np.asarray(knots, dtype=float)))
        self.register_buffer("coefficients", torch.tensor(np.asarray(coefficients, dtype=float)))
        self.register_buffer("left", torch.from_numpy(left), persistent=False)
        self.register_buffer("pieces", torch.from_numpy(pieces), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """σ(z), elementwise."""
        _check_floating(self, z)
        # flat and int32: several times faster to gather with than an index of z's shape
        flat, knots = z.reshape(-1), self.knots.to(z.dtype)
        piece = torch.bucketize(flat, knots, out_int32=True, right=True)
        # clamped, so that the zero polynomials outside the knots meet no infinity, 0·∞
        t = flat.clamp(knots[0], knots[-1]) - self.left.to(z.dtype).index_select(0, piece)
        *lower, value = (row.index_select(0, piece) for row in self.pieces.to(z.dtype).unbind(0))
        for row in reversed(lower):
            value = torch.addcmul(row, value, t)
        return value.reshape(z.shape)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._rebuild()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SplineActivation:
        super()._apply(fn, recurse)
        if not self.knots.is_meta:  # in a shorter format the pieces are those of the rounded knots
            self._rebuild()
        return self

    def _rebuild(self) -> None:
        left, pieces = piecewise_polynomials(self.knots.tolist(), self.coefficients.tolist(), self.degree)
        self.left = torch.from_numpy(left).to(self.knots)
        self.pieces = torch.from_numpy(pieces).to(self.knots)

    def extra_repr(self) -> str:
        """What stands between the brackets of `repr`."""
        return f"knots={self.knots.tolist()}, coefficients={self.coefficients.tolist()}, degree={self.degree}"


class BSpline(SplineActivation):
    """The cardinal B-spline of a degree p ≥ 0: on the knots 0, 1, …, p+1, of integral 1. BSpline(1) is the hat.

    B_0 = 1 on [0, 1);  B_p(z) = (z B_{p−1}(z) + (p+1−z) B_{p−1}(z−1)) / p.

    Raises ValueError unless the degree is a whole number from 0 on.

    >>> BSpline(2)(torch.tensor([0.5, 1.0, 1.5]))
    tensor([0.1250, 0.5000, 0.7500])
    """

    def __init__(self, degree: int) -> None:
        super().__init__(np.arange(_check_degree(degree) + 2.0), [1.0], degree)


class Hat(nn.Module):
    """Hat(z) = z on [0, 1], 2 − z on [1, 2], 0 elsewhere: BSpline(1), in closed form and a few times faster.

    >>> z = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    >>> Hat()(z).sum().backward()
    >>> z.grad
    tensor([ 1., -1.,  0.])
    """

    knots: Tensor
    coefficients: Tensor
    degree = 1

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("knots", torch.arange(3, dtype=torch.float64))
        self.register_buffer("coefficients", torch.ones(1, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        """σ(z), elementwise."""
        _check_floating(self, z)
        rise = z.clamp(0, 2)
        # min(rise, 2 − rise), exactly; at its ends clamp passes the gradient and relu blocks it, which gives each
        # knot its right derivative (torch.minimum would halve both at the tie)
        return rise - (rise - torch.relu(2 - rise)).clamp(min=0)


class SquaredReLU(nn.Module):
    """σ(z) = max(z, 0)².

    >>> SquaredReLU()(torch.tensor([-1.0, 3.0]))
    tensor([0., 9.])
    """

    knots: Tensor
    degree = 2

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("knots", torch.zeros(1, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        """σ(z), elementwise."""
        _check_floating(self, z)
        return torch.relu(z).square()


class Step(nn.Module):
    """The Heaviside function: 0 for z < 0 and 1 for z ≥ 0. Its gradient is zero everywhere.

    >>> Step()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 1., 1.])
    """

    knots: Tensor
    degree = 0

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("knots", torch.zeros(1, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        """σ(z), elementwise."""
        _check_floating(self, z)
        # z itself is left only where it is not a number; it keeps the answer in the graph, with gradient zero
        return torch.where(z >= 0, 1.0, torch.where(z < 0, 0.0, z))


NAMED: dict[str, Any] = {
    "relu": nn.ReLU,
    "relu2": SquaredReLU,
    "leaky-relu": nn.LeakyReLU,
    "step": Step,
    "hat": Hat,
    **{f"bspline{p}": (lambda p=p: BSpline(p)) for p in range(4)},
}


def activation(spec: Spec) -> nn.Module:
    """The module of a name ("relu", "relu2", "leaky-relu" of slope 0.01, "step", "hat", "bspline0" … "bspline3", and
    the smooth ones of `networks.smooth`), or of a mapping {"knots", "coefficients", "degree"}: see `SplineActivation`.

    Raises ValueError on any other name or key.

    >>> activation("hat")(torch.tensor(1.5))
    tensor(0.5000)
    """
    if isinstance(spec, str) and spec in NAMED | SMOOTH:
        module: nn.Module = (NAMED | SMOOTH)[spec]()
        return module
    keys = ("knots", "coefficients", "degree")
    if isinstance(spec, Mapping) and set(spec) == set(keys):
        return SplineActivation(*(spec[key] for key in keys))
    came = f"the keys {', '.join(map(str, spec))}" if isinstance(spec, Mapping) else repr(spec)
    raise ValueError(f"activation: expected one of {', '.join(NAMED | SMOOTH)}, or {{{', '.join(keys)}}}, got {came}")


def breakpoints(module: nn.Module) -> Tensor:
    """Where an activation is not a polynomial: (K,) ascending.

    Raises ValueError unless it is one of this package, `torch.nn.ReLU` or `torch.nn.LeakyReLU`.

    >>> breakpoints(BSpline(2)), breakpoints(nn.ReLU())
    (tensor([0., 1., 2., 3.], dtype=torch.float64), tensor([0.], dtype=torch.float64))
    """
    if isinstance(module, SplineActivation | Hat | SquaredReLU | Step):
        return module.knots
    if isinstance(module, nn.ReLU | nn.LeakyReLU):
        return torch.zeros(1, dtype=torch.float64)
    raise ValueError(f"activation: expected a piecewise polynomial, got {type(module).__name__}")


def degree(module: nn.Module) -> int:
    """The degree of an activation between its breakpoints; raises as `breakpoints` does.

    >>> degree(nn.ReLU()), degree(SquaredReLU()), degree(Step())
    (1, 2, 0)
    """
    breakpoints(module)
    return int(getattr(module, "degree", 1))


def piecewise_polynomials(knots: ArrayLike, coefficients: ArrayLike, degree: int) -> tuple[Array, Array]:
    """Σ_m c_m B_m as polynomials in t = z − left, by the recursion of Cox and de Boor on the polynomials themselves.

    Returns left (K+1,) and pieces (max(p, 1) + 1, K+1), row k holding the factors of t^k. Column i is the interval
    between knots i−1 and i; the first and the last, outside the knots, are zero. Raises as `SplineActivation` does.

        B_{m,q}(z) = (z − τ_m)/(τ_{m+q} − τ_m) B_{m,q−1}(z) + (τ_{m+q+1} − z)/(τ_{m+q+1} − τ_{m+1}) B_{m+1,q−1}(z)
    """
    tau, c, p = _check_spline(knots, coefficients, degree)
    basis = np.eye(len(tau) - 1)[:, None]  # B_{m,0} is 1 on interval m: (m, power of t, interval)
    for q in range(1, p + 1):
        rise, fall = tau[q:-1] - tau[: -q - 1], tau[q + 1 :] - tau[1:-q]
        up = (tau[:-1] - tau[: -q - 1, None]) / rise[:, None]  # (z − τ_m) = (τ_i − τ_m) + t on interval i
        down = (tau[q + 1 :, None] - tau[:-1]) / fall[:, None]
        first, second = basis[:-1], basis[1:]
        constant = up[:, None] * first + down[:, None] * second
        linear = first / rise[:, None, None] - second / fall[:, None, None]
        basis = np.pad(constant, ((0, 0), (0, 1), (0, 0))) + np.pad(linear, ((0, 0), (1, 0), (0, 0)))
    # a constant gets a zero slope, so that it too depends on z: a zero gradient, and not-a-number stays so
    pieces = np.zeros((max(p, 1) + 1, len(tau) + 1))
    pieces[: p + 1, 1:-1] = np.einsum("m,mki->ki", c, basis)
    return tau[np.maximum(np.arange(len(tau) + 1) - 1, 0)], pieces


def _check_spline(knots: ArrayLike, coefficients: ArrayLike, degree: int) -> tuple[Array, Array, int]:
    p = _check_degree(degree)
    tau, c = (_check_row(name, row) for name, row in (("knots", knots), ("coefficients", coefficients)))
    if len(tau) < p + 2:
        raise ValueError(f"activation.knots: expected at least degree + 2 = {p + 2} knots, got {len(tau)}")
    if not (np.diff(tau) > 0).all():
        i = int(np.argmax(np.diff(tau) <= 0))
        raise ValueError(f"activation.knots: expected strictly increasing knots, got {tau[i]:g} before {tau[i + 1]:g}")
    if len(c) != len(tau) - p - 1:
        raise ValueError(
            f"activation.coefficients: expected {len(tau) - p - 1} for {len(tau)} knots and degree {p}, got {len(c)}"
        )
    return tau, c, p


def _check_row(name: str, row: ArrayLike) -> Array:
    try:
        values = np.asarray(row, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"activation.{name}: expected one row of numbers, got {row!r}") from None
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"activation.{name}: expected one row of finite numbers, got {values.tolist()}")
    return values


def _check_degree(degree: int) -> int:
    if isinstance(degree, bool) or not isinstance(degree, int | np.integer) or degree < 0:
        raise ValueError(f"activation.degree: expected a whole number from 0 on, got {degree!r}")
    return int(degree)


def _check_floating(module: nn.Module, z: Tensor) -> None:
    if not z.is_floating_point():
        raise ValueError(f"{type(module).__name__}: expected a floating-point tensor, got {z.dtype}")
