"""Power in octaves of frequency."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.bridge.bands import octaves


@pytest.mark.parametrize("shape", [(17,), (8, 8), (5, 12), (4, 5, 6)])
def test_powers_add_up_to_the_mean_square(shape: tuple[int, ...]) -> None:
    r = np.random.default_rng(0).standard_normal((3, 2, int(np.prod(shape))))
    lower, power = octaves(r, shape)
    assert power.shape == (3, 2, len(lower))
    assert np.allclose(power.sum(axis=-1), (r**2).mean(axis=-1), rtol=1e-13)
    highest = np.sqrt(sum((n - 1) ** 2 for n in shape)) / 2
    assert lower[-1] <= highest < 2 * lower[-1]


@pytest.mark.parametrize(
    ("index", "band"), [((0, 0), 0), ((1, 0), 1), ((1, 1), 1), ((0, 2), 2), ((3, 3), 3), ((8, 0), 4)]
)
def test_a_mode_lies_in_its_band(index: tuple[int, int], band: int) -> None:
    n, (i, j) = 16, index
    q = (np.arange(n) + 0.5) / n
    mode = np.outer(np.cos(np.pi * i * q), np.cos(np.pi * j * q)).ravel()
    lower, power = octaves(mode, (n, n))
    assert power[band] == pytest.approx(np.mean(mode**2), rel=1e-12) and np.delete(power, band).max() < 1e-15
    k = np.hypot(i, j) / 2
    assert lower[band] <= k < (lower[band + 1] if band else 0.5)


def test_a_slope_is_of_low_frequency_though_it_does_not_repeat() -> None:
    lower, power = octaves(np.linspace(-1, 1, 256), (256,))
    assert power[lower == 0.5] / power.sum() > 0.98


def test_refusal() -> None:
    with pytest.raises(ValueError, match=r"residuals: expected 6 numbers in the last dimension, got shape \(5,\)"):
        octaves(np.zeros(5), (2, 3))
