"""Pages of results, and what they were made with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fembridge.arguments import Json
from fembridge.cli.app import app


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of verify or run.")]) -> None:
    """Write the report of a result folder anew."""
    from fembridge.output.report import write_report

    print(write_report(folder))


@app.command()
def info(json: Json = False) -> None:
    """Versions and environment."""
    from fembridge.output import terminal
    from fembridge.studies.environment import environment
    from fembridge.studies.folders import strict_json

    found = environment()
    if json:
        print(strict_json({"schema_version": 1, **found}))
    else:
        packages = found.pop("packages")
        terminal.show(terminal.table(["", "version"], [*found.items(), *packages.items()]))
