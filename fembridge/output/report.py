"""One page for a result folder: its verdict, its numbers and its figures, in a single file that needs nothing else."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel, Field, ValidationError, model_validator

from fembridge.bridge.verdict import Verdict
from fembridge.output import write

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
Number = float | None  # JSON has no nan and no infinity: null stands for them
# What Matplotlib draws with. Its metadata stays out, and its style, which the page has as its own.
DRAWN = {
    f"{{{SVG}}}{tag}" for tag in ("g", "defs", "path", "use", "clipPath", "rect", "image", "text", "tspan", "circle")
}
ElementTree.register_namespace("", SVG)  # <svg>, as a page needs it, and not <ns0:svg>
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class ClaimRow(BaseModel):
    """What verdict.json says of one claim."""

    id: str = Field(pattern=r"^\S+$")
    source: str
    statement: str
    kind: str
    predicted: Number
    measured: Number
    error: Number
    tolerance: Number
    verdict: Verdict
    known: bool
    seconds: Number = None
    why: str = ""
    figure: str | None = None


class Verification(BaseModel):
    """The verdict.json of `verify`."""

    schema_version: Literal[1]
    fembridge: str
    seed: int
    verdict: Verdict
    claims: list[ClaimRow]

    @model_validator(mode="after")
    def _ids_differ(self) -> Verification:
        ids = [claim.id for claim in self.claims]
        if len(set(ids)) < len(ids):
            raise ValueError(f"expected claims of different ids, got {next(i for i in ids if ids.count(i) > 1)} twice")
        return self


class StatisticRow(BaseModel):
    """What verdict.json says of a statistic over seeds."""

    name: str
    values: list[Number]
    mean: Number
    interval: tuple[Number, Number]
    within: tuple[Number, Number]


class RunSummary(BaseModel):
    """The verdict.json of `run`, or its part on one activation: amplitudes at steps (rows), frequencies (columns)."""

    schema_version: Literal[1]
    activation: str = ""
    frequencies: list[float | list[int]]
    steps: list[float] = Field(min_length=1)
    predicted: list[list[Number]] | None
    measured: list[list[Number]]
    learning_rate: Number
    stability_limit: Number = None
    diverged: int | None = None
    max_error: Number
    tolerance: Number
    drift: list[Number] | None = None
    drift_limit: Number = None
    statistic: StatisticRow | None = None
    verdict: Verdict
    reason: str = ""

    @model_validator(mode="after")
    def _shapes_match(self) -> RunSummary:
        expected = [len(self.frequencies)] * len(self.steps)
        for name in ("predicted", "measured"):
            rows = getattr(self, name)
            if rows is not None and [len(row) for row in rows] != expected:
                raise ValueError(f"{name}: expected one row for each step and one number for each frequency")
        return self


class Runs(BaseModel):
    """The verdict.json of a `run` of one activation or many."""

    schema_version: Literal[1]
    runs: list[RunSummary]
    verdict: Verdict


def write_report(folder: str | Path) -> Path:
    """Write report.html into a result folder of `verify` or `run`, from its verdict.json and figures; return its path.

    The page holds its style and its figures and refers to nothing outside itself. config.toml and env.json are
    shown where they are.

    Raises ValueError where verdict.json or a figure is missing or broken; OSError where the page cannot be written.
    """
    folder = Path(folder)
    summary = read_verdict(folder / "verdict.json")
    context: dict[str, Any] = {"summary": summary, "environment": _read_environment(folder / "env.json")}
    if isinstance(summary, Verification):
        template = "verify.html.j2"
        context["figures"] = {
            claim.id: inline(folder / "figures" / Path(claim.figure).name, f"figure-{i}-", claim.statement)
            for i, claim in enumerate(summary.claims)
            if claim.figure is not None
        }
    else:
        template = "run.html.j2"
        config = folder / "config.toml"
        context["config"] = _read_text(config) if config.exists() else None
        files = sorted((folder / "figures").glob("*.svg"))
        context["figures"] = {file.stem: inline(file, f"figure-{i}-", file.stem) for i, file in enumerate(files)}
    page = templates().get_template(template).render(context)
    return write(folder / "report.html", page.encode())


def read_verdict(path: Path) -> Verification | Runs:
    """The contents of a verdict.json. Raises ValueError, in one line, where it is not there or not as it should be."""
    if not path.is_file():
        raise ValueError(f"{path.parent}: expected a result folder of verify or run, with its {path.name}")
    data = _read_json(path)
    kinds: dict[str, type[Verification | Runs | RunSummary]]
    kinds = {"claims": Verification, "runs": Runs, "frequencies": RunSummary}
    kind = next((kind for key, kind in kinds.items() if isinstance(data, dict) and key in data), None)
    if kind is None:
        raise ValueError(f'{path}: expected the key "claims" (of verify), "frequencies" or "runs" (of run)')
    try:
        found = kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = [".".join(str(part) for part in first["loc"])] if first["loc"] else []
        raise ValueError(": ".join([str(path), *where, first["msg"].removeprefix("Value error, ")])) from None
    if isinstance(found, RunSummary):
        return Runs(schema_version=1, runs=[found], verdict=found.verdict)
    return found


def _read_environment(path: Path) -> dict[str, Any]:
    found = _read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(found).__name__}")
    return found


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8: {error}") from None


def _read_json(path: Path) -> Any:
    text = _read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON: {error}") from None


def inline(path: Path, prefix: str, label: str) -> Markup:
    """An SVG file as an element of a page: every id begins with `prefix`, and nothing points out of the figure.

    Raises ValueError where the file is missing or is no SVG.
    """
    try:
        svg = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ValueError(f"{path}: expected an SVG figure: {error}") from None
    if svg.tag != f"{{{SVG}}}svg":
        raise ValueError(f"{path}: expected an SVG figure, got an element {svg.tag}")
    for element in svg.iter():
        for child in list(element):
            if child.tag not in DRAWN:
                element.remove(child)
        for name, value in list(element.attrib.items()):
            del element.attrib[name]
            if name == "id":
                element.set("id", prefix + value)
            elif name in ("href", f"{{{XLINK}}}href"):
                if value.startswith(("#", "data:image/")):
                    element.set("href", re.sub("^#", f"#{prefix}", value))
            elif not name.startswith("on"):
                element.set(name, re.sub(r"url\(\s*#", f"url(#{prefix}", value))
    for name in ("width", "height"):  # the page decides; viewBox keeps the proportions
        svg.attrib.pop(name, None)
    svg.set("role", "img")
    svg.set("aria-label", label)
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def number(value: float | list[int] | None) -> str:
    """A number in four digits, for reading; a wave vector in brackets.

    >>> number(3.88321), number(1.25e-9), number(None), number(100000), number([1, 0])
    ('3.883', '1.25×10⁻⁹', '—', '100000', '(1, 0)')
    """
    if isinstance(value, list):
        return f"({', '.join(number(part) for part in value)})"
    if value is None or not math.isfinite(value):
        return "—"
    text = f"{value:.0f}" if value == int(value) and abs(value) < 1e7 else f"{value:.4g}"
    digits, _, exponent = text.replace("e", "×10^").partition("^")
    return (digits + (str(int(exponent)).translate(SUPERSCRIPTS) if exponent else "")).replace("-", "\N{MINUS SIGN}")


def templates() -> Environment:
    """The templates of all pages, which escape what they are given."""
    loader = PackageLoader("fembridge.output")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    return environment
