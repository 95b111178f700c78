"""Linear regions of ReLU networks over (−1, 1)ᵈ, as PyTorch initialises them, and the tangent Gram matrix on them.

A result is the number of regions, of their corners in all (nan where that is not looked for), and their total measure.
Ours is a conforming mesh with the nodal values of the network; the peers leave parts that know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy.spatial import ConvexHull, HalfspaceIntersection
from torch import nn
from torch.func import functional_call, jacrev, vmap

from experiments.benchmarks.harness import Array, Case, Side, worst_scaled
from tests.theory.regions import Layers, arrangement, cells, patterns


def network(*widths: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(m, n, dtype=torch.float64) for m, n in pairwise(widths)]
    return nn.Sequential(*[module for layer in layers for module in (layer, nn.ReLU())][:-1])


def hidden_layers(model: nn.Sequential) -> Layers:
    layers = [module for module in model if isinstance(module, nn.Linear)][:-1]
    return [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in layers]


def box(model: nn.Sequential) -> list[tuple[float, float]]:
    return [(-1.0, 1.0)] * model[0].in_features


# Ours


def expanded(model: nn.Sequential) -> Any:
    from fembridge import expand

    return expand(model, box(model) if model[0].in_features > 1 else (-1.0, 1.0))


def ours(model: nn.Sequential) -> Callable[[], Array]:
    def run() -> Array:
        partition = expanded(model).partition
        edges = np.diff(partition.mesh.p.T[partition.mesh.t.T], axis=1)
        d = edges.shape[1]
        corners = partition.mesh.t.shape[1] + 2 * partition.regions if d == 2 else np.nan  # k corners, k − 2 triangles
        return np.array([partition.regions, corners, np.abs(np.linalg.det(edges)).sum() / (1, 2, 6)[d - 1]])

    return run


# Peers: part by part

Halves = Callable[[Any, Array, Array], list[Any]]
"""Of a part, a line (w, b) that crosses it, and its values at the corners."""


def parts_of(layers: Layers, whole: Any, corners_of: Callable[[Any], Array], halves: Halves) -> list[Any]:
    """Cut along the kinks of one layer after another, on each part along those alone that cross it."""
    found = [(whole, np.eye(corners_of(whole).shape[1] + 1)[:-1])]  # with the layer before on each part, rows (w, b)
    for weight, bias in layers:
        finer = []
        for part, maps in found:
            lines = weight @ maps
            lines[:, -1] += bias
            waiting = [(part, lines)]
            while waiting:
                piece, left = waiting.pop()
                z = corners_of(piece) @ left[:, :-1].T + left[:, -1]
                crossing = np.flatnonzero((z.min(axis=0) < 0) & (z.max(axis=0) > 0))
                if len(crossing):
                    two = halves(piece, left[crossing[0]], z[:, crossing[0]])
                    waiting += [(half, left[crossing[1:]]) for half in two]
                else:
                    on = lines[:, :-1] @ corners_of(piece).mean(axis=0) + lines[:, -1] > 0
                    finer.append((piece, lines * on[:, None]))
        found = finer
    return [part for part, _ in found]


def polygon_halves(corners: Array, line: Array, z: Array) -> list[Array]:
    """Sutherland and Hodgman's clipping, on both sides."""
    halves: tuple[list[Array], list[Array]] = ([], [])
    for i in range(len(corners)):
        for sign, half in zip((1, -1), halves, strict=True):
            if sign * z[i - 1] >= 0:
                half.append(corners[i - 1])
            if z[i - 1] * z[i] < 0:
                half.append((z[i - 1] * corners[i] - z[i] * corners[i - 1]) / (z[i - 1] - z[i]))
    return [np.array(half) for half in halves]


def interval_halves(ends: Array, line: Array, z: Array) -> list[Array]:
    root = [-line[1] / line[0]]
    return [np.array([ends[0], root]), np.array([root, ends[1]])]


def square(model: nn.Sequential) -> Array:
    (a, b), (c, d) = box(model)
    return np.array([[a, c], [b, c], [b, d], [a, d]])


def polygons(model: nn.Sequential) -> list[Array]:
    return parts_of(hidden_layers(model), square(model), np.asarray, polygon_halves)


def area(corners: Array) -> float:
    x, y = (corners[1:] - corners[0]).T
    return 0.5 * float(x[:-1] @ y[1:] - y[:-1] @ x[1:])


def plain_polygons(model: nn.Sequential) -> Callable[[], Array]:
    def run() -> Array:
        found = polygons(model)
        return np.array([len(found), sum(map(len, found)), sum(map(area, found))])

    return run


def plain_intervals(model: nn.Sequential) -> Callable[[], Array]:
    def run() -> Array:
        found = parts_of(hidden_layers(model), np.array(box(model)).T, np.asarray, interval_halves)
        return np.array([len(found), np.nan, sum(abs(ends[1, 0] - ends[0, 0]) for ends in found)])

    return run


def shapely_polygons(model: nn.Sequential) -> Callable[[], Array]:
    """`shapely.ops.split`, by a line across the box."""
    import shapely
    from shapely.ops import split

    def corners_of(polygon: Any) -> Array:
        return shapely.get_coordinates(polygon)[:-1]

    def halves(polygon: Any, line: Array, z: Array) -> list[Any]:
        length = np.hypot(*line[:2])
        foot, along = -line[2] * line[:2] / length**2, np.array([-line[1], line[0]]) / length
        return list(split(polygon, shapely.LineString([foot - 4 * along, foot + 4 * along])).geoms)

    def run() -> Array:
        whole = shapely.Polygon(square(model))
        found = parts_of(hidden_layers(model), whole, corners_of, halves)
        return np.array([len(found), sum(len(corners_of(p)) for p in found), sum(p.area for p in found)])

    return run


def programs_and_hulls(model: nn.Sequential) -> Callable[[], Array]:
    """Patterns by linear programs, and Qhull on the half-spaces of each."""

    def run() -> Array:
        found = patterns(hidden_layers(model), box(model)).regions
        corners = [HalfspaceIntersection(-region.halfspaces, region.center).intersections for region in found]
        return np.array([len(found), np.nan, sum(ConvexHull(points).volume for points in corners)])

    return run


def exact(model: nn.Sequential) -> Array:
    """Counts in exact arithmetic, from intersections alone for one hidden layer, and the measure of the box."""
    layers, d = hidden_layers(model), len(box(model))
    if len(layers) == 1:
        return np.array([arrangement(*layers[0], box(model)), np.nan, 2.0**d])
    found = cells(layers, box(model))
    return np.array([len(found), sum(len(cell.corners) for cell in found) if d == 2 else np.nan, 2.0**d])


def counts(found: dict[str, Array]) -> str:
    regions = {name: int(result[0]) for name, result in found.items()}
    if len(set(regions.values())) > 1:
        return "regions: " + ", ".join(f"{name} {count:,}" for name, count in regions.items())
    known = next((result for result in found.values() if result[1] > 0), None)
    corners = "" if known is None else f" of {known[1] / known[0]:.3g} corners on average"
    judge = " and exact arithmetic" if "reference" in found else ""
    return f"{regions['ours']:,} regions{corners}, for every side{judge}"


# The tangent Gram matrix ∫ ∂u/∂θ_a ∂u/∂θ_b over the box


def gauss_points(model: nn.Sequential) -> tuple[Array, Array]:
    """Points (3T, 2) and weights (3T,) of the rule that is exact for degree 2, inside each triangle of each polygon."""
    fans = [(c[0], c[i], c[i + 1]) for c in polygons(model) for i in range(1, len(c) - 1)]
    corners = np.array(fans)
    areas = 0.5 * np.abs(np.linalg.det(np.diff(corners, axis=1)))
    inside = (np.ones((3, 3)) + 3 * np.eye(3)) / 6
    return (inside @ corners).reshape(-1, 2), np.repeat(areas / 3, 3)


def by_quadrature(model: nn.Sequential) -> Callable[[], Array]:
    at = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def u(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return functional_call(model, p, (x,))[0]

    def run() -> Array:
        points, weights = gauss_points(model)
        rows = vmap(jacrev(u), in_dims=(None, 0))(at, torch.as_tensor(points))
        jacobian = torch.cat([row.reshape(len(points), -1) for row in rows.values()], dim=1).numpy()
        return np.asarray(jacobian.T @ (weights[:, None] * jacobian))

    return run


def regions(
    title: str, widths: Callable[[int], tuple[int, ...]], sides: Sequence[Side], sizes: tuple[int, ...], quick: int
) -> Case:
    return Case(
        f"linear regions of a {title} ReLU network",
        inputs=lambda n: network(*widths(n)),
        sides=(Side("ours", ours), *sides),
        sizes=sizes,
        quick=(quick,),
        reference=exact,
        note=counts,
    )


PLANE = (Side("polygons, NumPy", plain_polygons), Side("polygons, shapely", shapely_polygons, needs="shapely"))

CASES = [
    regions("2-n-n-n-1", lambda n: (2, n, n, n, 1), PLANE, (16, 32, 64, 128), quick=8),
    regions("2-n-n-1", lambda n: (2, n, n, 1), PLANE, (16, 32, 64), quick=8),
    regions("2-n-1", lambda n: (2, n, 1), PLANE, (64, 128, 256), quick=8),
    regions("3-n-1", lambda n: (3, n, 1), [Side("LP and Qhull", programs_and_hulls)], (8, 16, 32), quick=5),
    regions("1-n-n-n-1", lambda n: (1, n, n, n, 1), [Side("intervals, NumPy", plain_intervals)], (64, 256), quick=8),
    Case(
        "tangent Gram matrix of a 2-n-n-1 ReLU network",
        inputs=lambda n: network(2, n, n, 1),
        sides=(
            Side("ours", lambda model: lambda: expanded(model).tangent_gram()),
            Side("Gauss points, torch.func", by_quadrature),
        ),
        sizes=(8, 16, 32),
        quick=(4,),
        reference="Gauss points, torch.func",
        error=worst_scaled,
    ),
]
