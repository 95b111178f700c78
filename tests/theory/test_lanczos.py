"""The largest and the smallest eigenpairs by Lanczos, against sixty-digit counts."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory import lanczos
from fembridge.theory.eigenpairs import End, eigenpairs
from fembridge.theory.features import grid, on_knots
from fembridge.theory.spectra import spectrum
from tests.theory.cases import CASES, ROUNDED, Case, alternating, clusters, orders, random_knots, relus
from tests.theory.oracle import outside

ENDS: tuple[End, ...] = ("largest", "smallest")
KNOTS = {
    "random": random_knots(600),
    "equispaced": grid(300),
    "pairs": clusters(200, 2),
    "triples": clusters(150, 3),
    "alternating": alternating(300),
    "random-2000": random_knots(2000, 8),
}


def wrong(case: Case, values: np.ndarray, error: np.ndarray, end: End) -> list[int]:
    """Ranks of these eigenvalues that are not within their bounds."""
    n, k = len(case.features), len(values)
    ranks = range(k) if end == "largest" else range(n - k, n)
    all_values, bounds = np.ones(n), np.ones(n)
    all_values[ranks.start : ranks.stop], bounds[ranks.start : ranks.stop] = values, error
    return outside(case.pencil(), all_values, bounds, ranks)


@pytest.mark.parametrize("knots", KNOTS.values(), ids=KNOTS)
@pytest.mark.parametrize("form", ["mass", "stiffness"])
@pytest.mark.parametrize("end", ENDS)
def test_ten_eigenpairs_within_their_bounds(knots: np.ndarray, form: str, end: End) -> None:
    case = Case("", relus(knots), form)
    found = eigenpairs(case.features, 10, end, form, "lanczos")
    assert found.error.max() < 1e-10
    assert (np.diff(found.eigenvalues) <= 0).all()
    assert not wrong(case, found.eigenvalues, found.error, end)
    assert np.abs(found.vectors.T @ found.vectors - np.eye(10)).max() < 1e-10


@pytest.mark.parametrize(
    "case", [c for c in CASES if len(c.features) > 12 and not c.affine and c.form != "h1"], ids=str
)
@pytest.mark.parametrize("end", ENDS)
def test_small_cases(case: Case, end: End) -> None:
    """Of any domain, weights and gaps: where a digit is promised it is right."""
    found = eigenpairs(case.features, 3, end, case.form, "lanczos")
    if case.name not in ROUNDED:
        assert found.error.max() < 1e-10
    assert not wrong(case, found.eigenvalues, found.error, end)


def test_eigenvalues_below_round_off_have_no_certain_digit() -> None:
    """Of the 25 largest of κ = 1e40 most are below ε λ_max: whatever Lanczos finds there, its bound says so."""
    case = Case("", relus(1 - 10.0 ** -np.linspace(0, 12, 30)), "mass")
    found = eigenpairs(case.features, 25, "largest", "mass", "lanczos")
    exact = spectrum(case.features).eigenvalues[:25]
    assert (np.abs(found.eigenvalues - exact) <= found.error * np.abs(found.eigenvalues) * (1 + 1e-9)).all()
    assert found.error[-1] > 1


@pytest.mark.parametrize("count", [8, 9, 10])
def test_counts_that_lanczos_cannot_find(count: int) -> None:
    with pytest.raises(ValueError, match="count: Lanczos expects a whole number from 1 to n − 3 = 7"):
        eigenpairs(relus(random_knots(10)), count, "largest", "mass", "lanczos")


def test_weights_scale_columns() -> None:
    w, knots = orders(200, 2), random_knots(200)
    g = lanczos.congruence(knots, w, 1.0, "mass")
    x = np.random.default_rng(0).standard_normal((200, 3))
    plain = lanczos.congruence(knots, np.ones(200), 1.0, "mass")
    assert np.allclose(lanczos.gram(g, x), w[:, None] * lanczos.gram(plain, w[:, None] * x), rtol=1e-13, atol=0)


@pytest.mark.parametrize("form", ["mass", "stiffness"])
def test_the_inverse_of_the_operator(form: str) -> None:
    """Forward error of a solve: κ ε, κ = 4e6 for the mass of 32 knots, far above what cumulative sums round."""
    g = lanczos.congruence(grid(32), np.ones(32), 1.0, form)
    x = np.random.default_rng(0).standard_normal((32, 3))
    assert np.abs(lanczos.gram(g, lanczos.inverse(g, x)) - x).max() < 4 * 32**4 * 4e-16


def test_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match='form: lanczos expects "mass" or "stiffness", got "h1"'):
        eigenpairs(relus(random_knots(10)), 3, "largest", "h1", "lanczos")


def test_a_wrong_eigenvalue_is_caught() -> None:
    case = Case("", relus(random_knots(100)))
    found = eigenpairs(case.features, 5, "largest", "mass", "lanczos")
    values = found.eigenvalues.copy()
    values[2] *= 1 + 1e-8
    assert wrong(case, values, np.maximum(found.error, 1e-10), "largest") == [2]


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_a_hundred_thousand_random_knots(end: End) -> None:
    """Against sixty-digit counts, a second each."""
    case = Case("", on_knots("relu", random_knots(100_000)))
    found = eigenpairs(case.features, 3, end)
    assert found.method.startswith("Lanczos") and found.error.max() < 1e-10
    assert not wrong(case, found.eigenvalues, found.error, end)
