"""Minimisers of ∫ f''²/ζ, with and without a price of the affine part, against splines and reproducing kernels."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.interpolate import CubicSpline

from fembridge.problem import Array
from fembridge.theory.univariate.initial import Start, curvature_density
from fembridge.theory.univariate.variational import (
    deviation_covariance,
    fourth_density,
    minimiser,
    moments,
    nearest_weights,
)

X, Y = np.array([-0.9, -0.55, -0.3, 0.1, 0.35, 0.8]), np.array([1.3, 0.5, 1.4, 1.2, 0.6, 1.6])
DOMAIN, GRID = (-1.25, 1.5), np.linspace(-1.25, 1.5, 111)
LAWS = {"normal": Start("normal", 1.0, 0.7, 1.0), "uniform": Start("uniform", 0.8, 1.3, 1.0)}


def kernel(law: Start, x: Array, z: Array) -> Array:
    """½ ∫ [(x − t)₊(z − t)₊ + (t − x)₊(t − z)₊] ζ(t) dt by quadrature, each side alone."""
    zeta = partial(curvature_density, law)

    def side(a: float, b: float, low: float, high: float) -> float:
        corners = [low, *(t for t in (-law.b / law.w, law.b / law.w) if low < t < high), high]
        pieces = pairwise(corners)
        return sum(quad(lambda t: (a - t) * (b - t) * float(zeta(t)), *piece, epsabs=1e-13)[0] for piece in pieces)

    K = [[side(a, b, -np.inf, min(a, b)) + side(a, b, max(a, b), np.inf) for b in z] for a in x]
    return np.array(K) / 2


@pytest.mark.parametrize("name", LAWS)
def test_the_minimiser_is_that_of_the_reproducing_kernel(name: str) -> None:
    law, points = LAWS[name], np.array([-1.25, -0.7, 0.0, 0.6, 1.5])
    K, between = kernel(law, X, X), kernel(law, points, X)
    found = minimiser(X, np.column_stack([Y, np.eye(len(X))]), partial(curvature_density, law), DOMAIN, cells=64)
    weights = np.linalg.solve(K, Y)
    assert np.abs(found(points)[:, 0] - between @ weights).max() < 1e-6
    assert np.abs(found(points)[:, 1:] - np.linalg.solve(K, between.T).T).max() < 1e-6
    assert found.energy[0] == pytest.approx(Y @ weights, rel=1e-7)
    assert np.abs(found.multipliers[:, 0] - weights).max() < 1e-5 * np.abs(weights).max()
    fit = minimiser(X, Y, partial(curvature_density, law), DOMAIN, cells=64, ridge=0.01)
    smooth = between @ np.linalg.solve(K + 0.01 * np.eye(len(X)), Y)
    assert np.abs(fit(points)[:, 0] - smooth).max() < 1e-6


def arcs(x: Array, z: Array) -> Array:
    """|u||u'|(sin θ + (π − θ) cos θ)/2π with u = (x, 1), of standard normal w and b: Cho and Saul, arXiv 1112.3712."""
    u, v = (np.column_stack([at, np.ones_like(at)]) for at in (x, z))
    size = np.outer(np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1))
    theta = np.arccos(np.clip(u @ v.T / size, -1, 1))
    return np.asarray(size * (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / (2 * np.pi))


STANDARD = Start("normal", 1.0, 1.0, 1.0)


def test_normal_weights_have_the_kernel_of_arcs() -> None:
    assert np.abs(kernel(STANDARD, X, X) - arcs(X, X)).max() < 1e-8


def test_errors_fall_like_the_fourth_power_of_the_mesh() -> None:
    exact, zeta = arcs(GRID, X) @ np.linalg.solve(arcs(X, X), Y), partial(curvature_density, STANDARD)
    cells = np.array([2, 4, 8, 16])
    errors = [np.abs(minimiser(X, Y, zeta, DOMAIN, cells=int(n))(GRID)[:, 0] - exact).max() for n in cells]
    slope = np.polyfit(np.log(cells), np.log(errors), 1)[0]
    assert -4.2 < slope < -3.8 and errors[-1] < 1e-5


def test_a_constant_density_gives_the_natural_spline_and_lines_beyond_the_data() -> None:
    natural = CubicSpline(X, Y, bc_type="natural")
    found = minimiser(X, Y, np.ones_like, DOMAIN, affine="free", cells=4)
    inside = (GRID >= X[0]) & (GRID <= X[-1])
    assert np.abs(found(GRID[inside])[:, 0] - natural(GRID[inside])).max() < 1e-9
    after = Y[-1] + (GRID[GRID > X[-1]] - X[-1]) * natural(X[-1], 1)
    before = Y[0] + (GRID[GRID < X[0]] - X[0]) * natural(X[0], 1)
    assert np.abs(found(GRID[GRID > X[-1]])[:, 0] - after).max() < 1e-8
    assert np.abs(found(GRID[GRID < X[0]])[:, 0] - before).max() < 1e-8


def test_a_free_affine_part_is_added_and_a_penalised_one_is_not() -> None:
    zeta, line = partial(curvature_density, LAWS["uniform"]), 3 - 2 * X
    for affine, added in (("free", True), ("penalised", False)):
        one, other = (minimiser(X, data, zeta, DOMAIN, affine=affine)(GRID)[:, 0] for data in (Y, Y + line))  # type: ignore[arg-type]
        assert bool(np.abs(other - one - 3 + 2 * GRID).max() < 1e-8) is added


def test_uniform_breakpoints_have_a_cubic_kernel() -> None:
    """|w| = 1, breakpoints on ±B: K = (x z + B²/3)/2 + |x − z|³/24B."""
    B = 3.0
    found = minimiser(X, Y, lambda t: np.where(np.abs(t) <= B, 0.5 / B, 0.0), (-B, B), cells=2)
    K, between = ((np.outer(x, X) + B**2 / 3) / 2 + np.abs(np.subtract.outer(x, X)) ** 3 / (24 * B) for x in (X, GRID))
    assert np.abs(found(GRID)[:, 0] - between @ np.linalg.solve(K, Y)).max() < 1e-9


@pytest.mark.parametrize("name", LAWS)
def test_the_fourth_density_and_moments_are_those_of_draws(name: str) -> None:
    """∫ p E[w⁴|β] dβ = E w⁴, ∫ ζ (1, β²) dβ = E w², E b²."""
    law = LAWS[name]
    total = quad(lambda t: float(fourth_density(law, t)), -np.inf, np.inf, limit=200)[0]
    fourth, second = (3.0, 1.0) if name == "normal" else (1 / 5, 1 / 3)
    assert total == pytest.approx(fourth * law.w**4, rel=1e-7)
    M = moments(partial(curvature_density, law), (-np.inf, np.inf))
    assert np.abs(M - second * np.diag([law.w**2, law.b**2])).max() < 1e-7


def test_the_deviation_of_wide_networks_has_the_predicted_variance() -> None:
    """600 interpolants of 1,000 neurons: a variance to 4.5 standard deviations, √(2/600) each, and 3 % of next order;
    fewer, larger data leave a small next order.
    """
    law, x, y, points = LAWS["normal"], np.array([-1.0, 0.2, 1.0]), np.array([1.0, 0.3, 1.5]), np.array([-0.5, 0.6])
    random, found = np.random.default_rng(0), []
    for _ in range(600):
        w, b = random.normal(size=(2, 1000)) * np.array([[law.w], [law.b]])
        v = nearest_weights(w, b, np.zeros(1000), x, y)
        found.append(np.maximum(np.outer(points, w) + b, 0) @ v)
    ratio = 1000 * np.cov(np.array(found).T) / deviation_covariance(law, x, y, points)
    assert np.abs(np.diag(ratio) - 1).max() < 4.5 * np.sqrt(2 / 600) + 0.03


def test_the_nearest_weights_interpolate_and_stay_near() -> None:
    random = np.random.default_rng(1)
    w, b, v = random.normal(size=(3, 40))
    moved = nearest_weights(w, b, v, X, Y)
    features = np.maximum(np.outer(X, w) + b, 0)
    assert np.abs(features @ moved - Y).max() < 1e-8
    rows = np.linalg.qr(features.T)[0]
    assert np.abs((moved - v) - rows @ (rows.T @ (moved - v))).max() < 1e-9  # no part that the data do not see


def test_what_cannot_be_minimised_is_one_line() -> None:
    for data, message in ((([0.0, 0.0], [1.0, 2.0]), "different x"), (([0.0], [1.0]), "two or more")):
        with pytest.raises(ValueError, match=message):
            minimiser(*data, np.ones_like, (-1.0, 1.0), affine="free")
    for x, y in (([0.0, 2.0], [0.0, 1.0]), ([0.0, np.nan], [0.0, 1.0])):
        with pytest.raises(ValueError, match=r"data: expected finite numbers, x in \[-1, 1\]"):
            minimiser(x, y, np.ones_like, (-1.0, 1.0), affine="free")
    with pytest.raises(ValueError, match=r"data: expected x \(N,\)"):
        minimiser([0.0], [0.0, 1.0], np.ones_like, (-1.0, 1.0))
    with pytest.raises(ValueError, match="density: expected finite positive"):
        minimiser(X, Y, np.zeros_like, DOMAIN, affine="free")
    with pytest.raises(ValueError, match="density: expected ∫ x²ζ"):
        minimiser(X, Y, lambda t: 1 / (1 + t**2), DOMAIN)
    with pytest.raises(ValueError, match='affine: expected "penalised" or "free"'):
        minimiser(X, Y, np.ones_like, DOMAIN, affine="fixed")  # type: ignore[arg-type]
    for options, name in (({"cells": 0}, "cells"), ({"ridge": -1.0}, "ridge")):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            minimiser(X, Y, np.ones_like, DOMAIN, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="x: expected points in"):
        minimiser(X, Y, np.ones_like, DOMAIN, affine="free")([2.0])
