"""Laplace modes against closed forms, a dense solver, and their own bounds."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.special import jnp_zeros
from skfem import Basis, ElementQuad1, ElementTriDG, ElementTriP1, Mesh, MeshLine, MeshQuad, MeshTet, MeshTri

from fembridge.memory import memory_limit
from fembridge.theory import laplace
from fembridge.theory.laplace import LaplaceModes, laplace_modes
from fembridge.theory.meshes import box_mesh, interval_mesh
from fembridge.theory.spaces import assemble, space


def random_nodes(n: int) -> np.ndarray:
    return np.concatenate([[0], np.sort(np.random.default_rng(0).random(n)), [1]])


def discs(number: int, refined: int) -> MeshTri:
    mesh = MeshTri.init_circle(refined)
    for i in range(1, number):
        mesh = mesh + MeshTri.init_circle(refined).translated((3.0 * i, 0.0))
    return mesh


def box_frequencies(sides: tuple[float, ...], count: int) -> np.ndarray:
    """π |(j/a, k/b, …)|, the lowest of them."""
    waves = np.meshgrid(*(np.arange(count) / side for side in sides))
    return np.sort(np.pi * np.sqrt(sum(w**2 for w in waves)).ravel())[:count]


CASES: dict[str, tuple[Mesh, int]] = {
    "random interval": (interval_mesh(random_nodes(700)), 1),
    "random interval of degree 2": (interval_mesh(random_nodes(60)), 2),
    "interval of degree 3": (interval_mesh(random_nodes(250)), 3),
    "two intervals": (box_mesh([(0.0, 1.0)], 300) + box_mesh([(2.0, 3.0)], 300), 1),
    "square": (box_mesh([(0.0, 1.0)] * 2, 24), 1),
    "square of degree 2": (box_mesh([(0.0, 1.0)] * 2, 16), 2),
    "thin rectangle": (box_mesh([(0.0, 10.0), (0.0, 0.1)], (300, 3)), 1),
    "l-shape": (MeshTri.init_lshaped().refined(4), 1),
    "disc": (MeshTri.init_circle(3), 2),
    "nine discs": (discs(9, 2), 2),
    "cube": (box_mesh([(0.0, 1.0)] * 3, 8), 1),
    "cube of degree 2": (box_mesh([(0.0, 1.0)] * 3, 4), 2),
    "ball": (MeshTet.init_ball(2), 2),
    "small cube": (box_mesh([(0.0, 1.0)] * 3, 3), 1),
}


def within_bounds(modes: LaplaceModes, exact: np.ndarray, dense_error: float) -> bool:
    """Whether ω̂² lies as near the dense eigenvalues as the two errors allow."""
    found = modes.frequencies
    return bool((np.abs(found**2 - exact) <= modes.error * (2 * found + modes.error) + dense_error).all())


@pytest.mark.parametrize("name", CASES)
def test_modes_equal_those_of_a_dense_solver_within_their_bound(name: str) -> None:
    basis, count = space(*CASES[name]), 30
    k, m = assemble("stiffness", basis), assemble("mass", basis)
    modes = laplace_modes(basis, count)
    values = eigh(k.toarray(), m.toarray(), eigvals_only=True)
    # LAPACK's own error, in proportion to the largest eigenvalue.
    noise = 4 * np.finfo(float).eps * values[-1] * np.sqrt(basis.N)
    assert modes.converged and modes.certified
    assert within_bounds(modes, values[:count], noise)
    assert (modes.error <= 1e-6 * np.maximum(modes.frequencies, 1e-300)).all() and (modes.residuals < 1e-8).all()
    assert np.abs(modes.vectors.T @ (m @ modes.vectors) - np.eye(count)).max() < 1e-10
    # The negative control: a shifted eigenvalue, and the modes one further up.
    shifted = values[:count] * (1 + 1e-4)
    assert not within_bounds(modes, shifted, noise)
    assert not within_bounds(modes, values[1 : count + 1], noise)


@pytest.mark.parametrize("cells", [400, 4000])
def test_an_interval_in_closed_form(cells: int) -> None:
    """P1 on [0, 2] in equal cells: ω² = (12/h²) sin²(φ/2)/(2 + cos φ), φ = kπ/n."""
    modes = laplace_modes(space(interval_mesh(np.linspace(0, 2, cells + 1)), 1), 40)
    phi = np.arange(40) * np.pi / cells
    exact = cells / 2 * np.sqrt(12 / (2 + np.cos(phi))) * np.sin(phi / 2)
    error = np.abs(modes.frequencies - exact)
    assert (error <= modes.error).all()
    # No ε λ_max: low frequencies are right to round-off whatever the number of cells.
    assert (error[1:] < 1e-12 * exact[1:]).all()
    assert modes.frequencies[0] == modes.error[0] == modes.residuals[0] == 0


@pytest.mark.parametrize(
    ("sides", "degree", "cells", "cap"),
    [
        ((1.0, 0.7), 1, (16, 24, 36), 1e-2),
        ((1.0, 0.7), 2, (8, 12, 18), 1e-4),
        ((1.0, 0.8, 0.6), 1, (8, 11, 16), 5e-2),
        ((1.0, 0.8, 0.6), 2, (4, 6, 8), 3e-3),
    ],
)
def test_order_of_convergence_on_boxes(sides, degree, cells, cap) -> None:
    """ω̂/ω − 1 falls as h^{2p}."""
    exact, domain = box_frequencies(sides, 8)[1:], [(0.0, side) for side in sides]
    errors = [laplace_modes(space(box_mesh(domain, n), degree), 8).frequencies[1:] / exact - 1 for n in cells]
    slopes = -np.polyfit(np.log(cells), np.log(np.array(errors)), 1)[0]
    assert (slopes > 2 * degree - 0.25).all() and (slopes < 2 * degree + 0.35).all()
    assert np.max(errors[-1]) < cap
    # Another order does not pass: this is no test that every slope satisfies.
    assert not ((slopes > degree - 0.25) & (slopes < degree + 0.35)).any()


def test_a_disc_has_the_zeros_of_bessel_derivatives() -> None:
    """J′ₘ(ω) = 0, each with m > 0 twice; the boundary of straight edges costs O(h²) too."""
    exact = np.sort([zero for m in range(8) for zero in jnp_zeros(m, 4) for _ in range(1 + (m > 0))])[:11]
    errors = []
    for refined in (4, 5):
        modes = laplace_modes(space(MeshTri.init_circle(refined), 1), 12)
        assert modes.certified
        errors.append(modes.frequencies[1:] / exact - 1)
    order = np.log2(errors[0] / errors[1])
    assert (order > 1.8).all() and (order < 2.2).all() and np.abs(errors[1]).max() < 3e-3


def test_modes_of_a_square_are_cosines() -> None:
    basis = space(box_mesh([(0.0, 1.0)] * 2, 40), 2)
    modes, (x, y) = laplace_modes(basis, 4), basis.doflocs
    plane, diagonal = modes.vectors[:, 1:3], modes.vectors[:, 3]
    for wave in (np.cos(np.pi * x), np.cos(np.pi * y)):  # a double frequency: the two span one plane
        wave = wave / np.sqrt(wave @ assemble("mass", basis) @ wave)
        assert np.linalg.norm(plane.T @ (assemble("mass", basis) @ wave)) == pytest.approx(1, abs=1e-6)
    assert np.abs(np.abs(diagonal) - np.abs(2 * np.cos(np.pi * x) * np.cos(np.pi * y))).max() < 1e-3


@pytest.mark.parametrize("count", [2, 3, 4, 9, 10])
def test_no_copy_of_a_multiple_frequency_is_missing(count: int) -> None:
    """On twelve equal discs every frequency is twelve or twenty-four fold: more than a block finds at once."""
    basis = space(discs(12, 2), 2)
    modes = laplace_modes(basis, count + 24)
    one = laplace_modes(space(discs(1, 2), 2), 6)
    assert modes.certified
    assert np.abs(modes.frequencies - np.repeat(one.frequencies, 12)[: count + 24]).max() < 1e-7


def test_a_missing_copy_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """With modes left out of the search on purpose, the count by inertia differs, and the search goes on."""
    basis = space(discs(12, 2), 2)
    searches = []

    class Blind(laplace.Krylov):
        renewed = 0

        def advance(self, wanted: int, tolerance: float) -> bool:
            searches.append(wanted)
            return super().advance(wanted, tolerance)

        def renew(self, keep: int) -> None:
            Blind.renewed += 1
            super().renew(keep)

    monkeypatch.setattr(laplace, "Krylov", Blind)
    assert laplace_modes(basis, 36).certified and (Blind.renewed or max(searches) > 36)
    assert not laplace_modes(basis, 36, certify=False).certified
    monkeypatch.setattr(laplace, "inertia", lambda *_: (35, 0.0))
    assert not laplace_modes(basis, 36).certified
    monkeypatch.setattr(laplace, "inertia", lambda *_: (36, np.inf))
    assert not laplace_modes(basis, 36).certified


def test_a_search_that_ends_early_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laplace, "TOLERANCE", 0.0)
    modes = laplace_modes(space(box_mesh([(0.0, 1.0)] * 2, 24), 1), 5)
    assert not modes.converged and not modes.certified
    assert np.isfinite(modes.error).all()


def test_disconnected_parts_have_one_constant_each() -> None:
    basis = space(discs(3, 3), 1)
    modes = laplace_modes(basis, 5)
    assert (modes.frequencies[:3] == 0).all() and modes.frequencies[3] > 1
    steps = modes.vectors[:, :3]
    assert all(len(np.unique(np.round(column, 12))) == 2 for column in steps.T)
    only = laplace_modes(basis, 2)
    assert only.certified and (only.frequencies == 0).all() and only.vectors.shape == (basis.N, 2)


def test_results_repeat() -> None:
    basis = space(MeshTri.init_circle(4), 1)
    one, other = laplace_modes(basis, 9), laplace_modes(basis, 9)
    assert (one.frequencies == other.frequencies).all() and (one.vectors == other.vectors).all()


def test_all_modes_of_a_small_space() -> None:
    basis = space(box_mesh([(0.0, 1.0)], 3), 1)
    modes = laplace_modes(basis, 4)
    assert modes.method.startswith("dense") and modes.certified
    k, m = assemble("stiffness", basis).toarray(), assemble("mass", basis).toarray()
    assert modes.frequencies**2 == pytest.approx(eigh(k, m, eigvals_only=True), abs=1e-12)


def test_other_cells_have_modes_too() -> None:
    basis = Basis(MeshQuad.init_tensor(np.linspace(0, 1, 41), np.linspace(0, 1, 41)), ElementQuad1())
    modes = laplace_modes(basis, 10)
    assert modes.certified
    assert modes.frequencies == pytest.approx(box_frequencies((1.0, 1.0), 10), rel=5e-3)


def test_a_broken_space_is_as_many_parts_as_cells() -> None:
    basis = Basis(box_mesh([(0.0, 1.0)] * 2, 60), ElementTriDG(ElementTriP1()))
    modes = laplace_modes(basis, 5)
    assert (modes.frequencies == 0).all() and modes.certified and modes.vectors.shape == (21600, 5)
    assert (modes.vectors.T @ assemble("mass", basis) @ modes.vectors) == pytest.approx(np.eye(5))


@pytest.mark.parametrize("size", [1e-5, 1e5])
def test_frequencies_scale_with_the_domain(size: float) -> None:
    one = laplace_modes(space(box_mesh([(0.0, 1.0), (0.0, 2.0)], 24), 1), 9)
    other = laplace_modes(space(box_mesh([(0.0, size), (0.0, 2 * size)], 24), 1), 9)
    assert other.certified and other.frequencies * size == pytest.approx(one.frequencies, rel=1e-12)


def test_bad_requests() -> None:
    basis = space(box_mesh([(0.0, 1.0)], 3), 1)
    for count in (0, 5):
        with pytest.raises(ValueError, match=f"expected a count from 1 to 4, got {count}"):
            laplace_modes(basis, count)
    with pytest.raises(ValueError, match="expected continuous functions"):
        laplace_modes(space(box_mesh([(0.0, 1.0)] * 2, 3), 0), 2)
    loose = MeshLine(np.array([[0.0, 0.5, 7.0, 1.0]]), np.array([[0, 1], [1, 3]]))
    with pytest.raises(ValueError, match="node 2 of the mesh is in no cell"):
        laplace_modes(space(loose, 1), 2)
    with memory_limit(0.01), pytest.raises(MemoryError, match="search for 3 modes of 9261 unknowns needs"):
        laplace_modes(space(box_mesh([(0.0, 1.0)] * 3, 20), 1), 3)
    with memory_limit(1e-3), pytest.raises(MemoryError, match="dense pencil of 343 unknowns"):
        laplace_modes(space(box_mesh([(0.0, 1.0)] * 3, 6), 1), 3)


@pytest.mark.slow
@pytest.mark.parametrize(("dimension", "cells"), [(1, 100_000), (2, 316), (3, 46)])
def test_fifty_modes_of_a_hundred_thousand_unknowns(dimension: int, cells: int) -> None:
    basis = space(box_mesh([(0.0, 1.0)] * dimension, cells), 1)
    start = time.perf_counter()
    modes = laplace_modes(basis, 50)
    assert time.perf_counter() - start < 120
    assert modes.converged and modes.certified and basis.N > 100_000
    assert modes.frequencies == pytest.approx(box_frequencies((1.0,) * dimension, 50), rel=2e-2)
    assert (modes.error <= 1e-4 * np.maximum(modes.frequencies, 1e-300)).all()
