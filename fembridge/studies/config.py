"""The run file: one TOML table for each part of a run, checked as a whole before anything is computed."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import tomli_w
from pydantic import ValidationError

from fembridge import problem as targets
from fembridge.problem import Problem
from fembridge.studies.consistency import check, has_exact_theory, is_on_an_interval
from fembridge.studies.table import sentence, shown
from fembridge.studies.tables import TAGS, Config
from fembridge.studies.targets import File, OnInterval, Sawtooth

if TYPE_CHECKING:
    from fembridge.samples import Samples

__all__ = ["Config", "config_hash", "dump", "has_exact_theory", "load", "parse", "problem", "samples"]

Size = Literal["quick", "full"]


def load(path: str | Path, scale: Size = "full") -> Config:
    """Read, complete and check a run file; "quick" with what its table [quick] has instead.

    Raises ValueError, one line naming the key; OSError where the file cannot be read.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # also integers of too many digits, and lists nested too deep
        raise ValueError(f"{path}: expected a TOML file: {error}") from None
    return parse(table, path.name, path.parent, scale)


def parse(table: Mapping[str, Any], source: str = "run file", folder: str | Path = ".", scale: Size = "full") -> Config:
    """Complete and check a run file's table; `folder` is where its relative paths start.

    The table [quick] holds keys of the others, which take the place of theirs at that scale; both scales are checked.

    Raises ValueError with one line: source, key, what was expected and what came.

    >>> parse({"network": {"layers": [1, 64]}})
    Traceback (most recent call last):
    ...
    ValueError: run file: problem: expected a table [problem], got nothing
    """
    full = {key: value for key, value in table.items() if key != "quick"}
    config = _validated(full, source, folder)
    if "quick" not in table:
        if scale == "quick":
            raise ValueError(f"{source}: quick: expected a table [quick] of what is smaller, got nothing")
        return config
    if not isinstance(table["quick"], Mapping):
        raise ValueError(f"{source}: quick: expected a table [quick], got {shown(table['quick'])}")
    quick = _validated(_overridden(full, table["quick"]), f"{source}: with [quick]", folder)
    return quick if scale == "quick" else config


def _overridden(table: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The table with the keys of the other: tables within tables are merged, all else is replaced."""
    merged = {
        key: _overridden(table[key], value)
        if isinstance(value, Mapping) and isinstance(table.get(key), Mapping)
        else value
        for key, value in other.items()
    }
    return {**table, **merged}


def _validated(table: Mapping[str, Any], source: str, folder: str | Path) -> Config:
    try:
        config = Config.model_validate(table, context={"folder": Path(folder)})
    except ValidationError as invalid:
        # An unknown key is mostly a misspelt one, and the reason why another is missing.
        errors = sorted(invalid.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
        raise ValueError(f"{source}: {sentence(Config, TAGS, errors[0], table)}") from None
    try:
        check(config)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    try:
        if is_on_an_interval(config):
            problem(config)
    except ValueError as error:
        raise ValueError(f"{source}: problem.{error}") from None
    return config


def problem(config: Config) -> Problem:
    """The problem on an interval that a run file states.

    Raises ValueError where target, loss, samples and domain do not go together, or make no such problem.
    """
    table = config.problem
    if not (isinstance(table.target, OnInterval) and is_on_an_interval(config)):
        raise ValueError(f'target: expected one on an interval, without phases, got "{table.target.kind}"')
    domain = targets.check_domain(table.domain[0])
    points = table.samples[0] if isinstance(table.samples, tuple) else table.samples
    frequencies = cast(tuple[int, ...], table.target.frequencies)  # whole numbers, as `check` has seen to
    return Problem(table.target.on(domain), frequencies, domain, table.loss, points)


def samples(config: Config) -> Samples:
    """The points, values and weights that a run file states. Raises ValueError where they cannot be had."""
    from fembridge.samples import samples_of

    table = config.problem
    if is_on_an_interval(config) or isinstance(table.target, Sawtooth | File):
        return samples_of(problem(config))
    return table.target.samples([targets.check_domain(one) for one in table.domain], table.counts, config.seed)


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
