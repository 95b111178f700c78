"""Rayleigh coefficients of a kernel operator along the Laplace modes of a domain, and the law that they follow.

For K φ = Σ_j g_j ∫ g_j φ, with features g_j or derivatives by parameters, ρ_k = ⟨φ_k, K φ_k⟩ = Σ_j (∫ g_j φ_k)², φ_k of
unit L² norm. All integrals are over the domain, ∫ and not mean.
"""

from __future__ import annotations

from math import gamma, pi

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.sparse import csr_array
from scipy.special import erfcx
from skfem import Basis, Mesh

from fembridge.problem import Array
from fembridge.theory.location import locate
from fembridge.theory.partitions import volumes
from fembridge.theory.spaces import simplex_rule


def moments(mesh: Mesh, values: Array, basis: Basis, vectors: Array) -> Array:
    """∫ g_j φ_k (n, K), exactly, of functions g_j that are affine on each cell of a mesh and may jump between them.

    values: g_j at the corners of each cell (T, d+1, n). φ_k = Σ_i vectors[i, k] ψ_i in a basis of piecewise polynomials
    on a mesh that this one refines.

    Raises ValueError for shapes that do not fit, and for a cell outside the mesh of the basis.

    >>> from fembridge.theory.meshes import box_mesh
    >>> from fembridge.theory.spaces import space
    >>> coarse, fine = (box_mesh([(0.0, 1.0)], n) for n in (1, 3))
    >>> x = fine.p.T[fine.t.T]
    >>> moments(fine, x, space(coarse, 1), np.eye(2)).round(12)      # ∫ x (1 − x), ∫ x²
    array([[0.16666667, 0.33333333]])
    """
    shapes = (mesh.t.shape[1], mesh.dim() + 1), (basis.N,)
    if np.ndim(values) != 3 or np.ndim(vectors) != 2 or (values.shape[:2], vectors.shape[:1]) != shapes:
        expected = f"values ({shapes[0][0]}, {shapes[0][1]}, n) and vectors ({basis.N}, K)"
        raise ValueError(f"moments: expected {expected}, got {np.shape(values)} and {np.shape(vectors)}")
    loads = coupling(mesh, basis).T @ values.reshape(-1, values.shape[2])
    return np.asarray(loads.T @ vectors)


def coupling(mesh: Mesh, basis: Basis) -> csr_array:
    """∫ λ_c ψ_i over each cell of a mesh, (T (d+1), N): its barycentric coordinates against a basis on a coarser mesh.

    Within one cell of the coarser mesh ψ_i is a polynomial, and a rule of its degree + 1 is exact.
    """
    corners = mesh.p.T[mesh.t.T]
    points, weights = simplex_rule(mesh.dim(), basis.elem.maxdeg + 1)
    parent, _ = locate(basis.mesh, corners.mean(axis=1))
    x = basis.mapping.invF(np.moveaxis(points @ corners, 2, 0), tind=parent)
    measure = (points.T * weights).T  # (Q, d+1)
    shapes = [np.broadcast_to(basis.elem.lbasis(x, i)[0], x.shape[1:]) @ measure for i in range(basis.Nbfun)]
    entries = volumes(mesh)[:, None] * np.stack(shapes)
    row = np.broadcast_to(np.arange(mesh.t.size).reshape(entries.shape[1:]), entries.shape)
    column = np.broadcast_to(basis.element_dofs[:, parent, None], entries.shape)
    return csr_array((entries.ravel(), (row.ravel(), column.ravel())), shape=(mesh.t.size, basis.N))


def coefficients(moments: Array) -> Array:
    """ρ_k = Σ_j (∫ g_j φ_k)² from the moments (n, K)."""
    return np.asarray((moments**2).sum(axis=0))


def weyl_density(omega: ArrayLike, dimension: int, volume: float = 1.0) -> Array:
    """Laplace modes per unit of frequency, by Weyl's law: n(ω) = |Ω| |S^{d−1}| ω^{d−1}/(2π)^d.

    >>> weyl_density([1.0, 8.0], dimension=1) * np.pi
    array([1., 1.])
    """
    sphere = 2 * pi ** (dimension / 2) / gamma(dimension / 2)
    return np.asarray(volume * sphere * np.asarray(omega, dtype=float) ** (dimension - 1) / (2 * pi) ** dimension)


def mean_coefficients(omega: ArrayLike, energy: ArrayLike, dimension: int, volume: float = 1.0) -> Array:
    """Mean Rayleigh coefficients near frequency ω of functions g_j with kinks: energy(ω)/(π n(ω)).

    energy: the sum over all g_j of ∫ |ĝ|² over their kinks, ĝ(ω) the Fourier transform of g across the kink.

        [g]² ω⁻²           a jump of the function
        [∂_ν g]² ω⁻⁴       a jump of its slope; 4(∂_ν g)²/2 ω⁻⁴ on the boundary, where Neumann modes see g reflected
        |σ̂(ω/|w|)|²/|w|²   a narrow ridge σ(w·x + b), at frequencies that do not see where it ends

    By Parseval, |ĝ|²/π is what g has of its square in each unit of frequency ω > 0 and of area; modes share it, n(ω) of
    them. So coefficients decay like ω^{−(d+1)} where functions jump and ω^{−(d+3)} where only their slopes do. The ends
    of kinks add terms of higher order in 1/ω.

    >>> omega = np.array([2.0, 10.0])
    >>> mean_coefficients(omega, 3 * omega**-4, dimension=1).round(6)   # (x − b)₊ on [0, 1], in the mean over b: 3ω⁻⁴
    array([0.1875, 0.0003])
    """
    return np.asarray(np.asarray(energy) / (pi * weyl_density(omega, dimension, volume)))


def local_means(
    frequencies: Array, ratios: Array, centres: ArrayLike, width: float, dimension: int, volume: float = 1.0
) -> Array:
    """Means of numbers r_k that belong to frequencies ω_k, near each of the centres ω, modes counted by Weyl's law:

        Σ_k W(ω_k − ω) r_k/n(ω_k),    W(s) = (1 − |s|/width)₊/width.

    They tend to 1 where r_k = ρ_k/law(ω_k) and the law is that of `mean_coefficients`. On a box of sides L those modes
    that depend on one coordinate alone, cos(jπx/L), weigh differently for even and odd j: windows of width 2π/L hold
    as much of either.

    Raises ValueError for windows that reach beyond the frequencies (0, max ω_k].

    >>> omega = np.pi * np.arange(40)
    >>> local_means(omega, np.ones(40), [4 * np.pi, 12 * np.pi], 2 * np.pi, dimension=1).round(12)
    array([1., 1.])
    """
    omega, positive = np.asarray(centres, dtype=float), frequencies > 0
    largest = float(frequencies.max())
    if not (width > 0 and omega.min() >= width and omega.max() + width <= largest * (1 + 1e-9)):
        raise ValueError(f"centres: expected windows within (0, {largest:g}], got {omega} ± {width:g}")
    found = frequencies[positive]
    window = np.maximum(1 - np.abs(found - omega[:, None]) / width, 0) / width
    return np.asarray(window @ (ratios[positive] / weyl_density(found, dimension, volume)))


def mean_section(dimension: int) -> float:
    """Mean area in which a random hyperplane that meets the unit cube does so; its direction ξ is uniform on the
    sphere, and its offset uniform: E 1/Σ|ξ_i|, the volume over the width.

    With X normal and ξ = X/|X| it is E 1/Σ|X_i| over E 1/|X|; the former is ∫₀^∞ (E e^{−t|X_1|})^d dt, and
    E e^{−t|X_1|} = erfcx(t/√2).

    >>> bool(abs(mean_section(2) - 2 * 2**0.5 / np.pi * np.log(1 + 2**0.5)) < 1e-12)
    True
    """
    if dimension == 1:
        return 1.0
    inverse = quad(lambda t: erfcx(t / 2**0.5) ** dimension, 0, np.inf, epsabs=1e-13, epsrel=1e-13)[0]
    return float(inverse * 2**0.5 * gamma(dimension / 2) / gamma((dimension - 1) / 2))
