"""A step that is launched as one graph is the step that is launched call by call."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fembridge.networks import training
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train_many
from fembridge.samples import on_circle

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize(("optimizer", "momentum"), [("gd", 0.0), ("heavy-ball", 0.9), ("adam", 0.0)])
def test_a_graph_changes_no_bit(optimizer: str, momentum: float, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for least in (1, 10**9):
        monkeypatch.setattr(training, "GRAPH_FROM", least)
        nets = [perceptron("relu", [2, 32, 32, 1], seed=r) for r in range(3)]
        options = {"optimizer": optimizer, "momentum": momentum, "device": "cuda", "engine": "stacked"}
        found.append(train_many(nets, on_circle(3, 64), learning_rate=0.01, record=[0, 1, 50], **options))
    for graph, calls in zip(*found, strict=True):
        assert np.array_equal(graph.residuals, calls.residuals) and np.isfinite(graph.loss).all()
