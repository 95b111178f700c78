"""The results as people read them: tables on the terminal, and in docs/performance.md between its two markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = ("side", "size", "seconds", "runs", "× ours", "peak memory", "worst error")
GROWTH = ("side", "sizes", "seconds grow like", "95 % interval")
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def rows(case: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each side at each size."""
    found = []
    for at in case["sizes"]:
        ours = at["sides"][0]["median"]
        for side in at["sides"]:
            size = f"{case['size']} = {at['size']:,}"
            if side["failure"]:
                found.append((side["side"], size, side["failure"], "", "", "", ""))
                continue
            ratio = f"{side['median'] / ours:.3g}" if ours else "–"
            error = "reference" if side["side"] == case["reference"] else _error(side["error"])
            seconds, runs, peak = f"{side['median']:.3g}", str(len(side["seconds"])), _memory(side["peak"])
            found.append((side["side"], size, seconds, runs, ratio, peak, error))
    return found


def growth(case: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each side that ran at three sizes or more."""
    return [
        (g["side"], f"{g['from']:,} … {g['to']:,}", f"{case['size']}^{g['exponent']:.2f}", f"{low} … {high}")
        for g in case["growth"]
        for low, high in [(f"{g['low']:.2f}", f"{g['high']:.2f}")]
    ]


def notes(case: dict[str, Any]) -> list[str]:
    return [f"{case['size']} = {at['size']:,}: {at['note']}" for at in case["sizes"] if at["note"]]


def show(case: dict[str, Any], console: Console) -> None:
    """One case on the terminal."""
    for title, columns, body in (
        (case["title"], COLUMNS, rows(case)),
        ("growth", GROWTH, growth(case)),
    ):
        table = Table(*columns, title=title, title_justify="left")
        for row in body:
            table.add_row(*row)
        if body:
            console.print(table)
    for note in notes(case):
        console.print(note)


def environment(results: dict[str, Any]) -> str:
    """What all cases were measured with."""
    found = results["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    return f"{found['processor']}, {found['threads']} threads, on the processor alone. {versions}."


def sections(results: dict[str, Any]) -> dict[str, str]:
    """The tables of each case under its heading."""
    found = {}
    for case in results["cases"]:
        lines = _table(COLUMNS, rows(case))
        lines += ["", *_table(GROWTH, growth(case))] if case["growth"] else []
        lines += ["", *(f"- {note}" for note in notes(case))] if notes(case) else []
        found[case["title"].partition("/")[2]] = "\n".join(lines)
    return found


def write_docs(results: dict[str, Any], page: Path) -> None:
    """Put the tables between the markers of a page; cases that were not measured keep theirs.

    Raises ValueError where the page does not have the markers.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    held, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page}: expected the markers {BEGIN} and {END}")
    kept = dict(section.split("\n\n", 1) for section in held.split("### ")[1:])
    tables = "".join(f"### {title}\n\n{body.strip()}\n\n" for title, body in (kept | sections(results)).items())
    page.write_text(f"{before}{BEGIN}\n\n{environment(results)}\n\n{tables}{END}{after}", encoding="utf-8")


def _table(columns: tuple[str, ...], body: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (columns, ("---",) * len(columns), *body)]


def _error(error: float | None) -> str:
    return "–" if error is None else f"{error:.0e}" if error else "0"


def _memory(peak: int) -> str:
    return f"{peak / 2**20:,.0f} MiB"
