"""Pass, fail or inconclusive: how a measurement is judged against a prediction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

Verdict = Literal["pass", "fail", "inconclusive"]


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
