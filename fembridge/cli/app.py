"""The app itself, and what its verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from fembridge import __version__

app = typer.Typer(add_completion=False)
EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}


def _version(wanted: bool) -> None:
    if wanted:
        print("fembridge", __version__)
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def fembridge(version: Version = False) -> None:
    """Check what finite-element theory says about training neural networks."""
