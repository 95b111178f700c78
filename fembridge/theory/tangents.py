"""Derivatives of a piecewise-linear network by its parameters: affine on each linear region, exactly.

For h_k = W h_s + b, B_k = ∂u/∂h_k is constant on a region and h_s is affine there, so that

    ∂u/∂W_ij = B_ki h_sj,    ∂u/∂b_i = B_ki

are discontinuous piecewise-linear functions, the broken space P1, and integrals of their products are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse.linalg import LinearOperator
from skfem import Mesh

from fembridge.memory import fits, require_memory
from fembridge.problem import Array
from fembridge.theory.graphs import Affine, Graph, derivatives, sensitivities, values
from fembridge.theory.partitions import Partition, volumes
from fembridge.theory.symmetric import EPS, Spectrum, absolute

Part = tuple[int, Literal["weight", "bias"]]  # the weight or the bias of a step
CHUNK = 2**23  # numbers held at once
SVD = 2000  # eigenvalues up to which an SVD is worth its time


@dataclass(frozen=True, eq=False)
class Frames:
    """A simplex in each part of a domain, for functions that are affine on the part.

    corners: (R, d+1, d). root: (R, d+1, d+1); with p the values at the corners, ∫ p q = (root p)·(root q) over the
    whole part.
    """

    corners: Array
    root: Array

    def __len__(self) -> int:
        return len(self.corners)


def simplex_frames(mesh: Mesh) -> Frames:
    """Each simplex itself: ∫ λ_i λ_j = |T| (1 + δ_ij)/((d+1)(d+2))."""
    d = mesh.dim()
    mass = (np.eye(d + 1) + 1) / ((d + 1) * (d + 2))
    root = np.linalg.cholesky(mass).T
    return Frames(mesh.p.T[mesh.t.T], np.sqrt(volumes(mesh))[:, None, None] * root)


def region_frames(partition: Partition) -> Frames:
    """The largest simplex of each linear region, and the mass matrix of the whole region in its coordinates."""
    every, d = simplex_frames(partition.mesh), partition.mesh.dim()
    order = np.lexsort((-volumes(partition.mesh), partition.region))
    first = order[np.searchsorted(partition.region[order], np.arange(partition.regions))]
    corners = every.corners[first]
    edges = corners[:, 1:] - corners[:, :1]
    edges[np.linalg.det(edges) == 0] = np.eye(d)  # regions thinner than rounding, which weigh nothing
    inner = (every.corners - corners[partition.region, :1]) @ np.linalg.inv(edges)[partition.region]
    weights = np.concatenate([1 - inner.sum(axis=2, keepdims=True), inner], axis=2)  # barycentric, of each corner
    rows = every.root @ weights
    mass = np.zeros((len(corners), d + 1, d + 1))
    np.add.at(mass, partition.region, np.swapaxes(rows, 1, 2) @ rows)
    values, vectors = np.linalg.eigh(mass)
    return Frames(corners, np.sqrt(np.maximum(values, 0))[:, :, None] * np.swapaxes(vectors, 1, 2))


@dataclass(frozen=True, eq=False)
class Tangents:
    """∂u/∂θ on each part of a domain in factors, for some `parts` of the parameters, in their order.

    left[i]: B (R, n), right[i]: h (R, d+1, m) at the corners of the frame, or 1 for a bias: ∂u/∂θ = B_r h_rc, flat.
    """

    frames: Frames
    left: tuple[Array, ...]
    right: tuple[Array | None, ...]

    @property
    def sizes(self) -> list[int]:
        """How many parameters each part has."""
        return [b.shape[1] * (1 if h is None else h.shape[2]) for b, h in zip(self.left, self.right, strict=True)]

    @property
    def count(self) -> int:
        return sum(self.sizes)

    def nodal(self, at: slice = slice(None)) -> Array:
        """∂u/∂θ (R, d+1, P) at the corners."""
        corners, columns = self.frames.corners[at].shape[1], []
        for left, h in zip(self.left, self.right, strict=True):
            b = left[at]
            columns.append(
                np.broadcast_to(b[:, None], (len(b), corners, b.shape[1]))
                if h is None
                else (b[:, None, :, None] * h[at][:, :, None, :]).reshape(len(b), corners, -1)
            )
        return np.concatenate(columns, axis=2)

    def rows(self) -> Iterator[Array]:
        """R in some rows at a time, (·, P): RᵀR = ∫ ∂u/∂θ ∂u/∂θᵀ."""
        corners = self.frames.corners.shape[1]
        step = max(1, CHUNK // (corners * self.count))
        for start in range(0, len(self.frames), step):
            at = slice(start, start + step)
            yield (self.frames.root[at] @ self.nodal(at)).reshape(-1, self.count)

    def root(self) -> LinearOperator:
        """R (R (d+1), P) without forming it: a product costs as much as evaluating the network at the corners."""
        shape = len(self.frames), self.frames.corners.shape[1]
        ends = np.cumsum([0, *self.sizes])

        def push(v: Array) -> Array:
            y = np.zeros(shape)
            for b, h, start, stop in zip(self.left, self.right, ends[:-1], ends[1:], strict=True):
                part = np.ravel(v)[start:stop]
                y += (
                    (b @ part)[:, None]
                    if h is None
                    else ((h @ part.reshape(b.shape[1], -1).T) * b[:, None]).sum(axis=2)
                )
            return np.asarray((self.frames.root @ y[:, :, None]).ravel())

        def pull(g: Array) -> Array:
            y = (np.swapaxes(self.frames.root, 1, 2) @ np.reshape(g, (*shape, 1)))[:, :, 0]
            parts = [
                b.T @ y.sum(axis=1) if h is None else (b.T @ (y[:, None] @ h)[:, 0]).ravel()
                for b, h in zip(self.left, self.right, strict=True)
            ]
            return np.concatenate(parts)

        return LinearOperator((shape[0] * shape[1], self.count), matvec=push, rmatvec=pull, dtype=np.dtype(float))


def tangents(graph: Graph, frames: Frames, parts: Sequence[Part]) -> Tangents:
    """The derivatives of a network by some parts of its parameters, on frames within its linear regions.

    Raises MemoryError where the factors would not fit.
    """
    sizes = graph.sizes
    require_memory(8.0 * len(frames) * (2 + graph.dimension) * 2 * sum(sizes), "the tangents of all regions")
    derivative = derivatives(graph, frames.corners.mean(axis=1))
    sensitivity = sensitivities(graph, derivative, len(frames))
    found = values(graph, frames.corners.reshape(-1, graph.dimension))
    left, right = [], []
    for k, kind in parts:
        step = graph.steps[k - 1]
        assert isinstance(step, Affine)
        left.append(sensitivity[k])
        right.append(None if kind == "bias" else found[step.source].reshape(len(frames), graph.dimension + 1, -1))
    return Tangents(frames, tuple(left), tuple(right))


def tangent_gram(tangent: Tangents) -> Array:
    """∫ ∂u/∂θ_a ∂u/∂θ_b (P, P), over the domain, exactly. Raises MemoryError where it would not fit."""
    require_memory(3 * 8.0 * tangent.count**2, f"a tangent Gram matrix of {tangent.count} parameters")
    gram = np.zeros((tangent.count, tangent.count))
    for rows in tangent.rows():
        gram += rows.T @ rows
    return gram


def kernel_spectrum(tangent: Tangents) -> Spectrum:
    """Eigenvalues of the operator φ ↦ ∫ Θ(·, y) φ(y) dy, Θ the tangent kernel: those of ∫ ∂u/∂θ ∂u/∂θᵀ, but for zeros.

    As many as R has rows or columns, the fewer: squared singular values of R, to about 2√n ε √(λ_1/λ_k) relative;
    beyond 2,000 of them, or where R does not fit in memory, eigenvalues of RᵀR or R Rᵀ, to n ε λ_1 absolute, which is
    ten times as fast. Raises MemoryError where neither fits.
    """
    rows, columns = tangent.root().shape
    count, longest = min(rows, columns), max(rows, columns)
    whole = fits(3 * 8.0 * rows * columns)
    if whole and count <= SVD:
        singular = np.linalg.svd(np.concatenate(list(tangent.rows())), compute_uv=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.where(singular > 0, 2 * np.sqrt(longest) * EPS * singular[0] / singular, np.inf)
        floor = float((np.sqrt(longest) * EPS * singular[0]) ** 2)
        return Spectrum(singular**2, error, "SVD of the tangents, region by region", floor)
    if whole and rows < columns:
        root = np.concatenate(list(tangent.rows()))
        matrix = root @ root.T
    else:
        matrix = tangent_gram(tangent)
    eigenvalues = np.asarray(np.linalg.eigvalsh(matrix)[::-1], dtype=float)
    return absolute(eigenvalues, longest * EPS * eigenvalues[0], "dense symmetric (LAPACK syevd)")
