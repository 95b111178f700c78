"""Gram matrices as congruences, against quadrature of the features and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfem import BilinearForm

from fembridge.problem import composite_gauss
from fembridge.theory.features import Features, breakpoints, check_knots, grid, on_knots
from fembridge.theory.grams import coefficients, dense, feature_space, gram, nodal_to_relu, relu_to_nodal
from fembridge.theory.meshes import interval_mesh, interval_nodes
from fembridge.theory.spaces import assemble, space
from fembridge.theory.splines import ACTIVATIONS, leaky_relu, named, spline

RNG = np.random.default_rng(0)
KNOTS = np.sort(RNG.random(20))
WEIGHTS, BIASES = RNG.standard_normal(20), RNG.standard_normal(20)
USER = spline([0, 0.4, 1.0, 2.2], [1.0, -0.5], 1)
ALL = [*ACTIVATIONS.values(), leaky_relu(0.3), USER]


def quadrature_gram(features: Features, derivative: bool) -> np.ndarray:
    nodes = interval_nodes(features.domain, breakpoints(features))
    x, w = composite_gauss(nodes, 6)
    sigma = features.activation.derivative() if derivative else features.activation
    phi = sigma(np.multiply.outer(x, features.weights) + features.biases) * (features.weights if derivative else 1)
    return np.asarray(phi.T @ (w[:, None] * phi))


@pytest.mark.parametrize("sigma", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize("form", ["mass", "stiffness"])
@pytest.mark.parametrize("random", [False, True])
def test_gram_against_quadrature(sigma, form: str, random: bool) -> None:  # type: ignore[no-untyped-def]
    if form == "stiffness" and sigma.degree == 0:
        pytest.skip("jumps have no square-integrable derivative")
    features = Features(sigma, WEIGHTS, BIASES, (-1.0, 1.5)) if random else on_knots(sigma, KNOTS)
    exact = quadrature_gram(features, form == "stiffness")
    # Products with entries 1/h of the stiffness matrix round by ε/h.
    h = np.diff(feature_space(features).mesh.p[0]).min()
    tolerance = 1e-13 * np.abs(exact).max() * (1 / h if form == "stiffness" else 1)
    assert np.abs(dense(gram(features, form)) - exact).max() < tolerance


@pytest.mark.parametrize("sigma", ALL, ids=lambda s: s.name)
def test_features_are_in_the_space(sigma) -> None:  # type: ignore[no-untyped-def]
    features = Features(sigma, WEIGHTS, BIASES, (-1.0, 1.5))
    basis = feature_space(features)
    c = coefficients(features, basis).toarray()
    x = basis.global_coordinates()[0]
    for j in range(len(features)):
        exact = features(x.ravel())[:, j].reshape(x.shape)
        assert np.abs(basis.interpolate(c[:, j]) - exact).max() < 1e-13 * max(1, np.abs(c).max())


def test_a_users_bilinear_form() -> None:
    @BilinearForm
    def weighted(u, v, w):  # type: ignore[no-untyped-def]
        return (1 + w.x[0]) * u * v

    features = on_knots("relu", KNOTS)
    x, w = composite_gauss(interval_nodes((0.0, 1.0), KNOTS), 6)
    phi = features(x)
    exact = phi.T @ ((w * (1 + x))[:, None] * phi)
    # The basis integrates degree 2; its product with 1 + x is of degree 3, which two Gauss points still do.
    assert np.abs(gram(features, weighted) - exact).max() < 1e-14


def test_a_form_that_oscillates_needs_its_order() -> None:
    @BilinearForm
    def waves(u, v, w):  # type: ignore[no-untyped-def]
        return np.cos(50 * w.x[0]) * u * v

    features = on_knots("relu", grid(8))
    x, w = composite_gauss(np.linspace(0, 1, 65), 12)
    phi = features(x)
    exact = phi.T @ ((w * np.cos(50 * x))[:, None] * phi)
    assert np.abs(gram(features, waves, intorder=30) - exact).max() < 1e-14
    assert np.abs(gram(features, waves, intorder=2) - exact).max() > 1e-4


def test_hat_gram_is_the_mass_matrix() -> None:
    n = 10
    mass = assemble("mass", space(interval_mesh(np.linspace(0, 1, n + 1)), 1)).toarray()[1:, 1:]
    assert np.abs(dense(gram(on_knots("hat", grid(n)))) - mass).max() < 1e-15
    assert np.abs(dense(gram(on_knots("hat", grid(n), weight_scale=0.5))) - mass).max() > 1e-2


def test_compact_grams_are_sparse() -> None:
    matrix = gram(on_knots("hat", grid(1000)))
    assert matrix.nnz == 3 * 1000 - 2  # type: ignore[union-attr]


@given(st.lists(st.floats(1e-3, 1), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_change_of_basis_and_back(steps: list[float], seed: int) -> None:
    nodes = np.concatenate([[0], np.cumsum(steps)])
    c, inverse = relu_to_nodal(nodes[:-1], nodes[-1]), nodal_to_relu(nodes[:-1], nodes[-1])
    n, rng = len(steps), np.random.default_rng(seed)
    v, u = rng.standard_normal(n), rng.standard_normal(n)
    exact = np.maximum(nodes[1:, None] - nodes[:-1], 0)
    eps = n * np.finfo(float).eps
    assert np.abs(c @ np.eye(n) - exact).max() <= eps * nodes[-1]
    assert np.abs(c @ v - exact @ v).max() <= 4 * eps * nodes[-1] * np.abs(v).sum()
    h = np.diff(nodes)
    assert np.abs(inverse @ (c @ v) - v).max() <= 16 * eps * (nodes[-1] / h.min()) * np.abs(v).sum()
    assert u @ (c @ v) == pytest.approx((c.T @ u) @ v, abs=16 * eps * nodes[-1] * np.abs(u).sum() * np.abs(v).sum())
    assert u @ (inverse @ v) == pytest.approx(
        (inverse.T @ u) @ v, abs=64 * eps / h.min() * np.abs(u).sum() * np.abs(v).sum()
    )


def test_nodes_merge_round_off_alone() -> None:
    nodes = interval_nodes((0.0, 1.0), [0.3, 0.3 + 1e-16, 0.3 + 1e-9, -1.0, 2.0, 1 - 1e-16])
    assert nodes.tolist() == [0.0, 0.3, 0.3 + 1e-9, 1.0]


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        ([0.1], "at least 2"),
        ([[0.1, 0.2]], "one row"),
        ([0.1, np.nan], "knot 1 is not finite"),
        ([0.2, 0.1], "unsorted"),
        ([0.1, 0.1], "repeated"),
        ([-0.1, 0.5], r"inside the domain \[0, 1\), got -0.1"),
        ([0.1, 1.0], r"inside the domain \[0, 1\), got 1"),
    ],
)
def test_bad_knots(knots: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_knots(knots, (0.0, 1.0))


def test_bad_features() -> None:
    relu = named("relu")
    with pytest.raises(ValueError, match="inner weight of neuron 1 is zero"):
        Features(relu, np.array([1.0, 0.0]), np.zeros(2), (0.0, 1.0))
    with pytest.raises(ValueError, match="one weight and one bias"):
        Features(relu, np.ones(2), np.zeros(3), (0.0, 1.0))
    with pytest.raises(ValueError, match="finite"):
        Features(relu, np.array([np.inf]), np.zeros(1), (0.0, 1.0))
    with pytest.raises(ValueError, match="expected finite ends a < b, got"):
        on_knots("relu", [0.1, 0.2], (1.0, 0.0))
    with pytest.raises(ValueError, match="weight_scale: expected a positive number"):
        on_knots("relu", [0.1, 0.2], weight_scale=0.0)
    with pytest.raises(ValueError, match="whole number of at least 2, got 1"):
        grid(1)
    with pytest.raises(ValueError, match='expected one of mass, stiffness, h1, got "l2"'):
        gram(on_knots("relu", [0.1, 0.2]), "l2")
