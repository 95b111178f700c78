"""The law of offsets, and the nearness of planes to data: uniform by chance, small where planes cluster."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fembridge.theory.radon.clustering import clustering, nearness, offset_law

FALSE_ALARM = 1e-4


def drawn(d, n, ratio, seed=0):
    random = np.random.default_rng([seed, d])
    w, b = random.standard_normal((n, d)), ratio * random.standard_normal(n)
    r = np.linalg.norm(w, axis=1)
    return w / r[:, None], -b / r, random.uniform(-1, 1, (12, d))


@pytest.mark.parametrize("d", [1, 2, 3, 64])
def test_offsets_follow_their_law(d):
    _, gamma, _ = drawn(d, 4000, 0.5)
    assert stats.kstest(offset_law(d, 0.5)(gamma), "uniform").pvalue > FALSE_ALARM


@pytest.mark.parametrize("d", [1, 2, 3, 64])
def test_nearness_is_uniform_by_chance(d):
    xi, gamma, x = drawn(d, 4000, 0.7)
    near = nearness(xi, gamma, x, offset_law(d, 0.7))
    assert stats.kstest(near[~np.isnan(near)], "uniform").pvalue > FALSE_ALARM
    assert clustering(near).p_value > FALSE_ALARM


def test_nearness_by_hand():
    """Along (0, 1) the data lie at 0, 1 and 3; with a flat law, 1.5 is a quarter of the way from 1 to 3."""
    x = np.array([[5.0, 0.0], [6.0, 3.0], [7.0, 1.0]])
    near = nearness([[0.0, 1.0]] * 4, [1.5, 2.0, 3.5, -1.0], x, law=lambda z: z / 10)
    assert np.allclose(near, [0.5, 1.0, np.nan, np.nan], rtol=1e-14, equal_nan=True)


def test_planes_through_data_are_found():
    xi, _, x = drawn(3, 200, 1.0)
    gamma = (xi * x[np.arange(200) % 12]).sum(axis=1)
    found = clustering(nearness(xi, gamma + 1e-6, x, offset_law(3)))
    assert found.fraction == 1 and found.p_value < 1e-100


def test_the_p_value_is_binomial():
    """Of 3 planes 2 are near: 3 p² (1 − p) + p³."""
    assert clustering([0.2, 0.3, 0.9], part=0.4).p_value == pytest.approx(3 * 0.4**2 * 0.6 + 0.4**3)
    assert np.isnan(clustering([np.nan]).fraction) and clustering([np.nan]).planes == 0


def test_refusals():
    with pytest.raises(ValueError, match=r"nearness: expected \(n, d\), \(n,\) and \(N, d\), got"):
        nearness([[1.0]], [0.0, 1.0], [[0.0]], offset_law(1))
    with pytest.raises(ValueError, match="part: expected a number between 0 and 1, got 1"):
        clustering([0.5], part=1.0)
    with pytest.raises(
        ValueError, match="offset_law: expected a dimension from 1 on and a positive ratio, got 0 and 1"
    ):
        offset_law(0)
