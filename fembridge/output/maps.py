"""Drawing a piecewise-linear function on its mesh: its values, and its linear regions with the kinks between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.tri import Triangulation

from fembridge.bridge.charts import Map
from fembridge.output.curves import MARKERS, WIDTH, legible, palette, write_notes

LEVELS = 256  # colours between the lowest and the highest value: as many as a screen can show
VECTORS = 2000  # more lines than these are drawn as an image
MARKED = 100  # more kinks on a curve than these would hide it
TALLEST = 10.0  # ratio of the sides of a domain that can be drawn to one scale


def draw_map(chart: Map) -> Figure:
    """The function beside its linear regions; of one variable, the curve above the kinks of each layer."""
    return _draw_line(chart) if len(chart.axes) == 1 else _draw_plane(chart)


def map_rows(chart: Map) -> Iterator[Sequence[Any]]:
    """The rows of a CSV: a heading, then vertices, simplices and kinks; vertices count from 0."""
    d = len(chart.axes)
    corners = [f"vertex{i}" for i in range(d + 1)]
    yield ["part", *(f"x{i + 1}" for i in range(d)), "u", *corners, "region", "layer"]
    for point, value in zip(chart.points.tolist(), chart.values.tolist(), strict=True):
        yield ["vertex", *point, value, *[""] * (d + 3)]
    for simplex, region in zip(chart.simplices.tolist(), chart.region.tolist(), strict=True):
        yield ["simplex", *[""] * (d + 1), *simplex, region, ""]
    for kink, layer in zip(chart.kinks.tolist(), chart.layer.tolist(), strict=True):
        yield ["kink", *[""] * (d + 1), *kink, "", "", layer]


def check_map(chart: Map, where: str) -> None:
    """Raise ValueError unless the arrays of a map fit each other."""
    count, d = len(chart.points), len(chart.axes)
    if d not in (1, 2):
        raise ValueError(f"{where}: expected one or two axes, got {d}")
    facets, cells = len(chart.kinks), len(chart.simplices)
    expected = {"points": (count, d), "values": (count,), "simplices": (cells, d + 1), "region": (cells,)}
    expected |= {"kinks": (facets, d), "layer": (facets,)}
    for name, shape in expected.items():
        if np.shape(getattr(chart, name)) != shape:
            raise ValueError(f"{where}: {name}: expected shape {shape}, got {np.shape(getattr(chart, name))}")
    for name in ("simplices", "kinks"):
        rows = getattr(chart, name)
        if rows.size and not (rows.min() >= 0 and rows.max() < count):
            raise ValueError(f"{where}: {name}: expected vertices from 0 to {count - 1}")


def _draw_plane(chart: Map) -> Figure:
    low, high = chart.points.min(axis=0), chart.points.max(axis=0)
    width, height = high - low
    to_scale = width < TALLEST * height and height < TALLEST * width
    tall = float(np.clip(height / width, 0.3, 1.5)) if to_scale else 1.0
    figure = Figure(figsize=(WIDTH, 1.75 + 2.75 * tall), layout="constrained")
    panels = figure.subplot_mosaic([["u", "kinks"], ["bar", "key"]], height_ratios=[2.75 * tall, 0.12])
    notes = _draw_values(panels["u"], panels["bar"], chart)
    _draw_kinks(panels["kinks"], panels["key"], chart)
    for name in ("u", "kinks"):
        axes = panels[name]
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=chart.axes[0])
        axes.set_aspect("equal" if to_scale else "auto")
        axes.grid(False)
        axes.spines[["top", "right"]].set_visible(True)
        axes.locator_params(nbins=5)
    panels["u"].set_ylabel(chart.axes[1])
    panels["kinks"].tick_params(labelleft=False)
    figure.suptitle(legible(chart.title, 85), x=0.01, horizontalalignment="left", fontsize=10)
    write_notes(figure, notes + ["The axes are not to one scale."] * (not to_scale))
    return figure


def _draw_values(axes: Axes, bar: Axes, chart: Map) -> list[str]:
    """u in colours, which are linear on each triangle, and their bar; returns what must be said."""
    seen = np.isfinite(chart.values)
    values = chart.values[seen]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if not high > low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    norm, colors = Normalize(low, high), colormaps["viridis"]
    axes.set_facecolor("0.8")
    axes.set_title("function $u$", fontsize=9)
    shown = seen[chart.simplices].all(axis=1)
    if shown.any():
        mesh = Triangulation(chart.points[:, 0], chart.points[:, 1], chart.simplices, mask=~shown)
        levels = np.linspace(low, high, LEVELS + 1)
        axes.tricontourf(mesh, np.where(seen, chart.values, low), levels, norm=norm, cmap=colors).set_rasterized(True)
    bar.figure.colorbar(ScalarMappable(norm, colors), cax=bar, orientation="horizontal", ticks=MaxNLocator(5))
    bar.set_xlabel("$u$", loc="left")  # at the right may stand a power of ten
    return [] if seen.all() else ["Grey: no value up to 1e200."]


def _draw_kinks(axes: Axes, key: Axes, chart: Map) -> None:
    """The kinks in the colours of their layers, those of the first on top: they run on where others end."""
    count, layers = len(np.unique(chart.region)), _layers(chart)
    axes.set_title(f"{count:,} linear region{'s' * (count != 1)}", fontsize=9)
    width = np.clip(20 / np.sqrt(len(chart.kinks) or 1), 0.25, 1.2)
    for layer, color in reversed(layers):
        lines = chart.points[chart.kinks[chart.layer == layer]]
        many = len(chart.kinks) > VECTORS
        axes.add_collection(LineCollection(lines, colors=[color], linewidths=width, rasterized=many))
    key.axis("off")
    if layers:
        rows = 1 + (len(layers) - 1) // 7
        key.legend(
            handles=[Line2D([], [], color=color, label=str(layer)) for layer, color in layers],
            title="kinks of hidden layer", ncols=-(-len(layers) // rows), loc="upper center",
            bbox_to_anchor=(0.5, 2.0), borderaxespad=0, handlelength=1.0, handletextpad=0.4, columnspacing=1.0,
        )  # fmt: skip


def _draw_line(chart: Map) -> Figure:
    figure, layers = Figure(figsize=(WIDTH, 3.9), layout="constrained"), _layers(chart)
    function, kinks = figure.subplots(2, 1, sharex=True, height_ratios=[4, 0.4 + 0.2 * min(len(layers), 12)])
    x, place = chart.points[:, 0], chart.kinks[:, 0]
    order = np.argsort(x)
    function.plot(x[order], chart.values[order], color="0.25", linewidth=1.0)
    size = np.clip(80 / (len(layers) or 1), 1, 7)
    for i, (layer, color) in enumerate(layers):
        own = place[chart.layer == layer]
        if len(place) <= MARKED:
            function.plot(x[own], chart.values[own], MARKERS[i % len(MARKERS)], color=color, markersize=3.5)
        many = len(place) > VECTORS
        kinks.plot(x[own], np.full(len(own), layer), "|", color=color, markersize=size, rasterized=many)
    function.set_ylabel("$u$")
    function.set_title(legible(chart.title, 85))
    kinks.set(xlim=(x.min(), x.max()), xlabel=chart.axes[0], ylabel="layer")
    kinks.set_title("kinks of hidden layers" if layers else "no kinks", fontsize=9)
    kinks.set_yticks([layer for layer, _ in layers][:: 1 + len(layers) // 12])
    if layers:
        kinks.set_ylim(layers[-1][0] + 0.6, layers[0][0] - 0.6)
    kinks.grid(False, axis="y")
    seen = bool(np.isfinite(chart.values).all())
    write_notes(figure, [] if seen else ["Not shown: values above 1e200 or not finite."])
    return figure


def _layers(chart: Map) -> list[tuple[int, Any]]:
    """The layers that have kinks, each with its colour."""
    layers = np.unique(chart.layer).tolist()
    return list(zip(layers, palette(len(layers)), strict=True))
