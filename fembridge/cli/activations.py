"""Activations in theory: their spectra, how fast they learn, and which one has a wanted spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from fembridge import __version__, arguments
from fembridge.arguments import Activation, Domain, Json, Knots, Loss, MaxMemory, Method, Quiet
from fembridge.cli.app import EXIT_CODES, app

FORMS = "flat, power:EXPONENT[,CORNER], low-pass:CUT, high-pass:CUT, band-pass:LOW,HIGH, or a file of positive numbers."
OF_CARDS = "A name, a spline in a .toml or .json file (what design --out writes), or a module of your own."


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
def design(
    target: Annotated[str, typer.Option(metavar="TARGET|FILE", help=FORMS)] = "flat",
    degree: Annotated[int, typer.Option(min=1, max=3, help="Of the spline.")] = 1,
    taps: Annotated[int | None, typer.Option(help="Their number; if left out, what the tolerance takes.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Largest deviation from the target; 0.01.")] = None,
    symmetric: Annotated[bool, typer.Option("--symmetric", help="About the middle tap.")] = False,
    zero_mean: Annotated[bool, typer.Option("--zero-mean", help="∫σ = 0, with a --band above 0.")] = False,
    lipschitz: Annotated[float | None, typer.Option(metavar="L", help="Largest slope |σ'|.")] = None,
    support: Annotated[int | None, typer.Option(help="Width of σ, taps and degree, instead of --taps.")] = None,
    band: Annotated[tuple[float, float], typer.Option(metavar="LOW HIGH", help="In units of the limit π.")] = (0, 1),
    criterion: Annotated[Literal["minimax", "least-squares"], typer.Option(help="What is least.")] = "minimax",
    verify: Annotated[bool, typer.Option("--verify", help="Train it, beside the prediction.")] = False,
    card: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write its card there, too.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what --json prints to this file.")] = None,
    json: Json = False,
) -> int:
    """Which spline activation has this spectrum?"""
    from fembridge.output import terminal
    from fembridge.studies import design as study
    from fembridge.studies.folders import result_file, strict_json
    from fembridge.theory.design.designs import design as find

    demands = {"symmetric": symmetric, "zero_mean": zero_mean, "lipschitz": lipschitz, "support": support}
    wanted = 0.01 if tolerance is None else tolerance
    found = find(target, degree, taps, tolerance=wanted, band=band, criterion=criterion, **demands)  # type: ignore[arg-type]
    told = study.answer(found, tolerance, verify)
    if out:
        with result_file(out) as file:
            file.write_text(strict_json(told, indent=2) + "\n", encoding="utf-8")
    if card:
        from fembridge.studies.card import write_card

        write_card(told, card)
    if json:
        print(strict_json(told))
    else:
        terminal.show(*study.lines(told), f"verdict: {terminal.SYMBOLS[told['verdict']]}")
    return EXIT_CODES[told["verdict"]]


@app.command()
def card(
    activation: Annotated[str, typer.Argument(metavar="NAME|FILE|MODULE:NAME", help=OF_CARDS)],
    scale: Annotated[Literal["quick", "full"], typer.Option(help="Half a minute, or some minutes.")] = "quick",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of random networks.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Result folder; results/cards/NAME if left out.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """One page on one activation: symbol, condition, predicted and measured rates."""
    from fembridge.output import terminal
    from fembridge.studies.card import write_card
    from fembridge.studies.folders import strict_json

    folder = out or Path("results/cards") / Path(activation).stem.replace(":", ".")
    made = write_card(activation, folder, scale=scale, seed=seed, progress=terminal.progress("card", quiet, 6))
    if json:
        print(strict_json(made))
    else:
        verdict = f"verdict: {terminal.SYMBOLS[made['verdict']]}"
        terminal.show(made["headline"], verdict, f"card: {folder / 'card.html'}, {folder / 'card.pdf'}")
    return EXIT_CODES[made["verdict"]]
