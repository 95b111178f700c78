"""Drawing the error of every frequency over training: theory, experiment and their difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from fembridge.bridge.charts import HeatMap
from fembridge.output.curves import WIDTH, legible, write_notes
from fembridge.problem import Array


def draw_heat_map(chart: HeatMap) -> Figure:
    """Theory and experiment in the same colours, their difference in others, over steps and frequencies.

    Where there is no theory, the experiment alone.
    """
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    measured = np.asarray(chart.measured, dtype=float)
    if chart.predicted is None:
        panel = figure.subplots()
        panel.set_ylabel("frequency")
        mesh = _panel(panel, "experiment", chart, measured, _norm(chart, measured), "viridis")
        _bar(figure, mesh, panel, chart.quantity)
        notes = ["Grey: no value up to 1e200."] * (not np.isfinite(measured).all())
    else:
        notes = _three_panels(figure, chart, np.asarray(chart.predicted, dtype=float), measured)
    figure.suptitle(legible(chart.title, 85), x=0.01, horizontalalignment="left", fontsize=10)
    write_notes(figure, [f"Means over {chart.repeats} seeds."] * (chart.repeats > 1) + notes)
    return figure


def _three_panels(figure: Figure, chart: HeatMap, predicted: Array, measured: Array) -> list[str]:
    """Theory, experiment and their difference; returns what must be said about them."""
    panels = figure.subplots(1, 3, sharey=True)
    difference = np.abs(predicted - measured)
    later = difference[np.asarray(chart.steps) > 0]  # at the start both are the same but for rounding
    common, own = _norm(chart, np.concatenate([predicted, measured])), log_norm(later if later.size else difference)
    theory = _panel(panels[0], "theory", chart, predicted, common, "viridis")
    _panel(panels[1], "experiment", chart, measured, common, "viridis")
    apart = _panel(panels[2], "|theory \N{MINUS SIGN} experiment|", chart, difference, own, "magma")
    panels[0].set_ylabel("frequency")
    _bar(figure, theory, panels[:2], chart.quantity)
    _bar(figure, apart, panels[2], "difference")
    missing, equal = not np.isfinite(difference).all(), bool(np.all(predicted == measured))
    return ["Grey: no value up to 1e200."] * missing + ["Theory and experiment are equal."] * equal


def _bar(figure: Figure, mesh: QuadMesh, axes: Any, label: str) -> None:
    """The key to the colours, below the panels that it is for."""
    logarithmic = isinstance(mesh.norm, LogNorm)
    extend = "min" if logarithmic else "max"
    bar = figure.colorbar(mesh, ax=axes, location="bottom", label=label, extend=extend, aspect=20 * np.size(axes))
    if not logarithmic:
        return
    low, high = mesh.get_clim()
    if high < 100 * low and low >= 1e-4:
        bar.locator, bar.formatter = LogLocator(subs=(1, 2, 5)), StrMethodFormatter("{x:g}")
    else:
        bar.locator = LogLocator(numticks=1 + 3 * np.size(axes))
    bar.minorticks_off()


def _norm(chart: HeatMap, values: Array) -> Normalize:
    return log_norm(values) if chart.scale == "log" else Normalize(0, 1)


def log_norm(values: Array) -> LogNorm:
    """Logarithmic colours over the positive values, over one decade at least and sixteen at most."""
    positive = values[np.isfinite(values) & (values > 0)]
    top = float(positive.max()) if len(positive) else 1e-16
    bottom = float(positive.min()) if len(positive) else top
    return LogNorm(min(max(bottom, 1e-16 * top), top / 10), top)


def _panel(axes: Axes, title: str, chart: HeatMap, values: Array, norm: Normalize, colormap: str) -> QuadMesh:
    """One rectangle for each step (logarithmic, step 0 in a place of its own) and frequency (equal heights)."""
    steps = np.asarray(chart.steps, dtype=float)
    edges = _edges(steps)
    rows = np.arange(len(chart.frequencies) + 1) - 0.5
    assert norm.vmin is not None
    # Zeros have no logarithm: they take the colour below the lowest, not that of a missing value.
    shown = np.where(np.isfinite(values), np.maximum(values, norm.vmin / 10), np.nan).T
    colors = colormaps[colormap].with_extremes(bad="0.8")
    mesh = axes.pcolormesh(edges, rows, shown, norm=norm, cmap=colors, rasterized=True)
    axes.grid(False)
    axes.set(xscale="log", xlim=(edges[0], edges[-1]), xlabel="step")
    axes.set_title(title, fontsize=9, loc="center")
    _label_axes(axes, chart, edges)
    return mesh


def _edges(steps: Array) -> Array:
    """Edges of the cells around the steps: geometric means between them; step 0 takes a factor of two at the left."""
    positive = steps[steps > 0]
    if not len(positive):
        return np.array([0.5, 1.0])
    ratio = positive[1:] / positive[:-1] if len(positive) > 1 else np.array([2.0])
    inner = np.sqrt(positive[1:] * positive[:-1])
    first, last = positive[0] / np.sqrt(ratio[0]), positive[-1] * np.sqrt(ratio[-1])
    left = [first / 2] if steps[0] == 0 else []
    return np.concatenate([left, [first], inner, [last]])


def _label_axes(axes: Axes, chart: HeatMap, edges: Array) -> None:
    """A few powers of ten and the step 0 along x; every frequency, or equally many rows apart, along y."""
    has_zero = chart.steps[0] == 0
    low, high = np.log10(edges[1] if has_zero else edges[0]), np.log10(edges[-1])
    powers = np.arange(np.ceil(low), np.floor(high) + 1).astype(int)
    powers = powers[:: 1 + len(powers) // 5]
    ticks = [*([np.sqrt(edges[0] * edges[1])] if has_zero else []), *(10.0**powers)]
    labels = [*(["0"] if has_zero else []), *(f"$10^{{{power}}}$" if power > 1 else f"{10**power}" for power in powers)]
    axes.set_xticks(ticks, labels)
    axes.minorticks_off()
    rows = np.arange(0, len(chart.frequencies), 1 + (len(chart.frequencies) - 1) // 12)
    axes.set_yticks(rows, [frequency_label(chart.frequencies[row]) for row in rows])


def frequency_label(k: Any) -> str:
    """A frequency, or a wave vector, as text.

    >>> frequency_label(4.0), frequency_label([1, -2])
    ('4', '(1, \N{MINUS SIGN}2)')
    """
    numbers = [f"{number:g}".replace("-", "\N{MINUS SIGN}") for number in np.atleast_1d(k)]
    return numbers[0] if np.ndim(k) == 0 else f"({', '.join(numbers)})"


def heat_map_rows(chart: HeatMap) -> Iterator[list[Any]]:
    """Its numbers: step, frequency (a wave vector with spaces between), predicted, measured; a row for each cell."""
    yield ["step", "frequency", "predicted", "measured"]
    names = [" ".join(str(number) for number in np.atleast_1d(k).tolist()) for k in np.asarray(chart.frequencies)]
    for i, step in enumerate(np.asarray(chart.steps).tolist()):
        for j, name in enumerate(names):
            yield [
                step,
                name,
                "" if chart.predicted is None else float(chart.predicted[i, j]),
                float(chart.measured[i, j]),
            ]


def check_heat_map(chart: HeatMap, where: str) -> None:
    """Raise ValueError unless shapes match and steps increase."""
    expected = len(chart.steps), len(chart.frequencies)
    for what, values in (("predicted", chart.predicted), ("measured", chart.measured)):
        if values is not None and (np.shape(values) != expected or 0 in expected):
            raise ValueError(
                f"{where}: {what}: expected shape (steps, frequencies) = {expected}, got {np.shape(values)}"
            )
    steps = np.asarray(chart.steps, dtype=float)
    if not (steps[0] >= 0 and np.all(np.diff(steps) > 0)):
        raise ValueError(f"{where}: steps: expected increasing numbers from 0 on, got {steps.tolist()}")
