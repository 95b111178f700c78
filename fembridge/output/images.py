"""Drawing functions on a grid, side by side in common colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from fembridge.bridge.charts import Image
from fembridge.output.curves import WIDTH, legible, write_notes

TALLEST = 5.0  # inches


def draw_image(chart: Image) -> Figure:
    """One panel for each function, its first row at the top, and one key to the colours of all."""
    rows, columns = np.shape(chart.panels[0][1])
    height = min(TALLEST, 0.9 * WIDTH / len(chart.panels) * rows / columns + 1.1)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(1, len(chart.panels), squeeze=False)[0]
    finite = np.concatenate([np.ravel(values)[np.isfinite(np.ravel(values))] for _, values in chart.panels])
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    colors = colormaps["viridis"].with_extremes(bad="0.8")
    for axes, (name, values) in zip(panels, chart.panels, strict=True):
        drawn = axes.imshow(values, cmap=colors, vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(legible(name, 30), fontsize=9, loc="center")
        axes.set_axis_off()
    figure.colorbar(drawn, ax=panels, location="right", shrink=0.8, label="value")
    figure.suptitle(legible(chart.title, 85), x=0.01, horizontalalignment="left", fontsize=10)
    missing = any(not np.isfinite(values).all() for _, values in chart.panels)
    write_notes(figure, ["Grey: no value up to 1e200."] * missing)
    return figure


def image_rows(chart: Image) -> Iterator[list[Any]]:
    """Its numbers: panel, row, column, value; rows and columns count from 0."""
    yield ["panel", "row", "column", "value"]
    for name, values in chart.panels:
        for (i, j), value in np.ndenumerate(values):
            yield [name, i, j, float(value)]


def check_image(chart: Image, where: str) -> None:
    """Raise ValueError unless there is a panel, and all are grids of one shape."""
    if not chart.panels:
        raise ValueError(f"{where}: expected at least one panel, got none")
    expected = np.shape(chart.panels[0][1])
    for name, values in chart.panels:
        if np.ndim(values) != 2 or not np.size(values) or np.shape(values) != expected:
            raise ValueError(
                f'{where}: "{name}": expected a grid of rows and columns, as the first has, '
                f"got shape {np.shape(values)}"
            )
