from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.radon.transforms import numerical_power
from fembridge.theory.smooth import FUNCTIONS, shift_symbol, smooth


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_are_derivatives(name: str) -> None:
    sigma, z, h = smooth(name), np.linspace(-3, 3, 25), 1e-5
    np.testing.assert_allclose(sigma.slope(z), (sigma.value(z + h) - sigma.value(z - h)) / (2 * h), atol=1e-9)


def test_symbols_repeat_after_a_turn_and_sum_the_transform_of_the_values() -> None:
    theta = np.array([1.0, 2.5])
    for name in ("tanh", "softplus", "gelu", "seagull"):
        np.testing.assert_allclose(shift_symbol(name, theta), shift_symbol(name, 2 * np.pi - theta), rtol=1e-12)
    near = np.concatenate([theta + 2 * np.pi * m for m in (-1, 0, 1)])
    power = numerical_power(smooth("tanh").value, near).values.reshape(3, 2).sum(axis=0)
    np.testing.assert_allclose(shift_symbol("tanh", theta), power, rtol=1e-6)


def test_what_has_no_closed_form_is_refused() -> None:
    with pytest.raises(ValueError, match="activation: expected one of"):
        smooth("relu")
    with pytest.raises(ValueError, match="activation: expected one of"):
        shift_symbol("sine", 1.0)
