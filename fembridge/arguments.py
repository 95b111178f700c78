"""The options that verbs share, and what was written on the command line as values.

Raises ValueError with one line that names the option. Heavy libraries are imported where they are used, as in `cli`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from fembridge.problem import Array

Loss = Literal["mass", "stiffness", "h1"]
Dtype = Literal["float64", "float32"]
Method = Literal["auto", "dispersion", "sturm", "lanczos", "banded", "dense"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Activation = Annotated[str, typer.Option(help="Its name: relu, relu2, leaky-relu, step, hat, bspline0 … bspline3.")]
Knots = Annotated[str, typer.Option(metavar="N|FILE", help="Equispaced knots, or a .npy or text file of knots.")]
MaxMemory = Annotated[
    float | None, typer.Option(metavar="GIB", help="Memory to take at most; half of the machine's if left out.")
]
Domain = Annotated[tuple[float, float], typer.Option(metavar="A B", help="Ends of the interval.")]


class Intervals(TyperCommand):
    """A verb whose option --domain takes two values and may come again."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Typer has no type for that: `--domain A B` is one to it, "A B"."""
        for i in reversed([i for i, word in enumerate(args) if word == "--domain"]):
            args[i + 1 : i + 3] = [" ".join(args[i + 1 : i + 3])]
        return super().parse_args(ctx, args)


def whole(option: str, text: str) -> int:
    """A whole number up to 2³¹ in size."""
    from fembridge.problem import HIGHEST

    with suppress(ValueError):
        if abs(number := int(text)) <= HIGHEST:
            return number
    raise ValueError(f'{option}: expected a whole number up to 2³¹, got "{text:.40}"')


def knots(text: str, domain: tuple[float, float]) -> Array:
    """Equispaced knots of a number, or those of a file."""
    from fembridge.problem import read_numbers
    from fembridge.theory.features import grid

    if text.removeprefix("-").isdecimal():
        return grid(whole("--knots", text), domain)
    if not Path(text).is_file():
        raise ValueError(f'--knots: expected a whole number or an existing file, got "{text}"')
    return read_numbers(text, "--knots")


def rate(text: str) -> float | Literal["auto"]:
    """A number, or "auto" as it is."""
    try:
        return "auto" if text == "auto" else float(text)
    except ValueError:
        raise ValueError(f'--learning-rate: expected "auto" or a positive number, got "{text}"') from None


def momentum(optimizer: str, momentum: float | None) -> float:
    """That of an optimizer: none for gd, 0.9 where it is left out."""
    if optimizer == "gd":
        if momentum is not None:
            raise ValueError(f"--momentum: expected none with --optimizer gd, got {momentum:g}")
        return 0.0
    if momentum is not None and not 0 < momentum < 1:
        raise ValueError(f"--momentum: expected a number between 0 and 1, got {momentum:g}")
    return 0.9 if momentum is None else momentum


def end(largest: int | None, smallest: int | None, affine: bool) -> tuple[Literal["largest", "smallest"], int | None]:
    """The end of a spectrum that is asked for and how many of it; None for all."""
    if largest and smallest:
        raise ValueError("--largest: expected without --smallest, got both")
    count = largest or smallest
    if count and affine:
        raise ValueError("--affine: expected without --largest and --smallest")
    return "largest" if largest else "smallest", count


def sizes(text: str) -> tuple[int, ...]:
    """The sizes of layers: positive whole numbers between commas, two at least."""
    found = tuple(whole("--layers", item) for item in text.split(","))
    if len(found) < 2 or min(found) < 1:
        raise ValueError(f'--layers: expected positive whole numbers from inputs to outputs, got "{text:.40}"')
    return found


def intervals(texts: Sequence[str] | None) -> list[tuple[float, float]]:
    """Intervals, each of them two numbers with white space between them; [0, 1] where there is none."""
    found = []
    for text in texts or []:
        try:
            a, b = map(float, text.split())
        except ValueError:
            raise ValueError(f'--domain: expected two numbers A B, got "{text:.40}"') from None
        found.append((a, b))
    return found or [(0.0, 1.0)]


def network(
    factory: str | None, weights: Path | None, layers: str | None, activation: str | None
) -> tuple[str, Callable[[], Any]]:
    """The name of a network, and what loads it when called: a factory or a file of weights."""
    from fembridge.bridge.loading import from_factory, from_weights

    if factory is not None and weights is not None:
        raise ValueError("--weights: expected without MODULE:FACTORY, got both")
    if weights is not None:
        if layers is None:
            raise ValueError("--layers: expected with --weights, such as 2,64,64,1")
        return weights.name, partial(from_weights, weights, sizes(layers), activation or "relu")
    if factory is None:
        raise ValueError("network: expected MODULE:FACTORY or --weights FILE --layers N,N,…, got neither")
    for option, value in (("--layers", layers), ("--activation", activation)):
        if value is not None:
            raise ValueError(f"{option}: expected with --weights alone")
    return factory, partial(from_factory, factory)
