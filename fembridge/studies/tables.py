"""The tables of a run file: problem, network, optimizer, training, theory, verdict, and the whole."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from fembridge.studies.table import Count, Pair, Table
from fembridge.studies.targets import TARGETS, AnyTarget, Circle, Curve, Digits, Photograph, Terrain
from fembridge.theory.splines import ACTIVATIONS, named

SEED_LIMIT = 2**32 - 1
SMOOTH = (
    "tanh",
    "sigmoid",
    "softplus",
    "gelu",
    "gaussian",
    "sine",
    "seagull",
)  # activations without a theory of their own, trained in full alone
OF_VALIDATION = ("accuracy", "dip")  # statistics of what a network does on data that it is not trained with
EXACT = ("gd", "heavy-ball", "nesterov")  # optimizers whose every step is linear in the error
KINDS = ", ".join(f'"{kind}"' for kind in TARGETS)
End = Annotated[float, Field(allow_inf_nan=True)]
Limits = Annotated[tuple[End, End], Field(strict=False)]
Points = Annotated[int, Field(ge=2)]


class ProblemTable(Table):
    """What is fitted, in which loss, at which points."""

    domain: tuple[Pair, ...] = Field(
        default=((0.0, 1.0),),
        strict=False,
        min_length=1,
        max_length=3,
        description="one to three intervals [[a, b], …]",
    )
    target: AnyTarget = Field(discriminator="kind", description=f"a table with kind = {KINDS}")
    loss: Literal["mass", "stiffness", "h1"] = Field(default="mass", description='"mass", "stiffness" or "h1"')
    samples: Points | Annotated[tuple[Points, ...], Field(strict=False)] | Literal["exact"] = Field(
        default=256, description='a whole number of at least 2, one for each dimension, or "exact"'
    )

    @property
    def brings_domain(self) -> bool:
        """Whether the target lies where it lies, so that there is no domain to choose."""
        return isinstance(self.target, Photograph | Circle | Curve | Digits)

    @property
    def brings_samples(self) -> bool:
        """Whether the target has points of its own, so that there is no number of samples to choose."""
        grid = isinstance(self.target, Terrain) and len(self.domain) == 2
        return grid or isinstance(self.target, Photograph | Digits)

    @property
    def inputs(self) -> int:
        """Dimensions of a point."""
        if isinstance(self.target, Digits):
            return 64 if self.target.data == "digits" else 784
        return 2 if self.brings_domain else len(self.domain)

    @property
    def outputs(self) -> int:
        """Values of the target at a point."""
        return self.target.outputs if isinstance(self.target, Digits) else 1

    @property
    def counts(self) -> tuple[int, ...]:
        """Samples along each dimension."""
        if self.samples == "exact":
            return ()
        return self.samples if isinstance(self.samples, tuple) else (self.samples,) * len(self.domain)

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        own = {"domain": self.brings_domain, "samples": self.brings_samples}
        return {name: value for name, value in handler(self).items() if not own.get(name)}


class SplineTable(Table):
    """An activation Σ c_i B_i on knots, zero outside them."""

    knots: tuple[float, ...] = Field(strict=False)
    coefficients: tuple[float, ...] = Field(strict=False)
    degree: NonNegativeInt


class NetworkTable(Table):
    """Linear, activation, …, Linear; several activations are trained in turn."""

    LATER: ClassVar = frozenset({"parametrisation", "output_scale"})
    activation: str | SplineTable | Annotated[tuple[str | SplineTable, ...], Field(strict=False, min_length=1)] = Field(
        description="a name, a table { knots, coefficients, degree }, or a list of these"
    )
    layers: Annotated[tuple[Count, ...], Field(min_length=3)] = Field(
        strict=False, description="[inputs, n, …, outputs], positive whole numbers, at least three"
    )
    init: Literal["grid", "he", "glorot", "gaussian", "uniform"] = Field(
        default="grid", description='"grid", "he", "glorot", "gaussian" or "uniform"'
    )
    weight_scale: PositiveFloat | dict[str, PositiveFloat] = Field(
        default=1.0, description="a positive number, or a table of one for each activation"
    )
    parametrisation: Literal["standard", "ntk"] = Field(default="standard", description='"standard" or "ntk"')
    output_scale: PositiveFloat = Field(default=1.0, description="a positive number")
    trained: Literal["output", "all"] | Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        default="output", description='"output", "all", or a list of globs such as ["0.*", "*.bias"]'
    )

    @property
    def activations(self) -> dict[str, str | dict[str, Any]]:
        """Each activation by its label: its name, or spline-1, spline-2, … for tables."""
        every = self.activation if isinstance(self.activation, tuple) else (self.activation,)
        specs = [one if isinstance(one, str) else one.model_dump() for one in every]
        tables = [spec for spec in specs if not isinstance(spec, str)]
        return {spec if isinstance(spec, str) else f"spline-{tables.index(spec) + 1}": spec for spec in specs}

    def scale(self, label: str) -> float:
        """The weight scale of the activation with that label."""
        return self.weight_scale[label] if isinstance(self.weight_scale, dict) else self.weight_scale

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, layers and activations being counted together from 0."""
        return tuple(f"{2 * i}.{kind}" for i in range(len(self.layers) - 1) for kind in ("weight", "bias"))

    @property
    def globs(self) -> tuple[str, ...]:
        """Which parameters are trained, as globs of their names."""
        if isinstance(self.trained, tuple):
            return self.trained
        return ("*",) if self.trained == "all" else self.parameters[-2:]

    @field_validator("activation")
    @classmethod
    def _known(cls, activation: Any) -> Any:
        every = activation if isinstance(activation, tuple) else (activation,)
        if len(set(every)) != len(every):
            raise ValueError("expected each activation once, got one of them twice")
        for one in every:
            if not isinstance(one, str):
                named(one.model_dump())
            elif one not in (*ACTIVATIONS, *SMOOTH):
                raise ValueError(f'expected one of {", ".join((*ACTIVATIONS, *SMOOTH))}, got "{one}"')
        return activation if len(every) > 1 else every[0]


class OptimizerTable(Table):
    """The optimizer; momentum is 0.9 where it has one and none is given."""

    name: Literal["gd", "heavy-ball", "nesterov", "sgd", "adam"] = Field(
        default="gd", description='"gd", "heavy-ball", "nesterov", "sgd" or "adam"'
    )
    learning_rate: Literal["auto"] | PositiveFloat = Field(
        default="auto", validate_default=True, description='"auto" or a positive number'
    )
    momentum: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, validate_default=True, description="a number between 0 and 1, both excluded"
    )
    batch: PositiveInt | None = Field(
        default=None, validate_default=True, description="a positive whole number of points a step"
    )

    @field_validator("learning_rate")
    @classmethod
    def _one_for_adam(cls, rate: Any, info: ValidationInfo) -> Any:
        if rate == "auto" and info.data.get("name") == "adam":
            raise ValueError('expected a positive number with optimizer.name = "adam", got "auto"')
        return rate

    @field_validator("momentum")
    @classmethod
    def _where_it_belongs(cls, momentum: float | None, info: ValidationInfo) -> float | None:
        name = info.data.get("name")
        if name in ("heavy-ball", "nesterov"):
            return 0.9 if momentum is None else momentum
        if momentum is not None:
            raise ValueError(f'expected none with optimizer.name = "{name}", got {momentum:g}')
        return None

    @field_validator("batch")
    @classmethod
    def _of_a_stochastic_optimizer(cls, batch: int | None, info: ValidationInfo) -> int | None:
        name = info.data.get("name")
        if batch is None and name == "sgd":
            raise ValueError('expected a positive whole number with optimizer.name = "sgd", got nothing')
        if batch is not None and name in EXACT:
            raise ValueError(f'expected none with optimizer.name = "{name}", got {batch}')
        return batch


class TrainingTable(Table):
    """How long, how often the error is kept, how many seeds, and in which numbers."""

    LATER: ClassVar = frozenset({"dtype"})
    steps: Count = Field(default=1000, description="a whole number from 1 to 1e9")
    record: Annotated[int, Field(ge=1, le=10**6)] = Field(default=40, description="a whole number from 1 to 1e6")
    repeats: Count = Field(default=1, description="a whole number from 1 to 1e9")
    dtype: Literal["float64", "float32"] = Field(default="float64", description='"float64" or "float32"')


class TheoryTable(Table):
    """Steps at which the kernel is computed anew, and the drift up to which a linearised prediction is judged."""

    refresh: tuple[PositiveInt, ...] = Field(
        default=(), strict=False, description="a list of ascending positive whole numbers"
    )
    drift_limit: PositiveFloat = Field(default=0.1, description="a positive number")

    @field_validator("refresh")
    @classmethod
    def _ascending(cls, refresh: tuple[int, ...]) -> tuple[int, ...]:
        if any(a >= b for a, b in pairwise(refresh)):
            raise ValueError(f"expected a list of ascending positive whole numbers, got {list(refresh)}")
        return refresh


class VerdictTable(Table):
    """Tolerance on the amplitude of the error at each frequency, relative to its start; or a statistic and its limits.

    statistic: "exponent" of the steps to learn in the frequency, "accuracy" on the images not trained with at the end,
    "dip", the smallest validation loss as a part of the last one, or "psnr" in decibels at the end.
    """

    LATER: ClassVar = frozenset({"learned"})
    tolerance: PositiveFloat = Field(default=1e-6, description="a positive number")
    statistic: Literal["exponent", "accuracy", "dip", "psnr"] | None = Field(
        default=None, description='"exponent", "accuracy", "dip" or "psnr"'
    )
    within: Limits | dict[str, Limits] | None = Field(
        default=None,
        validate_default=True,
        description="two numbers [low, high], inf among them, or a table of them for each activation",
    )
    learned: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1, description="a number between 0 and 1: the part of its start at which an error counts as learned"
    )

    @field_validator("within")
    @classmethod
    def _with_a_statistic(cls, within: Any, info: ValidationInfo) -> Any:
        statistic = info.data.get("statistic")
        if (within is None) != (statistic is None):
            raise ValueError("expected two numbers [low, high] with verdict.statistic, and none without")
        for low, high in within.values() if isinstance(within, dict) else [within] if within else []:
            if not low < high:
                raise ValueError(f"expected two numbers low < high, got [{low:g}, {high:g}]")
        return within

    def limits(self, label: str) -> tuple[float, float] | None:
        """Those of the activation with that label."""
        return self.within.get(label) if isinstance(self.within, dict) else self.within

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        same = {"learned"} if self.learned == 0.1 else set()
        unused = {"tolerance"} if self.statistic else set()
        return {name: value for name, value in handler(self).items() if name not in same | unused}


class Config(Table):
    """A run file, complete: what the file left out has its default, and the path of a target file is absolute."""

    LATER: ClassVar = frozenset({"theory"})
    seed: Annotated[int, Field(ge=0, le=SEED_LIMIT)] = Field(default=0, description="a whole number from 0 to 2³² − 1")
    problem: ProblemTable = Field(description="a table [problem]")
    network: NetworkTable = Field(description="a table [network]")
    optimizer: OptimizerTable = Field(default=OptimizerTable(), description="a table [optimizer]")
    training: TrainingTable = Field(default=TrainingTable(), description="a table [training]")
    theory: TheoryTable = Field(default=TheoryTable(), description="a table [theory]")
    verdict: VerdictTable = Field(default=VerdictTable(), description="a table [verdict]")


TAGS: dict[str, type[Table]] = {**TARGETS, "SplineTable": SplineTable}  # what pydantic calls the choices of a union
