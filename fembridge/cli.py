"""The command line: one verb for each question. stdout carries the result alone; progress and errors go to stderr.

Heavy libraries are imported by the verbs that need them: --version answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from fembridge import __version__

Loss = Literal["mass", "stiffness", "h1"]
Dtype = Literal["float64", "float32"]
Method = Literal["auto", "dispersion", "sturm", "lanczos", "banded", "dense"]

app = typer.Typer(add_completion=False)


class _Map(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Typer has no type for an option of two values that may come again: `--domain A B` is one to it, "A B"."""
        for i in reversed([i for i, word in enumerate(args) if word == "--domain"]):
            args[i + 1 : i + 3] = [" ".join(args[i + 1 : i + 3])]
        return super().parse_args(ctx, args)


EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}


def _version(wanted: bool) -> None:
    if wanted:
        print("fembridge", __version__)
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Activation = Annotated[str, typer.Option(help="Its name: relu, relu2, leaky-relu, step, hat, bspline0 … bspline3.")]
Knots = Annotated[str, typer.Option(metavar="N|FILE", help="Equispaced knots, or a .npy or text file of knots.")]
MaxMemory = Annotated[
    float | None, typer.Option(metavar="GIB", help="Memory to take at most; half of the machine's if left out.")
]
Domain = Annotated[tuple[float, float], typer.Option(metavar="A B", help="Ends of the interval.")]


@app.callback()
def fembridge(version: Version = False) -> None:
    """Check what finite-element theory says about training neural networks."""


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


@app.command()
def spectrum(
    activation: Activation = "relu",
    knots: Knots = "64",
    domain: Domain = (0.0, 1.0),
    form: Annotated[Loss, typer.Option(help="∫uv, ∫u'v' or their sum.")] = "mass",
    affine: Annotated[bool, typer.Option("--affine", help="With the constant and the linear function.")] = False,
    largest: Annotated[int | None, typer.Option(min=1, metavar="K", help="Only these, with eigenvectors.")] = None,
    smallest: Annotated[int | None, typer.Option(min=1, metavar="K", help="Only these, with eigenvectors.")] = None,
    method: Annotated[Method, typer.Option(help="How it is computed.")] = "auto",
    max_memory: MaxMemory = None,
    top: Annotated[int | None, typer.Option(min=1, help="Show only the K largest.", metavar="K")] = None,
    out: Annotated[Path | None, typer.Option(help="Write eigenvalues, error (and eigenvectors) to this .npz.")] = None,
    json: Json = False,
) -> None:
    """What is the spectrum of this activation on these knots?"""
    from fembridge import arguments
    from fembridge.memory import memory_limit
    from fembridge.output import terminal
    from fembridge.studies import spectrum as study
    from fembridge.studies.folders import strict_json
    from fembridge.theory.features import on_knots

    end, count = arguments.end(largest, smallest, affine)
    features = on_knots(activation, arguments.knots(knots, domain), domain)
    with memory_limit(max_memory):
        found = study.find(features, form, method, affine, end, count, out)
    answer = {
        "schema_version": 1,
        "fembridge": __version__,
        "activation": activation,
        "form": form,
        "affine": affine,
        "domain": domain,
        "n": len(features),
        "which": end if count else "all",
        **study.summary(found, top),
    }
    if json:
        print(strict_json(answer))
        return
    first = len(features) - count if smallest and count else 0
    table = terminal.spectrum_table(found.eigenvalues, found.error, top or count or 10, first)
    left = len(found.eigenvalues) - table.row_count
    more = [f"and {left} smaller ones, down to {found.eigenvalues[-1]:.6g} (--top K shows more)"] if left else []
    terminal.show(table, *more, study.sentence(found))


@app.command()
def predict(
    activation: Activation = "relu",
    knots: Knots = "64",
    domain: Domain = (0.0, 1.0),
    loss: Annotated[Loss, typer.Option("--loss", "--form", help="Of u − f, of u' − f', or their sum.")] = "mass",
    frequencies: Annotated[str, typer.Option(metavar="K,K,…", help="Periods over the domain.")] = "1,2,4,8,16",
    optimizer: Annotated[Literal["gd", "heavy-ball", "nesterov"], typer.Option(help="How it is minimised.")] = "gd",
    learning_rate: Annotated[str, typer.Option(metavar="auto|NUMBER", help="auto is 1/λ_max.")] = "auto",
    momentum: Annotated[float | None, typer.Option(help="For heavy-ball and nesterov; 0.9 if left out.")] = None,
    samples: Annotated[str | None, typer.Option(metavar="N|exact", help="256, or exact for derivatives.")] = None,
    tolerance: Annotated[float, typer.Option(help="Learned when the error is this part of its start.")] = 0.1,
    weight_scale: Annotated[float, typer.Option(help="Factor of the inner weights.")] = 1.0,
    max_memory: MaxMemory = None,
    json: Json = False,
) -> None:
    """How fast will each frequency be learned?"""
    from fembridge import arguments
    from fembridge.memory import memory_limit
    from fembridge.output import terminal
    from fembridge.problem import Problem, sines
    from fembridge.studies.folders import strict_json
    from fembridge.theory import prediction
    from fembridge.theory.features import on_knots

    k = tuple(arguments.whole("--frequencies", item) for item in frequencies.split(","))
    sampling = samples or ("256" if loss == "mass" else "exact")
    points: int | Literal["exact"] = "exact" if sampling == "exact" else arguments.whole("--samples", sampling)
    problem = Problem(sines(k, [1.0] * len(k), domain), k, domain, loss, points)
    features = on_knots(activation, arguments.knots(knots, domain), domain, weight_scale)
    beta = arguments.momentum(optimizer, momentum)
    rate = arguments.rate(learning_rate)
    with memory_limit(max_memory):
        found = prediction.predict(features, problem, [0], optimizer, rate, beta)
        steps = prediction.steps_to_tolerance(features, problem, tolerance, optimizer, rate, beta)
    answer = {
        "schema_version": 1,
        "fembridge": __version__,
        "activation": activation,
        "n": len(features),
        "domain": domain,
        "loss": loss,
        "samples": points,
        "weight_scale": weight_scale,
        "optimizer": optimizer,
        "momentum": beta,
        "learning_rate": found.learning_rate,
        "stability_limit": found.stability_limit,
        "stable": found.stable,
        "tolerance": tolerance,
        "frequencies": k,
        "steps_to_tolerance": steps,
    }
    if json:
        print(strict_json(answer))
    else:
        terminal.show(
            terminal.steps_table(k, steps, tolerance),
            terminal.stability(found.learning_rate, found.stability_limit, found.stable),
        )


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


@app.command("map", cls=_Map)
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
    from fembridge import arguments
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
