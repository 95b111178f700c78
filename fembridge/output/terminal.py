"""Results on the terminal: tables and lines on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite, isnan
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from fembridge.problem import Array

SYMBOLS = {"pass": "✓ pass", "fail": "✗ fail", "inconclusive": "? inconclusive"}
COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


def progress(what: str, quiet: bool, total: int | None = None) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """A wrapper of iterables that draws a bar on stderr, where that is a terminal. total: of those without length."""
    if quiet or not sys.stderr.isatty():
        return lambda items: items
    return lambda items: track(items, what, total, console=Console(stderr=True), transient=True)


def notice(quiet: bool) -> Callable[[str], None]:
    """A function that says one line on stderr."""
    return lambda text: None if quiet else print(f"fembridge: {text}", file=sys.stderr)


def show(*parts: Table | str) -> None:
    """Print tables and lines on stdout."""
    # Nothing is cut off in a pipe, where there is no width to keep to.
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A plain table; cells that are too wide fold."""
    made = Table(*columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in made.columns:
        column.overflow = "fold"
    for row in rows:
        made.add_row(*[cell if isinstance(cell, Text) else str(cell) for cell in row])
    return made


def stability(learning_rate: float, limit: float, stable: bool) -> str:
    """A line on the learning rate and its limit."""
    text = f"learning rate {learning_rate:.6g}, stable below {limit:.6g}"
    return text if stable else f"{text}: unstable, divergence is predicted"


def spectrum_table(eigenvalues: Array, errors: Array, shown: int, first: int) -> Table:
    """The first eigenvalues and their bounds, numbered from the `first` after."""
    rows = enumerate(zip(eigenvalues[:shown], errors[:shown], strict=True), start=first + 1)
    cells = [[k, f"{value:.12g}", f"{error:.1e}"] for k, (value, error) in rows]
    return table(["k", "eigenvalue", "relative error ≤"], cells)


def steps_table(frequencies: Iterable[int], steps: Iterable[float], tolerance: float) -> Table:
    """How many steps each frequency takes."""
    rows = [[k, spoken(step)] for k, step in zip(frequencies, steps, strict=True)]
    return table(["frequency", f"steps to {tolerance:g} of the start"], rows)


def spoken(step: float) -> str:
    """A number of steps in words."""
    if isnan(step):
        return "absent at the start"
    return f"{step:.0f}" if isfinite(step) else "never"


def map_table(found: Mapping[str, Any]) -> Table:
    """What map.json says: the mesh, and how exact it is."""
    snapped = f"{found['snapped']}, by {found['moved']:.2g} ερ at most" if found["snapped"] else "none"
    rows = [
        ["dimension", found["dimension"]],
        ["layers", " → ".join(map(str, found["layers"]))],
        ["domain", " × ".join(f"[{a:g}, {b:g}]" for a, b in found["domain"])],
        ["linear regions", found["regions"]],
        ["vertices", found["vertices"]],
        ["simplices", found["simplices"]],
        ["kink facets", found["kink_facets"]],
        ["snapped vertices", snapped],
        [f"largest difference at {found['points']} points", _within(found["difference"], found["bound"])],
        ["relative error of the sum of volumes", _within(found["volume_error"], found["volume_bound"])],
    ]
    return table([found["network"], ""], rows)


def _within(value: float, bound: float) -> str:
    return f"{value:.2g} (rounding allows {bound:.2g})"


def claims_table(claims: Iterable[Mapping[str, Any]]) -> Table:
    """The entries "claims" of verdict.json."""

    def row(claim: Mapping[str, Any]) -> list[Any]:
        verdict = Text(SYMBOLS[claim["verdict"]] + (" (known)" if claim["known"] else ""), COLOURS[claim["verdict"]])
        numbers = [f"{claim[name]:.3g}" for name in ("predicted", "measured", "error", "tolerance")]
        return [claim["id"], verdict, *numbers, f"{claim['seconds']:.1f}"]

    return table(["claim", "verdict", "predicted", "measured", "error", "tolerance", "seconds"], map(row, claims))


def run_table(summary: Mapping[str, Any]) -> Table:
    """Error amplitudes at the start and the end of one run."""
    measured, predicted = summary["measured"], summary["predicted"]
    columns = [summary["activation"], "error at start", "predicted at end", "measured at end"]
    amplitudes = [measured[0], measured[-1]] if predicted is None else [measured[0], predicted[-1], measured[-1]]
    if predicted is None:
        columns.remove("predicted at end")
    shown = zip(summary["frequencies"], zip(*amplitudes, strict=True), strict=True)
    return table(columns, [[k, *map(_amplitude, row)] for k, row in shown])


def run_lines(summary: Mapping[str, Any]) -> list[str]:
    """What is to be said of one run below its table."""
    rate, limit, found = summary["learning_rate"], summary["stability_limit"], summary["statistic"]
    lines = [f"learning rate {rate:.6g}" if limit is None else stability(rate, limit, summary["stable"])]
    if found:
        name = "PSNR" if found["name"] == "psnr" else found["name"]
        lines.append(f"{name} {found['mean']:.4g}, mean over {len(found['values'])} seeds")
    if summary["reason"]:
        lines.append(f"{summary['activation']}: {SYMBOLS[summary['verdict']]}: {summary['reason']}")
    return lines


def _amplitude(value: float) -> str:
    return f"{value:.6g}" if isfinite(value) else "diverged"
