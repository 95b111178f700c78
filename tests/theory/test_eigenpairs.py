"""Eigenvalues with eigenvectors: the largest, the smallest, or all, by every method that applies."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from fembridge.theory.eigenpairs import Eigenpairs, End, eigenpairs
from fembridge.theory.features import grid, on_knots
from fembridge.theory.grams import dense, gram
from fembridge.theory.spectra import Method, spectrum
from tests.theory import oracle
from tests.theory.cases import CASES, LARGER, ROUNDED, Case, clusters, random_knots, relus

PLAIN = [c for c in CASES if not c.affine]
FEW = [c for c in PLAIN if len(c.features) <= 33 and c.name not in (*ROUNDED, "pairs-at-round-off")]
ENDS: tuple[End, ...] = ("largest", "smallest")


def overlap(found: Eigenpairs) -> float:
    """max |XᵀX − 1|."""
    x = found.vectors
    return float(np.abs(x.T @ x - np.eye(x.shape[1])).max())


@pytest.mark.parametrize("case", [*PLAIN, *(c for c in LARGER if not c.affine)], ids=str)
def test_all_eigenvectors_are_orthonormal(case: Case) -> None:
    """Each from its own inverse iteration: to ε λ/gap, and orthogonalised where the gap is less than 1e-4 λ."""
    found = eigenpairs(case.features, form=case.form, method="sturm")
    assert found.vectors.shape == (len(case.features), len(case.features))
    # alternating: the trailing knots repeat the whole, some λ are nearly theirs, and digits of the vectors are lost.
    assert overlap(found) < (1e-5 if case.name.startswith("alternating") else 1e-10)


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_values_are_those_of_the_spectrum(case: Case) -> None:
    found, whole = eigenpairs(case.features, form=case.form), spectrum(case.features, case.form, "sturm")
    assert (np.abs(found.eigenvalues / whole.eigenvalues - 1) <= found.error + whole.error).all()


@pytest.mark.parametrize("case", FEW, ids=str)
def test_against_exact_eigenvectors(case: Case) -> None:
    """Up to the sign: an eigenvector moves by the error of its eigenvalue and of G, a few n ε, over the gap."""
    exact_knots, weights = case.exact_knots()
    knots = [float(x) for x in exact_knots]
    values, vectors = oracle.eigenpairs(oracle.gram(knots, case.features.domain[1], weights, case.form))
    found = eigenpairs(case.features, form=case.form)
    x = found.vectors[np.argsort(-case.features.biases / case.features.weights)]
    x = x * np.where((x * vectors).sum(axis=0) < 0, -1, 1)
    exact = np.array([float(v) for v in values])
    assert (np.abs(found.eigenvalues / exact - 1) <= found.error + 2.3e-16).all()
    apart = np.append(np.inf, np.append(1 - exact[1:] / exact[:-1], np.inf))
    gap = np.minimum(apart[:-1], apart[1:])
    resolved = gap > 1e-3
    assert resolved.any()
    assert np.linalg.norm(x - vectors, axis=0)[resolved].max() < 1e-10


@pytest.mark.parametrize("form", ["mass", "stiffness", "h1"])
def test_residuals(form: str) -> None:
    """Of the largest in G, of the smallest in its inverse: each a bound on the relative distance to an eigenvalue."""
    features = relus(random_knots(80))
    found = eigenpairs(features, 10, "largest", form)
    x, values = found.vectors, found.eigenvalues
    assert found.residuals.max() < 1e-10
    assert (np.linalg.norm(dense(gram(features, form)) @ x - values * x, axis=0) < 1e-10 * values).all()
    if form != "h1":
        assert eigenpairs(features, 10, "smallest", form).residuals.max() < 1e-7


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", [m for m in get_args(Method) if m != "dispersion"])
def test_every_count_by_every_method(n: int, end: End, method: Method) -> None:
    """Right, or one clear line."""
    features = relus(random_knots(n, 11))
    whole = spectrum(features, method="sturm")
    for count in range(1, n + 1):
        if method == "banded" or (method == "lanczos" and count > n - 3):
            expected_line = "method: banded does not apply" if method == "banded" else "count: Lanczos expects"
            with pytest.raises(ValueError, match=expected_line):
                eigenpairs(features, count, end, method=method)
            continue
        found = eigenpairs(features, count, end, method=method)
        expected = whole.eigenvalues[:count] if end == "largest" else whole.eigenvalues[n - count :]
        assert found.vectors.shape == (n, count)
        sure = found.error < 1
        assert (np.abs(found.eigenvalues - expected)[sure] <= ((found.error + 1e-14) * found.eigenvalues)[sure]).all()


@pytest.mark.parametrize("activation", ["bspline0", "hat", "bspline2", "bspline3", "relu2"])
@pytest.mark.parametrize("end", ENDS)
def test_other_features_against_a_dense_solver(activation: str, end: End) -> None:
    features = on_knots(activation, random_knots(60))
    found = eigenpairs(features, 7, end)
    exact = np.linalg.eigvalsh(dense(gram(features)))[::-1]
    expected = exact[:7] if end == "largest" else exact[-7:]
    # Backward stable both: n ε λ_max, besides what the bound says.
    bound = found.error * np.abs(found.eigenvalues) + 60 * 2.3e-16 * exact[0]
    assert (np.abs(found.eigenvalues - expected) <= bound).all()
    assert overlap(found) < 1e-10


def test_hats_at_a_hundred_thousand() -> None:
    """Three diagonals: O(n) each. Interior hats in closed form, (h/3)(2 + cos kπ/(n+1)), though 1e-9 apart."""
    n = 100_000
    features = relus(np.zeros(1))
    hat = on_knots("hat", grid(2)).activation
    features = type(features)(hat, np.full(n, n + 1.0), -np.arange(n, dtype=float), (0.0, 1.0))
    found = eigenpairs(features, 5)
    exact = (2 + np.cos(np.arange(1, 6) * np.pi / (n + 1))) / 3 / (n + 1)
    assert (np.abs(found.eigenvalues / exact - 1) <= found.error).all()
    assert overlap(found) < 1e-10


def test_what_would_take_hours_is_refused() -> None:
    with pytest.raises(ValueError, match='expected at most 10,000 features, got 20,000, or the method "banded"'):
        eigenpairs(on_knots("bspline3", grid(20_000)), 5)
    with pytest.raises(ValueError, match="counts for 60,000 eigenvalues of 60,000 knots take about 4 minutes"):
        eigenpairs(on_knots("relu", grid(60_000)))
    with pytest.raises(ValueError, match="counts for 3 eigenvalues of 1,000,000 knots"):
        eigenpairs(on_knots("relu", grid(1_000_000)), 3, form="h1")


def test_bad_requests() -> None:
    features = relus(random_knots(10))
    for count in (0, -1, 11):
        with pytest.raises(ValueError, match="count: expected a whole number from 1 to 10"):
            eigenpairs(features, count)
    with pytest.raises(ValueError, match="method: dispersion gives no eigenvectors"):
        eigenpairs(features, 3, method="dispersion")
    with pytest.raises(ValueError, match="expected one of mass, stiffness, h1"):
        eigenpairs(features, 3, form="mess")


def test_a_wrong_eigenvector_is_caught() -> None:
    found = eigenpairs(relus(clusters(30, 2)))
    found.vectors[:, 3] += 1e-8 * found.vectors[:, 5]
    assert overlap(found) > 1e-10
