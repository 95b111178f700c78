"""Sums of ridges by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.radon.planes import plane_jumps, ridge_sum


@pytest.mark.parametrize(
    ("degree", "leak", "expected"), [(0, 0.0, [3.0, 0.0]), (1, 0.1, [6.0, -0.3]), (2, 0.0, [12.0, 0.0])]
)
def test_one_ridge(degree, leak, expected):
    """z = 2 and −1, slope 3."""
    u = ridge_sum([[0.6, 0.8]], [1.0], [3.0], [[1.8, 2.4], [0.0, 0.0]], degree, leak)
    assert np.allclose(u, expected, rtol=1e-14)


def test_jumps_are_factorials():
    assert [float(plane_jumps([3.0], k)[0]) for k in (0, 1, 2, 3)] == [3.0, 3.0, 6.0, 18.0]
    assert plane_jumps([[1.0, 2.0]], 1, 0.5).tolist() == [[0.5, 1.0]]
