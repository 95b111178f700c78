"""Sines of random frequencies: kernels are the transforms of their laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from fembridge.theory import periodic


@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_the_kernel_is_the_transform_of_the_law(law: periodic.Law) -> None:
    for lag in (0.0, 0.3, 2.0):
        reach = 30.0 if law == "normal" else 3.0
        integral = quad(lambda w, t=lag: periodic.density(law, 3.0, w) * np.cos(w * t), -reach, reach)[0]
        assert periodic.kernel(law, 3.0, lag) == pytest.approx(integral, abs=1e-8)


def test_rayleigh_coefficients_are_those_of_the_matrix() -> None:
    n, x = 24, np.arange(24) / 24
    matrix = periodic.kernel("uniform", 40.0, x[:, None] - x)
    wave = np.exp(2j * np.pi * 3 * x)
    assert periodic.rayleigh("uniform", 40.0, n, [3])[0] == pytest.approx((wave.conj() @ matrix @ wave).real / n**2)


def test_an_unknown_law() -> None:
    with pytest.raises(ValueError, match='law: expected "normal" or "uniform", got \'cauchy\''):
        periodic.kernel("cauchy", 1.0, 0.5)  # type: ignore[arg-type]
