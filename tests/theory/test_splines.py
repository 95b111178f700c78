"""Piecewise-polynomial activations against closed forms and independent numerics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import BSpline

from fembridge.theory.splines import (
    ACTIVATIONS,
    Spline,
    autocorrelation,
    bspline,
    fourier_power,
    hat,
    leaky_relu,
    named,
    shift_symbol,
    spline,
    truncated_power,
)

Z = np.linspace(-2, 6, 401)
OMEGA = np.array([0.01, 0.3, 1.0, 2.0, 5.0, 17.0])


def test_values() -> None:
    assert (named("relu")(Z) == np.maximum(Z, 0)).all()
    assert (named("relu2")(Z) == np.maximum(Z, 0) ** 2).all()
    assert (named("step")(Z) == (Z >= 0)).all()
    assert (leaky_relu(0.1)(Z) == np.where(Z > 0, Z, 0.1 * Z)).all()
    assert np.abs(hat()(Z) - np.maximum(0, 1 - np.abs(Z - 1))).max() < 1e-15


@pytest.mark.parametrize("degree", range(4))
def test_cardinal_b_splines_are_scipys(degree: int) -> None:
    expected = np.nan_to_num(BSpline.basis_element(np.arange(degree + 2.0), extrapolate=False)(Z))
    inside = Z < degree + 1  # scipy closes the last interval, we are continuous from the right
    assert np.abs(bspline(degree)(Z) - expected)[inside].max() < 4e-16
    assert bspline(degree)(np.array([degree + 1.0])) == 0


@pytest.mark.parametrize("degree", range(4))
def test_a_users_spline_is_scipys_on_its_own_knots(degree: int) -> None:
    rng = np.random.default_rng(degree)
    knots, coefficients = np.cumsum(rng.uniform(0.2, 1, 9)), rng.standard_normal(8 - degree)
    sigma = spline(knots, coefficients, degree)
    basis = [BSpline.basis_element(knots[i : i + degree + 2], extrapolate=False) for i in range(8 - degree)]
    points = rng.uniform(knots[0], knots[-1], 100)
    expected = sum(c * np.nan_to_num(b(points)) for c, b in zip(coefficients, basis, strict=True))
    # Powers about the knots: rounding of degree 3 over cells of 0.2, coefficients to 1/0.2³ times larger.
    assert np.abs(sigma(points) - expected).max() < 1e-13
    assert (sigma(np.array([knots[0] - 1, knots[-1] + 1])) == 0).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_by_differences(name: str) -> None:
    sigma, delta = named(name), 1e-6
    away = Z[np.abs(Z[:, None] - np.arange(-2, 7)).min(axis=1) > 0.01]
    difference = (sigma(away + delta) - sigma(away - delta)) / (2 * delta)
    assert np.abs(sigma.derivative()(away) - difference).max() < 1e-8


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_jumps_rebuild_the_spline(name: str) -> None:
    """σ(z) − σ(left piece) = Σ_knots Σ_r jump_r (z − τ)₊^r / r!."""
    sigma = named(name)
    factorial = np.array([1, 1, 2, 6])[: sigma.degree + 1]
    powers = (Z[:, None, None] - sigma.knots[:, None]).clip(min=0) ** np.arange(sigma.degree + 1)
    powers = np.where(Z[:, None, None] >= sigma.knots[:, None], powers, 0)
    left = sum(sigma.pieces[0, r] * (Z - sigma.knots[0]) ** r for r in range(sigma.degree + 1))
    assert np.abs((powers * sigma.jumps() / factorial).sum(axis=(1, 2)) + left - sigma(Z)).max() < 1e-12


def test_fourier_transforms_in_closed_form() -> None:
    sinc = 2 * np.sin(OMEGA / 2) / OMEGA
    for name, exact in {
        "step": OMEGA**-2.0,
        "relu": OMEGA**-4.0,
        "relu2": 4 * OMEGA**-6.0,
        "hat": sinc**4,
        "bspline0": sinc**2,
        "bspline2": sinc**6,
        "bspline3": sinc**8,
    }.items():
        assert np.abs(fourier_power(named(name), OMEGA) / exact - 1).max() < 1e-12, name
    assert fourier_power(hat(), [0.0]) == pytest.approx(1, abs=1e-15)


def test_fourier_transform_of_a_users_spline_by_quadrature() -> None:
    sigma = spline([0, 0.3, 1.1, 1.5, 2.6], [1.0, -2.0, 0.5], 1)
    for omega in OMEGA:
        parts = [
            quad(
                lambda z, f=f, w=omega: float(sigma(z)) * f(w * z),
                0,
                2.6,
                points=[0.3, 1.1, 1.5],
                limit=200,
                epsabs=1e-13,
            )[0]
            for f in (np.cos, np.sin)
        ]
        assert fourier_power(sigma, [omega])[0] == pytest.approx(parts[0] ** 2 + parts[1] ** 2, abs=1e-12)


@pytest.mark.parametrize("degree", range(4))
def test_autocorrelation_of_b_splines(degree: int) -> None:
    element = BSpline.basis_element(np.arange(2 * degree + 3.0), extrapolate=False)
    expected = np.nan_to_num(element(degree + 1.0 + np.arange(degree + 2)))
    assert np.abs(autocorrelation(bspline(degree)) - expected).max() < 1e-15
    with pytest.raises(ValueError, match="relu does not have compact support"):
        autocorrelation(named("relu"))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_symbol_is_the_lattice_sum(name: str) -> None:
    sigma, theta = named(name), np.array([0.1, 1.0, 2.5, np.pi])
    lattice = theta[:, None] + 2 * np.pi * np.arange(-20_000, 20_001)
    direct = fourier_power(sigma, lattice.ravel()).reshape(lattice.shape).sum(axis=1)
    # The tail left out is ∫ ω^−2 dω/2π or smaller: 2/(2π)² / 20,000 for jumps, nothing for the others.
    tolerance = 2e-5 if sigma.degree == 0 else 1e-11
    assert np.abs(shift_symbol(sigma, theta) / direct - 1).max() < tolerance


@pytest.mark.parametrize("seed", range(20))
def test_symbols_with_knots_anywhere(seed: int) -> None:
    """Hardtanh and a shifted ReLU², whose shifted knots round to either side of themselves."""
    rng, theta = np.random.default_rng(seed), np.array([0.3, 1.0, 3.0])
    low, high = np.sort(rng.uniform(-1, 1, 2))
    hardtanh = Spline("hardtanh", np.array([low, high]), np.array([[low, 0.0], [low, 1.0], [high, 0.0]]))
    squared = Spline("relu2", np.array([low]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    lattice = theta[:, None] + 2 * np.pi * np.arange(-20_000, 20_001)
    for sigma in (hardtanh, squared):
        direct = fourier_power(sigma, lattice.ravel()).reshape(lattice.shape).sum(axis=1)
        # Hardtanh's tail: 4 ω⁻⁴ beyond 40,000 π.
        assert np.abs(shift_symbol(sigma, theta) / direct - 1).max() < 1e-10
        assert shift_symbol(sigma, [0.0]) == np.inf


def test_fourier_transform_on_very_uneven_knots() -> None:
    sigma = spline([0, 1e-3, 1.1e-3, 2, 3], [1.0], 3)
    z, w = np.polynomial.legendre.leggauss(60)
    for omega in (0.5, 3.0, 20.0):
        h = np.diff(sigma.knots)[:, None] / 2
        x = sigma.knots[:-1, None] + h * (1 + z)
        exact = abs((h * w * sigma(x) * np.exp(-1j * omega * x)).sum()) ** 2
        assert fourier_power(sigma, [omega])[0] == pytest.approx(exact, rel=1e-10)


def test_symbols_in_closed_form() -> None:
    theta = np.linspace(0.05, np.pi, 50)
    assert np.abs(shift_symbol(hat(), theta) - (2 + np.cos(theta)) / 3).max() < 1e-15
    relu = (2 + np.cos(theta)) / 3 / (2 * np.sin(theta / 2)) ** 4
    assert np.abs(shift_symbol(truncated_power(1, "relu"), theta) / relu - 1).max() < 1e-13
    assert np.isinf(shift_symbol(truncated_power(1, "relu"), [0.0])).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1, 1], [1.0], 1), "strictly increasing knots"),
        (([0, 2, 1], [1.0], 1), "strictly increasing knots"),
        (([0, np.nan, 1], [1.0], 1), "strictly increasing knots"),
        (([0, 1, 2], [1.0, 2.0], 1), "expected 1 finite coefficients for 3 knots of degree 1"),
        (([0, 1, 2], [np.inf], 1), "finite coefficients"),
        (([0, 1, 2], [1.0], -1), "degree from 0 to 5"),
        (([0], [], 0), "at least two"),
    ],
)
def test_bad_splines(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spline(*arguments)


def test_bad_names() -> None:
    with pytest.raises(ValueError, match=r'expected one of relu, .*, got "swish"'):
        named("swish")
    with pytest.raises(ValueError, match="expected the keys knots, coefficients, degree"):
        named({"knots": [0, 1]})
