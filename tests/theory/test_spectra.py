"""Which method answers, what it refuses, and that methods agree; each by itself is tested beside this file."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from mpmath import mp, mpf

from fembridge.theory.features import Features, grid, on_knots
from fembridge.theory.grams import dense, gram
from fembridge.theory.modes import beam_roots
from fembridge.theory.spectra import Method, spectrum
from fembridge.theory.symmetric import dense_symmetric
from tests.theory.cases import CASES, Case, random_knots, relus


@pytest.mark.slow
def test_a_dense_solver_on_4000_random_knots_returns_negative_eigenvalues() -> None:
    plain = dense_symmetric(dense(gram(on_knots("relu", random_knots(4000)))))
    assert (plain.eigenvalues <= 0).any()
    assert (spectrum(on_knots("relu", random_knots(4000))).eigenvalues > 0).all()


def test_kinks_outside_the_domain_and_coincident_ones_fall_back() -> None:
    relu = on_knots("relu", grid(2)).activation
    for biases in ([0.1, -0.2, -0.5], [-0.2, -0.2, -0.5], [-0.2, -0.5, -1.5]):
        found = spectrum(Features(relu, np.ones(3), np.array(biases), (0.0, 1.0)))
        assert found.method.startswith("dense")


@pytest.mark.parametrize("domain", [(100.0, 100.01), (1000.0, 1000.001)])
def test_the_dense_bound_holds_far_from_the_origin(domain: tuple[float, float]) -> None:
    """∫ (x−b_i)₊² (x−b_j)₊² in closed form, through the largest eigenvalue of exact entries."""
    knots = grid(5, domain)
    found = spectrum(on_knots("relu2", knots, domain))
    mp.dps = 50
    end = mpf(domain[1])
    exact = mp.matrix(5, 5)
    for i in range(5):
        for j in range(5):
            low, high = sorted((mpf(float(knots[i])), mpf(float(knots[j]))))
            y, d = end - high, high - low
            exact[i, j] = y**5 / 5 + 2 * d * y**4 / 4 + d**2 * y**3 / 3
    largest = max(mp.eigsy(exact, eigvals_only=True))
    assert abs(found.eigenvalues[0] / float(largest) - 1) <= found.error[0]


def test_a_neuron_narrower_than_round_off() -> None:
    with pytest.raises(ValueError, match="neuron 1 is narrower than round-off"):
        spectrum(Features(on_knots("hat", grid(2)).activation, np.array([1.0, 1e16]), np.zeros(2), (0.0, 1.0)))


def test_jumps_have_no_stiffness() -> None:
    with pytest.raises(ValueError, match='"step" jumps'):
        spectrum(on_knots("step", grid(4)), "stiffness")


def test_stiffness_of_kinks_that_nearly_coincide() -> None:
    """±(x − b)₊ with b 1e-12 apart, against ∫σᵢ'σⱼ' in closed form."""
    knots = np.sort(np.concatenate([random_knots(20), random_knots(20)[:5] + 1e-12]))
    signs = np.where(np.arange(25) % 3 == 0, -1.0, 1.0)
    features = Features(on_knots("relu", grid(2)).activation, signs, -signs * knots, (0.0, 1.0))
    right = np.maximum.outer(knots, knots)
    left = np.minimum.outer(knots, knots)
    both, none = np.outer(signs > 0, signs > 0), np.outer(signs < 0, signs < 0)
    mixed = np.maximum(np.where(signs[:, None] > 0, knots[None] - knots[:, None], knots[:, None] - knots[None]), 0)
    exact = np.where(both, 1 - right, np.where(none, left, -mixed))
    assert np.abs(dense(gram(features, "stiffness")) - exact).max() < 1e-14


def test_uniform_relu_tends_to_the_beam() -> None:
    for n in (100, 400):
        relative = spectrum(on_knots("relu", grid(n))).eigenvalues[:5] / n * beam_roots(5) ** 4 - 1
        assert np.abs(relative).max() < 3 / n
    assert spectrum(on_knots("relu", grid(400))).eigenvalues[-1] * 400**3 * 48 == pytest.approx(1, rel=1e-3)


def test_relu_stiffness_is_the_gram_of_steps() -> None:
    relu = spectrum(on_knots("relu", random_knots(60)), "stiffness")
    step = spectrum(on_knots("step", random_knots(60)), "mass")
    assert np.abs(relu.eigenvalues / step.eigenvalues - 1).max() < (relu.error + step.error).max()


def test_weights_and_order_of_neurons() -> None:
    """Positive weights scale columns, and neurons may come in any order."""
    rng = np.random.default_rng(3)
    w, knots = rng.uniform(0.5, 2, 30), random_knots(30)
    features = Features(on_knots("relu", knots).activation, w, -w * knots, (0.0, 1.0))
    shuffle = rng.permutation(30)
    shuffled = Features(features.activation, w[shuffle], features.biases[shuffle], (0.0, 1.0))
    plain = dense_symmetric(dense(gram(features)))
    resolved = plain.error < 1e-6
    for found in (spectrum(features), spectrum(shuffled)):
        assert found.method.startswith("Sturm")
        assert np.abs(found.eigenvalues / plain.eigenvalues - 1)[resolved].max() < 1e-6


def test_left_facing_relus_fall_back_to_a_dense_solver_with_a_floor() -> None:
    w = np.array([1.0, -1.0, 1.0])
    found = spectrum(Features(on_knots("relu", grid(2)).activation, w, np.array([0.0, 0.5, -0.5]), (0.0, 1.0)))
    assert found.method.startswith("dense") and found.noise_floor > 0


def test_interior_hats_in_closed_form() -> None:
    n = 400
    sigma = on_knots("hat", grid(2)).activation
    found = spectrum(Features(sigma, np.full(n, n + 1.0), -np.arange(n, dtype=float), (0.0, 1.0)))
    exact = (2 + np.cos(np.arange(1, n + 1) * np.pi / (n + 1))) / 3 / (n + 1)
    assert found.method.startswith("dispersion")
    assert (np.abs(found.eigenvalues / exact - 1) <= found.error).all()


def test_bad_requests() -> None:
    with pytest.raises(ValueError, match="expected one of mass, stiffness, h1"):
        spectrum(on_knots("hat", grid(4)), "mess")
    with pytest.raises(MemoryError, match="GiB"):
        spectrum(on_knots("relu2", grid(200_000)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_method_agrees_or_is_refused(case: Case) -> None:
    """Within the sum of their bounds. Dispersion takes kinks to be equispaced that are so to 2 ε |b|: 6 of those over
    the step is what eigenvalues of degree three in the steps move by.
    """
    exact = spectrum(case.features, case.form, "sturm", case.affine)
    (a, b), n = case.features.domain, len(case.features)
    refusals: dict[str, str] = {}
    for method in get_args(Method):
        try:
            found = spectrum(case.features, case.form, method, case.affine)
        except ValueError as refused:
            refusals[method] = str(refused)
            continue
        moved = 6 * 2.3e-16 * max(abs(a), abs(b)) * n / (b - a) * found.method.startswith("dispersion")
        bound = (exact.error + moved) * exact.eigenvalues + found.error * np.abs(found.eigenvalues)
        assert (np.abs(found.eigenvalues - exact.eigenvalues) <= bound).all(), method
    assert not {"auto", "sturm"} & set(refusals)
    assert all(line.startswith(("method:", "affine:")) for line in refusals.values())


def test_too_many_knots_are_refused_before_they_are_tried() -> None:
    with pytest.raises(ValueError, match="counts for 60,000 eigenvalues of 60,000 knots take about 4 minutes"):
        spectrum(relus(random_knots(60_000)))
