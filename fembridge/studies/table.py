"""A TOML table: strict about its keys, and in one line about what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, Strict, model_serializer

from fembridge.problem import HIGHEST

Count = Annotated[int, Field(ge=1, le=10**9)]
Pair = Annotated[tuple[float, float], Strict(False)]  # TOML has lists, no tuples
Frequencies = Annotated[
    tuple[PositiveInt, ...], Field(strict=False, min_length=1, description="a list of positive whole numbers")
]
Vector = Annotated[
    tuple[Annotated[int, Field(ge=-HIGHEST, le=HIGHEST)], ...], Field(strict=False, min_length=1, max_length=3)
]


class Table(BaseModel):
    """A TOML table. Each field's description ends the sentence "expected …".

    LATER: keys that are written only where they differ from their default, so that run files from before there were
    such keys keep their hash.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
    LATER: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _written(self, handler: Any) -> dict[str, Any]:
        fields = type(self).model_fields
        same = {name for name in self.LATER if getattr(self, name) == fields[name].get_default()}
        return {name: value for name, value in handler(self).items() if name not in same}


def sentence(root: type[Table], tags: Mapping[str, type[Table]], error: Mapping[str, Any], table: Any) -> str:
    """A pydantic error as "key: expected …, got …", with the description of the innermost field that it concerns.

    root: the model of the whole file. tags: what pydantic calls the choices of its unions.
    """
    model = root
    loc, expected, keys = list(error["loc"]), "a table", []
    unknown = loc.pop() if error["type"] == "extra_forbidden" else None
    for part in loc:
        if part in tags:
            model = tags[part]
        elif part in model.model_fields:
            field = model.model_fields[part]
            keys.append(part)
            expected = field.description or expected
            table = table.get(part) if isinstance(table, Mapping) else None
            if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
                model = field.annotation
    if unknown:
        known = [*model.model_fields, *(["quick"] if model is root else [])]
        return f"{'.'.join([*keys, unknown])}: unknown key: expected one of {', '.join(known)}"
    if error["type"] == "value_error":
        return f"{'.'.join(keys)}: {error['ctx']['error']}".replace("activation: activation: ", "activation: ")
    return f"{'.'.join(keys)}: expected {expected}, got {'nothing' if table is None else shown(table)}"


def shown(value: Any) -> str:
    """A value as the run file has it, on one line, and short."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
