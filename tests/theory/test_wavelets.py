"""Linear B-spline wavelets: moments, spans, and eigenvalues against assembled Gram matrices."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.problem import composite_gauss
from fembridge.theory import splines, wavelets


def test_two_moments_vanish_and_two_do_not() -> None:
    """By symmetry about 3/2, ∫ x³ψ = 3 · 3/2 · ∫ x²ψ."""
    moments = wavelets.moments(wavelets.wavelet(), 4)
    assert np.abs(moments[:2]).max() < 1e-14
    assert moments[2] == pytest.approx(-1 / 24) and moments[3] == pytest.approx(4.5 * moments[2])


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_moments_of_b_splines_are_those_of_sums_of_uniforms(degree: int) -> None:
    """Mean (p + 1)/2 and variance (p + 1)/12."""
    one, mean, square = wavelets.moments(splines.bspline(degree), 3)
    assert one == pytest.approx(1) and mean == pytest.approx((degree + 1) / 2)
    assert square - mean**2 == pytest.approx((degree + 1) / 12)


def test_moments_ask_for_compact_support() -> None:
    with pytest.raises(ValueError, match="moments: expected an activation of compact support, got relu"):
        wavelets.moments(splines.named("relu"), 2)


def test_eigenvalues_are_those_of_the_gram_matrix() -> None:
    x, w = composite_gauss(np.arange(33) / 32, 2)
    phi = wavelets.features(x, 5)
    gram = phi.T @ (w[:, None] * phi)
    assert np.abs(np.linalg.eigvalsh(gram)[::-1] - wavelets.eigenvalues(5)).max() < 1e-13
    sizes = 2 ** np.arange(5)
    between = gram.copy()
    for start, size in zip(np.cumsum(sizes) - sizes, sizes, strict=True):
        between[start : start + size, start : start + size] = 0
    assert np.abs(between).max() < 1e-14  # levels are orthogonal
