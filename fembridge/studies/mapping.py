"""A network as a finite-element function: expanded, checked against its module, drawn and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fembridge import __version__
from fembridge.bridge.exactness import exactness
from fembridge.bridge.expansion import Expansion, expand
from fembridge.bridge.loading import save_weights
from fembridge.bridge.maps import map_chart
from fembridge.bridge.tracing import trace
from fembridge.output.figures import save
from fembridge.problem import Interval, check_domain
from fembridge.studies.environment import environment
from fembridge.studies.folders import result_folder, write_json


def map_network(
    load: Callable[[], Any],
    name: str,
    out: str | Path,
    domain: Sequence[Sequence[float]] = ((0.0, 1.0),),
    *,
    points: int = 10_000,
    seed: int = 0,
    max_cells: int = 1_000_000,
    vtu: bool = False,
) -> dict[str, Any]:
    """Load a network, expand it on a box, compare the two at random points, and write the result folder `out`.

    domain: one interval for each input, or one for all. The folder holds map.json (what is returned), env.json,
    weights.safetensors, arrays.npz, figures/ and, if asked for, map.vtu for ParaView.

    Raises ValueError for a network or a domain that does not fit, more than max_cells cells, `out` that cannot be
    written, and vtu without meshio; MemoryError where the check would not fit.
    """
    if vtu and find_spec("meshio") is None:
        raise ValueError("--vtu: meshio is not installed: pip install 'fembridge[vtu]'")
    with result_folder(out) as folder:
        model = load()
        box = _box(domain, trace(model).graph.dimension)
        u = expand(model, box, max_cells)
        if not isinstance(u, Expansion):
            raise ValueError(f"{name}: expected a piecewise-linear network, got an activation of another degree than 1")
        check = exactness(model, u, box, points, seed)
        mesh, found = u.partition.mesh, u.partition
        summary = {
            "schema_version": 1,
            "fembridge": __version__,
            "network": name,
            "dimension": len(box),
            "layers": _layers(u),
            "domain": box,
            "regions": found.regions,
            "vertices": mesh.p.shape[1],
            "cells": found.cells,
            "simplices": mesh.t.shape[1],
            "kink_facets": len(found.kinks.facets),
            "snapped": found.snapped,
            "moved": found.moved,
            "seed": seed,
            **vars(check),
            "verdict": "pass" if check.holds else "fail",
            "folder": str(out),
        }
        title = f"{name}: {_spelled(summary['layers'])}"
        save(map_chart(model, u, box, title, max_cells), folder / "figures", "map")
        save_weights(model, folder / "weights.safetensors")
        with (folder / "arrays.npz").open("wb") as stream:
            np.savez(stream, **_arrays(u))
        if vtu:
            _write_vtu(folder / "map.vtu", u)
        write_json(folder / "env.json", {**environment(), "seed": seed})
        write_json(folder / "map.json", summary)
    return summary


def _box(domain: Sequence[Sequence[float]], dimension: int) -> list[Interval]:
    """An interval for each dimension. Raises ValueError for another number of them, and for ends that are none."""
    if len(domain) not in (1, dimension):
        raise ValueError(
            f"--domain: expected one interval for each of the {dimension} inputs, or one for all, got {len(domain)}"
        )
    intervals = [check_domain(interval) for interval in domain]
    return intervals * dimension if len(intervals) == 1 else intervals


def _layers(u: Expansion) -> list[int]:
    """The number of inputs, of neurons of each activation, and of outputs."""
    sizes = u.trace.graph.sizes
    return [sizes[0], *(sizes[k] for k, _ in u.trace.graph.activations), sizes[-1]]


def _spelled(layers: list[int]) -> str:
    """Layers in a title.

    >>> _spelled([2, 64, 64, 1]), _spelled([2, *[64] * 50, 1])
    ('2-64-64-1', '2-…-1 with 50 hidden layers')
    """
    if len(layers) > 12:
        return f"{layers[0]}-…-{layers[-1]} with {len(layers) - 2} hidden layers"
    return "-".join(map(str, layers))


def _arrays(u: Expansion) -> dict[str, Any]:
    """What arrays.npz holds of V vertices, T simplices and K kinks.

    points (V, d), values (V,); simplices (T, d + 1) by points, region (T,); kinks (K, d), facets by points, and of each
    kink_layer (K,), from 1 on, kink_neuron (K,) in the layer and kink_knot (K,) of its activation, from 0 on.
    """
    mesh, kinks = u.partition.mesh, u.partition.kinks
    return {
        "points": mesh.p.T,
        "values": u.coefficients,
        "simplices": mesh.t.T,
        "region": u.partition.region,
        "kinks": kinks.facets,
        "kink_layer": kinks.activation + 1,
        "kink_neuron": kinks.neuron,
        "kink_knot": kinks.knot,
    }


def _write_vtu(path: Path, u: Expansion) -> None:
    """The mesh with u at its vertices and the region of each simplex; VTK's points have three coordinates."""
    import meshio

    mesh, d = u.partition.mesh, u.partition.mesh.dim()
    kind = {1: "line", 2: "triangle", 3: "tetra"}[d]
    points = np.pad(mesh.p.T, ((0, 0), (0, 3 - d)))
    meshio.Mesh(
        points, [(kind, mesh.t.T)], point_data={"u": u.coefficients}, cell_data={"region": [u.partition.region]}
    ).write(path)
