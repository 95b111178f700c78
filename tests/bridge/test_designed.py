import numpy as np
import pytest

from fembridge.bridge.designed import trial
from fembridge.theory.design.designs import design


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_training_in_designed_features_is_predicted_step_by_step(degree: int) -> None:
    """A few steps of 40 features of size 1: round-off."""
    found = design("flat", degree, taps=4)
    predicted, measured = trial(found, 40).amplitudes(np.arange(6))
    assert np.abs(predicted - measured).max() < 1e-13
    contraction = (found.condition_number - 1) / (found.condition_number + 1)
    assert measured[5].max() < 10 * contraction**5 + 1e-13  # of the whole, ten frequencies of one size


def test_the_hat_takes_more_steps_and_relu_very_many() -> None:
    flat, hat, relu = (trial(features, 32).steps_to(0.01) for features in (design("flat", taps=7), "hat", "relu"))
    assert (flat == 1).all() and (hat > flat).all() and (relu > 1e6).all()
