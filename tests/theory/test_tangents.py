"""Derivatives by parameters in the broken space, against integrals by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.memory import memory_limit
from fembridge.problem import Array
from fembridge.theory.graphs import Activation, Affine, Graph
from fembridge.theory.meshes import box_mesh
from fembridge.theory.partitions import Partition, partition
from fembridge.theory.splines import named
from fembridge.theory.tangents import (
    Part,
    kernel_spectrum,
    region_frames,
    simplex_frames,
    tangent_gram,
    tangents,
)

ALL: list[Part] = [(1, "weight"), (1, "bias"), (3, "weight"), (3, "bias")]


def shallow(w: Array, c: Array, v: Array) -> Graph:
    n = len(w)
    output = Affine(2, v.reshape(1, n), np.zeros(1))
    return Graph(w.shape[1], (Affine(0, w, c), Activation(1, named("relu")), output))


def test_one_neuron_by_hand() -> None:
    """v (x − ½)₊ on [0, 1]: ∂w = v x, ∂c = v where active, ∂v = (x − ½)₊, ∂d = 1."""
    graph = shallow(np.ones((1, 1)), np.array([-0.5]), np.array([3.0]))
    gram = tangent_gram(tangents(graph, region_frames(partition(graph, (0.0, 1.0))), ALL))
    half = [(1 - 0.5**k) / k for k in range(1, 5)]  # ∫ x^{k−1} over [½, 1]
    ramp = [1 / 8, half[2] - half[1] / 2, 1 / 24]  # of (x − ½)₊ with 1, with x, with itself
    expected = np.array(
        [
            [9 * half[2], 9 * half[1], 3 * ramp[1], 3 * half[1]],
            [9 * half[1], 9 * half[0], 3 * ramp[0], 3 * half[0]],
            [3 * ramp[1], 3 * ramp[0], ramp[2], ramp[0]],
            [3 * half[1], 3 * half[0], ramp[0], 1],
        ]
    )
    assert np.abs(gram - expected).max() < 1e-15 * 10


@pytest.mark.parametrize("d", [1, 2, 3])
def test_regions_and_simplices_agree(d: int) -> None:
    """The mass matrix of a region in the coordinates of one simplex, from a mesh whose seams are no kinks."""
    random = np.random.default_rng(d)
    graph = shallow(random.standard_normal((4, d)), random.uniform(-0.5, 0.5, 4), random.standard_normal(4))
    found: Partition = partition(graph, box_mesh([(-1.0, 1.0)] * d, 3))
    regions, simplices = region_frames(found), simplex_frames(found.mesh)
    assert len(regions) == found.regions < len(simplices)
    a, b = (tangents(graph, frames, ALL) for frames in (regions, simplices))
    assert np.abs(tangent_gram(a) - tangent_gram(b)).max() < 1e-13 * np.abs(tangent_gram(b)).max()
    v, g = random.standard_normal(a.count), random.standard_normal(a.root().shape[0])
    rows = np.concatenate(list(a.rows()))
    assert np.abs(a.root() @ v - rows @ v).max() < 1e-13 * np.abs(rows).sum(axis=1).max() * np.abs(v).max()
    assert np.abs(a.root().H @ g - rows.T @ g).max() < 1e-13 * np.abs(rows).sum(axis=0).max() * np.abs(g).max()


def test_spectrum_of_features_alone() -> None:
    """Output weights of ReLUs on a grid: the Gram matrix of `grams`, whose eigenvalues are known to all digits."""
    from fembridge.theory.features import grid, on_knots
    from fembridge.theory.spectra import spectrum

    n = 40
    graph = shallow(np.ones((n, 1)), -grid(n), np.ones(n))
    found = kernel_spectrum(tangents(graph, region_frames(partition(graph, (0.0, 1.0))), [(3, "weight")]))
    expected = spectrum(on_knots("relu", grid(n))).eigenvalues
    assert (np.abs(found.eigenvalues - expected) <= found.error * expected).all()
    assert found.error.max() < 1e-8 and found.noise_floor < expected[-1]


def test_what_does_not_fit_is_refused() -> None:
    random = np.random.default_rng(0)
    graph = shallow(random.standard_normal((300, 1)), random.uniform(-1, 1, 300), np.ones(300))
    made = tangents(graph, region_frames(partition(graph, (-1.0, 1.0))), ALL)
    with memory_limit(1e-3), pytest.raises(MemoryError, match="a tangent Gram matrix of 901 parameters needs"):
        tangent_gram(made)


def test_the_method_is_chosen_by_memory_and_named() -> None:
    random = np.random.default_rng(0)
    graph = shallow(random.standard_normal((30, 2)), random.uniform(-0.5, 0.5, 30), np.ones(30))
    made = tangents(graph, region_frames(partition(graph, [(-1.0, 1.0)] * 2)), [(3, "weight")])
    with memory_limit(2e-4):  # too little for hundreds of regions, enough for 30 parameters
        dense = kernel_spectrum(made)
    found = kernel_spectrum(made)
    assert "dense" in dense.method and "SVD" in found.method
    assert (np.abs(dense.eigenvalues - found.eigenvalues) <= (dense.error + found.error) * found.eigenvalues).all()


def test_regions_thinner_than_rounding_weigh_nothing() -> None:
    """Planes turned by 1e-13 against each other leave regions of volume 1e-40, whose frame is singular."""
    for seed in range(12):
        random = np.random.default_rng(seed)
        w = np.repeat(random.standard_normal((2, 3)), 3, axis=0) + 1e-13 * random.standard_normal((6, 3))
        graph = shallow(w, np.repeat(random.uniform(-0.3, 0.3, 2), 3), random.standard_normal(6))
        found = partition(graph, [(-1.0, 1.0)] * 3)
        a, b = (tangent_gram(tangents(graph, f, ALL)) for f in (region_frames(found), simplex_frames(found.mesh)))
        assert np.abs(a - b).max() < 1e-11 * np.abs(b).max()
