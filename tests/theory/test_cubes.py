"""Kernels on the Boolean cube: one eigenvalue for each degree, against the matrix itself."""

import numpy as np
import pytest
from scipy.special import comb

from fembridge.theory.cubes import krawtchouk, overlaps, parity_eigenvalues


@pytest.mark.parametrize("m", [1, 4, 6])
def test_against_a_dense_solver(m: int) -> None:
    x = 1 - 2.0 * ((np.arange(2**m)[:, None] >> np.arange(m)) & 1)
    K = np.exp(x @ x.T / m)
    expected = np.repeat(parity_eigenvalues(np.exp(overlaps(m))), comb(m, np.arange(m + 1)).astype(int))
    assert np.allclose(np.linalg.eigvalsh(K / 2**m)[::-1], np.sort(expected)[::-1], atol=1e-14)


def test_krawtchouk_is_orthogonal() -> None:
    """Σ_t C(m, t) K_k(t) K_l(t) = 2^m C(m, k) δ."""
    m = 7
    count, P = comb(m, np.arange(m + 1)), krawtchouk(m)
    assert np.allclose(P * count @ P.T, 2**m * np.diag(count), atol=1e-9)


def test_degrees_of_one_parity_fall() -> None:
    """A power series with terms ≥ 0 has μ_k ≥ μ_{k+2}."""
    mu = parity_eigenvalues(np.cosh(overlaps(8)) + overlaps(8) ** 3)
    assert (mu[:-2] - mu[2:] >= -1e-15).all()


def test_a_kernel_must_be_a_row() -> None:
    with pytest.raises(ValueError, match="kernel: expected one row"):
        parity_eigenvalues(np.eye(2))
