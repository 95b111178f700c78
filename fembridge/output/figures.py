"""Figures in one house style, and the numbers they show: theory as lines, experiment as markers of the same colour."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from fembridge.bridge.charts import AnyChart, Chart, HeatMap, Image, Map, RegimeMap
from fembridge.output import write
from fembridge.output.curves import draw_curves
from fembridge.output.heatmaps import check_heat_map, draw_heat_map, heat_map_rows
from fembridge.output.images import check_image, draw_image, image_rows
from fembridge.output.maps import check_map, draw_map, map_rows
from fembridge.output.regimes import check_regime_map, draw_regime_map, regime_rows
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


def draw(chart: AnyChart) -> Figure:
    """Draw a chart, 6.5 in wide: curves; a heat map (theory, experiment, difference; or the experiment alone); a map of
    regimes (error, drift); images side by side; a map of linear regions (values, regions).

    Step 0 has a place of its own at the left of a logarithmic axis. Values that a logarithmic axis cannot show are
    counted under the figure. Of many measured points, those farthest from theory are marked. Titles and labels may
    hold mathematics between dollar signs.

    Raises ValueError where shapes do not match, nothing is to be drawn, or slopes are asked for off log-log axes.
    """
    check(chart)
    chart = _within_range(chart)
    with rc_context(STYLE):
        match chart:
            case Map():
                return draw_map(chart)
            case HeatMap():
                return draw_heat_map(chart)
            case RegimeMap():
                return draw_regime_map(chart)
            case Image():
                return draw_image(chart)
        return draw_curves(chart)


def save(chart: AnyChart, folder: str | Path, name: str) -> list[Path]:
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


def table(chart: AnyChart) -> str:
    """The numbers of a chart as CSV.

    Columns are label, x, predicted, measured, low, high for curves; step, frequency, predicted, measured for a heat
    map; output_scale, width, error, drift for a map of regimes; panel, row, column, value for images; part, x1 …, u,
    vertex0 …, region, layer for a map, whose parts are vertices, simplices and kinks.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_rows(chart))
    return text.getvalue()


def _rows(chart: AnyChart) -> Iterable[Sequence[Any]]:
    match chart:
        case Map():
            return map_rows(chart)
        case HeatMap():
            return heat_map_rows(chart)
        case RegimeMap():
            return regime_rows(chart)
        case Image():
            return image_rows(chart)
    return _curve_rows(chart)


def _curve_rows(chart: Chart) -> Iterator[Sequence[Any]]:
    yield ["label", "x", "predicted", "measured", "low", "high"]
    for pair in chart.pairs:
        x = np.asarray(pair.x).tolist()
        every = (pair.predicted, pair.measured, pair.low, pair.high)
        columns = ([""] * len(x) if y is None else np.asarray(y).tolist() for y in every)
        yield from zip([pair.label] * len(x), x, *columns, strict=True)


def _within_range(chart: AnyChart) -> AnyChart:
    """The chart without numbers of size above 1e200, which are nan; a noise floor above it is brought down to it."""

    def kept(values: Array) -> Array:
        values = np.asarray(values, dtype=float)
        return np.where(np.abs(values) <= LARGEST, values, np.nan)

    def known(values: Array | None) -> Array | None:
        return None if values is None else kept(values)

    match chart:
        case Map():
            return replace(chart, values=kept(chart.values))
        case HeatMap():
            return replace(chart, predicted=known(chart.predicted), measured=kept(chart.measured))
        case RegimeMap():
            return replace(chart, error=kept(chart.error), drift=kept(chart.drift))
        case Image():
            return replace(chart, panels=tuple((name, kept(values)) for name, values in chart.panels))
    pairs = tuple(
        replace(
            pair,
            predicted=known(pair.predicted),
            measured=known(pair.measured),
            low=known(pair.low),
            high=known(pair.high),
        )
        for pair in chart.pairs
    )
    return replace(chart, pairs=pairs, noise_floor=chart.noise_floor and min(LARGEST, chart.noise_floor))


def check(chart: AnyChart) -> None:
    """Raise ValueError unless the chart can be drawn: arrays of matching shapes, and slopes on log-log axes only."""
    where = f'figure "{chart.title}"'
    match chart:
        case Map():
            check_map(chart, where)
        case HeatMap():
            check_heat_map(chart, where)
        case RegimeMap():
            check_regime_map(chart, where)
        case Image():
            check_image(chart, where)
        case Chart():
            _check_curves(chart, where)


def _check_curves(chart: Chart, where: str) -> None:
    if not chart.pairs:
        raise ValueError(f"{where}: expected at least one pair, got none")
    if chart.slopes and not chart.xscale == chart.yscale == "log":
        raise ValueError(f"{where}: slopes: expected log-log axes, got {chart.xscale} x and {chart.yscale} y")
    for pair in chart.pairs:
        length = len(pair.x)
        if (pair.low is None) != (pair.high is None):
            raise ValueError(f'{where}: "{pair.label}": low, high: expected both or neither')
        for what in ("x", "predicted", "measured", "low", "high"):
            values = getattr(pair, what)
            if values is not None and np.shape(values) != (length,):
                shape = np.shape(values)
                raise ValueError(
                    f'{where}: "{pair.label}": {what}: expected {length} values in a row, got shape {shape}'
                )
