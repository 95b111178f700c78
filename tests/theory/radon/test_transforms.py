"""Closed forms and quadrature of Fourier transforms against each other, and against what is known of others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, k0, ndtr

from fembridge.theory.radon.transforms import numerical_power, power_spectrum
from fembridge.theory.splines import spline, truncated_power

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "sigmoid": expit,
    "softplus": lambda z: np.logaddexp(0, z),
    "gelu": lambda z: z * ndtr(z),
    "gaussian": lambda z: np.exp(-(z**2) / 2),
    "seagull": lambda z: np.log1p(z**2),
}
OMEGA = np.array([0.4, 1.0, 2.5])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_closed_forms_of_smooth_activations(name: str) -> None:
    found, law = numerical_power(FUNCTIONS[name], OMEGA), power_spectrum(name, OMEGA)
    assert np.abs(found.values / law - 1).max() < 1e-9
    assert (np.abs(found.values - law) <= 2 * found.errors).all() and (found.errors < 1e-7 * law).all()
    assert (power_spectrum(name, -OMEGA) == law).all()


@pytest.mark.parametrize("degree", range(5))
def test_truncated_powers(degree: int) -> None:
    sigma = truncated_power(degree, "power")
    found = numerical_power(sigma, OMEGA, [0.0])
    assert np.abs(found.values / power_spectrum(sigma, OMEGA) - 1).max() < 1e-10
    law = np.prod(np.arange(1.0, degree + 1)) ** 2 * OMEGA ** (-2.0 * degree - 2)
    assert np.abs(power_spectrum(sigma, OMEGA) / law - 1).max() < 1e-14


def test_a_table_is_a_spline() -> None:
    table = {"knots": [0.0, 0.5, 2.0, 2.5], "coefficients": [1.0, -0.7], "degree": 1}
    found = numerical_power(spline(**table), OMEGA, table["knots"])  # type: ignore[arg-type]
    assert np.abs(found.values - power_spectrum(table, OMEGA)).max() < 1e-13


def test_at_zero_and_at_infinity() -> None:
    assert np.isinf([power_spectrum(name, 0.0) for name in ("step", "relu", "tanh", "softplus", "seagull")]).all()
    assert power_spectrum("hat", 0.0) == 1 and power_spectrum("gaussian", 0.0) == 2 * np.pi
    assert all(power_spectrum(name, 1e6) == 0 for name in FUNCTIONS)


def test_slow_tails_are_followed() -> None:
    """1/√(1 + z²) has the transform 2 K₀(ω)."""
    found = numerical_power(lambda z: 1 / np.sqrt(1 + z**2), OMEGA)
    assert np.abs(found.values / (4 * k0(OMEGA) ** 2) - 1).max() < 1e-11


def test_a_kink_that_is_not_told_of_is_within_the_error() -> None:
    found = numerical_power(lambda z: np.maximum(z - 0.3, 0), OMEGA)
    error = np.abs(found.values - OMEGA**-4)
    assert (error <= 3 * found.errors).all() and (found.errors > 1e-9).all()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (np.exp, "finite"),
        (np.sin, "decays"),
        (lambda z: z**15, "decays"),
        (lambda z: z * np.sin(z), "decays"),
        (lambda z: np.where(z > 3, np.nan, z), "finite"),
    ],
)
def test_what_has_no_transform_raises(function: Callable[[np.ndarray], np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        numerical_power(function, [1.0])


def test_wrong_arguments_raise() -> None:
    for omega in ([0.0, 1.0], [np.nan], np.ones((2, 2))):
        with pytest.raises(ValueError, match="omega: expected"):
            numerical_power(np.tanh, omega)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="activation: expected one of"):
        power_spectrum("swish", 1.0)
