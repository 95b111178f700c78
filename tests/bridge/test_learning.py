"""Statistics of trainings against curves in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.bridge.learning import accuracy, first_below, learning_exponent, psnr

STEPS = np.arange(2001)


def decays(rates: list[float]) -> np.ndarray:
    return np.exp(-STEPS[:, None] * np.array(rates))


def test_the_first_step_below_is_that_of_the_closed_form() -> None:
    rates = [0.5, 0.1, 0.01]
    assert (first_below(STEPS, decays(rates), 0.2) == np.ceil(np.log(5) / np.array(rates))).all()


def test_between_recorded_steps_decay_is_exponential() -> None:
    rows = [0, 7, 500, 2000]
    assert (first_below(STEPS[rows], decays([0.5, 0.01])[rows]) == first_below(STEPS, decays([0.5, 0.01]))).all()


def test_what_is_not_learned_has_no_step() -> None:
    assert np.isnan(first_below(STEPS, decays([1e-5]))).all()


@pytest.mark.parametrize("power", [0.0, 2.0, 4.0])
def test_the_exponent_of_steps_is_that_of_the_rates(power: float) -> None:
    k = np.array([1.0, 2.0, 3.0])
    found, unlearned = learning_exponent(STEPS, decays(list(0.2 * k**-power)), k)
    # steps are rounded up to whole ones, of 12 and more: 1/12 in the logarithm, over a range of log 3
    assert abs(found - power) < 2 / 12 / np.log(3) and unlearned == 0


def test_frequencies_never_learned_count_as_learned_at_the_end() -> None:
    found, unlearned = learning_exponent(STEPS, decays([0.1, 1e-9]), [1, 2])
    assert unlearned == 1 and found == pytest.approx(np.log2(2000 / 24))


def test_an_exponent_needs_two_frequencies() -> None:
    with pytest.raises(ValueError, match="frequencies: expected two or more, got 1"):
        learning_exponent(STEPS, decays([0.1]), [1])


def test_signal_to_noise_of_a_sine() -> None:
    f = np.sin(2 * np.pi * np.arange(64) / 64)
    assert psnr(np.stack([0.1 * f, f]), f) == pytest.approx([10 * np.log10(4 / 0.005), 10 * np.log10(4 / 0.5)])
    assert psnr(0 * f[None], f) == [np.inf]


def test_accuracy_of_several_outputs() -> None:
    values = np.eye(3)
    residuals = np.zeros((2, 3, 3))
    residuals[1, 0] = [-1.0, 2.0, 0.0]
    assert accuracy(residuals, values).tolist() == [1.0, pytest.approx(2 / 3)]
