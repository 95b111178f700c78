"""The card of an activation: one page to read, and one to print that holds all figures."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fembridge.bridge.charts import Chart
from fembridge.output import write
from fembridge.output.curves import MARKERS, legible, palette, plain_ticks
from fembridge.output.figures import STYLE
from fembridge.output.report import inline, number, templates

PAGE = (8.27, 11.69)  # inches: A4
COLUMNS = 2
MARKED = 24  # markers on a curve of the printed page
PRINT: dict[Any, Any] = STYLE | {
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "lines.linewidth": 1.0,
    "lines.markersize": 2.8,
    "lines.markeredgewidth": 0.6,
}


def write_page(folder: str | Path, card: Mapping[str, Any], environment: Mapping[str, Any]) -> Path:
    """Write card.html into a folder with figures/, and return its path. It refers to nothing outside itself.

    card: what card.json says: activation, headline, verdict, and sections with name, title, theory, caption, facts,
    checks and figures.

    Raises ValueError where a figure is missing; OSError where the page cannot be written.
    """
    folder = Path(folder)
    names = [name for section in card["sections"] for name in section["figures"]]
    figures = {name: inline(folder / "figures" / f"{name}.svg", f"figure-{i}-", name) for i, name in enumerate(names)}
    jinja = templates()
    jinja.filters["spoken"] = spoken
    text = jinja.get_template("card.html.j2").render(summary=card, card=card, figures=figures, environment=environment)
    return write(folder / "card.html", text.encode())


def write_sheet(path: str | Path, title: str, headline: str, charts: Sequence[Chart]) -> Path:
    """Write a PDF of one A4 page: a title, a sentence and all charts in small."""
    buffer = io.BytesIO()
    with rc_context(PRINT):
        sheet(title, headline, charts).savefig(buffer, format="pdf", metadata={"CreationDate": None})
    return write(Path(path), buffer.getvalue())


def sheet(title: str, headline: str, charts: Sequence[Chart]) -> Figure:
    """The page as a figure."""
    with rc_context(PRINT):
        rows = max(1, math.ceil(len(charts) / COLUMNS))
        figure = Figure(figsize=PAGE, layout="constrained")
        top, body = figure.subfigures(2, 1, squeeze=False, height_ratios=[0.085, 0.915])[:, 0]
        top.text(0.02, 0.72, legible(title, 60), fontsize=15, fontweight="bold", verticalalignment="center")
        top.text(0.02, 0.1, textwrap.fill(headline.replace("$", r"\$"), 125), fontsize=8, verticalalignment="bottom")
        grid = body.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes, chart in zip(grid, charts, strict=False):
            _panel(axes, chart)
        for axes in grid[len(charts) :]:
            axes.set_axis_off()
        figure.supxlabel(
            "Lines: theory. Markers: experiment, some of them.", fontsize=7, color="0.4", x=0.02,
            horizontalalignment="left",
        )  # fmt: skip
    return figure


def spoken(value: float | str | None) -> str:
    """A fact on the page: a number to read, words as they are, and ∞ for what has no bound.

    >>> spoken(1234567.0), spoken(0.5), spoken(math.inf), spoken("0, 1"), spoken(None), spoken(97936.0)
    ('1.235×10⁶', '0.5', '∞', '0, 1', '—', '97,936')
    """
    if isinstance(value, str):
        return value
    if value is not None and math.isinf(value):
        return "∞"
    if value is not None and 1e6 <= abs(value) < 1e7:
        return number(math.nextafter(value, math.inf))
    if value is not None and 1e4 <= abs(value) < 1e6:
        return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")
    return number(value)


def _panel(axes: Axes, chart: Chart) -> None:
    """A chart without its small print: lines, some markers, a legend inside."""
    axes.set(xscale=chart.xscale, yscale=chart.yscale)
    x = np.concatenate([np.asarray(pair.x, dtype=float) for pair in chart.pairs])
    if chart.xscale == "log" and np.any(x == 0) and np.any(x > 0):
        axes.set_xscale("symlog", linthresh=np.min(x[x > 0]), linscale=0.4)
    for i, (pair, color) in enumerate(zip(chart.pairs, palette(len(chart.pairs)), strict=True)):
        at = np.asarray(pair.x, dtype=float)
        if pair.predicted is not None:
            line = _shown(chart, pair.predicted)
            axes.plot(at, line, color=color, label=legible(pair.label, 40))
            beside = np.pad(np.isfinite(line), 1)
            alone = np.isfinite(line) & ~beside[:-2] & ~beside[2:]  # no line leads to these
            axes.plot(at[alone], line[alone], "_", color=color, markersize=9)
        if pair.measured is not None:
            label = None if pair.predicted is not None else legible(pair.label, 40)
            every = max(1, math.ceil(len(at) / MARKED))
            y, style = _shown(chart, pair.measured)[::every], MARKERS[i % len(MARKERS)]
            axes.plot(at[::every], y, style, color=color, markerfacecolor="none", label=label)
    for axis in (axes.xaxis, axes.yaxis):
        plain_ticks(axis)
    axes.set_title(legible(chart.title, 60))
    axes.set(xlabel=legible(chart.xlabel, 60), ylabel=legible(chart.ylabel, 40))
    if len(chart.pairs) > 1:
        axes.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none", handlelength=1.4)


def _shown(chart: Chart, values: Any) -> Any:
    """What the axes have a place for; where theory falls far below what is measured, the rest is nan."""
    y = np.asarray(values, dtype=float)
    if chart.yscale != "log":
        return y
    measured = [np.asarray(pair.measured, dtype=float) for pair in chart.pairs if pair.measured is not None]
    known = np.concatenate([one[one > 0] for one in measured]) if measured else np.empty(0)
    end = known.min() / 1e3 if len(known) else 0.0
    return np.where(y > end, y, np.nan)
