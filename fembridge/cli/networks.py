"""Networks as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fembridge import arguments
from fembridge.arguments import Json, MaxMemory
from fembridge.cli.app import EXIT_CODES, app


@app.command("map", cls=arguments.Intervals)
def map_(
    factory: Annotated[str | None, typer.Argument(metavar="MODULE:FACTORY", help="A function that makes it.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Its weights instead: .safetensors or .pt.")] = None,
    layers: Annotated[str | None, typer.Option(metavar="N,N,…", help="With them: sizes, as 2,64,64,1.")] = None,
    activation: Annotated[str | None, typer.Option(help="Between: relu (if left out), leaky-relu, hat, …")] = None,
    domain: Annotated[list[str] | None, typer.Option(metavar="A B", help="For each input, or for all; 0 1.")] = None,
    points: Annotated[int, typer.Option(min=1, help="Random points at which it is checked.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of these points.")] = 0,
    max_cells: Annotated[int, typer.Option(min=1, help="Give up where it has more linear pieces.")] = 1_000_000,
    out: Annotated[Path, typer.Option(help="Result folder.")] = Path("results/map"),
    vtu: Annotated[bool, typer.Option("--vtu", help="Write map.vtu for ParaView, too.")] = False,
    max_memory: MaxMemory = None,
    json: Json = False,
) -> int:
    """What finite-element function is this network?"""
    from fembridge.memory import memory_limit
    from fembridge.output import terminal
    from fembridge.studies.folders import strict_json
    from fembridge.studies.mapping import map_network

    name, load = arguments.network(factory, weights, layers, activation)
    box = arguments.intervals(domain)
    with memory_limit(max_memory):
        found = map_network(load, name, out, box, points=points, seed=seed, max_cells=max_cells, vtu=vtu)
    if json:
        print(strict_json(found))
    else:
        verdict = f"verdict: {terminal.SYMBOLS[found['verdict']]}"
        terminal.show(terminal.map_table(found), verdict, f"figure: {out / 'figures' / 'map.png'}")
    return EXIT_CODES[found["verdict"]]
