"""Kernels of products of ReLU layers on the circle."""

import numpy as np
import pytest

from fembridge.theory.circles import tangent_kernel
from fembridge.theory.duals import relu_dual
from fembridge.theory.products import (
    product_amplitudes,
    product_eigenvalues,
    product_kernel,
    product_tail,
    sampled_product_eigenvalues,
)

ANGLE = np.linspace(-np.pi, np.pi, 41)


def test_one_factor_is_a_shallow_network() -> None:
    assert np.allclose(product_kernel(ANGLE, 1), tangent_kernel(ANGLE) + relu_dual(np.cos(ANGLE)), atol=1e-15)


@pytest.mark.parametrize("factors", [1, 2, 3])
def test_eigenvalues_against_a_fine_grid_and_their_tail(factors: int) -> None:
    k = np.arange(12)
    assert np.allclose(sampled_product_eigenvalues(2**15, factors)[k], product_eigenvalues(k, factors), atol=1e-9)
    assert product_eigenvalues(150, factors) == pytest.approx(product_tail(150, factors), rel=0.01)
    assert (product_eigenvalues(np.arange(40), factors) > 0).all()


def test_all_products_fall_like_the_square() -> None:
    """The exponent from k = 75 to 150 is −2 for any number of factors."""
    for factors in (1, 2, 4):
        low, high = product_eigenvalues([75, 150], factors)
        assert np.log2(low / high) == pytest.approx(2, abs=0.02)


def test_amplitudes_follow_one_mode() -> None:
    r = 3 * np.cos(2 * 2 * np.pi * np.arange(32) / 32)
    found = product_amplitudes(r, 2, 0.5, [0, 1, 7])
    decay = (1 - 0.5 * sampled_product_eigenvalues(32, 2)[2]) ** np.array([0, 1, 7])
    assert np.allclose(found, 3 / np.sqrt(2) * decay, rtol=1e-13)


def test_frequencies_beyond_the_quadrature_are_refused() -> None:
    with pytest.raises(ValueError, match="k: expected frequencies up to 200, got 201"):
        product_eigenvalues(201, 1)
