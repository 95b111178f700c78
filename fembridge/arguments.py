"""What was written on the command line, as values. Raises ValueError with one line that names the option."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from fembridge.problem import HIGHEST, Array, read_numbers
from fembridge.theory.features import grid


def whole(option: str, text: str) -> int:
    """A whole number up to 2³¹ in size."""
    with suppress(ValueError):
        if abs(number := int(text)) <= HIGHEST:
            return number
    raise ValueError(f'{option}: expected a whole number up to 2³¹, got "{text:.40}"')


def knots(text: str, domain: tuple[float, float]) -> Array:
    """Equispaced knots of a number, or those of a file."""
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
