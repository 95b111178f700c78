"""Splines of least norm against cases that can be solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.univariate.sparse import least_norm


def test_it_interpolates_and_its_norm_is_that_of_its_knots() -> None:
    x, y = np.linspace(-1, 1, 6), np.array([1.0, 0.3, 0.0, 0.1, 0.4, 1.3])
    found = least_norm(x, y, angles=1024)
    assert np.abs(found(x) - y).max() < 1e-9
    assert found.norm == pytest.approx(np.abs(found.delta_slopes) @ np.hypot(1, found.breakpoints), rel=1e-9)
    assert (np.diff(found.breakpoints) >= 0).all() and set(found.orientations) <= {-1.0, 1.0}


def test_data_that_turn_at_every_sample_have_their_knots_there() -> None:
    x, y = np.linspace(-1, 1, 6), np.array([0.0, 0.5, -0.5, 0.5, -0.5, 0.0])
    found = least_norm(x, y, angles=1024)
    assert np.abs(np.subtract.outer(found.breakpoints, x)).min(axis=1).max() < 1e-12
    grid = np.linspace(-1, 1, 101)
    assert np.abs(found(grid) - np.interp(grid, x, y)).max() < 1e-9


def test_two_turns_the_same_way_are_one_knot_between() -> None:
    """|x| seen at ±1 and ±2: lines meet at 0, with Σ |μ| √(1 + β²) = 2 for the two facings."""
    found = least_norm([-2.0, -1.0, 1.0, 2.0], [2.0, 1.0, 1.0, 2.0], angles=2001)  # an odd number: 0 is among them
    assert np.abs(found.breakpoints).max() < 1e-12 and found.norm == pytest.approx(2.0, rel=1e-9)
    assert found([0.0, 0.5]) == pytest.approx([0.0, 0.5], abs=1e-9)


def test_more_angles_only_lower_the_norm() -> None:
    x, y = np.array([-1.0, -0.3, 0.4, 1.0]), np.array([1.0, 0.2, 0.1, 0.9])
    norms = [least_norm(x, y, angles=n).norm for n in (27, 81, 243, 2187)]  # midpoints of n are among those of 3n
    assert (np.diff(norms) <= 1e-12).all() and norms[-2] - norms[-1] < (np.pi / 243) ** 2 * norms[-1]


def test_data_that_are_none_are_one_line() -> None:
    with pytest.raises(ValueError, match="data: expected different x"):
        least_norm([0.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"data: expected finite x \(N,\)"):
        least_norm([0.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="angles"):
        least_norm([0.0, 1.0], [1.0, 0.0], angles=0)
