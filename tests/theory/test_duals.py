"""Dual activations: closed forms against quadrature, series and sampling."""

import numpy as np
import pytest
from scipy import integrate

from fembridge.theory.duals import dual, relu_dual, step_dual

RHO = np.array([-1.0, -0.6, 0.0, 0.3, 0.9, 1.0])


def test_relu_and_step_by_integration_over_the_angle() -> None:
    """E σ(a)σ(b) in polar coordinates: E r² = 2, and an arc on which both are positive."""
    for rho in RHO[1:-1]:
        gap = np.arccos(rho)
        value, _ = integrate.quad(lambda t: np.cos(t) * np.cos(t - gap), gap - np.pi / 2, np.pi / 2)  # noqa: B023
        assert relu_dual(rho) == pytest.approx(value / np.pi, rel=1e-12)
        assert step_dual(rho) == pytest.approx((np.pi - gap) / (2 * np.pi), rel=1e-14)


def test_a_dual_of_polynomials_is_exact() -> None:
    """Hermite polynomials: E h₂(a)h₂(b) = 2ρ²; and E ab = q ρ."""
    assert np.allclose(dual(lambda z: z**2 - 1, 1.0, RHO), 2 * RHO**2, atol=1e-12)
    assert np.allclose(dual(lambda z: z, 3.0, RHO), 3 * RHO, atol=1e-12)


def test_sine_has_a_closed_form() -> None:
    """E sin a sin b = e^{−q} sinh(qρ)."""
    assert np.allclose(dual(np.sin, 2.0, RHO), np.exp(-2) * np.sinh(2 * RHO), atol=1e-13)


def test_steep_tanh_is_resolved() -> None:
    assert np.allclose(dual(np.tanh, 9.09, RHO), dual(np.tanh, 9.09, RHO, 300), atol=1e-6)


def test_a_variance_must_be_positive() -> None:
    with pytest.raises(ValueError, match="variance: expected a positive number, got 0"):
        dual(np.tanh, 0.0, RHO)
