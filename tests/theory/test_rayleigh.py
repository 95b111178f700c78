"""Rayleigh coefficients against integrals by hand, and the law of kinks against exact means."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import dblquad

from fembridge.theory.graphs import Activation, Affine, Graph
from fembridge.theory.laplace import laplace_modes
from fembridge.theory.meshes import box_mesh, interval_mesh
from fembridge.theory.partitions import partition
from fembridge.theory.rayleigh import coefficients, local_means, mean_coefficients, mean_section, moments, weyl_density
from fembridge.theory.spaces import assemble, space
from fembridge.theory.splines import named

UNIT = (0.0, 1.0)


def cosines(count: int) -> NDArray[np.float64]:
    return np.pi * np.arange(count)


def test_a_relu_along_cosines_by_hand() -> None:
    """∫_b¹ (x − b) √2 cos kπx = √2 ((−1)^k − cos kπb)/(kπ)², up to the (ωh)⁴ of quadratic modes."""
    b, cells, count = 0.37, 64, 9
    fine = interval_mesh(np.sort([*np.linspace(0, 1, cells + 1), b]))
    basis = space(box_mesh([UNIT], cells), 2)
    modes = laplace_modes(basis, count)
    x = fine.p.T[fine.t.T]
    found = moments(fine, np.maximum(x - b, 0), basis, modes.vectors)
    omega = cosines(count)[1:]
    exact = 2 * ((-1.0) ** np.arange(1, count) - np.cos(omega * b)) ** 2 / omega**4
    assert coefficients(found)[0] == pytest.approx(((1 - b) ** 2 / 2) ** 2, abs=1e-14)
    assert (np.abs(coefficients(found)[1:] - exact) < (omega / cells) ** 4 * 2 / omega**4).all()
    wrong = 2 * (1 - np.cos(omega * b)) ** 2 / omega**4
    assert not (np.abs(coefficients(found)[1:] - wrong) < (omega / cells) ** 4 * 2 / omega**4).all()


def test_a_step_along_cosines_by_hand() -> None:
    """∫_b¹ √2 cos kπx = −√2 sin(kπb)/(kπ): a function that jumps."""
    b, cells, count = 0.37, 64, 9
    fine = interval_mesh(np.sort([*np.linspace(0, 1, cells + 1), b]))
    basis = space(box_mesh([UNIT], cells), 2)
    modes = laplace_modes(basis, count)
    middle = fine.p.T[fine.t.T].mean(axis=1, keepdims=True)
    active = np.repeat((middle > b) * 1.0, 2, axis=1)
    omega = cosines(count)[1:]
    found = coefficients(moments(fine, active, basis, modes.vectors))[1:]
    assert (np.abs(found - 2 * np.sin(omega * b) ** 2 / omega**2) < (omega / cells) ** 4 * 2 / omega**2).all()


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("degree", [1, 2])
def test_a_ridge_against_a_polynomial_on_a_cut_mesh(d: int, degree: int) -> None:
    """∫ (x₁ − b)₊ x₁^p = (1 − b^{p+2})/(p+2) − b (1 − b^{p+1})/(p+1), b off the mesh, in both spaces exactly."""
    b, mesh = 0.4, box_mesh([UNIT] * d, 3)
    first, oblique = np.eye(d)[0], np.arange(1.0, d + 1) / 2
    lines = Affine(0, np.stack([first, oblique]), np.array([-b, -0.3]))
    graph = Graph(d, (lines, Activation(1, named("relu")), Affine(2, np.ones((1, 2)), np.zeros(1))))
    cut = partition(graph, mesh).mesh
    values = np.maximum(cut.p.T[cut.t.T] @ first - b, 0)[:, :, None]
    basis = space(mesh, degree)
    found = moments(cut, values, basis, basis.doflocs[:1].T ** degree)
    p = degree
    exact = (1 - b ** (p + 2)) / (p + 2) - b * (1 - b ** (p + 1)) / (p + 1)
    assert found == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_on_one_mesh_moments_are_products_with_the_mass_matrix(d: int) -> None:
    mesh, random = box_mesh([UNIT] * d, 4), np.random.default_rng(0)
    basis = space(mesh, 1)
    nodal, vectors = random.standard_normal((basis.N, 3)), random.standard_normal((basis.N, 5))
    found = moments(mesh, nodal[mesh.t.T], basis, vectors)
    assert np.abs(found - nodal.T @ (assemble("mass", basis) @ vectors)).max() < 1e-13


def test_the_law_of_kinks_is_the_exact_mean_over_offsets() -> None:
    """Over b, (x − b)₊ has the mean 3ω⁻⁴, its step 1·ω⁻² and x times its step ω⁻²/3 + 3ω⁻⁴."""
    b, k = (np.arange(4000) + 0.5) / 4000, np.arange(1, 9)
    omega = np.pi * k
    sine, cosine, end = np.sin(np.outer(b, omega)), np.cos(np.outer(b, omega)), (-1.0) ** k
    relu = (end - cosine) / omega**2
    weight = (end - cosine) / omega**2 - b[:, None] * sine / omega
    exact = 2 * (relu**2 + (sine / omega) ** 2 + weight**2).mean(axis=0)
    energy = (1 + 1 / 3) * omega**-2.0 + (3 + 1 + 2) * omega**-4.0
    law = mean_coefficients(omega, energy, dimension=1)
    # The cross term of x times the step, ⟨b sin(ωb) (cos ωb − (−1)^k)⟩, is of this size.
    assert (np.abs(exact - law) < 3 * omega**-4.0).all() and np.abs(exact / law - 1)[-1] < 1e-2
    assert mean_coefficients(omega, 3 * omega**-4.0, 1) == pytest.approx(2 * (relu**2).mean(axis=0), rel=1e-6)


@pytest.mark.parametrize(("d", "top"), [(2, 60), (3, 24)])
def test_local_means_of_ones_are_weyls_law_and_its_boundary_term(d: int, top: int) -> None:
    """Modes are points k ≥ 0, and k ≥ 0 holds half of all k and half of k = 0: Σ_s C(d, s) 2^{−s} n_{d−s}(ω)."""
    k = np.stack(np.meshgrid(*[np.arange(top + 1.0)] * d), axis=-1).reshape(-1, d)
    omega = np.pi * np.sort(np.linalg.norm(k, axis=1))
    omega = omega[omega <= np.pi * top]
    centres = np.pi * np.arange(top // 2, top - 2)
    found = local_means(omega, np.ones(len(omega)), centres, 2 * np.pi, d)
    exact = sum(comb(d, s) / 2**s * weyl_density(centres, d - s) for s in range(d)) / weyl_density(centres, d)
    # Left is how evenly points lie in shells, O(1/ω) of them.
    assert np.abs(found - exact).max() < 0.2 / top
    assert np.abs(found - 1).min() > 0.6 / top


def test_the_mean_section_of_a_cube() -> None:
    """Over an octant of the sphere; also against the areas of random sections."""
    octant = dblquad(lambda phi, z: 1 / (z + np.sqrt(1 - z * z) * (np.cos(phi) + np.sin(phi))), 0, 1, 0, np.pi / 2)[0]
    assert mean_section(3) == pytest.approx(octant / (np.pi / 2), rel=1e-8)
    assert mean_section(1) == 1 and mean_section(2) > mean_section(3) > 0.5


def test_bad_input() -> None:
    mesh = box_mesh([UNIT], 3)
    basis = space(mesh, 1)
    with pytest.raises(ValueError, match=r"moments: expected values \(3, 2, n\) and vectors \(4, K\), got \(3, 1, 1\)"):
        moments(mesh, np.ones((3, 1, 1)), basis, np.ones((4, 2)))
    with pytest.raises(ValueError, match="inside the domain"):
        moments(box_mesh([(0.0, 2.0)], 3), np.ones((3, 2, 1)), basis, np.ones((4, 2)))
    for centres in ([1.0], [8.0]):
        with pytest.raises(ValueError, match=r"centres: expected windows within \(0, 9\]"):
            local_means(np.arange(10.0), np.ones(10), centres, 2.0, 1)
