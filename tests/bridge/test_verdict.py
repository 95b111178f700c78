"""Verdicts and fitted exponents."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.bridge.verdict import fitted_exponent, interval, judge, worst


def test_judge() -> None:
    assert judge(0.0, 0.0) == "pass"
    assert judge(float("nan"), 1.0) == "fail"
    assert judge(float("inf"), 1.0, noise_floor=1.0) == "fail"
    assert judge(2.0, 1.0, noise_floor=2.0) == "inconclusive"


def test_worst() -> None:
    assert worst([]) == worst(["pass"]) == "pass"
    assert worst(["pass", "inconclusive"]) == "inconclusive"
    assert worst(["inconclusive", "fail", "pass"]) == "fail"


def test_the_interval_covers_the_exponent_as_often_as_it_says() -> None:
    rng, x = np.random.default_rng(0), np.array([1.0, 2, 4, 8, 16, 32])
    inside = 0
    for _ in range(2000):
        slope, half = fitted_exponent(x, x**-4.0 * np.exp(0.1 * rng.standard_normal(6)))
        inside += abs(slope + 4) <= half
    # 99 % of 2,000: 1980 ± 4.4, of which five deviations are allowed.
    assert 1958 <= inside <= 2000


def test_too_few_points() -> None:
    with pytest.raises(ValueError, match="at least 3 points, got 2"):
        fitted_exponent([1, 2], [1, 2])


def test_an_interval_over_seeds_misses_the_mean_no_more_often_than_it_says() -> None:
    rng, missed = np.random.default_rng(1), 0
    for _ in range(20):
        low, high = interval(rng.standard_normal((8, 100)), 0.05)
        missed += int(((low > 0) | (high < 0)).sum())
    # 5 % of 2,000: 100 ± 9.7, of which five deviations are allowed; the bootstrap only widens it.
    assert 20 < missed < 150


def test_intervals_of_few_seeds_and_of_no_numbers() -> None:
    assert np.isinf(interval([[1.0, 2.0]], 0.05)).all()
    assert np.isnan(interval([[np.nan], [1.0]], 0.05)).all()
    assert interval([[1.0], [1.0], [1.0]], 1e-3)[0] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="values: expected one row for each seed"):
        interval([1.0, 2.0], 0.05)
    with pytest.raises(ValueError, match="false_alarm: expected a number between 0 and 1, got 2"):
        interval([[1.0]], 2.0)
