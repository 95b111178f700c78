"""Drawing where a linearised prediction holds: its error and the drift of the kernel, over widths and output scales."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fembridge.bridge.charts import RegimeMap
from fembridge.output.curves import WIDTH, legible, write_notes
from fembridge.output.heatmaps import log_norm
from fembridge.problem import Array

NUMBERED = 9  # more columns than these have no room for their numbers


def draw_regime_map(chart: RegimeMap) -> Figure:
    """Two panels of one cell for each width and output scale, both on logarithmic axes."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.set_ylabel("output scale")
    for axes, title, values in (
        (left, "error of the prediction", chart.error),
        (right, "drift of the kernel", chart.drift),
    ):
        shown = np.asarray(values, dtype=float)
        _panel(axes, chart, shown)
        axes.set_title(title, fontsize=9, loc="center")
    figure.suptitle(legible(chart.title, 85), x=0.01, horizontalalignment="left", fontsize=10)
    missing = not (np.isfinite(chart.error).all() and np.isfinite(chart.drift).all())
    write_notes(figure, ["Grey: no value up to 1e200."] * missing)
    return figure


def _panel(axes: Axes, chart: RegimeMap, values: Array) -> None:
    widths, scales = (np.asarray(each, dtype=float) for each in (chart.widths, chart.output_scales))
    norm = log_norm(values)
    assert norm.vmin is not None
    shown = np.where(np.isfinite(values), np.maximum(values, norm.vmin / 10), np.nan)
    colors = colormaps["viridis"].with_extremes(bad="0.8")
    mesh = axes.pcolormesh(_edges(widths), _edges(scales), shown, norm=norm, cmap=colors, rasterized=True)
    axes.grid(False)
    axes.set(xscale="log", yscale="log", xlabel="width")
    for axis, ticks in ((axes.xaxis, widths), (axes.yaxis, scales)):
        some = ticks[:: 1 + (len(ticks) - 1) // 8]
        axis.set_ticks(some, [f"{tick:g}" for tick in some])
    axes.minorticks_off()
    if len(widths) <= NUMBERED:
        for (i, j), value in np.ndenumerate(values):
            light = not np.isfinite(value) or norm(max(value, norm.vmin)) > 0.6
            axes.text(
                float(widths[j]),
                float(scales[i]),
                _short(value),
                color="black" if light else "white",
                fontsize=6,
                horizontalalignment="center",
                verticalalignment="center",
            )
    bar = axes.figure.colorbar(mesh, ax=axes, location="bottom", aspect=20, extend="min")
    bar.minorticks_off()


def _short(value: float) -> str:
    """A number in two digits, or one and a power of ten.

    >>> [_short(value) for value in (0.123, 4.0, 0.0004, 2e5, np.nan)]
    ['0.12', '4', '4e\N{MINUS SIGN}4', '2e5', '\N{EM DASH}']
    """
    if not np.isfinite(value):
        return "\N{EM DASH}"
    if value == 0 or 0.01 <= value < 100:
        return f"{value:.2g}"
    digit, _, power = f"{value:.0e}".partition("e")
    return f"{digit}e{int(power)}".replace("-", "\N{MINUS SIGN}")


def _edges(values: Array) -> Array:
    """Edges of the cells around values on a logarithmic axis; a single one takes a factor of two."""
    if len(values) == 1:
        return values * np.array([2**-0.5, 2**0.5])
    inner = np.sqrt(values[1:] * values[:-1])
    return np.concatenate([[values[0] ** 2 / inner[0]], inner, [values[-1] ** 2 / inner[-1]]])


def regime_rows(chart: RegimeMap) -> Iterator[list[Any]]:
    """Its numbers: output scale, width, error, drift; a row for each cell."""
    yield ["output_scale", "width", "error", "drift"]
    for i, scale in enumerate(np.asarray(chart.output_scales).tolist()):
        for j, width in enumerate(np.asarray(chart.widths).tolist()):
            yield [scale, width, float(chart.error[i, j]), float(chart.drift[i, j])]


def check_regime_map(chart: RegimeMap, where: str) -> None:
    """Raise ValueError unless shapes match, and widths and output scales are positive and ascending."""
    for name, values in (("widths", chart.widths), ("output_scales", chart.output_scales)):
        numbers = np.asarray(values, dtype=float)
        if not (len(numbers) and numbers[0] > 0 and (np.diff(numbers) > 0).all()):
            raise ValueError(f"{where}: {name}: expected ascending positive numbers, got {numbers.tolist()}")
    expected = len(chart.output_scales), len(chart.widths)
    for name, values in (("error", chart.error), ("drift", chart.drift)):
        if np.shape(values) != expected:
            raise ValueError(
                f"{where}: {name}: expected shape (output scales, widths) = {expected}, got {np.shape(values)}"
            )
