"""Toeplitz matrices with corners: all eigenvalues from their phases, against sixty-digit counts and LAPACK."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from scipy.linalg import eigvals_banded
from scipy.sparse import csr_array

from fembridge.theory import toeplitz
from fembridge.theory.features import grid, on_knots
from fembridge.theory.grams import gram
from fembridge.theory.spectra import spectrum
from fembridge.theory.symmetric import diagonals
from tests.theory.cases import random_knots
from tests.theory.oracle import Bands, outside

EPS = float(np.finfo(float).eps)
FORMS = [("hat", "mass"), ("hat", "stiffness"), ("bspline2", "mass")]


def exact_bands(lower: np.ndarray) -> tuple[Bands, Bands]:
    """The matrix with these diagonals, and the identity, as a pencil of five diagonals."""
    n = lower.shape[1]
    full = np.concatenate([lower, np.zeros((3 - len(lower), n))])
    a = [[Decimal(float(x)) for x in full[k, : n - k]] for k in range(3)]
    one = [[Decimal(int(k == 0))] * (n - k) for k in range(3)]
    return (a[0], a[1], a[2]), (one[0], one[1], one[2])


@pytest.mark.parametrize(("activation", "form"), FORMS)
@pytest.mark.parametrize("n", [256, 400])
def test_every_eigenvalue_within_its_bound(activation: str, form: str, n: int) -> None:
    features = on_knots(activation, grid(n))
    found = spectrum(features, form, "dispersion")
    bands = exact_bands(diagonals(csr_array(gram(features, form))))
    assert (found.error * np.abs(found.eigenvalues) < 1e-11 * found.eigenvalues[0]).all()
    assert found.error.max() < 1e-6  # the smallest stiffness is h² of the largest
    assert not outside(bands, found.eigenvalues, found.error, range(0, n, n // 60))


@pytest.mark.parametrize(("activation", "form"), [*FORMS, ("bspline1", "mass"), ("bspline3", "mass")])
def test_against_lapack(activation: str, form: str) -> None:
    """LAPACK is √n ε λ_max off, a few times over."""
    features = on_knots(activation, grid(700))
    matrix = csr_array(gram(features, form))
    plain = eigvals_banded(diagonals(matrix), lower=True)[::-1]
    found = spectrum(features, form, "dispersion")
    assert np.abs(found.eigenvalues - plain).max() <= found.noise_floor + 30 * EPS * plain[0]


def test_hats_in_closed_form_at_a_million() -> None:
    n = 1_000_000
    values, bound = toeplitz.eigenvalues(np.array([4.0, 1.0]) / 6, np.array([[4 / 6]]), np.array([[4 / 6]]), n)
    exact = (2 + np.cos(np.arange(1, n + 1) * np.pi / (n + 1))) / 3
    assert np.abs(values - exact).max() <= bound < 1e-14


def test_an_eigenvector_that_lives_at_an_end() -> None:
    """A corner entry c > t_0 + t_1 binds one: λ = t_0 + t_1 (q + 1/q), q = t_1/(c − t_0), far from the other end."""
    values, bound = toeplitz.eigenvalues(np.array([2.0, 1.0]), np.array([[5.0]]), np.array([[2.0]]), 300)
    assert abs(values[0] - (2 + 3 + 1 / 3)) <= bound + 8 * EPS * values[0]
    assert values[1] < 4


def test_a_symbol_that_is_not_monotone_is_refused() -> None:
    entries = np.array([2.0, 0.1, 1.0])
    corner = np.array([[2.0, 0.1], [0.1, 2.0]])
    with pytest.raises(ArithmeticError, match="not monotone"):
        toeplitz.eigenvalues(entries, corner, corner, 300)


@pytest.mark.parametrize("form", ["stiffness", "h1"])
def test_forms_without_monotone_symbol_go_to_lapack(form: str) -> None:
    """The stiffness of B-splines of degree 2 and more rises and falls: small at θ = 0 and, as smooth, towards π."""
    assert spectrum(on_knots("bspline3", grid(300)), form).method.startswith("banded")


def test_uneven_hats_are_not_toeplitz() -> None:
    features = on_knots("hat", random_knots(400))
    with pytest.raises(ValueError, match="method: dispersion needs equispaced knots"):
        spectrum(features, method="dispersion")
    assert spectrum(features).method.startswith("banded")


def test_a_wrong_eigenvalue_is_caught() -> None:
    features = on_knots("hat", grid(256))
    values = spectrum(features, method="dispersion").eigenvalues.copy()
    values[100] *= 1 + 1e-8
    assert outside(exact_bands(diagonals(csr_array(gram(features)))), values, 1e-10) == [100]
