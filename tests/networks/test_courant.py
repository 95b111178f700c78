"""Nodal hats as networks: ones and zeros at nodes, barycentric coordinates between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.courant import nodal_hats
from fembridge.networks.ridges import ridges


@pytest.mark.parametrize(("cells", "d"), [(1, 1), (5, 1), (4, 2), (3, 3), (2, 4)])
def test_hats_are_the_nodal_basis(cells: int, d: int) -> None:
    model = nodal_hats(cells, d)
    hats = model[:-1]
    nodes = np.stack(np.meshgrid(*[np.arange(cells + 1) / cells] * d, indexing="ij"), axis=-1).reshape(-1, d)
    assert sum(isinstance(layer, nn.ReLU) for layer in model) == d + 1
    with torch.no_grad():
        assert np.abs(hats(torch.tensor(nodes)).numpy() - np.eye(len(nodes))).max() < 1e-14
        x = np.random.default_rng(0).random((200, d))
        values = hats(torch.tensor(x)).numpy()
    # Where all coordinates have the same order as in a cell's simplex, d + 1 hats interpolate affine functions.
    assert ((values > 1e-12).sum(axis=1) <= d + 1).all()
    assert np.abs(values.sum(axis=1) - 1).max() < 1e-13 and np.abs(values @ nodes - x).max() < 1e-13


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="nodal_hats: expected positive cells and dimension, got 0 and 2"):
        nodal_hats(0, 2)
    with pytest.raises(
        ValueError, match=r"weights: expected \(n, d\), \(n,\) and \(n,\), got \(2,\), \(2,\) and \(2,\)"
    ):
        ridges(nn.ReLU(), [1.0, 2.0], [0.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="weights: expected finite numbers"):
        ridges(nn.ReLU(), [[np.inf]], [0.0], [1.0])
