"""Weights of frequencies against closed forms, plain quadrature, and designs against their wish."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import j0

from fembridge.theory.radon.seminorms import (
    Scales,
    designed,
    half_normal,
    kernel_transform,
    log_uniform,
    packet_coefficient,
    scaled_power,
    uniform,
    weight,
)
from fembridge.theory.radon.transforms import power_spectrum

S = np.array([0.5, 3.0, 12.0])


@pytest.mark.parametrize(
    ("law", "square"),
    [(uniform(0.5, 2.0), 1.75), (log_uniform(0.5, 2.0), 3.75 / 2 / np.log(4)), (half_normal(1.5), 2.25)],
)
def test_homogeneous_activations_scale_by_a_moment(law: Scales, square: float) -> None:
    """ReLU by E r², the step not at all."""
    assert np.abs(scaled_power("relu", S, law) / (square * S**-4) - 1).max() < 1e-11
    assert np.abs(scaled_power("step", S, law) * S**2 - 1).max() < 1e-6


@pytest.mark.parametrize("name", ["hat", "tanh"])
def test_laws_against_adaptive_quadrature(name: str) -> None:
    law = log_uniform(0.5, 2.0)

    def density(r: float, s: float) -> float:
        return float(power_spectrum(name, s / r) / r**2 / (r * np.log(4)))

    for s in S:
        expected = quad(density, 0.5, 2, args=(s,), epsrel=1e-12, limit=200)[0]
        assert scaled_power(name, [s], law)[0] == pytest.approx(expected, rel=1e-10)
    normal = half_normal(1.0)
    assert scaled_power("tanh", S, normal) == pytest.approx(np.ravel([scaled_power("tanh", [s], normal) for s in S]))


def test_one_scale() -> None:
    assert scaled_power("tanh", S, 2.0) == pytest.approx(power_spectrum("tanh", S / 2) / 4)
    assert weight(S**-4, S, 2) == pytest.approx(S**5)


def test_the_kernel_of_gaussian_features_has_this_transform() -> None:
    """In two dimensions K(ρ) = (1/2π) ∫ K̂(s) J₀(sρ) s ds must be the mean over θ of √π e^{−(ρ cos θ)²/4}."""
    rho = 1.7
    theta = 2 * np.pi * np.arange(64) / 64
    expected = np.sqrt(np.pi) * np.exp(-((rho * np.cos(theta)) ** 2) / 4).mean()
    found = quad(lambda s: kernel_transform(power_spectrum("gaussian", s), s, 2) * j0(s * rho) * s, 0, 9)[0]
    assert found / (2 * np.pi) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("dimension", [1, 2])
def test_packets_average_about_a_frequency(dimension: int) -> None:
    """Frequencies s scatter about ω with the variance 1/(2τ²): a power s^p is 1 + p(p − 1)/(4(ωτ)²) times itself."""
    omega, width, p = 10.0, 6.0, 2 - dimension - 3
    found = packet_coefficient(lambda s: s ** (p + dimension - 1), omega, width, dimension)
    constant = kernel_transform(np.ones(1), [1.0], dimension)[0]
    assert found / (constant * omega**p) - 1 == pytest.approx(p * (p - 1) / (4 * 60**2), rel=2e-2)


def test_designs() -> None:
    """Within the error that is stated, and the less of it the more taps."""
    s, errors = np.linspace(0.01, 5, 60), []
    for taps in (21, 41, 81):
        design = designed(lambda s: (1 + s**2) ** 2, 1, 5.0, 0.3, taps)
        amplitude = np.sqrt(power_spectrum(design.spline, s))
        assert np.abs(amplitude - 1 / (1 + s**2)).max() <= design.error + 1e-12
        assert len(design.coefficients) == taps and np.abs(design.knots + design.knots[::-1]).max() < 1e-12
        errors.append(design.error)
    assert errors[0] > 10 * errors[1] > 1000 * errors[2]


def test_wrong_arguments_raise() -> None:
    for wrong in (lambda: uniform(2.0, 1.0), lambda: log_uniform(0.0, 1.0), lambda: half_normal(-1.0)):
        with pytest.raises(ValueError, match="scales: expected"):
            wrong()
    with pytest.raises(ValueError, match="omega: expected"):
        scaled_power("relu", [0.0])
    with pytest.raises(ValueError, match="scales: expected"):
        scaled_power("relu", [1.0], -1.0)
    with pytest.raises(ValueError, match="packet: expected"):
        packet_coefficient(lambda s: s, 1.0, 1.0, 1)
    with pytest.raises(ValueError, match="design: expected"):
        designed(lambda s: s, 1, 20.0, 0.3, 31)
