"""Oscillation counts: every eigenvalue of every case against sixty digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fembridge.theory import sturm
from fembridge.theory.spectra import beam_of, spectrum
from tests.theory.cases import CASES, LARGER, ROUNDED, THOUSAND, Case, random_knots, relus
from tests.theory.oracle import count_above, outside

PROMISE = 1e-10


def eigenvalues(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """And their bounds; without the zero that the constant adds to the stiffness."""
    found = spectrum(case.features, case.form, "sturm", case.affine)
    zeros = int(case.affine and case.form == "stiffness")
    assert (found.eigenvalues[len(found.eigenvalues) - zeros :] == 0).all()
    keep = slice(len(found.eigenvalues) - zeros)
    return found.eigenvalues[keep], found.error[keep]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_eigenvalue_within_its_bound(case: Case) -> None:
    values, error = eigenvalues(case)
    # Where kinks are floats, the bound is a few ε for each of the 60 steps at most: far below 1e-12. Where they are
    # not, what is computed belongs to other kinks, and only the bound counts; so it does where a root is double.
    if case.name in ROUNDED or str(case) == "nearly-double-h1-affine":
        assert not outside(case.pencil(), values, error)
    else:
        assert error.max() < PROMISE
        assert not outside(case.pencil(), values, np.minimum(error, 1e-12))


@pytest.mark.parametrize("case", LARGER, ids=str)
def test_every_eigenvalue_of_300_knots(case: Case) -> None:
    values, error = eigenvalues(case)
    assert error.max() < PROMISE
    assert not outside(case.pencil(), values, np.minimum(error, 1e-12), range(0, len(values), 5))


@pytest.mark.parametrize("case", THOUSAND, ids=str)
def test_some_eigenvalues_of_1000_knots(case: Case) -> None:
    values, error = eigenvalues(case)
    assert error.max() < PROMISE
    some = np.unique(np.linspace(0, len(values) - 1, 12).astype(int))
    assert not outside(case.pencil(), values, np.minimum(error, 1e-12), some)


@pytest.mark.slow
@pytest.mark.parametrize("case", THOUSAND, ids=str)
def test_every_eigenvalue_of_1000_knots(case: Case) -> None:
    values, error = eigenvalues(case)
    assert not outside(case.pencil(), values, np.minimum(error, 1e-12))


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in ROUNDED], ids=str)
def test_counts(case: Case) -> None:
    """At values spread over the whole spectrum and beyond, none of them an eigenvalue to round-off."""
    beam, factor, _ = beam_of(case.features, case.form, case.affine)
    values = beam.trace() * np.geomspace(1.5, 1e-50, 23)
    bands = case.pencil()
    assert sturm.count_above(beam, values).tolist() == [count_above(bands, factor * value) for value in values]


def test_eigenvalues_over_300_orders_of_magnitude_are_refused() -> None:
    with pytest.raises(ArithmeticError, match="more than 200 orders of magnitude"):
        spectrum(relus(random_knots(8), weights=2.0 ** np.linspace(-500, 400, 8)))


@pytest.mark.filterwarnings("error")
def test_eigenvalues_over_70_orders_of_magnitude_do_not_overflow() -> None:
    case = Case("huge-weights", relus(random_knots(12), weights=2.0 ** np.linspace(-65, 65, 12).round()), "h1", True)
    values, error = eigenvalues(case)
    assert values[0] / values[-1] > 1e70
    assert not outside(case.pencil(), values, np.minimum(error, 1e-12))


def test_eigenvectors_of_many_equal_eigenvalues_are_orthogonal() -> None:
    """Pairs with one gap, far apart: the stiffness has as many eigenvalues that agree to 1e-12."""
    knots = np.sort(np.concatenate([np.arange(1, 9) / 16, np.arange(1, 9) / 16 + 2.0**-40]))
    beam, _, _ = beam_of(relus(knots), "stiffness", False)
    values, _ = sturm.eigenvalues(beam, np.arange(16))
    assert values[8] / values[15] - 1 < 1e-10
    x = sturm.eigenvectors(beam, values)
    assert np.abs(x.T @ x - np.eye(16)).max() < 1e-12


# ---- negative controls ----


def test_a_wrong_eigenvalue_is_caught() -> None:
    case = Case("random", relus(random_knots(40)))
    values, error = eigenvalues(case)
    values[17] *= 1 + 1e-8
    assert outside(case.pencil(), values, np.maximum(error, PROMISE)) == [17]


def test_a_perturbed_step_is_caught() -> None:
    """A step 1e-9 longer moves the eigenvalue that depends most on it by about 1e-9, ten times the promise."""
    case = Case("random", relus(random_knots(40)))
    beam, factor, _ = beam_of(case.features, "mass", False)
    steps = beam.steps.copy()
    steps[np.argmin(steps)] *= 1 + 1e-9
    values, _ = sturm.eigenvalues(replace(beam, steps=steps), np.arange(40))
    assert outside(case.pencil(), factor * values, PROMISE)


def test_a_bound_that_forgets_the_constant_is_caught() -> None:
    """The bounds of a nearly double root are far above ε, and are needed."""
    case = next(c for c in CASES if str(c) == "nearly-double-h1-affine")
    values, error = eigenvalues(case)
    assert error.max() > 1e-9
    assert outside(case.pencil(), values, 1e-14)
