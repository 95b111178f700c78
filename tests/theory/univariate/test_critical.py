"""Critical points from numbers alone, against dense linear algebra on the network's own derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.univariate.critical import (
    Neurons,
    active,
    affine_parts,
    basis,
    gauss_newton,
    lines,
    moments,
    pieces,
    pinned_moments,
    projection,
    residual_terms,
    tangent_kernel,
)


def drawn(h, n, seed=0):
    random = np.random.default_rng(seed)
    w, b, v = random.standard_normal((3, h))
    return np.sort(random.uniform(-1, 1, n)), Neurons(w, b, v), random


def jacobian(x, neurons):
    """Column by column, by its definition."""
    w, b, v = neurons
    on = (np.multiply.outer(x, w) + b > 0).astype(float)
    return np.hstack([v * on * x[:, None], v * on, on * (np.multiply.outer(x, w) + b), np.ones((len(x), 1))])


def test_kernel_and_gauss_newton_are_two_products_of_one_jacobian():
    """Sums of at most 31 products of numbers of order 10: 1e-13."""
    x, neurons, random = drawn(10, 12)
    J, weights = jacobian(x, neurons), random.random(12)
    np.testing.assert_allclose(tangent_kernel(x, neurons, True), J @ J.T, rtol=0, atol=1e-13)
    np.testing.assert_allclose(gauss_newton(x, neurons, weights, True), J.T * weights @ J, rtol=0, atol=1e-13)
    np.testing.assert_allclose(tangent_kernel(x, neurons), J[:, :-1] @ J[:, :-1].T, rtol=0, atol=1e-13)


def test_residual_terms_are_second_differences_of_the_sum_of_errors_times_outputs():
    """Σ c u(θ) is bilinear in (w, b) and v between kinks: differences are exact but for rounding/step²."""
    x, neurons, random = drawn(3, 8)
    c, weights, step = random.standard_normal(8), np.full(8, 1 / 8), 1e-5
    theta = np.concatenate(neurons)

    def total(theta):
        w, b, v = theta.reshape(3, -1)
        return (weights * c) @ (np.maximum(np.multiply.outer(x, w) + b, 0) @ v)

    unit = step * np.eye(9)
    differences = [[total(theta + i + j) - total(theta + i) - total(theta + j) for j in unit] for i in unit]
    on = np.multiply.outer(x, neurons.w) + neurons.b > 0
    found = residual_terms(moments(x, c, weights, on))
    np.testing.assert_allclose(found, (np.array(differences) + total(theta)) / step**2, rtol=0, atol=1e-4)


def test_projection_leaves_an_error_without_moments_on_half_lines():
    x, neurons, random = drawn(5, 30)
    y, weights = random.standard_normal(30), random.random(30)
    on = active(x, -neurons.b / neurons.w, np.sign(neurons.w))
    u = projection(x, y, on, weights, constant=True)
    assert np.abs(moments(x, u - y, weights, on)).max() < 1e-13
    assert abs(weights @ (u - y)) < 1e-13
    np.testing.assert_allclose(projection(x, u, on, weights, constant=True), u, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("breakpoints", "facings", "constant", "rank"),
    [
        ([-0.5, 0.5], [1, 1], False, 4),  # 1 and x on two half-lines
        ([-0.5, 0.5], [1, 1], True, 5),
        ([0.1, 0.1], [1, -1], True, 4),  # both sides of one point: 1 is their sum
        ([-2.0, 0.5], [1, -1], True, 4),  # active everywhere: 1 is there already
        ([2.0], [1], True, 1),  # active nowhere
        ([0.9], [1], False, 1),  # on one datum
        (np.linspace(-0.9, 0.8, 30), np.ones(30), True, 11),  # more than the data
    ],
)
def test_rank_of_the_hessian(breakpoints, facings, constant, rank):
    x = np.linspace(-1, 1, 11)
    on = active(x, np.asarray(breakpoints), np.asarray(facings))
    assert basis(x, on, np.full(11, 1 / 11), constant).shape[1] == rank


def test_half_lines_give_back_a_network_that_fits_its_data():
    x, w, b = np.linspace(-1, 1, 40), np.array([1.0, -2.0, 0.5]), np.array([0.5, 0.3, -0.2])
    v = np.array([1.0, 2.0, -3.0])
    y = np.maximum(np.multiply.outer(x, w) + b, 0) @ v + 0.7
    parts = affine_parts(x, y, active(x, -b / w, np.sign(w)), np.full(40, 1 / 40), constant=True)
    np.testing.assert_allclose(parts, [*zip(v * b, v * w, strict=True), (0.7, 0)], rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="on: expected half-lines whose 7 functions are independent"):
        affine_parts(x, y, np.ones((40, 3), dtype=bool), np.ones(40), constant=True)


def test_pieces_and_their_lines():
    """Breakpoints −½ (left), 0 and ½ (right): left of −½, from 0 to ½ and right of it; not from −½ to 0."""
    x = np.linspace(-0.95, 0.95, 20)
    inside = pieces(x, np.array([0.0, -0.5, 0.5]), np.array([1, -1, 1]))
    np.testing.assert_array_equal(inside, np.stack([x < -0.5, (x > 0) & (x < 0.5), x > 0.5], axis=1))
    y = np.abs(x)
    np.testing.assert_allclose(lines(x, y, np.ones(20), inside), [[0, -1], [0, 1], [0, 1]], rtol=0, atol=1e-13)


def test_what_is_missing_at_pinned_breakpoints():
    found = pinned_moments(np.array([0.5, 2.0]), np.array([1.0, -3.0]), np.full(2, 0.5), np.array([1]), np.array([0.2]))
    np.testing.assert_allclose(found, [[-0.3, -0.6]], rtol=0, atol=1e-15)
