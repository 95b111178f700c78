"""Finite-element spaces on simplicial meshes and their matrices, assembled by scikit-fem."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.special import roots_jacobi
from skfem import (
    Basis,
    BilinearForm,
    Element,
    ElementLineP0,
    ElementLineP1,
    ElementLineP2,
    ElementLinePp,
    ElementTetP0,
    ElementTetP1,
    ElementTetP2,
    ElementTriP0,
    ElementTriP1,
    ElementTriP2,
    Mesh,
    MeshLine,
)
from skfem.helpers import dot, grad
from skfem.refdom import RefTet, RefTri

from fembridge.problem import Array


@BilinearForm
def mass(u, v, _):  # type: ignore[no-untyped-def]
    """∫ u v."""
    return u * v


@BilinearForm
def stiffness(u, v, _):  # type: ignore[no-untyped-def]
    """∫ ∇u · ∇v; u' v' on an interval."""
    return dot(grad(u), grad(v))


@BilinearForm
def h1(u, v, _):  # type: ignore[no-untyped-def]
    """∫ u v + ∇u · ∇v."""
    return u * v + dot(grad(u), grad(v))


FORMS = {"mass": mass, "stiffness": stiffness, "h1": h1}


def named_form(form: str | BilinearForm) -> BilinearForm:
    """A bilinear form by name ("mass", "stiffness", "h1"), or the given scikit-fem form itself. ValueError for another
    name.
    """
    if isinstance(form, BilinearForm):
        return form
    if form not in FORMS:
        raise ValueError(f'form: expected one of {", ".join(FORMS)}, got "{form}"')
    return FORMS[form]


SIMPLICES = {
    RefTri: (ElementTriP0, ElementTriP1, ElementTriP2),
    RefTet: (ElementTetP0, ElementTetP1, ElementTetP2),
}


def space(mesh: Mesh, degree: int, intorder: int | None = None, panels: int = 1) -> Basis:
    """The space P_p of piecewise polynomials of `degree`, continuous for degree ≥ 1.

    Any degree on an interval; 0, 1 or 2 on triangles and tetrahedra. intorder: polynomial degree that is integrated
    exactly; 2p where nothing is said. panels: parts of each cell of an interval that are integrated to this order one
    by one, for integrands that oscillate within a cell.

    Raises ValueError for a mesh of other cells, for a degree and for panels that it does not have.

    >>> from fembridge.theory.meshes import box_mesh
    >>> int(space(box_mesh([(0.0, 1.0), (0.0, 1.0)], 3), 2).N)       # (2·3 + 1)²
    49
    """
    if isinstance(mesh, MeshLine):
        z, w = np.polynomial.legendre.leggauss((max(1, 2 * degree) if intorder is None else intorder) // 2 + 1)
        points = np.add.outer(np.arange(panels), (1 + z) / 2).ravel() / panels
        return Basis(mesh, line_element(degree), quadrature=(points[None, :], np.tile(w / 2, panels) / panels))
    if not isinstance(mesh, Mesh) or mesh.refdom not in SIMPLICES:
        raise ValueError(f"space: expected a mesh of intervals, triangles or tetrahedra, got {type(mesh).__name__}")
    if degree not in (0, 1, 2):
        raise ValueError(f"space: expected degree 0, 1 or 2 on triangles and tetrahedra, got {degree}")
    if panels != 1:
        raise ValueError(f"space: panels divide the cells of an interval alone, got {panels}")
    return Basis(mesh, SIMPLICES[mesh.refdom][degree](), intorder=max(1, 2 * degree) if intorder is None else intorder)


def line_element(degree: int) -> Element:
    """A new scikit-fem element P_p of the line.

    ElementLinePp remembers its last values by the number of points alone, so an instance that has served
    one set of points must not be asked for another.
    """
    elements = {0: ElementLineP0, 1: ElementLineP1, 2: ElementLineP2}
    return elements[degree]() if degree in elements else ElementLinePp(degree)


def simplex_rule(dimension: int, degree: int) -> tuple[Array, Array]:
    """Points (Q, dimension + 1), barycentric, and weights of sum 1: the mean over a simplex of any polynomial of this
    degree. Conical products of Gauss–Jacobi rules.

    Source: A. H. Stroud, Approximate Calculation of Multiple Integrals (1971), section 2.4.

    >>> points, weights = simplex_rule(2, 4)
    >>> bool(abs(weights @ points.prod(axis=1) - 1 / 60) < 1e-15)     # the mean of λ₀λ₁λ₂ is 2!/5!
    True
    """
    points, weights = np.ones((1, 1)), np.ones(1)
    for k in range(1, dimension + 1):
        z, w = roots_jacobi(degree // 2 + 1, k - 1, 0)  # weight (1 − s)^{k−1} on [0, 1], s towards the new corner
        s, w = (1 + z) / 2, w / w.sum()
        inner = (points[:, None] * (1 - s)[:, None]).reshape(-1, k)
        points = np.column_stack([inner, np.tile(s, len(points))])
        weights = np.multiply.outer(weights, w).ravel()
    return points, weights


def assemble(form: str | BilinearForm, basis: Basis) -> csr_array:
    """The matrix a(ψ_i, ψ_j) of a bilinear form in the nodal basis.

    >>> from fembridge.theory.meshes import interval_mesh
    >>> assemble("mass", space(interval_mesh(np.array([0.0, 1.0])), 1)).toarray() * 6
    array([[2., 1.],
           [1., 2.]])
    """
    return csr_array(named_form(form).assemble(basis))


def collocation(degree: int) -> tuple[Array, Array]:
    """Points on the reference cell, and the matrix from values there to local coefficients in P_p.

    Any polynomial of `degree` on a cell has local coefficients W @ (values at the points). For degree 1 the points are
    the two ends and W the identity, so coefficients are nodal values.
    """
    element = line_element(degree)
    points = np.array([0.5]) if degree == 0 else (1 - np.cos(np.pi * np.arange(degree + 1) / degree)) / 2
    shape = np.array([element.lbasis(points[None, :], i)[0] * np.ones_like(points) for i in range(degree + 1)])
    return points, np.linalg.inv(shape.T)
