import numpy as np
import pytest

from fembridge.theory.design.factorisation import correlations, factors, spectral_factor


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_taps_come_back_from_their_correlations(count: int) -> None:
    """Zeros outside the unit circle: the taps themselves; Newton's end is as exact as q, times its condition."""
    random = np.random.default_rng(count)
    zeros = random.uniform(1.2, 2, count - 1) * np.sign(random.uniform(-1, 1, count - 1))
    c = np.atleast_1d(np.poly(zeros))[::-1]
    c = c * np.sign(c[0])
    assert np.abs(spectral_factor(correlations(c)) - c).max() < 1e-9 * np.abs(c).max()


def test_every_factor_has_the_same_correlations_and_another_shape() -> None:
    c = np.random.default_rng(0).standard_normal(6)
    found = factors(correlations(c))
    assert len(found) in (4, 8, 16, 32)
    for one in found:
        assert np.abs(correlations(one) - correlations(c)).max() < 1e-12
    assert min(min(np.abs(one - c).max(), np.abs(one + c).max()) for one in found) < 1e-10
    assert len({tuple(np.round(one, 6)) for one in found}) == len(found)


def test_a_zero_on_the_circle_is_factored_too() -> None:
    """Newton's steps halve there: half of the digits."""
    assert np.abs(spectral_factor(np.array([2.0, -1.0])) - [1, -1]).max() < 1e-6


def test_a_negative_symbol_is_no_square() -> None:
    with pytest.raises(ValueError, match="nowhere negative"):
        spectral_factor(np.array([1.0, 0.6]))
