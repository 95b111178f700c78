"""The run file: one TOML table for each part of a run, checked as a whole before anything is computed."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from fembridge import problem as targets
from fembridge.problem import Interval, Problem, Target
from fembridge.theory.splines import named

SEED_LIMIT = 2**32 - 1
Count = Annotated[int, Field(ge=1, le=10**9)]
One = Annotated[int, Field(ge=1, le=1)]
Pair = Annotated[tuple[float, float], Strict(False)]  # TOML has lists, no tuples
Frequencies = Annotated[
    tuple[PositiveInt, ...], Field(strict=False, min_length=1, description="a list of positive whole numbers")
]


class Table(BaseModel):
    """A TOML table. Each field's description ends the sentence "expected …"."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Sines(Table):
    """f(x) = Σ a_k sin(2πkx), x over the domain; the error is followed at the same frequencies."""

    kind: Literal["sines"]
    frequencies: Frequencies
    amplitudes: tuple[float, ...] = Field(strict=False, description="one finite number for each frequency")

    def on(self, domain: Interval) -> Target:
        """The target function on that domain."""
        return targets.sines(self.frequencies, self.amplitudes, domain)


class Sawtooth(Table):
    """From −1 to 1 in each of `periods` equal parts of the domain."""

    kind: Literal["sawtooth"]
    periods: PositiveInt = Field(default=1, description="a positive whole number")
    frequencies: Frequencies = (1, 2, 4, 8, 16)

    def on(self, domain: Interval) -> Target:
        """The target function on that domain."""
        return targets.sawtooth(self.periods, domain)


class Terrain(Table):
    """A row of real elevations."""

    kind: Literal["terrain"]
    row: NonNegativeInt = Field(default=172, description="a row of the elevation data, 0 or more")
    frequencies: Frequencies = (1, 2, 4, 8, 16)

    def on(self, domain: Interval) -> Target:
        """The target function on that domain."""
        return targets.terrain(self.row, domain)


class File(Table):
    """Values at equispaced points, from a file."""

    kind: Literal["file"]
    path: str = Field(description="the path of a .npy or text file, from the folder of the run file")
    frequencies: Frequencies = (1, 2, 4, 8, 16)

    @field_validator("path")
    @classmethod
    def _existing(cls, path: str, info: ValidationInfo) -> str:
        full = ((info.context or {}).get("folder", Path()) / path).resolve()
        if not full.is_file():
            raise ValueError(f"expected an existing file, got {_shown(path)}")
        return str(full)

    def on(self, domain: Interval) -> Target:
        """The target function on that domain."""
        return targets.from_file(self.path, domain)


TARGETS: dict[str, type[Table]] = {"sines": Sines, "sawtooth": Sawtooth, "terrain": Terrain, "file": File}


class ProblemTable(Table):
    """What is fitted, in which loss, at which points."""

    domain: tuple[Pair] = Field(default=((0.0, 1.0),), strict=False, description="one interval [[a, b]]")
    target: Sines | Sawtooth | Terrain | File = Field(
        discriminator="kind", description='a table with kind = "sines", "sawtooth", "terrain" or "file"'
    )
    loss: Literal["mass", "stiffness", "h1"] = Field(default="mass", description='"mass", "stiffness" or "h1"')
    samples: Annotated[int, Field(ge=2)] | Literal["exact"] = Field(
        default=256, description='a whole number of at least 2, or "exact"'
    )


class SplineTable(Table):
    """An activation Σ c_i B_i on knots, zero outside them."""

    knots: tuple[float, ...] = Field(strict=False)
    coefficients: tuple[float, ...] = Field(strict=False)
    degree: NonNegativeInt


class NetworkTable(Table):
    """Linear(1, n), activation, Linear(n, 1); several activations are trained in turn."""

    activation: str | SplineTable | Annotated[tuple[str | SplineTable, ...], Field(strict=False, min_length=1)] = Field(
        description="a name, a table { knots, coefficients, degree }, or a list of these"
    )
    layers: tuple[One, Count, One] = Field(strict=False, description="[1, n, 1]")
    init: Literal["grid", "he", "glorot", "gaussian", "uniform"] = Field(
        default="grid", description='"grid", "he", "glorot", "gaussian" or "uniform"'
    )
    weight_scale: PositiveFloat = Field(default=1.0, description="a positive number")
    trained: Literal["output"] = Field(default="output", description='"output" (the only choice so far)')

    @property
    def activations(self) -> dict[str, str | dict[str, Any]]:
        """Each activation by its label: its name, or spline-1, spline-2, … for tables."""
        every = self.activation if isinstance(self.activation, tuple) else (self.activation,)
        specs = [one if isinstance(one, str) else one.model_dump() for one in every]
        tables = [spec for spec in specs if not isinstance(spec, str)]
        return {spec if isinstance(spec, str) else f"spline-{tables.index(spec) + 1}": spec for spec in specs}

    @field_validator("activation")
    @classmethod
    def _known(cls, activation: Any) -> Any:
        every = activation if isinstance(activation, tuple) else (activation,)
        if len(set(every)) != len(every):
            raise ValueError("expected each activation once, got one of them twice")
        for one in every:
            named(one if isinstance(one, str) else one.model_dump())
        return activation if len(every) > 1 else every[0]


class OptimizerTable(Table):
    """The optimizer; momentum is 0.9 where it has one and none is given."""

    name: Literal["gd", "heavy-ball", "nesterov"] = Field(default="gd", description='"gd", "heavy-ball" or "nesterov"')
    learning_rate: Literal["auto"] | PositiveFloat = Field(default="auto", description='"auto" or a positive number')
    momentum: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, validate_default=True, description="a number between 0 and 1, both excluded"
    )

    @field_validator("momentum")
    @classmethod
    def _where_it_belongs(cls, momentum: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("name") != "gd":
            return 0.9 if momentum is None else momentum
        if momentum is not None:
            raise ValueError(f'expected none with optimizer.name = "gd", got {momentum:g}')
        return None


class TrainingTable(Table):
    """How long, how often the error is kept, and how many seeds."""

    steps: Count = Field(default=1000, description="a whole number from 1 to 1e9")
    record: Annotated[int, Field(ge=1, le=10**6)] = Field(default=40, description="a whole number from 1 to 1e6")
    repeats: Count = Field(default=1, description="a whole number from 1 to 1e9")


class VerdictTable(Table):
    """Tolerance on the amplitude of the error at each frequency, relative to its start."""

    tolerance: PositiveFloat = Field(default=1e-6, description="a positive number")


TAGS: dict[str, type[Table]] = {**TARGETS, "SplineTable": SplineTable}  # what pydantic calls the choices of a union


class Config(Table):
    """A run file, complete: what the file left out has its default, and the path of a target file is absolute."""

    seed: Annotated[int, Field(ge=0, le=SEED_LIMIT)] = Field(default=0, description="a whole number from 0 to 2³² − 1")
    problem: ProblemTable = Field(description="a table [problem]")
    network: NetworkTable = Field(description="a table [network]")
    optimizer: OptimizerTable = Field(default=OptimizerTable(), description="a table [optimizer]")
    training: TrainingTable = Field(default=TrainingTable(), description="a table [training]")
    verdict: VerdictTable = Field(default=VerdictTable(), description="a table [verdict]")


def load(path: str | Path) -> Config:
    """Read, complete and check a run file.

    Raises ValueError, one line naming the key; OSError where the file cannot be read.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # also integers of too many digits, and lists nested too deep
        raise ValueError(f"{path}: expected a TOML file: {error}") from None
    return parse(table, path.name, path.parent)


def parse(table: Mapping[str, Any], source: str = "run file", folder: str | Path = ".") -> Config:
    """Complete and check a run file's table; `folder` is where its relative paths start.

    Raises ValueError with one line: source, key, what was expected and what came.

    >>> parse({"network": {"layers": [1, 64]}})
    Traceback (most recent call last):
    ...
    ValueError: run file: problem: expected a table [problem], got nothing
    """
    try:
        config = Config.model_validate(table, context={"folder": Path(folder)})
        problem(config)
    except ValidationError as invalid:
        # An unknown key is mostly a misspelt one, and the reason why another is missing.
        errors = sorted(invalid.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
        raise ValueError(f"{source}: {_sentence(errors[0], table)}") from None
    except ValueError as error:
        raise ValueError(f"{source}: problem.{error}") from None
    return config


def problem(config: Config) -> Problem:
    """The problem that a run file states.

    Raises ValueError where target, loss, samples and domain do not go together.
    """
    table = config.problem
    domain = targets.check_domain(table.domain[0])
    return Problem(table.target.on(domain), table.target.frequencies, domain, table.loss, table.samples)


def dump(config: Config) -> str:
    """The configuration as a run file that loads as the same configuration."""
    return tomli_w.dumps(config.model_dump(exclude_none=True))


def config_hash(config: Config) -> str:
    """16 hexadecimal digits that change with any value in the configuration, and with the contents of a target file.

    The order of keys, defaults written or left out, and the path of the target file do not change it.
    """
    table = config.model_dump(mode="json", exclude_none=True)
    if isinstance(config.problem.target, File):
        contents = Path(config.problem.target.path).read_bytes()
        table["problem"]["target"]["path"] = hashlib.sha256(contents).hexdigest()
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]


def _sentence(error: Mapping[str, Any], table: Any) -> str:
    """A pydantic error as "key: expected …, got …", with the description of the innermost field that it concerns."""
    model: type[Table] = Config
    loc, expected, keys = list(error["loc"]), "a table", []
    unknown = loc.pop() if error["type"] == "extra_forbidden" else None
    for part in loc:
        if part in TAGS:
            model = TAGS[part]
        elif part in model.model_fields:
            field = model.model_fields[part]
            keys.append(part)
            expected = field.description or expected
            table = table.get(part) if isinstance(table, Mapping) else None
            if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
                model = field.annotation
    if unknown:
        return f"{'.'.join([*keys, unknown])}: unknown key: expected one of {', '.join(model.model_fields)}"
    if error["type"] == "value_error":
        return f"{'.'.join(keys)}: {error['ctx']['error']}".replace("activation: activation: ", "activation: ")
    return f"{'.'.join(keys)}: expected {expected}, got {'nothing' if table is None else _shown(table)}"


def _shown(value: Any) -> str:
    """A value as the run file has it, on one line, and short."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
