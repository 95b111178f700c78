"""Figures in one house style, and the numbers they show: theory as lines, experiment as markers of the same colour."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from fembridge.bridge.charts import Chart, HeatMap, Map
from fembridge.output import write
from fembridge.output.curves import draw_curves
from fembridge.output.heatmaps import draw_heat_map
from fembridge.output.maps import check_map, draw_map, map_rows
from fembridge.problem import Array

LARGEST = 1e200  # of what is drawn: margins of an axis of some hundred decades are within the range of float64, too

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same letters everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "lines.markeredgewidth": 1.0,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.dpi": 300,
    "svg.hashsalt": "fembridge",  # with no date, the same chart gives the same bytes
    "pdf.fonttype": 42,
}


def draw(chart: Chart | HeatMap | Map) -> Figure:
    """Draw a chart, a heat map as three panels (theory, experiment, difference), or a map as two, 6.5 in wide.

    Step 0 has a place of its own at the left of a logarithmic axis. Values that a logarithmic axis cannot show are
    counted under the figure. Of many measured points, those farthest from theory are marked. Titles and labels may
    hold mathematics between dollar signs.

    Raises ValueError where shapes do not match, nothing is to be drawn, or slopes are asked for off log-log axes.
    """
    check(chart)
    chart = _within_range(chart)
    with rc_context(STYLE):
        if isinstance(chart, Map):
            return draw_map(chart)
        return draw_heat_map(chart) if isinstance(chart, HeatMap) else draw_curves(chart)


def save(chart: Chart | HeatMap | Map, folder: str | Path, name: str) -> list[Path]:
    """Write `name`.svg, .pdf, .png and .csv into `folder` (made where missing), and return their paths.

    The CSV holds every number of the chart, in digits that give back the same float64; an empty field stands for
    what is not there. The same chart always gives the same SVG.

    Raises ValueError as `draw` does; OSError where the folder cannot be written.
    """
    figure = draw(chart)
    with rc_context(STYLE):  # one layout, for all formats
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    metadata: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    for suffix, about in metadata.items():
        buffer = io.BytesIO()
        with rc_context(STYLE):
            figure.savefig(buffer, format=suffix, metadata=about)
        files.append(write(folder / f"{name}.{suffix}", buffer.getvalue()))
    return [*files, write(folder / f"{name}.csv", table(chart).encode())]


def table(chart: Chart | HeatMap | Map) -> str:
    """The numbers of a chart as CSV.

    Columns are label, x, predicted, measured for curves; step, frequency, predicted, measured for a heat map; part,
    x1 …, u, vertex0 …, region, layer for a map, whose parts are vertices, simplices and kinks.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    if isinstance(chart, Map):
        rows.writerows(map_rows(chart))
        return text.getvalue()
    if isinstance(chart, HeatMap):
        rows.writerow(["step", "frequency", "predicted", "measured"])
        step, frequency = np.meshgrid(chart.steps, chart.frequencies, indexing="ij")
        columns = step, frequency, np.asarray(chart.predicted), np.asarray(chart.measured)
        rows.writerows(zip(*(column.ravel().tolist() for column in columns), strict=True))
        return text.getvalue()
    rows.writerow(["label", "x", "predicted", "measured"])
    for pair in chart.pairs:
        x = np.asarray(pair.x).tolist()
        both = ([""] * len(x) if y is None else np.asarray(y).tolist() for y in (pair.predicted, pair.measured))
        rows.writerows(zip([pair.label] * len(x), x, *both, strict=True))
    return text.getvalue()


def _within_range(chart: Chart | HeatMap | Map) -> Chart | HeatMap | Map:
    """The chart without numbers of size above 1e200, which are nan; a noise floor above it is brought down to it."""

    def kept(values: Array) -> Array:
        values = np.asarray(values, dtype=float)
        return np.where(np.abs(values) <= LARGEST, values, np.nan)

    if isinstance(chart, Map):
        return replace(chart, values=kept(chart.values))
    if isinstance(chart, HeatMap):
        return replace(chart, predicted=kept(chart.predicted), measured=kept(chart.measured))
    pairs = tuple(
        replace(
            pair,
            predicted=None if pair.predicted is None else kept(pair.predicted),
            measured=None if pair.measured is None else kept(pair.measured),
        )
        for pair in chart.pairs
    )
    return replace(chart, pairs=pairs, noise_floor=chart.noise_floor and min(LARGEST, chart.noise_floor))


def check(chart: Chart | HeatMap | Map) -> None:
    """Raise ValueError unless the chart can be drawn: arrays of matching shapes, and slopes on log-log axes only."""
    where = f'figure "{chart.title}"'
    if isinstance(chart, Map):
        check_map(chart, where)
        return
    if isinstance(chart, HeatMap):
        expected = len(chart.steps), len(chart.frequencies)
        for what, shape in (("predicted", np.shape(chart.predicted)), ("measured", np.shape(chart.measured))):
            if shape != expected or 0 in expected:
                raise ValueError(f"{where}: {what}: expected shape (steps, frequencies) = {expected}, got {shape}")
        steps = np.asarray(chart.steps, dtype=float)
        if not (steps[0] >= 0 and np.all(np.diff(steps) > 0)):
            raise ValueError(f"{where}: steps: expected increasing numbers from 0 on, got {steps.tolist()}")
        return
    if not chart.pairs:
        raise ValueError(f"{where}: expected at least one pair, got none")
    if chart.slopes and not chart.xscale == chart.yscale == "log":
        raise ValueError(f"{where}: slopes: expected log-log axes, got {chart.xscale} x and {chart.yscale} y")
    for pair in chart.pairs:
        length = len(pair.x)
        for what, values in (("x", pair.x), ("predicted", pair.predicted), ("measured", pair.measured)):
            if values is not None and np.shape(values) != (length,):
                shape = np.shape(values)
                raise ValueError(
                    f'{where}: "{pair.label}": {what}: expected {length} values in a row, got shape {shape}'
                )
