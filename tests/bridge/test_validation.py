"""Loss and accuracy on data that a network is not trained with."""

from __future__ import annotations

import numpy as np
import torch

from fembridge.bridge.validation import validation
from fembridge.networks.affine import linear
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train
from fembridge.samples import Samples


def test_one_hot_classes() -> None:
    """u = x: the largest entry is right for the first two of three; ½ mean ‖r‖² = (0.02 + 0.02 + 2)/6."""
    x, hot = np.array([[0.9, 0.1], [0.1, 0.9], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    loss, right = validation(Samples(x, hot))(linear(np.eye(2), np.zeros(2)))
    assert abs(loss - 2.04 / 6) < 1e-15 and abs(right - 2 / 3) < 1e-15


def test_it_agrees_with_the_loss_that_training_records() -> None:
    random = np.random.default_rng(0)
    data = Samples(random.standard_normal((20, 3)), random.choice([-1.0, 1.0], 20))
    path = train(perceptron("hat", [3, 8, 1]), data, learning_rate=0.1, record=[0, 3], observe=validation(data))
    assert np.abs(np.asarray(path.observed)[:, 0] - path.loss).max() < 1e-14


def test_single_precision() -> None:
    data = Samples(np.ones((4, 3)), np.ones(4))
    assert validation(data)(perceptron("relu", [3, 8, 1]).to(torch.float32)).dtype == np.float64
