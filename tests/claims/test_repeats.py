"""What is read off trainings that are repeated over seeds."""

import numpy as np
import pytest

from fembridge.claims.repeats import Repeats, phased_sines, repeat, seeds_of

K, STEPS = np.array([1.0, 2.0, 4.0]), np.arange(101)


def test_exponents_and_steps_of_known_decays() -> None:
    """Errors halve after 10 k and 5 k² steps: exponents 1 and 2, up to the rounding to whole steps."""
    halves = np.array([10 * K, 5 * K**2])
    run = Repeats("", K, STEPS, 0.5 ** (STEPS[None, :, None] / halves[:, None]), np.ones((2, 101)))
    assert run.learned() == pytest.approx(halves, abs=1) and run.exponents() == pytest.approx([1, 2], abs=0.05)


def test_what_is_never_learned_counts_as_learned_at_the_last_step() -> None:
    amplitudes = np.ones((2, 101, 3))
    amplitudes[:, 10:, 0] = 0.1
    run = Repeats("", K, STEPS, amplitudes, np.ones((2, 101)))
    pair = run.pair()
    assert np.isnan(run.learned()[:, 1:]).all() and pair.measured is not None
    assert pair.measured == pytest.approx([10, 100, 100], rel=0.05)


def test_seeds_are_not_shared() -> None:
    assert not set(seeds_of(0, 8)) & set(seeds_of(1, 8))


def test_training_starts_from_the_whole_error_and_its_norm_is_that_of_the_target() -> None:
    """Norms at the start: the networks are small beside two sines of amplitude 10, norm 1 to within a tenth."""
    data = phased_sines((1, 2), [10.0, 10.0], [(0.0, 1.0)], [16], [3, 4])
    run = repeat("two", "relu", data, (8,), [3, 4], learning_rate=1e-3, steps=3)
    assert run.steps.tolist() == [0, 1, 2, 3] and run.frequencies.tolist() == [1, 2]
    assert run.amplitudes.shape == (2, 4, 2) and (run.amplitudes[:, 0] == 1).all()
    assert run.norms[:, 0] == pytest.approx(1, abs=0.1)
    assert (data[0].values != data[1].values).any()
