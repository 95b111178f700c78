"""Products of layers, u(x) = m^{−½} Σ_j c_j Π_i σ(w_ij·x + b_ij): Π-Nets of two layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor, nn

from fembridge.networks.affine import linear


class Product(nn.Module):
    """x ↦ m^{−½} σ(W_1 x + b_1) ⊙ … ⊙ σ(W_N x + b_N), of N layers of m neurons with one activation.

    The factor m^{−½} does not train, as in tangent-kernel scaling.

    >>> from torch import ones
    >>> two = Product([linear([[1.0]], [0.0]), linear([[2.0]], [1.0])], nn.ReLU())
    >>> two(ones(1, 1).double()).item()
    3.0
    """

    def __init__(self, layers: list[nn.Linear], activation: nn.Module) -> None:
        super().__init__()
        self.layers, self.activation = nn.ModuleList(layers), activation
        self.factor = layers[0].out_features ** -0.5

    def forward(self, x: Tensor) -> Tensor:
        """The products, for rows x."""
        out: Tensor = self.factor * self.activation(self.layers[0](x))
        for layer in list(self.layers)[1:]:
            out = out * self.activation(layer(x))
        return out


def products(activation: nn.Module, weights: ArrayLike, output: ArrayLike) -> nn.Sequential:
    """The Product of layers of weights (N, m, d) and biases 0, then Linear(m, 1) without bias of output (m,); float64.

    All parameters train. Raises ValueError for other shapes and numbers that are not finite.

    Source: Choraria et al. 2022, arXiv 2202.13473.

    >>> from torch import ones
    >>> u = products(nn.ReLU(), [[[1.0]] * 4, [[2.0]] * 4], [3.0, 0.0, 0.0, 0.0])
    >>> u(ones(1, 1).double()).item()
    3.0
    """
    w, c = np.asarray(weights, dtype=float), np.asarray(output, dtype=float)
    if w.ndim != 3 or not w.size or c.shape != w.shape[1:2]:
        raise ValueError(f"weights: expected (N, m, d) and (m,), got {w.shape} and {c.shape}")
    if not (np.isfinite(w).all() and np.isfinite(c).all()):
        raise ValueError("weights: expected finite numbers")
    layers = [linear(one, np.zeros(len(one))) for one in w]
    return nn.Sequential(Product(layers, activation), linear(c[None], None))
