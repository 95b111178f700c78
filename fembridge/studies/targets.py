"""The target tables of a run file: what is fitted, and the samples at which it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, cast

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationInfo, field_validator

from fembridge import problem as targets
from fembridge.problem import Interval, Target
from fembridge.studies.table import Frequencies, Table, Vector, shown

if TYPE_CHECKING:
    from fembridge.samples import Samples

Counts = tuple[int, ...]
Amplitudes = Annotated[tuple[float, ...], Field(strict=False, description="one finite number for each frequency")]
Phases = Annotated[
    Annotated[tuple[float, ...], Field(strict=False)] | Literal["random"] | None,
    Field(description='"random", or one finite number of radians for each frequency'),
]
Step = Annotated[PositiveInt, Field(description="a positive whole number: every so manieth point is taken")]


class Sines(Table):
    """f(x) = Σ a_k sin(2πk·x̂ + φ_k), x̂ the place in the domain; the error is followed at the same frequencies."""

    LATER: ClassVar = frozenset({"phases"})
    kind: Literal["sines"]
    frequencies: Frequencies | Annotated[tuple[Vector, ...], Field(strict=False, min_length=1)] = Field(
        description="a list of positive whole numbers, or of wave vectors such as [[1, 0], [2, 3]]"
    )
    amplitudes: Amplitudes
    phases: Phases = None

    def on(self, domain: Interval) -> Target:
        """The target function on that domain."""
        return targets.sines(cast(Sequence[int], self.frequencies), self.amplitudes, domain)

    def samples(self, domain: Sequence[Interval], counts: Counts, seed: int) -> Samples:
        """At equispaced points of the box."""
        from fembridge.samples import on_box, sum_of_sines

        f = sum_of_sines(self.frequencies, self.amplitudes, domain, drawn(self.phases, len(self.frequencies), seed))
        return on_box(f, domain, counts, self.frequencies)


class Sawtooth(Table):
    """From −1 to 1 in each of `periods` equal parts of the domain."""

    kind: Literal["sawtooth"]
    periods: PositiveInt = Field(default=1, description="a positive whole number")
    frequencies: Frequencies = (1, 2, 4, 8, 16)

    def on(self, domain: Interval) -> Target:
        """The target function on that domain."""
        return targets.sawtooth(self.periods, domain)


class Terrain(Table):
    """A row of real elevations; in two dimensions all of them, of which every `step`-th point is taken."""

    LATER: ClassVar = frozenset({"step"})
    kind: Literal["terrain"]
    row: NonNegativeInt = Field(default=172, description="a row of the elevation data, 0 or more")
    step: Step = 8
    frequencies: Frequencies = (1, 2, 4, 8, 16)

    def on(self, domain: Interval) -> Target:
        """The target function on that domain."""
        return targets.terrain(self.row, domain)

    def samples(self, domain: Sequence[Interval], counts: Counts, seed: int) -> Samples:
        """The whole grid, on the unit square."""
        from fembridge.datasets import terrain_grid

        return terrain_grid(self.step)


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
            raise ValueError(f"expected an existing file, got {shown(path)}")
        return str(full)

    def on(self, domain: Interval) -> Target:
        """The target function on that domain."""
        return targets.from_file(self.path, domain)


class Photograph(Table):
    """The grey values of a photograph, of which every `step`-th point is taken."""

    kind: Literal["photograph"]
    name: Literal["china", "flower"] = Field(default="china", description='"china" or "flower"')
    step: Step = 8

    def samples(self, domain: Sequence[Interval], counts: Counts, seed: int) -> Samples:
        """On the unit square."""
        from fembridge.datasets import photograph

        return photograph(self.name, self.step)


class Circle(Table):
    """f = √2 sin(kθ) at equispaced points (cos θ, sin θ)."""

    kind: Literal["circle"]
    frequency: PositiveInt = Field(description="a positive whole number")

    def samples(self, domain: Sequence[Interval], counts: Counts, seed: int) -> Samples:
        """At counts[0] points."""
        from fembridge.samples import on_circle

        return on_circle(self.frequency, counts[0])


class Curve(Table):
    """f = Σ a_k sin(2πkz + φ_k) along a closed curve of so many petals in the plane."""

    kind: Literal["curve"]
    petals: NonNegativeInt = Field(description="a whole number, 0 for a circle")
    frequencies: Frequencies
    amplitudes: Amplitudes
    phases: Phases = None

    def samples(self, domain: Sequence[Interval], counts: Counts, seed: int) -> Samples:
        """At counts[0] points."""
        from fembridge.samples import on_curve, sum_of_sines

        phases = drawn(self.phases, len(self.frequencies), seed)
        f = sum_of_sines(self.frequencies, self.amplitudes, [(0.0, 1.0)], phases)
        return on_curve(lambda z: f(z[:, None]), self.petals, counts[0], self.frequencies)


class Digits(Table):
    """Handwritten digits of some classes, to whose values noise of one radial frequency may be added."""

    kind: Literal["digits"]
    data: Literal["digits", "mnist"] = Field(default="digits", description='"digits" or "mnist"')
    classes: Annotated[tuple[Annotated[int, Field(ge=0, le=9)], ...], Field(strict=False, min_length=2)] = Field(
        default=tuple(range(10)), strict=False, description="two or more different digits from 0 to 9"
    )
    count: PositiveInt = Field(default=500, description="a positive whole number of training images")
    noise_frequency: PositiveFloat | None = Field(default=None, description="a positive number")
    noise_amplitude: PositiveFloat = Field(default=1.0, description="a positive number")

    @field_validator("classes")
    @classmethod
    def _different(cls, classes: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(classes)) < len(classes):
            raise ValueError(f"expected two or more different digits from 0 to 9, got {shown(classes)}")
        return classes

    @property
    def outputs(self) -> int:
        """One for two classes, ±1; else one for each class."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    def samples(self, domain: Sequence[Interval], counts: Counts, seed: int) -> Samples:
        """The training images."""
        from fembridge.datasets import radial_noise

        training, _ = self._both(seed)
        if self.noise_frequency is None:
            return training
        return radial_noise(training, self.noise_frequency, self.noise_amplitude)

    def validation(self, seed: int) -> Samples:
        """Images that are not trained with, without noise."""
        return self._both(seed)[1]

    def _both(self, seed: int) -> tuple[Samples, Samples]:
        from fembridge.datasets import digits

        return digits(self.data, self.classes, self.count, seed)


OnInterval = Sines | Sawtooth | Terrain | File  # those that an interval may have, with integrals of their own
AnyTarget = Sines | Sawtooth | Terrain | File | Photograph | Circle | Curve | Digits
TARGETS: dict[str, type[Table]] = {
    "sines": Sines,
    "sawtooth": Sawtooth,
    "terrain": Terrain,
    "file": File,
    "photograph": Photograph,
    "circle": Circle,
    "curve": Curve,
    "digits": Digits,
}


def drawn(phases: tuple[float, ...] | Literal["random"] | None, count: int, seed: int) -> tuple[float, ...] | None:
    """Phases in radians: those given, or uniform on [0, 2π), drawn from the seed."""
    if phases == "random":
        return tuple(np.random.default_rng(seed).uniform(0, 2 * np.pi, count).tolist())
    return phases
