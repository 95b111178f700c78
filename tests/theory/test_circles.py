"""The tangent kernel on the circle against quadrature, and against a network."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.circles import loss_on_circle, sampled_eigenvalues, tangent_eigenvalues, tangent_kernel


@pytest.mark.parametrize("bias", [True, False])
def test_eigenvalues_are_integrals_of_the_kernel(bias: bool) -> None:
    z, w = np.polynomial.legendre.leggauss(60)  # exact to round-off: (cos θ + 1)(π − θ) cos kθ on [0, π], k ≤ 12
    theta = np.pi * (z + 1) / 2
    k = np.arange(13)
    integrals = (np.cos(np.outer(k, theta)) * tangent_kernel(theta, bias)) @ w / 2
    assert np.allclose(integrals, tangent_eigenvalues(k, bias), rtol=0, atol=1e-14)


def test_the_kernel_is_even_and_periodic() -> None:
    theta = np.linspace(0, np.pi, 50)
    for other in (-theta, theta + 2 * np.pi):
        assert np.allclose(tangent_kernel(other), tangent_kernel(theta), atol=1e-7)  # arccos at its ends: √ε


@pytest.mark.parametrize("bias", [True, False])
def test_sampled_eigenvalues_are_those_of_the_matrix_and_sums_of_aliases(bias: bool) -> None:
    n = 20
    angle = 2 * np.pi * np.arange(n) / n
    dense = np.linalg.eigvalsh(tangent_kernel(np.subtract.outer(angle, angle), bias) / n)
    ours = sampled_eigenvalues(n, bias)
    assert np.allclose(np.sort(ours), dense, rtol=0, atol=1e-8)  # the kernel itself is good to √ε at θ = 0
    aliases = np.arange(n) + n * np.arange(-2000, 2001)[:, None]
    assert np.allclose(ours, tangent_eigenvalues(aliases, bias).sum(axis=0), rtol=0, atol=2 / (np.pi * n) ** 2 / 2000)


def test_the_loss_is_that_of_gradient_descent_with_the_matrix() -> None:
    n, rate = 12, 3.0
    angle = 2 * np.pi * np.arange(n) / n
    step = np.eye(n) - rate * tangent_kernel(np.subtract.outer(angle, angle)) / n
    r = np.random.default_rng(0).standard_normal(n)
    expected = [np.mean((np.linalg.matrix_power(step, t) @ r) ** 2) / 2 for t in (0, 1, 7, 40)]
    assert np.allclose(loss_on_circle(r, rate, [0, 1, 7, 40]), expected, rtol=1e-6)


def test_odd_frequencies_vanish_without_biases_and_rates_fall_like_squares() -> None:
    assert (tangent_eigenvalues([3, 5, 99], bias=False) == 0).all()
    k = np.array([100, 101, 200, 201])
    assert np.allclose(tangent_eigenvalues(k) * k**2 * np.pi**2, 1, atol=4e-4)  # 1 + 3/k² for even k
    assert (tangent_eigenvalues(-k) == tangent_eigenvalues(k)).all()
