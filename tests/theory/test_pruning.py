"""Pruned features: the scatter of eigenvalues over all subsets, and bounds on the smallest."""

from itertools import combinations

import numpy as np
import pytest

from fembridge.theory.features import grid, on_knots
from fembridge.theory.grams import dense, gram
from fembridge.theory.pruning import longest_run, pruned_condition, pruned_variance, run_eigenvalue
from fembridge.theory.spectra import spectrum


def test_variance_over_all_subsets_of_nearly_equal_features() -> None:
    """One direction and little else: first order is all there is."""
    a = np.array([1.0, 1.1, 0.9, 1.2, 1.0, 0.8])
    G = np.outer(a, a)
    found = [np.sum(a[list(S)] ** 2) / 4 / (a @ a / 6) - 1 for S in combinations(range(6), 4)]
    assert pruned_variance(G, 4, 1)[0] == pytest.approx(np.var(found), rel=1e-12)
    assert pruned_variance(G, 6, 1)[0] == 0


def test_a_run_bounds_the_smallest_eigenvalue() -> None:
    kept = np.array([0, 3, 4, 5, 6, 7, 8, 9, 12, 14])
    least = spectrum(on_knots("relu", kept / 16)).eigenvalues[-1]
    assert 1 / (48 * 16**3) < least < run_eigenvalue(longest_run(kept), 1 / 16) < 1.1 * least


def test_runs_come_down_to_the_whole_grid() -> None:
    values = [48 * run_eigenvalue(r) for r in (3, 5, 9, 30, 100)]
    assert (np.diff(values) < 0).all() and values[-1] == pytest.approx(1, abs=2e-3)
    whole = spectrum(on_knots("relu", grid(200)))
    assert whole.condition_number == pytest.approx(float(pruned_condition(200, 200)), rel=0.02)


def test_arguments() -> None:
    G = dense(gram(on_knots("relu", grid(4))))
    with pytest.raises(ValueError, match="kept: expected count ≤ kept ≤ 4 features, got 3 and 2"):
        pruned_variance(G, 2, 3)
    with pytest.raises(ValueError, match="length: expected three kinks"):
        run_eigenvalue(2)
