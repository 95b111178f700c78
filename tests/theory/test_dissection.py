"""Factors and inertia by nested dissection, against dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh, eigvalsh
from scipy.sparse import csr_array, eye_array
from skfem import MeshTri

from fembridge.memory import memory_limit
from fembridge.theory.dissection import cholesky, dissect, inertia
from fembridge.theory.meshes import box_mesh
from fembridge.theory.spaces import assemble, space

BASES = {
    "interval": space(box_mesh([(0.0, 1.0)], 500), 2),
    "rectangle": space(box_mesh([(0.0, 3.0), (0.0, 1.0)], (45, 15)), 1),
    "cube": space(box_mesh([(0.0, 1.0)] * 3, 8), 1),
    "cube of degree 2": space(box_mesh([(0.0, 1.0)] * 3, 4), 2),
    "l-shape": space(MeshTri.init_lshaped().refined(4), 1),
    "disc": space(MeshTri.init_circle(4), 1),
    "two discs": space(MeshTri.init_circle(3) + MeshTri.init_circle(3).translated((3.0, 0.0)), 1),
}


def pencil(name: str) -> tuple[csr_array, csr_array]:
    return assemble("stiffness", BASES[name]), assemble("mass", BASES[name])


@pytest.mark.parametrize("name", BASES)
def test_the_factor_solves(name: str) -> None:
    k, m = pencil(name)
    a, tree = csr_array(k + m), dissect(m, BASES[name].doflocs)
    assert (np.sort(tree.order) == np.arange(len(tree.order))).all() and len(tree.sizes) > 4
    factor = cholesky(a, tree)
    # What is stored is what was foretold.
    assert sum(x.size for x in factor.triangles) + sum(x.size for x in factor.panels) == tree.fill
    x = np.random.default_rng(0).standard_normal((len(tree.order), 3))
    assert np.abs(factor.solve(a @ x) - x).max() < 1e-14 * np.linalg.cond(a.toarray())


@pytest.mark.parametrize("name", BASES)
def test_inertia_counts_the_eigenvalues_below(name: str) -> None:
    k, m = pencil(name)
    tree, values = dissect(m, BASES[name].doflocs), eigh(k.toarray(), m.toarray(), eigvals_only=True)
    for i in (0, 1, 7, 60, 200, len(values) - 2):
        mu = (values[i] + values[i + 1]) / 2
        if values[i + 1] - values[i] > 1e-6 * values[-1]:
            count, rounding = inertia(csr_array(k - mu * m), tree, np.sqrt(m.diagonal()))
            assert count == i + 1
            assert 0 < rounding < 1e-6 * values[-1]
    assert inertia(csr_array(k + m), tree, np.ones(len(values)))[0] == 0


def test_a_matrix_that_is_singular_has_no_certain_inertia() -> None:
    """The stated rounding reaches the eigenvalue that is zero; and a count so close above it may be either."""
    k, m = pencil("rectangle")
    tree, values = dissect(m, BASES["rectangle"].doflocs), eigh(k.toarray(), m.toarray(), eigvals_only=True)
    count, rounding = inertia(csr_array(k - values[9] * m), tree, np.sqrt(m.diagonal()))
    assert count in (9, 10) and rounding > abs(eigvalsh((k - values[9] * m).toarray())).min()


def test_fill_in_the_plane_grows_like_n_log_n() -> None:
    def fill(cells: int) -> float:
        basis = space(box_mesh([(0.0, 1.0)] * 2, cells), 1)
        return dissect(assemble("mass", basis), basis.doflocs).fill / (basis.N * np.log2(basis.N))

    assert fill(160) < 1.3 * fill(40) and fill(160) < 8


def test_unknowns_at_one_point_are_one_block() -> None:
    tree = dissect(csr_array(eye_array(200)), np.zeros((2, 200)))
    assert tree.sizes == [(200, 0)]
    assert np.allclose(cholesky(csr_array(4 * eye_array(200)), tree).solve(np.ones((200, 1))), 0.25)


def test_refusals() -> None:
    k, m = pencil("disc")
    tree = dissect(m, BASES["disc"].doflocs)
    with pytest.raises(ValueError, match="not positive definite"):
        cholesky(csr_array(k - 5 * m), tree)
    with memory_limit(1e-4), pytest.raises(MemoryError, match="factor of"):
        cholesky(csr_array(k + m), tree)
    with memory_limit(1e-4), pytest.raises(MemoryError, match="fronts of"):
        inertia(csr_array(k - m), tree, np.ones(len(tree.order)))
