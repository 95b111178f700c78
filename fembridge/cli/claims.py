"""Do the papers' claims hold?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fembridge.arguments import Json, Quiet
from fembridge.cli.app import EXIT_CODES, app


@app.command()
def verify(
    only: Annotated[str, typer.Option(metavar="GLOB", help="Only the claims whose id matches.")] = "*",
    scale: Annotated[Literal["quick", "full"], typer.Option(help="Minutes, or as large as in the papers.")] = "quick",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of every random number.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one for each core if left out.")] = None,
    out: Annotated[Path, typer.Option(help="Result folder.")] = Path("results/verify"),
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Do the papers' claims hold?"""
    from fembridge import claims
    from fembridge.claims import verification
    from fembridge.claims.results import summary
    from fembridge.output import terminal
    from fembridge.output.report import write_report
    from fembridge.studies.environment import environment
    from fembridge.studies.folders import result_folder, strict_json, write_json

    (chosen, left_out), setting = claims.testable(claims.select(only)), claims.Setting(scale, seed)
    if left_out:
        needs = f"{len(left_out)} claims on digits and photographs need: pip install 'fembridge[data]'"
        if not chosen:
            raise ValueError(f"only: {needs}")
        terminal.notice(quiet)(f"left out: {needs}")
    with result_folder(out) as folder:
        every = verification.verify(chosen, setting, folder / "figures", jobs)
        found = summary(list(terminal.progress("claims", quiet, len(chosen))(every)), seed)
        write_json(folder / "verdict.json", found)
        write_json(folder / "env.json", {**environment(), "seed": seed, "scale": scale})
        write_report(folder)
    if json:
        print(strict_json(found))
    else:
        verdict = f"verdict: {terminal.SYMBOLS[found['verdict']]}"
        terminal.show(terminal.claims_table(found["claims"]), verdict, f"report: {out / 'report.html'}")
    return EXIT_CODES[found["verdict"]]
