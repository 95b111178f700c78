"""Maps show what they are given: values in colours linear on triangles, kinks in the colours of their layers."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from fembridge.bridge.charts import Map
from fembridge.output.curves import PALETTE
from fembridge.output.figures import check, draw, save, table
from fembridge.theory.meshes import box_mesh


def plane(cells: int = 3, box: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.0, 1.0)), layers: int = 2) -> Map:
    """u = x₁ − 2x₂ on a grid, every second of whose edges is a kink."""
    mesh = box_mesh(box, cells)
    kinks = mesh.facets.T[::2]
    every = np.arange(mesh.t.shape[1])
    return Map(
        "Plane", ("$x_1$", "$x_2$"), mesh.p.T, mesh.p[0] - 2 * mesh.p[1], mesh.t.T, every, kinks,
        1 + np.arange(len(kinks)) % layers,
    )  # fmt: skip


def line(count: int = 7) -> Map:
    """A zigzag with its nodes out of order."""
    x = np.random.default_rng(0).permutation(count + 1) / count
    order = np.argsort(x)
    cells = np.column_stack([order[:-1], order[1:]])
    kinks = order[1:-1, None]
    return Map(
        "Line", ("$x$",), x[:, None], np.cos(9 * x), cells, np.arange(count), kinks, 1 + np.arange(len(kinks)) % 3
    )


PLANE, LINE = plane(), line()
NONE = {"kinks": np.empty((0, 2), dtype=int), "layer": np.empty(0, dtype=int)}
CASES = {
    "plane": PLANE,
    "one cell": replace(plane(1), **NONE),
    "many layers": plane(6, layers=20),
    "wide": plane(3, ((0.0, 9.0), (0.0, 1.0))),
    "constant": replace(PLANE, values=np.full(len(PLANE.points), 3.0)),
    "zero": replace(PLANE, values=np.zeros(len(PLANE.points))),
    "some not seen": replace(PLANE, values=np.where(PLANE.points[:, 0] > 0.9, np.inf, PLANE.values)),
    "nothing seen": replace(PLANE, values=np.full(len(PLANE.points), np.nan)),
    "beyond numbers": replace(PLANE, points=PLANE.points * 1e100, values=PLANE.values * 1e199),
    "flat cells": replace(PLANE, points=PLANE.points * [1, 1e-100]),
    "line": LINE,
    "line without kinks": replace(line(1), kinks=np.empty((0, 1), dtype=int), layer=np.empty(0, dtype=int)),
    "line not seen": replace(LINE, values=np.full(len(LINE.points), np.nan)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chart", CASES.values(), ids=CASES)
def test_every_map_can_be_drawn(chart: Map) -> None:
    draw(chart).draw_without_rendering()


def test_every_format_is_written_and_always_the_same(tmp_path: Path) -> None:
    first, second = (save(PLANE, tmp_path / folder, "map") for folder in "ab")
    assert [file.name for file in first] == ["map.svg", "map.pdf", "map.png", "map.csv"]
    assert first[0].read_bytes() == second[0].read_bytes()


def test_very_many_triangles_are_an_image(tmp_path: Path) -> None:
    """10,000 triangles and 7,600 kinks as paths would be several MB of SVG."""
    chart = plane(71)
    assert len(chart.simplices) > 10_000
    svg, pdf, png, _ = save(chart, tmp_path, "map")
    assert max(file.stat().st_size for file in (svg, pdf, png)) < 2e6
    assert svg.read_text().count("<path") < 1000


@pytest.mark.parametrize("chart", [PLANE, LINE], ids=["plane", "line"])
def test_the_table_gives_back_every_number(chart: Map) -> None:
    rows = list(csv.DictReader(io.StringIO(table(chart))))
    d = len(chart.axes)

    def read(part: str, *columns: str) -> Any:
        return np.array([[float(row[name]) for name in columns] for row in rows if row["part"] == part])

    np.testing.assert_array_equal(read("vertex", *(f"x{i + 1}" for i in range(d))), chart.points)
    np.testing.assert_array_equal(read("vertex", "u")[:, 0], chart.values)
    np.testing.assert_array_equal(read("simplex", *(f"vertex{i}" for i in range(d + 1))), chart.simplices)
    np.testing.assert_array_equal(read("simplex", "region")[:, 0], chart.region)
    np.testing.assert_array_equal(read("kink", *(f"vertex{i}" for i in range(d))), chart.kinks)
    np.testing.assert_array_equal(read("kink", "layer")[:, 0], chart.layer)
    assert len(rows) == len(chart.points) + len(chart.simplices) + len(chart.kinks)


def test_kinks_have_the_colour_of_their_layer_and_the_legend_names_it() -> None:
    figure = draw(PLANE)
    regions, key = figure.axes[1], figure.axes[3]
    drawn = {to_hex(c.get_colors()[0]): c.get_segments() for c in regions.collections if isinstance(c, LineCollection)}
    legend = key.get_legend()
    assert legend is not None
    for layer, color in ((1, PALETTE[0]), (2, PALETTE[1])):
        expected = PLANE.points[PLANE.kinks[PLANE.layer == layer]]
        np.testing.assert_array_equal(np.array(drawn[to_hex(color)]), expected)
    assert [text.get_text() for text in legend.get_texts()] == ["1", "2"]
    assert regions.get_title(loc="left") == "18 linear regions"


def test_the_colours_are_those_of_the_values() -> None:
    """Pixels of the left panel, between corners too, have the colour that the bar gives u = x₁ − 2x₂ there.

    A pixel, 1/280 of the side, is less than 0.003 of the range of u, a level 0.004, and no channel of the colours
    changes faster than threefold: two pixels off and one level make 0.03. Colours mixed from those of the corners would
    be wrong by 0.2.
    """
    figure = draw(plane(1))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    for x, y in np.random.default_rng(0).uniform(0.05, 0.95, (50, 2)):
        column, row = figure.axes[0].transData.transform((x, y))
        found = pixels[len(pixels) - 1 - int(row), int(column)]
        expected = colormaps["viridis"]((x - 2 * y + 2) / 3)[:3]
        assert np.abs(found - expected).max() < 0.04


def test_one_scale_for_both_axes_unless_said() -> None:
    assert draw(PLANE).axes[0].get_aspect() == 1
    assert draw(PLANE).get_supxlabel() == ""
    long = draw(plane(3, ((0.0, 1.0), (0.0, 300.0))))
    assert long.axes[0].get_aspect() == "auto"
    assert long.get_supxlabel() == "The axes are not to one scale."


def test_a_line_is_drawn_from_left_to_right_with_its_kinks() -> None:
    function, kinks = draw(LINE).axes
    curve, *markers = function.lines
    x = np.asarray(curve.get_xdata())
    np.testing.assert_array_equal(x, np.sort(LINE.points[:, 0]))
    np.testing.assert_array_equal(np.asarray(curve.get_ydata()), np.cos(9 * x))
    for lines in (markers, kinks.lines):
        places = np.sort(np.concatenate([np.asarray(line.get_xdata()) for line in lines]))
        np.testing.assert_array_equal(places, x[1:-1])


BAD = {
    r'figure "Plane": expected one or two axes, got 3': replace(PLANE, axes=("a", "b", "c")),
    r"values: expected shape \(16,\), got \(15,\)": replace(PLANE, values=PLANE.values[1:]),
    r"simplices: expected shape \(18, 3\), got \(18, 2\)": replace(PLANE, simplices=PLANE.simplices[:, 1:]),
    r"region: expected shape \(18,\), got \(1,\)": replace(PLANE, region=PLANE.region[:1]),
    r"layer: expected shape \(17,\), got \(0,\)": replace(PLANE, layer=PLANE.layer[:0]),
    r"simplices: expected vertices from 0 to 15": replace(PLANE, simplices=PLANE.simplices + 1),
    r"kinks: expected vertices from 0 to 15": replace(PLANE, kinks=PLANE.kinks - 1),
}


@pytest.mark.parametrize(("message", "chart"), BAD.items())
def test_bad_maps_are_refused_in_one_line(message: str, chart: Map) -> None:
    with pytest.raises(ValueError, match=message):
        check(chart)
