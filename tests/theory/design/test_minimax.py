import numpy as np
import pytest
from numpy.polynomial import chebyshev

from fembridge.theory.design.minimax import minimax
from fembridge.theory.splines import bspline, shift_symbol


@pytest.mark.parametrize("taps", range(1, 10))
def test_linear_splines_deviate_by_the_least_polynomial_that_is_1_outside(taps: int) -> None:
    """1 − q w is any polynomial of degree M in x = cos θ that is 1 at x = −2: the least one is T_M(x)/T_M(−2)."""
    found = minimax(lambda theta: (2 + np.cos(theta)) / 3, taps - 1)
    least = 1 / chebyshev.chebval(2.0, np.eye(taps + 1)[taps])
    assert found.deviation == pytest.approx(least, rel=1e-9, abs=1e-15)
    assert found.least <= found.deviation
    theta = np.linspace(0, np.pi, 999)
    assert np.abs(found(theta) * (2 + np.cos(theta)) / 3 - 1).max() <= found.deviation * (1 + 1e-9)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.2, 0.7)])
def test_a_steep_weight_comes_to_rest_and_no_polynomial_is_better(low: float, high: float) -> None:
    """A linear program on a grid, which finds no less than `least`."""
    from scipy.optimize import linprog

    def weight(theta: np.ndarray) -> np.ndarray:
        return np.exp(4 * np.cos(3 * theta)) * shift_symbol(bspline(2), theta)

    found = minimax(weight, 9, (low * np.pi, high * np.pi))
    theta = np.linspace(low * np.pi, high * np.pi, 600)
    rows = np.cos(np.outer(theta, np.arange(10))) * weight(theta)[:, None]
    ones = np.ones((len(theta), 1))
    bounds = linprog(
        np.eye(11)[10],
        np.block([[rows, -ones], [-rows, -ones]]),
        np.concatenate([np.ones(600), -np.ones(600)]),
        bounds=[(None, None)] * 11,
    )
    assert bounds.fun == pytest.approx(found.deviation, rel=1e-3)
    assert found.least == pytest.approx(found.deviation, rel=1e-8)


def test_deviations_of_rounding_end_the_exchange() -> None:
    assert minimax(lambda theta: (2 + np.cos(theta)) / 3, 40).deviation < 1e-14
