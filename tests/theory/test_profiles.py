"""Ridges on the circle: cosine series against samples, and the kernel that they make."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory import profiles


@pytest.mark.parametrize("r", [0.5, 1.5, 4.0])
def test_seagull_series(r: float) -> None:
    b = np.array([-3.0, -0.4, 0.0, 1.0])
    sampled = profiles.sampled(lambda z: np.log1p(z**2), r, b, 12)
    assert np.abs(profiles.seagull(r, b, 12) - sampled).max() < 1e-13


def test_through_the_middle_it_decays_like_the_transform() -> None:
    """For large r, a_k = (4/k) e^{−k/r} at even k, the values of (2/πr) |σ̂(k/r)|; and 0 at odd k, by symmetry."""
    a = profiles.seagull(200.0, [0.0], 9)[0]
    assert np.abs(a[1::2]).max() < 1e-13
    assert np.abs(a[2::2]) == pytest.approx(4 / np.arange(2, 9, 2) * np.exp(-np.arange(2, 9, 2) / 200), rel=1e-4)


def test_eigenvalues_of_the_sampled_kernel() -> None:
    n, r, b = 64, 1.5, np.array([-0.5, 0.25])
    theta = 2 * np.pi * np.arange(n) / n
    turned = r * np.cos(theta[:, None] - theta)[..., None] + b
    phi = np.log1p(turned**2).reshape(n, -1)
    row = (phi @ phi.T)[0] / n
    k = np.arange(6)
    assert np.fft.fft(row).real[k] == pytest.approx(profiles.eigenvalues(profiles.seagull(r, b, 6), n), rel=1e-9)


def test_a_radius_is_positive() -> None:
    with pytest.raises(ValueError, match="r: expected a positive radius, got 0"):
        profiles.seagull(0.0, [1.0], 3)
