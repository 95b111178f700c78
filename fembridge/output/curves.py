"""Drawing pairs of predicted and measured quantities on common axes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.mathtext import MathTextParser
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, ScalarFormatter, StrMethodFormatter
from numpy.typing import NDArray

from fembridge.bridge.charts import Chart, Pair
from fembridge.problem import Array

WIDTH = 6.5  # inches: the text width of a letter page
# Okabe and Ito's palette without its yellow, which is too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = "osD^vP<X>h"
CELLS = 40
GREY = "0.4"


def draw_curves(chart: Chart) -> Figure:
    """Every pair in its colour, slope guides, the noise floor; beside them a legend, below them what is not seen."""
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xscale=chart.xscale, yscale=chart.yscale)
    x = np.concatenate([np.asarray(pair.x, dtype=float) for pair in chart.pairs])
    if chart.xscale == "log" and np.any(x == 0) and np.any(x > 0):
        axes.set_xscale("symlog", linthresh=np.min(x[x > 0]), linscale=0.4, subs=range(2, 10))
    colors = palette(len(chart.pairs))
    notes = _draw_pairs(axes, chart, colors)
    for slope in chart.slopes:
        _slope_guide(axes, chart, slope)
    if chart.yscale == "log":
        notes += _crop(axes, chart)
    _draw_bands(axes, chart, colors)
    if chart.noise_floor is not None:
        notes += _veil(axes, chart.noise_floor)
    for axis in (axes.xaxis, axes.yaxis):
        plain_ticks(axis)
    axes.set_title(legible(chart.title, 85))
    axes.set(xlabel=legible(chart.xlabel, 85), ylabel=legible(chart.ylabel, 45))
    _legend(axes, chart, colors)
    write_notes(figure, notes)
    return figure


def palette(count: int) -> list[Any]:
    """Distinct colours for a few pairs; from dark to light for many, which are then ordered, as frequencies are."""
    return list(PALETTE[:count]) if count <= len(PALETTE) else list(colormaps["viridis"](np.linspace(0, 0.88, count)))


def _draw_pairs(axes: Axes, chart: Chart, colors: list[Any]) -> list[str]:
    """Lines and markers of all pairs; returns what must be said about values that are not seen."""
    hidden, thinned = 0, False
    for i, (pair, color) in enumerate(zip(chart.pairs, colors, strict=True)):
        x = np.asarray(pair.x, dtype=float)
        if pair.predicted is not None:
            y = np.asarray(pair.predicted, dtype=float)
            shown = _visible(axes, x, y)
            hidden += int(np.sum(~shown))
            axes.plot(x, np.where(shown, y, np.nan), color=color)
            beside = np.pad(shown, 1)
            alone = shown & ~beside[:-2] & ~beside[2:]  # no line leads to these
            axes.plot(x[alone], y[alone], "_", color=color, markersize=12)
        if pair.measured is not None:
            y = np.asarray(pair.measured, dtype=float)
            shown = _visible(axes, x, y)
            hidden += int(np.sum(~shown))
            kept = _farthest(axes, pair, shown)
            thinned |= len(kept) < shown.sum()
            axes.plot(x[kept], y[kept], MARKERS[i % len(MARKERS)], color=color, markerfacecolor="none", zorder=3)
    notes = []
    if thinned:
        notes.append(f"Markers: the point farthest from theory in each 1/{CELLS} of the axis.")
    if hidden:
        values = f"{hidden} value{'s' * (hidden > 1)}"
        notes.append(f"Not shown: {values} that these axes cannot hold (≤ 0, above 1e200 or not finite).")
    return notes


def _draw_bands(axes: Axes, chart: Chart, colors: list[Any]) -> None:
    """Intervals over seeds, pale and behind all else. One that reaches to 0 ends with a logarithmic axis."""
    bottom, top = axes.get_ylim()
    for pair, color in zip(chart.pairs, colors, strict=True):
        if pair.low is None or pair.high is None:
            continue
        x, low, high = (np.asarray(values, dtype=float) for values in (pair.x, pair.low, pair.high))
        shown = np.isfinite(low) & _visible(axes, x, high)
        if not shown.any():
            continue
        top = max(top, float(high[shown].max()))
        if axes.get_yscale() == "log":  # at most a decade is added below
            positive = low[shown & (low > 0)]
            bottom = min(bottom, max(bottom / 10, float(positive.min()) if len(positive) else 0.0))
            low = np.maximum(low, bottom / 10)
        else:
            bottom = min(bottom, float(low[shown].min()))
        axes.fill_between(x, low, high, where=shown, color=color, alpha=0.2, linewidth=0, zorder=1)
    axes.set_ylim(bottom, top)


def _visible(axes: Axes, x: Array, y: Array) -> NDArray[np.bool_]:
    """Which points have a place on these axes."""
    shown = np.isfinite(x) & np.isfinite(y)
    if axes.get_xscale() != "linear":
        shown &= (x > 0) if axes.get_xscale() == "log" else (x >= 0)
    return shown & (y > 0) if axes.get_yscale() == "log" else shown


def _series(axes: Axes, chart: Chart) -> Iterator[tuple[bool, Array, Array]]:
    """Of every line and set of markers: whether it is measured, and the x > 0 and y that the axes can show."""
    for pair in chart.pairs:
        x = np.asarray(pair.x, dtype=float)
        for is_measured, values in ((False, pair.predicted), (True, pair.measured)):
            if values is not None:
                y = np.asarray(values, dtype=float)
                shown = _visible(axes, x, y) & ((x > 0) | (axes.get_xscale() == "linear"))
                yield is_measured, x[shown], y[shown]


def _farthest(axes: Axes, pair: Pair, shown: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the measured points to mark: all, or of very many the farthest from theory in each of forty cells."""
    indices = np.flatnonzero(shown)
    if len(indices) <= 2 * CELLS:
        return indices
    position = axes.xaxis.get_transform().transform(np.asarray(pair.x, dtype=float)[indices])
    cells = np.linspace(position.min(), position.max(), CELLS + 1)[1:-1]
    distance = np.zeros(len(indices))
    if pair.predicted is not None:
        across = axes.yaxis.get_transform().transform
        measured, predicted = (np.asarray(y, dtype=float)[indices] for y in (pair.measured, pair.predicted))
        distance = np.nan_to_num(np.abs(across(measured) - across(predicted)), nan=np.inf)
    order = np.lexsort((-distance, cell := np.searchsorted(cells, position)))
    first = np.unique(cell[order], return_index=True)[1]
    return np.sort(indices[order[first]])


def _slope_guide(axes: Axes, chart: Chart, slope: float) -> None:
    """A dashed line y ∝ x^slope over the middle half of the axis, just above the values whose slope is nearest."""
    curves = []
    for _, x, y in _series(axes, chart):
        u, v = np.log10(x), np.log10(y)
        if len(u) > 1 and np.ptp(u) > 0:
            middle = np.abs(u - (u.min() + u.max()) / 2) <= 0.25 * np.ptp(u)
            u, v = (u[middle], v[middle]) if middle.sum() > 1 else (u, v)
            curves.append((abs(np.polyfit(u, v, 1)[0] - slope), u, v))
    if not curves:
        return
    _, u, v = min(curves, key=lambda curve: curve[0])
    level = np.max(v - slope * u) + 0.05 * np.ptp(np.log10(axes.get_ylim()))
    ends = np.array([u.min(), u.max()])
    axes.plot(10**ends, 10 ** (level + slope * ends), "--", color=GREY, linewidth=1.0)
    axes.annotate(
        f"slope {slope:.4g}".replace("-", "\N{MINUS SIGN}"),
        (10 ** ends.mean(), 10 ** (level + slope * ends.mean())),
        xytext=(3, 3) if slope < 0 else (-3, 3),
        textcoords="offset points",
        horizontalalignment="left" if slope < 0 else "right",
        fontsize=8,
        color=GREY,
    )


def _crop(axes: Axes, chart: Chart) -> list[str]:
    """End a logarithmic y axis three decades below the noise floor or, without one, below all measurements.

    Predictions fall to 1e-300, where nothing can be measured. One without a measurement beside it is shown whole.
    """
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    drawn = drawn[np.isfinite(drawn)]
    unpaired = tuple(pair for pair in chart.pairs if pair.predicted is None or pair.measured is None)
    paired = [y.min() for is_measured, _, y in _series(axes, chart) if is_measured and len(y)]
    alone = [y.min() for _, _, y in _series(axes, replace(chart, pairs=unpaired)) if len(y)]
    lowest = [*paired, *alone] if chart.noise_floor is None else [chart.noise_floor]
    if not len(drawn) or not lowest:
        return []
    end = min(drawn.max(), *lowest) / 1e3
    if drawn.min() >= end:
        return []
    axes.set_ylim(end, drawn.max() * (drawn.max() / end) ** 0.04)
    return [f"Values below {end:.0e} are off the axis."]


def _veil(axes: Axes, floor: float) -> list[str]:
    """Grey out what lies below the noise floor, where that is on the axis or near it."""
    bottom, top = axes.get_ylim()
    if axes.get_yscale() == "log":
        if floor < bottom / 100:
            return [f"The noise floor, {floor:.1e}, lies below the axis."]
        bottom, top = min(bottom, floor / 3), max(top, 3 * floor)
        axes.set_ylim(bottom, top)
    axes.axhspan(min(bottom, floor), floor, facecolor="0.85", alpha=0.75, linewidth=0, zorder=4)
    axes.axhline(floor, color="0.55", linewidth=0.8, zorder=4)
    return []


def plain_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis of few decades, where powers of ten would be one or two."""
    low, high = axis.get_view_interval()
    if axis.get_scale() != "log" or high >= 300 * low:
        return
    subs = (1, 2, 5) if high > 20 * low else (1, 2, 3, 4, 6, 8)
    axis.set_major_locator(LogLocator(subs=subs) if high > 4 * low else MaxNLocator(6))
    axis.set_minor_locator(NullLocator())
    short = low >= 1e-4 and high < 1e6
    axis.set_major_formatter(StrMethodFormatter("{x:g}") if short else ScalarFormatter(useOffset=False))


def _legend(axes: Axes, chart: Chart, colors: list[Any]) -> None:
    """One entry for each pair, a key to lines and markers, the noise floor: beside the axes, so as to hide nothing."""
    handles: list[Line2D | Patch] = []
    for i, (pair, color) in enumerate(zip(chart.pairs, colors, strict=True)):
        line: Literal["none", "-"] = "none" if pair.predicted is None else "-"
        marker = "none" if pair.measured is None else MARKERS[i % len(MARKERS)]
        handles.append(Line2D([], [], color=color, linestyle=line, marker=marker, label=legible(pair.label, 22)))
    if any(pair.predicted is not None for pair in chart.pairs):
        handles.append(Line2D([], [], color=GREY, label="theory (line)"))
    if any(pair.measured is not None for pair in chart.pairs):
        handles.append(Line2D([], [], color=GREY, linestyle="none", marker="o", label="experiment (markers)"))
    if any(pair.low is not None for pair in chart.pairs):
        handles.append(Patch(color=GREY, alpha=0.2, linewidth=0, label="band: 95 % over seeds"))
    if chart.noise_floor is not None and axes.get_ylim()[0] < chart.noise_floor:
        handles.append(Patch(color="0.85", label=f"below noise floor\n{chart.noise_floor:.1e}"))
    for handle in handles:
        if isinstance(handle, Line2D):
            handle.set_markerfacecolor("none")
    axes.legend(
        handles=handles, ncols=1 + len(handles) // 20, loc="upper left", bbox_to_anchor=(1.0, 1.02), borderaxespad=0
    )


def write_notes(figure: Figure, notes: list[str]) -> None:
    """Small print under the figure."""
    if notes:
        figure.supxlabel(
            textwrap.fill(" ".join(notes), 125), x=0.01, horizontalalignment="left", fontsize=7, color=GREY
        )


def legible(text: str, width: int) -> str:
    """Text broken into lines outside its mathematics; dollar signs that enclose none are shown as they are."""
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        text = text.replace("$", r"\$")
    whole = re.sub(r"\$[^$]*\$", lambda math: math[0].replace(" ", "\0"), text)
    return textwrap.fill(whole, width, break_long_words=whole == text).replace("\0", " ")
