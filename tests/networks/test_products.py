"""Products of layers."""

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.products import products
from fembridge.networks.training import train_many
from fembridge.samples import on_circle


def test_a_product_of_three() -> None:
    random = np.random.default_rng(0)
    w, c, x = random.standard_normal((3, 5, 2)), random.standard_normal(5), random.standard_normal((4, 2))
    u = products(nn.ReLU(), w, c)(torch.as_tensor(x)).detach().numpy()[:, 0]
    assert np.allclose(u, np.prod(np.maximum(np.einsum("nmd,pd->npm", w, x), 0), axis=0) @ c / np.sqrt(5), atol=1e-15)


def test_stacked_training_is_that_of_each() -> None:
    def nets() -> list[nn.Sequential]:
        draws = [np.random.default_rng(seed) for seed in range(2)]
        return [products(nn.ReLU(), r.standard_normal((2, 8, 2)), r.standard_normal(8)) for r in draws]

    options = {"learning_rate": 0.05, "record": [0, 5]}
    loop, stacked = (train_many(nets(), on_circle(2, 12), engine=e, **options) for e in ("loop", "stacked"))
    assert np.allclose([p.loss for p in loop], [p.loss for p in stacked], rtol=1e-12)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="weights: expected \\(N, m, d\\) and \\(m,\\)"):
        products(nn.ReLU(), np.ones((2, 3, 1)), np.ones(2))
    with pytest.raises(ValueError, match="weights: expected finite numbers"):
        products(nn.ReLU(), np.full((1, 2, 1), np.nan), np.ones(2))
