"""Every case against its peers in the same run: python -m experiments.benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from scipy.stats import linregress, t

from experiments.benchmarks.harness import PEERS, ROOT, Case, Measurement, measure_case, select, title
from experiments.benchmarks.tables import show, write_docs
from fembridge.studies.environment import environment, installed
from fembridge.studies.folders import write_json

PAGE = ROOT / "docs" / "performance.md"

app = typer.Typer(add_completion=False)


@app.command()
def main(
    only: Annotated[str, typer.Option(metavar="GLOB", help="cases whose subject/name matches")] = "*",
    quick: Annotated[bool, typer.Option("--quick", help="small sizes: whether all of it runs, not how fast")] = False,
    list_: Annotated[bool, typer.Option("--list", help="name the cases and stop")] = False,
    limit: Annotated[float, typer.Option(help="seconds that one side of a case may take in all")] = 300,
    out: Annotated[Path, typer.Option(help="the JSON file")] = Path("results/bench.json"),
    docs: Annotated[
        bool, typer.Option("--write-docs", help="put the tables of the JSON file into docs/performance.md and stop")
    ] = False,
) -> None:
    """Time, peak memory and accuracy of each case and of its peers, in one run."""
    if docs:
        write_docs(json.loads(out.read_text(encoding="utf-8")), PAGE)
        return
    chosen = list(select(only))
    if list_:
        print(*(title(subject, case) for subject, case in chosen), sep="\n")
        return
    if not chosen:
        raise typer.BadParameter(f"no case matches {only!r}; --list names them", param_hint="--only")
    console, progress = Console(width=150), Console(stderr=True)
    results: dict[str, Any] = {"schema_version": 1, "quick": quick, "environment": _environment(), "cases": []}
    out.parent.mkdir(parents=True, exist_ok=True)
    with progress.status("") as status:
        for subject, case in chosen:
            result = measured(subject, case, case.quick if quick else case.sizes, limit, status.update)
            results["cases"].append(result)
            write_json(out, results)
            show(result, console)


def measured(subject: str, case: Case, sizes: tuple[int, ...], limit: float, progress: Any) -> dict[str, Any]:
    """A case at all sizes, as it stands in the JSON file."""
    at_sizes = [(size, *measure_case(subject, case, size, limit, progress)) for size in sizes]
    return {
        "title": title(subject, case),
        "size": case.size,
        "reference": case.reference if isinstance(case.reference, str) else None,
        "sizes": [
            {"size": size, "note": note, "sides": [vars(side) | {"median": side.median} for side in sides]}
            for size, sides, note in at_sizes
        ],
        "growth": [
            growth
            for side in case.sides
            if (growth := _growth(side.name, [(size, m) for size, sides, _ in at_sizes for m in sides]))
        ],
    }


def _growth(side: str, measurements: list[tuple[int, Measurement]]) -> dict[str, Any] | None:
    known = [(size, m.median) for size, m in measurements if m.side == side and m.median is not None]
    fit = exponent([size for size, _ in known], [seconds for _, seconds in known])
    if fit is None:
        return None
    slope, low, high = fit
    return {"side": side, "from": known[0][0], "to": known[-1][0], "exponent": slope, "low": low, "high": high}


def exponent(sizes: list[int], seconds: list[float]) -> tuple[float, float, float] | None:
    """p of seconds ∝ sizeᵖ, by least squares in the logarithms, with its 95 % interval. None for fewer than three
    sizes.

    >>> exponent([10, 100, 1000], [1.0, 100.0, 10_000.0])
    (2.0, 2.0, 2.0)
    """
    if len(sizes) < 3:
        return None
    line = linregress(np.log(sizes), np.log(seconds))
    half = float(t.ppf(0.975, len(sizes) - 2) * line.stderr)
    slope = float(line.slope)
    return slope, slope - half, slope + half


def _environment() -> dict[str, Any]:
    """As in a run folder, with the peers' versions."""
    found = environment()
    peers = {package: installed(package) for package in PEERS.values()}
    return found | {"packages": found["packages"] | peers}


if __name__ == "__main__":
    app()
