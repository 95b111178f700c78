"""Interpolants of least norm against the pseudo-inverse, and against gradient descent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fembridge.networks.activations import activation
from fembridge.networks.interpolation import least_norm
from fembridge.networks.readouts import hidden
from fembridge.networks.ridges import ridges

X = np.array([[-1.0, 0.2], [0.3, 0.8], [0.9, -0.5], [-0.2, -0.7], [0.1, 0.1]])
Y = np.array([1.0, -0.5, 0.2, 0.7, -1.0])


def network(name: str = "tanh", n: int = 40) -> torch.nn.Sequential:
    random = np.random.default_rng(0)
    return ridges(activation(name), 2 * random.standard_normal((n, 2)), random.standard_normal(n), np.zeros(n))


def test_without_polynomials_it_is_the_pseudo_inverse() -> None:
    model = network()
    phi, found = hidden(model, X).numpy(), least_norm(model, X, Y, 2 * X, 0)
    v = np.linalg.pinv(phi) @ Y
    assert np.abs(found.values - hidden(model, 2 * X).numpy() @ v).max() < 1e-10
    assert found.square == pytest.approx(v @ v) and found.residual < 1e-12


def test_polynomials_are_free() -> None:
    plane = X @ [3.0, -2.0] + 5
    found = least_norm(network(), X, plane, 2 * X, 2)
    assert np.abs(found.values - (2 * X @ [3.0, -2.0] + 5)).max() < 1e-11 and found.square < 1e-20
    alone, with_constant = (least_norm(network(), X, Y, X, terms).square for terms in (0, 1))
    assert with_constant < alone


def test_gradient_descent_ends_there() -> None:
    """Of the output weights, from zero."""
    model = network("relu", 200)
    phi = hidden(model, X).numpy()
    v, rate = np.zeros(200), 0.9 / np.linalg.norm(phi, 2) ** 2
    for _ in range(20000):
        v -= rate * phi.T @ (phi @ v - Y)
    assert np.abs(least_norm(model, X, Y, 3 * X, 0).values - hidden(model, 3 * X).numpy() @ v).max() < 1e-6


def test_wrong_arguments_raise() -> None:
    for points, values, at in ((X[:, 0], Y, X), (X, Y[:2], X), (X, Y, X[:, :1])):
        with pytest.raises(ValueError, match="points: expected"):
            least_norm(network(), points, values, at, 0)
    with pytest.raises(ValueError, match="features: expected as many as the 5 data"):
        least_norm(network(n=3), X, Y, X, 0)
    for x, terms in ((X, 3), (X * [1, 0], 2)):  # six terms for five data; all on a line
        with pytest.raises(ValueError, match="fix a polynomial"):
            least_norm(network(), x, Y, X, terms)
