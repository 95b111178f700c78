"""Threshold units: the closed form against the matrix itself, and its limit."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory import thresholds


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_eigenvalues(n: int) -> None:
    i = np.arange(n)
    gram = 1 - np.maximum.outer(i, i) / n
    assert np.linalg.eigvalsh(gram)[::-1] == pytest.approx(thresholds.eigenvalues(n), rel=1e-11)


def test_the_string_is_their_limit() -> None:
    off = [thresholds.eigenvalues(n, [1, 4]) / thresholds.string(n, [1, 4]) - 1 for n in (1000, 2000)]
    assert off[0] / off[1] == pytest.approx([2, 2], rel=0.02) and np.abs(off[1]).max() < 1e-3


def test_there_is_a_knot() -> None:
    with pytest.raises(ValueError, match="n: expected a whole number from 1 on, got 0"):
        thresholds.eigenvalues(0)
