"""Minimisers of seminorms against splines, quadrature, their variational property, and networks of dense features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.special import ive

from fembridge.networks.activations import activation
from fembridge.networks.interpolation import least_norm
from fembridge.networks.ridges import ridges
from fembridge.theory.radon.interpolants import deviation, interpolant, kernel, monomials, spectral_kernel
from fembridge.theory.radon.transforms import power_spectrum
from fembridge.theory.splines import autocorrelation, bspline, hat

X = np.array([-3.0, -2.1, -0.8, 0.1, 1.3, 3.0])[:, None]
Y = np.array([0.2, 1.0, -0.6, 0.4, -1.0, 0.7])
GRID = np.linspace(-3, 3, 41)[:, None]
PLANE = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.2, 1.0], [0.1, 0.2], [0.3, -0.9]])
SQUARE = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), axis=-1).reshape(-1, 2)


def test_relu_is_the_natural_cubic_spline() -> None:
    f, cubic = interpolant(kernel("relu", 1), X, Y), CubicSpline(X[:, 0], Y, bc_type="natural")
    assert np.abs(f(GRID) - cubic(GRID[:, 0])).max() < 1e-12 and f.residual < 1e-13
    t, w = np.polynomial.legendre.leggauss(2)
    cells = [(a, b) for a, b in zip(X[:-1, 0], X[1:, 0], strict=True)]
    energy = sum((b - a) / 2 * w @ cubic((a + b) / 2 + (b - a) / 2 * t, 2) ** 2 for a, b in cells)
    assert f.seminorm == pytest.approx(energy, rel=1e-12)


def test_steps_are_linear_splines() -> None:
    f = interpolant(kernel("step", 1), X, Y)
    assert np.abs(f(GRID) - np.interp(GRID[:, 0], X[:, 0], Y)).max() < 1e-13
    assert f.seminorm == pytest.approx((np.diff(Y) ** 2 / np.diff(X[:, 0])).sum())


def test_splines_have_their_autocorrelation() -> None:
    for sigma in (hat(), bspline(2)):
        found = kernel(sigma, 1).profile(np.arange(len(autocorrelation(sigma)), dtype=float))
        assert np.abs(found - autocorrelation(sigma)).max() < 1e-12


def test_gaussians_of_two_dimensions() -> None:
    rho = np.linspace(0, 4, 9)
    assert kernel("gaussian", 2).profile(rho) == pytest.approx(np.sqrt(np.pi) * ive(0, rho**2 / 8), rel=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gaussian"])
def test_closed_forms_are_their_spectra(name: str, dimension: int) -> None:
    """But for a constant, where the spectrum has a pole."""
    closed, rho = kernel(name, dimension), np.linspace(0, 5, 11)
    numerical = spectral_kernel(lambda s: power_spectrum(name, s), closed.poles, dimension, 24.0)
    difference = closed.profile(rho) - numerical.profile(rho)
    assert np.ptp(difference) < 1e-11 and (closed.poles or np.abs(difference).max() < 1e-11)


def test_softplus_tends_to_relu() -> None:
    """Of data that lie far apart; |σ̂|² = s⁻⁴(1 − (πs)²/3 …)."""
    far = [
        np.abs(
            interpolant(kernel("softplus", 1), t * X, Y)(t * GRID) - interpolant(kernel("relu", 1), X, Y)(GRID)
        ).max()
        for t in (10.0, 20.0)
    ]
    assert far[1] < 0.03 and far[0] / far[1] == pytest.approx(4, rel=0.25)


def test_no_other_interpolant_has_a_smaller_seminorm() -> None:
    """f = minimiser + a combination of kernels that vanishes at the data."""
    law, more = kernel("gaussian", 2), np.array([[0.5, 0.5], [-0.4, 0.1]])
    y = np.arange(6.0) % 3
    f = interpolant(law, PLANE, y)
    for shift in (0.01, -0.3):
        other = interpolant(law, np.vstack([PLANE, more]), np.append(y, f(more) + shift))
        assert np.abs(other(PLANE) - y).max() < 1e-10 and other.seminorm > f.seminorm


@pytest.mark.parametrize(
    ("name", "reach", "tolerance"),
    [
        ("relu", (0, 0), 3e-5),
        ("relu2", (0, 0), 1e-4),
        ("hat", (0, 2), 3e-5),
        ("tanh", (-6, 6), 1e-9),
        ("gaussian", (-5, 5), 1e-9),
    ],
)
def test_equispaced_features_have_the_same_interpolant(name: str, reach: tuple[float, float], tolerance: float) -> None:
    """4,000 offsets each way are a trapezoidal sum of the kernel, of an error 1e-6 where it has kinks, else e^{−24}."""
    low, high = -3.0 - reach[1], 3.0 - reach[0]
    gamma = low + (high - low) * (np.arange(4000) + 0.5) / 4000
    xi = np.repeat([1.0, -1.0], 4000)[:, None]
    law = kernel(name, 1)
    f = interpolant(law, X, Y)
    model = ridges(activation(name), xi, -np.tile(gamma, 2), np.zeros(8000))
    found = least_norm(model, X, Y, GRID, law.poles)
    assert np.abs(found.values - f(GRID)).max() < tolerance and found.residual < 1e-10
    assert 8000 * found.square / (high - low) == pytest.approx(f.seminorm, rel=10 * tolerance)


def test_affine_functions_cost_relu_nothing() -> None:
    f = interpolant(kernel("relu", 2), PLANE, PLANE @ [2.0, -1.0] + 3)
    assert np.abs(f(SQUARE) - SQUARE @ [2.0, -1.0] - 3).max() < 1e-12 and abs(f.seminorm) < 1e-12


def test_deviations_fall_to_nothing_at_the_data() -> None:
    f = interpolant(kernel("relu", 1), X, Y)
    found = deviation(f, lambda z: np.maximum(z, 0), (-3.0, 3.0), np.vstack([X, GRID]))
    assert found[: len(X)].max() < 1e-10 and found[len(X) :].max() > 0.1


def test_monomials() -> None:
    assert monomials(PLANE, 0).shape == (6, 0) and monomials(PLANE, 3).shape == (6, 6)


def test_wrong_arguments_raise() -> None:
    with pytest.raises(ValueError, match="activation: expected"):
        kernel("swish", 1)
    with pytest.raises(ValueError, match="dimension: expected"):
        kernel("relu", 0)
    with pytest.raises(ValueError, match="points: expected"):
        interpolant(kernel("relu", 2), X, Y)
    with pytest.raises(ValueError, match="points: expected distinct"):
        interpolant(kernel("relu", 1), np.vstack([X, X[:1]]), np.append(Y, 0.0))
    with pytest.raises(ValueError, match="points: expected distinct"):
        interpolant(kernel("relu", 2), [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], [0.0, 1.0, 0.0])
