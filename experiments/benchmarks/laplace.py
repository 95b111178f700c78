"""The lowest modes of the Laplace pencil K v = ω² M v on a square and on a cube, natural ends, P1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import eigsh
from skfem import Basis

from experiments.benchmarks.harness import Array, Case, Side
from fembridge.theory.laplace import laplace_modes
from fembridge.theory.meshes import box_mesh
from fembridge.theory.spaces import assemble, space

MODES = 50


def box(dimension: int) -> Callable[[int], Basis]:
    """P1 on the unit box, with so many unknowns: a power of a whole number."""
    return lambda unknowns: space(box_mesh(((0.0, 1.0),) * dimension, round(unknowns ** (1 / dimension)) - 1), 1)


def ours(basis: Basis) -> Callable[[], Array]:
    return lambda: positive(laplace_modes(basis, MODES).frequencies ** 2)


def scipy_lanczos(**options: float | str) -> Callable[[Basis], Callable[[], Array]]:
    """SciPy's `eigsh`, to which the assembled matrices are given."""

    def prepare(basis: Basis) -> Callable[[], Array]:
        k, m = csc_matrix(assemble("stiffness", basis)), csc_matrix(assemble("mass", basis))
        start = np.random.default_rng(0).standard_normal(basis.N)
        return lambda: positive(eigsh(k, MODES, m, v0=start, return_eigenvectors=True, **options)[0])

    return prepare


def positive(values: Array) -> Array:
    """ω² ascending, without the first, which is zero."""
    return np.sort(values)[1:]


def modes(dimension: int, domain: str, sizes: tuple[int, ...], quick: int, naive: float) -> Case:
    """naive: up to where `eigsh` runs without an inverse of K; it restarts the more often the larger κ is, for minutes
    at 30,000 unknowns.
    """
    return Case(
        f"{MODES} lowest modes of a {domain}",
        inputs=box(dimension),
        sides=(
            Side("ours", ours),
            Side("eigsh, shift-invert", scipy_lanczos(sigma=-0.1)),
            Side("eigsh, smallest magnitude", scipy_lanczos(which="SM"), upto=naive),
        ),
        sizes=sizes,
        quick=(quick,),
        size="unknowns",
        reference="eigsh, shift-invert",
    )


CASES = [
    modes(2, "square", (56**2, 100**2, 178**2, 317**2), 20**2, naive=100**2),
    modes(3, "cube", (15**3, 21**3, 31**3, 47**3), 8**3, naive=21**3),
]
