"""Networks at perturbed parameters."""

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.perceptrons import perceptron
from fembridge.networks.perturbations import perturbed

X = np.linspace(0, 1, 5)[:, None]


def test_no_distance_is_the_network_itself_which_stays_as_it_was() -> None:
    model = perceptron("relu", [1, 6, 1])
    before = [p.detach().clone() for p in model.parameters()]
    u = perturbed(model, X, [0.0, 0.5], directions=3, seed=1)
    assert (u[0] == model(torch.tensor(X)).detach().numpy()[:, 0]).all() and (u[1] != u[0]).any()
    assert all((p == old).all() for p, old in zip(model.parameters(), before, strict=True))


def test_steps_have_the_length_that_was_asked_for_and_are_isotropic() -> None:
    """u = θ·(x, 1) at x = 0 and 1 reveals both coordinates; a thousand directions of two have a mean near 0: each
    coordinate has variance 1/2, so √(1/2000) is one standard deviation, and five of them 0.11.
    """
    model = nn.Linear(1, 1).double()
    u = perturbed(model, [[0.0], [1.0]], [0.0, 2.0], directions=1000, seed=0)
    bias, slope = (u[1] - u[0])[:, 0], np.diff(u[1] - u[0])[:, 0]
    assert np.hypot(bias, slope) == pytest.approx(2.0, abs=1e-14)
    assert abs(bias.mean()) < 2 * 0.11 and abs(slope.mean()) < 2 * 0.11
    assert (perturbed(model, X, [1.0], 4, seed=3) == perturbed(model, X, [1.0], 4, seed=3)).all()


def test_frozen_parameters_stay() -> None:
    model = perceptron("relu", [1, 6, 1], trained="2.bias")
    u = perturbed(model, X, [0.0, 1.0], directions=2, seed=0)
    assert np.abs(u[1] - u[0]) == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("directions", [0, 1.5])
def test_the_number_of_directions_is_checked(directions: float) -> None:
    with pytest.raises(ValueError, match="directions"):
        perturbed(nn.Linear(1, 1), X, [1.0], directions, seed=0)  # type: ignore[arg-type]
