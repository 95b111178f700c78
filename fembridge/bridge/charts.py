"""What a figure shows, as data: predictions beside measurements. Drawing them is for output/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fembridge.problem import Array
from fembridge.theory.rows import Index

Scale = Literal["linear", "log"]


@dataclass(frozen=True, eq=False)
class Pair:
    """One quantity twice: predicted (drawn as a line) and measured (markers of the same colour), against x.

    Either may be None where there is nothing to set beside the other.
    """

    label: str
    x: Array
    predicted: Array | None
    measured: Array | None


@dataclass(frozen=True, eq=False)
class Chart:
    """Pairs on common axes; `slopes` are exponents of guide lines on log-log axes; values below `noise_floor` are
    grey.
    """

    title: str
    xlabel: str
    ylabel: str
    pairs: tuple[Pair, ...]
    xscale: Scale = "log"
    yscale: Scale = "log"
    slopes: tuple[float, ...] = ()
    noise_floor: float | None = None


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Relative error amplitude |c_k(t)|/|c_k(0)| at steps (rows) and frequencies (columns), predicted and measured."""

    title: str
    steps: Array
    frequencies: Array
    predicted: Array
    measured: Array


@dataclass(frozen=True, eq=False)
class Map:
    """A piecewise-linear function of one or two variables on the mesh of its linear regions, and its kinks.

    points (V, d), values (V,), simplices (T, d + 1) by points, region (T,) of each; kinks (K, d) by points, layer (K,)
    whose neuron bends there, from 1 on. axes: names of the d variables.
    """

    title: str
    axes: tuple[str, ...]
    points: Array
    values: Array
    simplices: Index
    region: Index
    kinks: Index
    layer: Index
