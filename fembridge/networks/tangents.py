"""What a network's features are, measured on the module: their values, Gram matrices and spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.func import jvp

from fembridge.networks.activations import degree
from fembridge.networks.models import hidden_layer, kinks
from fembridge.problem import Array, check_domain, composite_gauss


def features(model: nn.Module, x: ArrayLike | Tensor) -> Tensor:
    """The hidden activations σ(w_j x_q + b_j) at the points x (N,): a tensor (N, n) of the model's dtype and device.

    Raises ValueError unless x is one row and the model is Linear(1, n), activation, Linear(n, 1).

    >>> from fembridge.networks.models import shallow
    >>> features(shallow(nn.ReLU(), [1.0, -1.0], [0.0, 1.0]), [0.25])
    tensor([[0.2500, 0.7500]], dtype=torch.float64)
    """
    inner, sigma = hidden_layer(model)
    out: Tensor = sigma(inner(_column(inner.weight, x)))
    return out


def gram(model: nn.Module, points: ArrayLike, weights: ArrayLike, derivative: bool = False) -> Array:
    """G_ij = Σ_q w_q σ_i(x_q) σ_j(x_q), or of the derivatives with respect to x: a NumPy array (n, n), float64.

    points, weights: (N,) each. w_q = 1/N makes G a mean over samples, quadrature weights make it an integral.

    Raises ValueError where points and weights do not match, or where a feature whose derivative is asked for jumps.

    >>> from fembridge.networks.models import shallow
    >>> z, w = np.polynomial.legendre.leggauss(2)
    >>> gram(shallow(nn.ReLU(), [1.0], [0.0]), (z + 1) / 2, w / 2).round(12)
    array([[0.33333333]])
    """
    inner, sigma = hidden_layer(model)
    if derivative and degree(sigma) == 0:
        raise ValueError("gram: expected continuous features for derivative=True, got a piecewise-constant activation")
    hidden = nn.Sequential(inner, sigma)
    x, w = _column(inner.weight, points), _column(inner.weight, weights)
    if len(x) != len(w):
        raise ValueError(f"gram: expected one weight for each point, got {len(x)} points and {len(w)} weights")
    with torch.no_grad():
        phi = jvp(hidden, (x,), (torch.ones_like(x),))[1] if derivative else hidden(x)
        return np.asarray((phi.T @ (w * phi)).double().cpu().numpy())


def exact_points(model: nn.Module, domain: Sequence[float]) -> tuple[Array, Array]:
    """Gauss points and weights between the network's own kinks: exact for ∫ of products of two features."""
    a, b = check_domain(domain)
    return composite_gauss(np.concatenate([[a], kinks(model, (a, b)), [b]]), degree(hidden_layer(model)[1]) + 1)


def exact_gram(model: nn.Module, domain: Sequence[float], derivative: bool = False) -> Array:
    """∫σ_iσ_j, or ∫σ_i'σ_j', over the domain, by quadrature of the module."""
    return gram(model, *exact_points(model, domain), derivative)


def exact_spectrum(model: nn.Module, domain: Sequence[float]) -> Array:
    """Eigenvalues of ∫σ_iσ_j, descending, as squared singular values of the weighted features √w_q σ_j(x_q).

    A singular value errs by about √n ε σ_max, so λ_k has a relative error of about 2√n ε √(λ_1/λ_k): the squares of
    digits that a dense solver on the Gram matrix itself would lose.

    >>> from fembridge.networks.models import shallow
    >>> exact_spectrum(shallow(nn.ReLU(), [1.0], [0.0]), (0.0, 1.0)) * 3
    array([1.])
    """
    points, weights = exact_points(model, domain)
    phi = features(model, points).detach().double().cpu().numpy()
    return np.asarray(np.linalg.svd(np.sqrt(weights)[:, None] * phi, compute_uv=False) ** 2)


def _column(like: Tensor, x: ArrayLike | Tensor) -> Tensor:
    row = x.to(like) if isinstance(x, Tensor) else torch.as_tensor(np.asarray(x, dtype=float)).to(like)
    if row.ndim != 1:
        raise ValueError(f"points: expected one row (N,), got an array of shape {tuple(row.shape)}")
    return row[:, None]
