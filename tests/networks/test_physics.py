"""Derivatives by automatic differentiation, and training on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fembridge.networks import physics
from fembridge.networks.activations import activation
from fembridge.networks.ensembles import single, stack
from fembridge.networks.models import on_knots, shallow
from fembridge.networks.perceptrons import perceptron

X = (np.arange(8) + 0.5) / 8
W = np.full(8, 1 / 8)


@pytest.mark.parametrize(("name", "order", "expected"), [("relu2", 2, [0.0, 2.0]), ("bspline3", 2, [-0.75, 0.0])])
def test_derivatives_of_features(name: str, order: int, expected: list[float]) -> None:
    """(z²)'' = 2, and on its second piece B₃'' = 1 − 3(z − 1) is −3/4 at 1 + 7/12."""
    at = torch.tensor([[-1.0], [1.0]] if name == "relu2" else [[1 + 7 / 12], [9.0]], dtype=torch.float64)
    found = physics.derivative(activation(name), at, order)
    assert found[:, 0].tolist() == pytest.approx(expected)


def test_both_ways_to_differentiate_agree() -> None:
    """Output weights alone, derivatives taken once; and by reverse mode at each step."""
    paths, load = [], np.sin(3 * X)
    for reverse in (False, True):
        net = shallow(activation("tanh"), [1.0, 2.0, -3.0], [0.1, -0.5, 1.0], [1.0, 0.5, -1.0])
        goal = (
            physics.strong_form(single(net, 1.0), X, W, load)
            if reverse
            else physics.in_output(net, "strong", X, W, load)
        )
        paths.append(
            physics.descend(goal, [net[-1].weight], name="heavy-ball", learning_rate=0.1, momentum=0.5, steps=9)
        )
    assert np.abs(paths[0] - paths[1]).max() < 1e-12 and np.abs(paths[0][-1] - paths[0][0]).max() > 0.01


def test_members_of_a_stack_train_as_if_alone() -> None:
    nets = [perceptron("tanh", [1, 4, 1], seed=s) for s in (0, 1)]
    alone = [perceptron("tanh", [1, 4, 1], seed=s) for s in (0, 1)]
    together = stack(nets, [1.0, 1.0])
    both = physics.descend(
        physics.strong_form(together, X, W, X), together.parameters, name="gd", learning_rate=0.05, steps=5
    )
    for r, net in enumerate(alone):
        one = single(net, 1.0)
        path = physics.descend(
            physics.strong_form(one, X, W, X), one.parameters, name="gd", learning_rate=0.05, steps=5
        )
        assert np.abs(both[:, r] - path).max() < 1e-12


def test_the_energy_finds_the_solution() -> None:
    """−u'' = 2 with one hat on [0, 1]: u(½) = ¼, and u' = ±½."""
    net = shallow(activation("hat"), [2.0], [0.0])
    goal = physics.in_output(net, "energy", X, W, np.full(8, 2.0))
    path = physics.descend(goal, [net[-1].weight], name="gd", learning_rate=0.25, steps=1)
    assert np.abs(path[1]) == pytest.approx(np.full(8, 0.5))


def test_only_output_weights_may_train() -> None:
    with pytest.raises(ValueError, match="output weights alone"):
        physics.in_output(perceptron("tanh", [1, 4, 1]), "strong", X, W, X)


def test_gram_of_derivatives() -> None:
    net = on_knots("relu2", [0.0, 0.5], (0.0, 1.0))
    assert physics.gram(net, X, W, 2) == pytest.approx(np.array([[4.0, 2.0], [2.0, 2.0]]))
