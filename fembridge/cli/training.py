"""Networks that are trained: a run, and its film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fembridge.arguments import Dtype, Json, MaxMemory, Quiet
from fembridge.cli.app import EXIT_CODES, app


@app.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="RUN.toml", help="The run file.")],
    scale: Annotated[Literal["quick", "full"], typer.Option(help="With its table [quick], or as it stands.")] = "full",
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Instead of the run file's.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("results/runs"),
    device: Annotated[str, typer.Option(help="Where to train: cpu, cuda, …")] = "cpu",
    dtype: Annotated[Dtype | None, typer.Option(help="Numbers to train with, instead of the run file's.")] = None,
    max_memory: MaxMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Predict, train, compare: one run file."""
    from fembridge.memory import memory_limit
    from fembridge.output import terminal
    from fembridge.studies.config import load
    from fembridge.studies.folders import strict_json
    from fembridge.studies.run import run as run_config

    config = load(file, scale)
    if seed is not None:
        config = config.model_copy(update={"seed": seed})
    progress, notice = terminal.progress("training", quiet), terminal.notice(quiet)
    with memory_limit(max_memory):
        done = run_config(config, out, progress=progress, notice=notice, device=device, dtype=dtype)
    if json:
        print(strict_json(done.summary))
    else:
        for one in done.summary.get("runs", [done.summary]):
            terminal.show(terminal.run_table(one), *terminal.run_lines(one))
        terminal.show(f"verdict: {terminal.SYMBOLS[done.verdict]}", f"folder: {done.folder}")
    return EXIT_CODES[done.verdict]


@app.command()
def animate(
    source: Annotated[Path, typer.Argument(metavar="RUN.toml|FOLDER", help="A run file, or a finished run folder.")],
    out: Annotated[Path | None, typer.Option(help="A .gif or .mp4 file; results/films/NAME.gif if left out.")] = None,
    scale: Annotated[Literal["quick", "full"], typer.Option(help="With its table [quick], or as it stands.")] = "full",
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Instead of the run file's.")] = None,
    frames: Annotated[int, typer.Option(min=2, max=2000, help="About so many, log-spaced in the steps.")] = 80,
    fps: Annotated[int, typer.Option(min=1, max=50, help="Frames a second.")] = 10,
    max_memory: MaxMemory = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learning as a film: the function, its breakpoints, what is missing, and the error of each frequency."""
    from fembridge.memory import memory_limit
    from fembridge.output import terminal
    from fembridge.studies.animation import animate as film
    from fembridge.studies.folders import strict_json

    with memory_limit(max_memory):
        done = film(
            source,
            out,
            scale=scale,
            seed=seed,
            frames=frames,
            fps=fps,
            progress=lambda what: terminal.progress(what, quiet),
            notice=terminal.notice(quiet),
        )
    print(strict_json(done) if json else done["file"])
