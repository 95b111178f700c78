"""Pass, fail or inconclusive: how a measurement is judged against a prediction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fembridge.problem import Array

Verdict = Literal["pass", "fail", "inconclusive"]
RESAMPLES = 10_000  # of a bootstrap; rarer than one in so many, its extremes stand for its quantiles


def judge(error: float, tolerance: float, noise_floor: float = 0.0) -> Verdict:
    """pass where error ≤ tolerance; otherwise inconclusive where the error is within the noise floor, else fail.

    A NaN is a fail.

    >>> judge(1e-12, 1e-9), judge(1e-3, 1e-9), judge(1e-5, 1e-6, noise_floor=1e-4)
    ('pass', 'fail', 'inconclusive')
    """
    if error <= tolerance:
        return "pass"
    return "inconclusive" if error <= noise_floor else "fail"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """fail if any failed, else inconclusive if any was, else pass."""
    found = set(verdicts)
    return "fail" if "fail" in found else "inconclusive" if "inconclusive" in found else "pass"


def fitted_exponent(x: ArrayLike, y: ArrayLike, confidence: float = 0.99) -> tuple[float, float]:
    """The slope of log|y| against log x by least squares, and the half-width of its confidence interval (Student's t).

    >>> slope, half_width = fitted_exponent([1, 2, 4, 8], [3.0, 12.0, 48.0, 192.0])
    >>> round(slope, 12), half_width < 1e-9
    (2.0, True)
    """
    u, v = np.log(np.asarray(x, dtype=float)), np.log(np.abs(np.asarray(y, dtype=float)))
    if len(u) < 3:
        raise ValueError(f"fitted_exponent: expected at least 3 points, got {len(u)}")
    u = u - u.mean()
    slope = float(u @ v / (u @ u))
    residual = v - v.mean() - slope * u
    deviation = np.sqrt(residual @ residual / (len(u) - 2) / (u @ u))
    return slope, float(stats.t.ppf((1 + confidence) / 2, len(u) - 2) * deviation)


def interval(values: ArrayLike, false_alarm: float) -> tuple[Array, Array]:
    """Ends (M,) of an interval for the mean of each column of values (R, M), one row for each of R seeds.

    It misses the mean with probability `false_alarm`, each column by itself: Student's t interval, which is exact for
    normal values, and where the percentile bootstrap over seeds reaches further, that (B. Efron, R. Tibshirani, An
    Introduction to the Bootstrap, 1993). One seed says nothing: (−∞, ∞). The same values give the same interval.

    Raises ValueError for values that are no matrix of one row or more, or a false alarm that is not between 0 and 1.

    >>> low, high = interval([[1.0], [2.0], [3.0]], 0.05)
    >>> [round(float(end), 3) for end in (low[0], high[0])]           # 2 ± 4.303/√3
    [-0.484, 4.484]
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 2 or not len(x):
        raise ValueError(f"values: expected one row for each seed, got an array of shape {x.shape}")
    if not 0 < false_alarm < 1:
        raise ValueError(f"false_alarm: expected a number between 0 and 1, got {false_alarm:g}")
    if len(x) == 1:
        return np.where(np.isnan(x[0]), x[0], -np.inf), np.where(np.isnan(x[0]), x[0], np.inf)
    mean, deviation = x.mean(axis=0), x.std(axis=0, ddof=1) / np.sqrt(len(x))
    half = stats.t.isf(false_alarm / 2, len(x) - 1) * deviation
    counts = np.random.default_rng(0).multinomial(len(x), np.full(len(x), 1 / len(x)), RESAMPLES)
    low, high = np.quantile(counts @ x / len(x), [false_alarm / 2, 1 - false_alarm / 2], axis=0)
    return np.minimum(mean - half, low), np.maximum(mean + half, high)
