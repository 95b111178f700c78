"""What kinks add to a Hessian, against integrals by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.problem import Array
from fembridge.theory.graphs import Activation, Affine, Graph
from fembridge.theory.hessians import facet_measures, hessian, kink_facets
from fembridge.theory.meshes import box_mesh
from fembridge.theory.partitions import partition
from fembridge.theory.splines import named


def one(w: Array, c: float, v: float, activation: str = "relu") -> Graph:
    output = Affine(2, np.array([[v]]), np.zeros(1))
    return Graph(len(w), (Affine(0, w[None], np.array([c])), Activation(1, named(activation)), output))


def minus(value: float):  # type: ignore[no-untyped-def]
    return lambda x: np.full(len(x), -value)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("mesh", [False, True])
def test_a_plane_across_a_box(d: int, mesh: bool) -> None:
    """v ReLU(2 x₀ − ½) on [0, 1]^d, f = −r: the kink x₀ = ¼ adds r v/2 to ∂²/∂c², r v/2 · ¼ to ∂²/∂c∂w₀, r v/2 · ½ to
    ∂²/∂c∂w₁, r v/2 · ¼ · ½ to ∂²/∂w₀∂w₁, r v/2 · ⅓ to ∂²/∂w₁².
    """
    graph, box = one(np.array([2.0, 0.0, 0.0])[:d], -0.5, 3.0), [(0.0, 1.0)] * d
    domain = box_mesh(box, 4) if mesh else box  # on the mesh the kink lies on seams
    found = hessian(graph, partition(graph, domain), [(1, "weight"), (1, "bias")], minus(5.0), 4)
    x = np.array([0.25, 0.5, 0.5])[:d]
    expected = np.outer(x, x)
    expected[np.arange(1, d), np.arange(1, d)] = 1 / 3
    expected = np.block([[expected, x[:, None]], [x[None], np.ones((1, 1))]]) * 5.0 * 3.0 / 2
    assert np.abs(found.kinks - expected).max() < 1e-13
    assert found.error < 1e-13


def test_a_hat_has_three_kinks() -> None:
    """Hat(4 x) on [0, 1], r = 5: slopes jump by 1, −2, 1 at 0 (an end, left out), ¼ and ½."""
    graph = one(np.array([4.0]), 0.0, 1.0, "hat")
    found = hessian(graph, partition(graph, (0.0, 1.0)), [(1, "bias")], minus(5.0), 4)
    # r = u + 5 is 6 at ¼, and 5 at ½
    assert found.kinks == pytest.approx(np.array([[(-2 * 6 + 5) / 4]]), abs=1e-13)
    assert found.smooth == pytest.approx(np.zeros((1, 1)))


def test_kinks_of_two_neurons_on_one_facet_both_count() -> None:
    output = Affine(2, np.array([[1.0, 1.0]]), np.zeros(1))
    both = Graph(1, (Affine(0, np.array([[1.0], [2.0]]), np.array([-0.5, -1.0])), Activation(1, named("relu")), output))
    pieces = partition(both, (0.0, 1.0))
    assert pieces.regions == 2 and sorted(kink_facets(both, pieces).neuron.tolist()) == [0, 1]
    found = hessian(both, pieces, [(1, "bias")], minus(1.0), 4)
    assert np.abs(found.kinks - np.diag([1.0, 0.5])).max() < 1e-14


def test_the_error_of_the_quadrature_is_seen() -> None:
    graph = one(np.array([1.0, 1.0]), -1.0, 1.0)
    pieces = partition(graph, [(0.0, 1.0)] * 2)

    def wave(x: Array) -> Array:
        return np.sin(12 * x[:, 0]) * np.cos(9 * x[:, 1])

    parts = [(1, "weight"), (3, "weight")]
    exact = hessian(graph, pieces, parts, wave, 40)  # type: ignore[arg-type]
    coarse, fine = (hessian(graph, pieces, parts, wave, degree) for degree in (4, 16))  # type: ignore[arg-type]
    for found in (coarse, fine):
        assert np.abs(found.matrix - exact.matrix).max() <= found.error + exact.error
    assert coarse.error > 1e-3 > fine.error > 1e-12 > exact.error


def test_facet_measures() -> None:
    assert facet_measures(np.zeros((2, 1, 1))).tolist() == [1, 1]
    assert facet_measures(np.array([[[0.0, 0.0], [3.0, 4.0]]])).tolist() == [5]
    assert facet_measures(np.array([[[0.0, 0, 0], [2, 0, 0], [0, 0, 3]]])) == pytest.approx([3.0])
