"""Equispaced knots: all eigenvalues from one scalar equation, against sixty digits."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from mpmath import mp, mpf

from fembridge.theory import dispersion, lanczos
from fembridge.theory.eigenpairs import eigenpairs
from fembridge.theory.features import grid, on_knots
from fembridge.theory.spectra import spectrum
from fembridge.theory.symmetric import Spectrum
from tests.theory import oracle
from tests.theory.cases import CASES, Case, relus
from tests.theory.oracle import outside

MILLION = 1_000_000
RANKS = [1, 2, 10, 1000, MILLION // 2, MILLION - 1, MILLION]


def applies(case: Case) -> bool:
    return "equispaced" in case.name and case.form != "h1" and not (case.affine and case.name.startswith("long"))


@pytest.mark.parametrize("case", [c for c in CASES if applies(c)], ids=str)
def test_every_eigenvalue_within_its_bound(case: Case) -> None:
    found = spectrum(case.features, case.form, "dispersion", case.affine)
    zeros = int(case.affine and case.form == "stiffness")
    values, error = (v[: len(v) - zeros] for v in (found.eigenvalues, found.error))
    assert found.method.startswith("dispersion") and error.max() < 1e-12
    assert not outside(case.pencil(equispaced=True), values, error)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 300])
@pytest.mark.parametrize("length", [1e-3, 0.3, 1.0, 2.0])
def test_lengths(n: int, length: float, affine: bool) -> None:
    domain = (0.0, length)
    case = Case("", relus(length * np.arange(n) / n, domain), affine=affine)
    found = spectrum(case.features, affine=affine)
    assert found.method.startswith("dispersion")
    some = range(0, len(found.eigenvalues), 1 + n // 20)
    assert not outside(case.pencil(equispaced=True), found.eigenvalues, found.error, some)


@cache
def million(affine: bool) -> Spectrum:
    return spectrum(on_knots("relu", grid(MILLION)), affine=affine)


def brackets_a_root(value: float, tolerance: float, n: int, constant: bool) -> bool:
    mp.dps = 60
    low, high = (oracle.dispersion(mpf(value) * (1 + sign * mpf(tolerance)), n, constant) for sign in (-1, 1))
    return bool(low * high < 0)


@pytest.mark.parametrize("affine", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_million_knots(affine: bool) -> None:
    """A root within 1e-12 of λ, and nθ between (k−1)π and kπ, where there is one root: it is the k-th.

    Near θ = π, λ is flat: rounded by ε it moves nθ by nε/2(π−θ), 2e-5 for the last but one; the last is at its end.
    """
    found = million(affine)
    assert found.error.max() < 1e-13 and (np.diff(found.eigenvalues) < 0).all()
    for k in RANKS:
        value = float(found.eigenvalues[k - 1])
        assert brackets_a_root(value, 1e-12, MILLION, affine), k
        if not affine and k < MILLION:
            w = (1 - mp.sqrt(1 + 144 * mpf(value) * MILLION**3)) / (12 * mpf(value) * MILLION**3)
            theta = 2 * mp.asin(mp.sqrt(-w) / 2)
            assert (k - 1) * mp.pi - 1e-4 < MILLION * theta < k * mp.pi - 1e-4


def test_a_wrong_eigenvalue_of_a_million_is_caught() -> None:
    for k in RANKS[:3]:
        assert not brackets_a_root(float(million(False).eigenvalues[k - 1]) * (1 + 1e-8), 1e-12, MILLION, False)


def test_a_million_knots_against_lanczos() -> None:
    """Eigenvectors of the O(n) operator: eigenvalues within both bounds, residuals within the rounding of its sums.

    The operator has the floats j/n as knots, not j/n: each is ε/2 off at most, which moves λ_k by about ε/2 · 4/β_k.
    """
    largest, all_of_them = eigenpairs(on_knots("relu", grid(MILLION)), 3), million(False)
    ratio = largest.eigenvalues / all_of_them.eigenvalues[:3] - 1
    assert (np.abs(ratio) <= largest.error + all_of_them.error[:3]).all()
    g = lanczos.congruence(grid(MILLION), np.ones(MILLION), 1.0, "mass")
    x, values = largest.vectors, all_of_them.eigenvalues[:3]
    assert (np.linalg.norm(lanczos.gram(g, x) - values * x, axis=0) < 1e-11 * values).all()


def test_interlacing_with_the_constant() -> None:
    without, with_it = million(False), million(True)
    above = with_it.eigenvalues[:-1] / without.eigenvalues - 1
    below = with_it.eigenvalues[1:] / without.eigenvalues - 1
    assert (above > -with_it.error[:-1] - without.error).all() and (above[:1000] > 0).all()
    assert (below < with_it.error[1:] + without.error).all() and (below[:1000] < 0).all()


@pytest.mark.parametrize("length", [10.0, 1e4, 1e30])
def test_a_constant_below_the_band_is_left_to_counts(length: float) -> None:
    with pytest.raises(ArithmeticError, match="dispersion"):
        dispersion.relu_mass(3, length, constant=True)
    features = relus(grid(3, (0.0, length)), (0.0, length))
    assert spectrum(features, affine=True).method.startswith("Sturm")
    with pytest.raises(ValueError, match="method: dispersion needs"):
        spectrum(features, method="dispersion", affine=True)


def test_knots_that_only_round_off_makes_equispaced_are_left_to_counts() -> None:
    """At 1e15 floats are 1/8 apart: any knots are within 4 ε |b| of a grid of distance 1."""
    domain = (1e15, 1e15 + 8)
    knots = domain[0] + np.array([0.0, 1.5, 1.75, 3.0, 4.25, 5.0, 6.5, 7.0])
    case = Case("", relus(knots, domain))
    found = spectrum(case.features)
    assert found.method.startswith("Sturm")
    assert not outside(case.pencil(), found.eigenvalues, found.error)


def test_a_weight_for_all_scales_the_spectrum() -> None:
    one, two = (spectrum(relus(grid(50), weights=w)) for w in (1.0, 3.0))
    assert two.method.startswith("dispersion")
    assert two.eigenvalues == pytest.approx(9 * one.eigenvalues, rel=1e-15)
