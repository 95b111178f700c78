"""Shallow networks of several inputs, u(x) = Σ_j v_j σ(w_j·x + b_j)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

from fembridge.networks.affine import linear


def ridges(activation: nn.Module, weights: ArrayLike, biases: ArrayLike, output: ArrayLike) -> nn.Sequential:
    """Linear(d, n), σ, Linear(n, 1) without bias, in float64; weights (n, d), biases (n,), output (n,).

    Raises ValueError for other shapes and numbers that are not finite.

    >>> import torch
    >>> u = ridges(nn.ReLU(), weights=[[1.0, 2.0]], biases=[-1.0], output=[3.0])
    >>> u(torch.tensor([[1.0, 1.0]], dtype=torch.float64)).item()
    6.0
    """
    w, b, v = (np.asarray(numbers, dtype=float) for numbers in (weights, biases, output))
    if w.ndim != 2 or not w.size or b.shape != v.shape or b.shape != w.shape[:1]:
        raise ValueError(f"weights: expected (n, d), (n,) and (n,), got {w.shape}, {b.shape} and {v.shape}")
    if not all(np.isfinite(numbers).all() for numbers in (w, b, v)):
        raise ValueError("weights: expected finite numbers")
    return nn.Sequential(linear(w, b), activation, linear(v[None], None))
