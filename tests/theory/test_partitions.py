"""Domains cut along networks: meshes that conform, and regions counted exactly, degenerate as they may be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from skfem import Mesh, MeshLine1, MeshQuad, MeshTet, MeshTri

from fembridge.theory import partitions
from fembridge.theory.graphs import Activation, Affine, Graph, values
from fembridge.theory.meshes import box_mesh
from fembridge.theory.partitions import measures, partition, volumes
from fembridge.theory.spaces import assemble, space
from fembridge.theory.splines import named
from tests.theory.conformity import assert_conforming, assert_partition, network, random_layers, surface
from tests.theory.known_regions import CUBE, KNOWN, LINE, SQUARE, Known, layer
from tests.theory.regions import Box, Layers, cells, patterns

UNIT = [(0.0, 1.0)]


def measure(box: Box) -> float:
    return float(np.prod([high - low for low, high in box]))


def regions(layers: Layers, domain: Box | Mesh, box: Box, activation: str = "relu") -> int:
    """How many there are, on a mesh that was checked."""
    graph = network(layers, activation)
    found = partition(graph, domain)
    assert_partition(graph, found, measure(box), surface(box))
    return found.regions


@pytest.mark.parametrize("known", KNOWN, ids=str)
def test_counts_by_hand(known: Known) -> None:
    """On a box, and on meshes of which vertices, edges and facets lie on kinks."""
    for grid in (None, 1, 2, 3):
        domain = known.box if grid is None else box_mesh(known.box, grid)
        assert regions(known.layers, domain, known.box) == known.regions, grid


@pytest.mark.parametrize("known", [known for known in KNOWN if len(known.box) > 1], ids=str)
def test_what_meets_meets_in_any_position(known: Known) -> None:
    """Turned, scaled and moved, kinks that met in a point meet up to rounding alone."""
    d, box = len(known.box), np.array(known.box)
    turn = Rotation.from_rotvec([0.3, -0.5, 0.7]).as_matrix() if d == 3 else Rotation.from_euler("z", 0.4).as_matrix()
    map_, move = 3.7 * turn[:d, :d], np.array([0.1, -2.3, 1.7])[:d]
    (weight, bias), *deeper = known.layers
    weight = weight @ np.linalg.inv(map_)
    graph = network([(weight, bias - weight @ move), *deeper])
    for grid in (1, 2):
        mesh = box_mesh(known.box, grid)
        domain = type(mesh)(map_ @ mesh.p + move[:, None], mesh.t)
        found = partition(graph, domain)
        assert_partition(graph, found, 3.7**d * measure(known.box), 3.7 ** (d - 1) * surface(known.box))
        assert found.regions == known.regions, (grid, box)


whole = st.integers(-2, 2)


@st.composite
def small(draw: st.DrawFn, widths: tuple[int, ...]) -> tuple[list, Box, int | None]:
    """A network of whole numbers, zeros among them, a box, and a grid on it."""
    layers, inputs = [], draw(st.just(widths[0]))
    for limit in widths[1:]:
        width = draw(st.integers(1, limit))
        rows = draw(st.lists(st.lists(whole, min_size=inputs + 1, max_size=inputs + 1), min_size=width, max_size=width))
        layers.append(layer(*rows))
        inputs = width
    box = draw(st.sampled_from([[(0.0, 1.0)] * widths[0], [(-1.0, 1.0)] * widths[0], [(0.0, 3.0)] * widths[0]]))
    return layers, box, draw(st.sampled_from([None, 1, 2, 3]))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.one_of(small((1, 6, 4, 4)), small((2, 6)), small((2, 5, 4)), small((2, 4, 3, 3))))
def test_whole_numbers_against_exact_cuts(case: tuple[list, Box, int | None]) -> None:
    layers, box, grid = case
    assert regions(layers, box if grid is None else box_mesh(box, grid), box) == len(cells(layers, box))


@settings(max_examples=12, derandomize=True, deadline=None)
@given(st.one_of(small((3, 5)), small((3, 3, 3))))
def test_whole_numbers_against_linear_programs(case: tuple[list, Box, int | None]) -> None:
    layers, box, grid = case
    assert regions(layers, box if grid is None else box_mesh(box, grid), box) == len(patterns(layers, box).regions)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.one_of(small((1, 4, 3)), small((2, 4)), small((2, 3, 2))))
def test_hats_are_three_relus(case: tuple[list, Box, int | None]) -> None:
    """Hat(z) = σ(z) − 2σ(z − 1) + σ(z − 2): grids on which kinks of one neuron are those of the next."""
    layers, box, grid = case
    relus, back = [], np.eye(len(box))
    for weight, bias in layers:
        relus.append((np.repeat(weight @ back, 3, axis=0), np.repeat(bias, 3) - np.tile([0.0, 1.0, 2.0], len(bias))))
        back = np.kron(np.eye(len(bias)), [[1.0, -2.0, 1.0]])
    domain = box if grid is None else box_mesh(box, grid)
    assert regions(layers, domain, box, "hat") == len(cells(relus, box))


@pytest.mark.parametrize("widths", [(1, 40), (1, 16, 16), (2, 24), (2, 10, 10), (2, 6, 6, 6)], ids=str)
def test_random_networks_against_exact_cuts(widths: tuple[int, ...]) -> None:
    box = [(-1.0, 1.0)] * widths[0]
    layers = random_layers(0, *widths)
    assert regions(layers, box, box) == len(cells(layers, box)) > 10


@pytest.mark.parametrize("n", [1, 2, 5])
def test_lines_through_one_point(n: int) -> None:
    """Without biases: 2n sectors of the plane; in space the cones over an arrangement of great circles."""
    rng = np.random.default_rng(n)
    for scale in (1e-8, 1.0, 1e8):
        layers = [(scale * rng.standard_normal((n, 2)), np.zeros(n))]
        assert regions(layers, SQUARE, SQUARE) == 2 * n
        assert regions([*layers, (rng.standard_normal((4, n)), np.zeros(4))], SQUARE, SQUARE) >= 2 * n
        layers = [(scale * rng.standard_normal((n, 3)), np.zeros(n))]
        assert regions(layers, CUBE, CUBE) == 2 + n * (n - 1)


def test_a_lattice_of_hats() -> None:
    """Hats of x, y and x + y, one cell wide each: n² squares, halved; every inner vertex is on six kinks."""
    n = 7
    weight = np.repeat([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [n, n, 2 * n], axis=0)
    offsets = np.concatenate([np.arange(n), np.arange(n), np.arange(2 * n)]) - 1.0
    box = [(0.0, float(n))] * 2
    found = partition(network([(weight, -offsets)], "hat"), box)
    assert found.regions == 2 * n**2 and found.mesh.p.shape[1] == (n + 1) ** 2
    third = np.array(box) / 3  # the same where thirds are rounded
    graph = network([(3 * weight, -offsets)], "hat")
    found = partition(graph, third)
    assert_partition(graph, found, n**2 / 9, 4 * n / 3)
    assert found.regions == 2 * n**2 and found.mesh.p.shape[1] == (n + 1) ** 2


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("widths", [(1, 12, 8), (2, 8, 6), (3, 5, 4)], ids=str)
def test_sizes_do_not_matter(widths: tuple[int, ...], scale: float, size: float) -> None:
    (weight, bias), *deeper = random_layers(4, *widths)
    box = [(-1.0, 1.0)] * widths[0]
    expected = partition(network([(weight, bias), *deeper]), box).regions
    layers = [(scale * weight / size, scale * bias), *((w, scale * b) for w, b in deeper)]
    sized = [(-size, size)] * widths[0]
    assert regions(layers, sized, sized) == expected


@pytest.mark.parametrize("widths", [(1, 12, 8), (2, 8, 6), (3, 5, 4)], ids=str)
def test_far_from_the_origin_and_in_thin_boxes(widths: tuple[int, ...]) -> None:
    """Numbers that are short in base 2, so that the network is the same one."""
    layers, unit = random_layers(5, *widths), UNIT * widths[0]
    layers = [(np.round(w * 2**10) / 2**10, np.round(b * 2**10) / 2**10) for w, b in layers]
    expected = partition(network(layers), unit).regions
    (weight, bias), *deeper = layers
    far = 2.0**20
    moved = [(far, far + 1)] * widths[0]
    assert regions([(weight, bias - weight.sum(axis=1) * far), *deeper], moved, moved) == expected
    sides = np.array([2.0**20, 2.0**-20, 1.0])[: widths[0]]
    thin = [(0.0, side) for side in sides]
    assert regions([(weight / sides, bias), *deeper], thin, thin) == expected


@pytest.mark.parametrize("apart", [0.0, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_kinks_that_nearly_coincide(d: int, apart: float) -> None:
    """Pairs of them, turned a little or parallel, among others that cross them: slivers and needles to no end."""
    rng, n, box = np.random.default_rng(d), [0, 20, 8, 3][d], [(-1.0, 1.0)] * d
    (weight, bias), (others, offsets) = random_layers(d, d, n)[0], random_layers(d + 10, d, 2 * n)[0]
    for turn, shift in ((apart, apart), (0.0, apart)):
        again = weight * (1 + turn * rng.standard_normal(weight.shape)), bias + shift * rng.standard_normal(n)
        for order in range(2):
            parts = [(weight, bias), (others, offsets), again]
            parts = parts if order == 0 else [again, (weight, bias), (others, offsets)]
            layers = [tuple(np.concatenate(part) for part in zip(*parts, strict=True))]
            graph = network(layers)
            found = partition(graph, box)
            assert_partition(graph, found, measure(box), surface(box))
            once = partition(network([(np.concatenate([weight, others]), np.concatenate([bias, offsets]))]), box)
            assert found.regions == once.regions if apart < 1e-16 else found.regions >= once.regions
            assert np.isfinite(assemble("stiffness", space(found.mesh, 1)).data).all()


@pytest.mark.parametrize("apart", [1e-14, 1e-13])
@pytest.mark.parametrize("seed", [2, 4, 6, 8, 48, 268, 280])
def test_three_kinks_that_nearly_coincide(seed: int, apart: float) -> None:
    """Between them are cells thinner than rounding, through which no region reaches into the next; where their places
    in the plane of the three are lost (here the last two seeds), they would overlap, and are snapped from farther.
    """
    rng = np.random.default_rng(seed)
    weight, bias = rng.standard_normal((3, 3)), rng.uniform(-0.5, 0.5, 3)
    near = [1 + apart * i * rng.standard_normal((3, 3)) for i in range(3)]
    graph = network([(np.concatenate([weight * turn for turn in near]), np.tile(bias, 3))])
    found = partition(graph, CUBE)
    assert_partition(graph, found, 8.0, 24.0, most=1024)
    assert found.regions >= partition(network([(weight, bias)]), CUBE).regions


def u_shape() -> MeshTri:
    """The square [0, 3]² without [1, 2] × [1, 3]."""
    mesh = box_mesh([(0.0, 3.0)] * 2, 3)
    x, y = mesh.p[:, mesh.t].mean(axis=1)
    return mesh.restrict(np.flatnonzero(~((x > 1) & (x < 2) & (y > 1))))


def annulus() -> MeshTri:
    mesh = box_mesh([(-2.0, 2.0)] * 2, 4)
    return mesh.restrict(np.flatnonzero(np.abs(mesh.p[:, mesh.t].mean(axis=1)).max(axis=0) > 1))


SHAPES = [  # a mesh, its area and perimeter, neurons, and the connected parts of the domain on which none bends
    (u_shape(), 7.0, 16.0, [(0, 1, -2)], 3),  # the ends of both arms, and the rest
    (u_shape(), 7.0, 16.0, [(0, 1, -1)], 3),  # along seams, and the bottom of the notch
    (u_shape(), 7.0, 16.0, [(0, 1, -0.5), (0, 1, -2.5)], 4),
    (u_shape(), 7.0, 16.0, [(1, 0, -1)], 2),  # along a side of the notch
    (annulus(), 12.0, 24.0, [(0, 1, 0)], 2),
    (annulus(), 12.0, 24.0, [(1, 1, 0), (1, -1, 0)], 4),
    (annulus(), 12.0, 24.0, [(0, 1, -1)], 2),  # along a side of the hole: above it, and the rest
    (annulus(), 12.0, 24.0, [(0, 1, -0.5)], 2),
    (annulus(), 12.0, 24.0, [(1, 0, 3)], 1),
]


@pytest.mark.parametrize(("mesh", "area", "perimeter", "neurons", "count"), SHAPES)
def test_meshes_that_are_not_convex(mesh, area, perimeter, neurons, count) -> None:
    graph = network([layer(*neurons)])
    found = partition(graph, mesh)
    assert_partition(graph, found, area, perimeter)
    assert found.regions == count


def test_meshes_of_several_parts_and_with_unused_nodes() -> None:
    square = box_mesh([(0.0, 1.0)] * 2, 2)
    parts = square + square.translated((2.0, 0.0))
    spare = MeshTri(np.column_stack([parts.p, [9.0, 9.0]]), parts.t)
    graph = network([layer((1, 0, -0.5), (0, 1, -0.25), (1, 0, -1.5))])  # the last between them
    for domain in (parts, spare):
        found = partition(graph, domain)
        assert_partition(graph, found, 2.0, 8.0)
        assert found.regions == 6
    line = MeshLine1(np.array([[3.0, 0.0, 2.0, 1.0, 9.0]]), np.array([[1, 0], [3, 2]]))  # [0, 1] and [2, 3]
    graph = network([layer((1, -0.5), (1, -1.5), (1, -1), (2, -5))])
    found = partition(graph, line)
    assert_partition(graph, found, 2.0, 4.0)
    assert found.regions == 4 and found.mesh.p[0].tolist() == [0, 0.5, 1, 2, 2.5, 3]


def test_a_deep_kink_ends() -> None:
    """z = σ(x) − σ(y) bends on x = y > 0 alone; behind σ(−1) everything is zero, with nothing to cut."""
    graph = network([layer((1, 0, 0), (0, 1, 0)), layer((1, -1, 0), (0, 0, -1)), layer((0, 1, 0), (0, 0, 0))])
    found = partition(graph, SQUARE)
    assert_partition(graph, found, 4.0, 8.0)
    assert found.regions == 5
    diagonal = found.mesh.p[:, found.kinks.facets[found.kinks.activation == 1]]
    assert np.array_equal(diagonal[0], diagonal[1]) and diagonal.min() == 0 and diagonal.max() == 1


def test_kinks_are_told_apart() -> None:
    graph = network([layer((1, 0, -0.5), (1, 0, 0.25)), layer((1, -1, 0.5))], "hat")
    found = partition(graph, SQUARE)
    first = found.kinks.activation == 0
    assert set(zip(found.kinks.neuron[first], found.kinks.knot[first], strict=True)) == {(0, 0), (1, 0), (1, 1)}
    x = found.mesh.p[0, found.kinks.facets]
    for (neuron, knot), place in (((0, 0), 0.5), ((1, 0), -0.25), ((1, 1), 0.75)):
        assert (x[first & (found.kinks.neuron == neuron) & (found.kinks.knot == knot)] == place).all()
    assert not (found.kinks.neuron[~first]).any()


def test_a_long_row_of_neurons() -> None:
    """3,000 of one input at once, each kink once; behind them a layer that folds what they leave."""
    (weight, bias), *_ = random_layers(0, 1, 3000)
    again = np.concatenate([weight, weight[:500]]), np.concatenate([bias, bias[:500]])
    found = partition(network([again]), (-1.0, 1.0))
    kinks = -bias / weight[:, 0]
    inside = np.sort(kinks[np.abs(kinks) < 1])
    assert found.regions == len(inside) + 1
    assert np.abs(found.mesh.p[0, 1:-1] - inside).max() < 4e-16 * (1 + np.abs(bias).max())
    layers = [(weight[:60], bias[:60]), *random_layers(1, 60, 50)]
    assert regions(layers, (-1.0, 1.0), LINE) == len(cells(layers, LINE))


@pytest.mark.parametrize("widths", [(1, 9, 9), (2, 9, 9), (3, 6, 5)], ids=str)
def test_the_most_cells_and_the_numbers_held(widths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are is enough; with few numbers held at a time it is the same mesh."""
    graph, box = network(random_layers(2, *widths)), [(-1.0, 1.0)] * widths[0]
    found = partition(graph, box)
    assert np.array_equal(partition(graph, box, max_cells=found.cells).mesh.p, found.mesh.p)
    with pytest.raises(
        ValueError, match=rf"at most {found.cells - 1} cells, got \d+ at neuron \d of activation 2 of 2"
    ):
        partition(graph, box, max_cells=found.cells - 1)
    monkeypatch.setattr(partitions, "HELD", 1500)
    again = partition(graph, box)
    assert again.regions == found.regions and np.array_equal(again.mesh.t, found.mesh.t)
    assert np.abs(again.mesh.p - found.mesh.p).max() < 1e-14


def test_flat_simplices_are_opened() -> None:
    """By single units in the last place, within the box, whatever their size."""
    random = np.random.default_rng(0)
    for scale, d in product((1e-30, 1.0, 1e30), (2, 3)):
        corners = scale * np.vstack([np.eye(d), np.zeros(d)])
        points = np.vstack([corners, corners[:2].mean(axis=0), corners[:2].mean(axis=0)])  # on an edge, twice
        simplices = np.vstack([np.arange(d + 1), [0, 1, d + 1, d][: d + 1], [0, d, d + 1, d + 2][-d - 1 :]])
        moved = partitions._opened(points.copy(), simplices)
        assert measures(moved[simplices]).min() > 0
        assert 0 < np.abs(moved - points).max() <= 64 * np.spacing(scale)
        assert moved.min() >= 0 and moved.max() <= scale
    fine = random.random((4, 3))
    assert np.array_equal(partitions._opened(fine.copy(), np.arange(4)[None]), fine)


def test_volumes() -> None:
    for d in (1, 2, 3):
        mesh = box_mesh([(-1.0, 2.0), (0.0, 0.5), (1.0, 2.0)][:d], 3)
        expected = np.abs(np.linalg.det(np.diff(mesh.p.T[mesh.t.T], axis=1))) / [1, 1, 2, 6][d]
        assert np.abs(volumes(mesh) - expected).max() < 1e-15
    flat = np.array([[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [0.1, 0.7, 0.3]]])
    assert measures(flat)[0] == 0


REFUSED = [
    ((0.0, 1.0), 0, "max_cells: expected a positive number, got 0"),
    ((1.0, 0.0), 9, "expected finite ends a < b"),
    ([(0.0, 1.0)] * 2, 9, "expected an interval for each of the 1 inputs"),
    (box_mesh(SQUARE, 1), 9, "expected a mesh of 1 dimensions, as the network has, got 2"),
    (MeshQuad(), 9, "expected a mesh of straight simplices"),
    (MeshLine1(np.array([[0.0, 2.0, 1.0, 3.0]]), np.array([[0, 2], [1, 3]])), 9, "intervals that do not overlap"),
    (MeshLine1(np.array([[0.0, 0.0]]), np.array([[0], [1]])), 9, "finite corners and a volume"),
    (MeshLine1(np.array([[0.0, np.nan]]), np.array([[0], [1]])), 9, "finite corners and a volume"),
]


@pytest.mark.parametrize(("domain", "most", "message"), REFUSED)
def test_refusals(domain, most, message) -> None:
    graph = network([layer((1, 0))])
    with pytest.raises(ValueError, match=message) as caught:
        partition(graph, domain, most)
    assert "\n" not in str(caught.value)


def test_what_float64_does_not_hold_is_refused() -> None:
    huge = Affine(2, np.full((1, 1), 1e200), np.zeros(1))
    steps = (Affine(0, np.full((1, 1), 1e200), np.zeros(1)), Activation(1, named("relu")), huge)
    graph = Graph(1, (*steps, Activation(3, named("relu"))))
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="in the range of float64"):
        partition(graph, (0.0, 1.0))


def test_the_checker_tells() -> None:
    """A mesh with a vertex on another's side does not conform; one that was not cut is not the network's."""
    corners = np.array([[0.0, 1.0, 1.0, 0.0, 0.5], [0.0, 0.0, 1.0, 1.0, 0.5]])
    assert_conforming(MeshTri(corners, np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [0, 3, 4]]).T), 1.0, 4.0)
    for wrong in ([[0, 1, 2], [2, 3, 4], [0, 3, 4]], [[0, 1, 4], [1, 2, 4], [2, 3, 4]]):
        with pytest.raises(AssertionError):
            assert_conforming(MeshTri(corners, np.array(wrong).T), 1.0, 4.0)
    tetrahedra = MeshTet()
    assert_conforming(tetrahedra, 1.0, 6.0)
    cut, other = (network([layer((1, 0.3, 0.2), (0.1, 1, offset))]) for offset in (0, 1e-9))
    found = partition(cut, SQUARE)
    assert_partition(cut, found, 4.0, 8.0)
    with pytest.raises(AssertionError):
        assert_partition(other, found, 4.0, 8.0)
    assert np.abs(values(cut, found.mesh.p.T)[-1] - values(other, found.mesh.p.T)[-1]).max() < 1e-8
