"""Eigenvalues of assembled matrices by LAPACK, and the bounds they come with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from fembridge.theory.features import grid, on_knots
from fembridge.theory.grams import dense, gram
from fembridge.theory.symmetric import absolute, banded, dense_symmetric, diagonals, extreme_eigenvalues
from tests.theory.cases import Case, random_knots, relus
from tests.theory.oracle import outside


def test_a_dense_solver_loses_the_small_eigenvalues_and_says_so() -> None:
    case = Case("", relus(random_knots(500)))
    plain = dense_symmetric(dense(gram(case.features)))
    looked_at = np.arange(0, 500, 10)
    wrong = outside(case.pencil(), plain.eigenvalues, 1e-10, looked_at)
    assert len(wrong) > len(looked_at) / 2
    assert (plain.error[wrong] > 1e-10).all()
    sure = looked_at[plain.error[looked_at] < 0.9]
    assert not outside(case.pencil(), plain.eigenvalues, plain.error, sure)


@pytest.mark.parametrize("activation", ["bspline0", "hat", "bspline2", "bspline3"])
def test_banded_equals_dense(activation: str) -> None:
    matrix = csr_array(gram(on_knots(activation, random_knots(300))))
    one, other = banded(matrix), dense_symmetric(matrix.toarray())
    assert np.abs(one.eigenvalues - other.eigenvalues).max() <= one.noise_floor + other.noise_floor


def test_extremes_of_a_tridiagonal_matrix() -> None:
    matrix = csr_array(gram(on_knots("hat", grid(300))))
    low, high = extreme_eigenvalues(matrix)
    values = banded(matrix).eigenvalues
    assert (low, high) == pytest.approx((values[-1], values[0]), rel=1e-13)
    with pytest.raises(ValueError, match="expected a tridiagonal matrix, got 5 diagonals"):
        extreme_eigenvalues(csr_array(gram(on_knots("bspline2", grid(30)))))


def test_diagonals() -> None:
    matrix = np.array([[1.0, 4.0, 0.0], [4.0, 2.0, 5.0], [0.0, 5.0, 3.0]])
    assert diagonals(csr_array(matrix)).tolist() == [[1, 2, 3], [4, 5, 0]]


@pytest.mark.filterwarnings("error")
def test_one_absolute_bound() -> None:
    found = absolute(np.array([2.0, 1e-20, 0.0, -1e-20]), 1e-15, "")
    assert found.error[:2] == pytest.approx([5e-16, 1e5])
    assert (found.error[2:] > 1).all() and found.noise_floor == 1e-15
    assert found.condition_number == np.inf
