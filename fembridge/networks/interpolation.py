"""Interpolation by the output weights of a shallow network: the solution of least norm, polynomials unpenalised."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from fembridge.networks.readouts import hidden
from fembridge.problem import Array


@dataclass(frozen=True, eq=False)
class LeastNorm:
    """Σ_j v_j σ_j(x) + p(x): its values (M,) at points of interest, |v|², and max |u(x_i) − y_i| at the data."""

    values: Array
    square: float
    residual: float


def least_norm(model: nn.Sequential, points: ArrayLike, values: ArrayLike, at: ArrayLike, terms: int) -> LeastNorm:
    """The output weights of least |v|² with which u(x_i) = y_i, beside any polynomial of degree < terms (0: none).

    Gradient descent on the output weights from zero, and on the polynomial with an unbounded rate, ends here.
    With Q an orthonormal basis of what is orthogonal to the polynomials at the data, v is the least-norm solution of
    Qᵀ Φ v = Qᵀ y, and the polynomial fits what is left. points (N, d), values (N,), at (M, d).

    Raises ValueError for shapes that do not match; for fewer features than data; and where polynomials are not
    determined by the data.

    >>> from fembridge.networks.ridges import ridges
    >>> model = ridges(nn.ReLU(), [[1.0], [1.0]], [0.0, -1.0], [0.0, 0.0])
    >>> least_norm(model, [[1.0], [2.0]], [1.0, 3.0], [[3.0]], 0).values.round(9)      # x₊ + (x − 1)₊
    array([5.])
    """
    x, y, z = (torch.as_tensor(numbers, dtype=torch.float64) for numbers in (points, values, at))
    if x.ndim != 2 or y.shape != x.shape[:1] or z.ndim != 2 or z.shape[1] != x.shape[1]:
        raise ValueError(
            f"points: expected (N, d), (N,) and (M, d), got {tuple(x.shape)}, {tuple(y.shape)} and {tuple(z.shape)}"
        )
    phi, p = hidden(model, x), _polynomials(x, terms)
    if phi.shape[1] < len(x):
        raise ValueError(f"features: expected as many as the {len(x)} data or more, got {phi.shape[1]}")
    q, r = torch.linalg.qr(p, mode="complete")
    count = p.shape[1]
    if count > len(x) or (count and r.diagonal().abs().min() <= 1e-12 * r.diagonal().abs().max()):
        raise ValueError(f"points: expected ones that fix a polynomial of {count} terms, got {len(x)}")
    rest = q[:, count:].T
    v = torch.linalg.lstsq(rest @ phi, rest @ y, driver="gelsd").solution
    b = torch.linalg.solve_triangular(r[:count], (q[:, :count].T @ (y - phi @ v))[:, None], upper=True)[:, 0]
    residual = (phi @ v + p @ b - y).abs().max().item()
    found = hidden(model, z) @ v + _polynomials(z, terms) @ b
    return LeastNorm(found.numpy(), v.square().sum().item(), residual)


def _polynomials(x: Tensor, terms: int) -> Tensor:
    """All products of fewer than `terms` coordinates: (N, p)."""
    d = x.shape[1]
    factors = [part for degree in range(terms) for part in combinations_with_replacement(range(d), degree)]
    return torch.stack([x[:, list(part)].prod(dim=1) for part in factors], dim=1) if factors else x[:, :0]
