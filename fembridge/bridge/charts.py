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

    Either may be None where there is nothing to set beside the other. low, high: ends of a 95 % interval of what was
    measured, over seeds (a pale band), both or neither.
    """

    label: str
    x: Array
    predicted: Array | None
    measured: Array | None
    low: Array | None = None
    high: Array | None = None


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
    """An amplitude at steps (rows) and frequencies (columns), predicted and measured: of the error relative to its
    start, |c_k(t)|/|c_k(0)|, in colours by its logarithm; or, with `scale` "linear", in colours from 0 to 1.

    frequencies: (F,) numbers, or (F, d) wave vectors. predicted: None where there is no prediction, only an experiment.
    repeats: the number of seeds whose mean is shown.
    """

    title: str
    steps: Array
    frequencies: Array
    predicted: Array | None
    measured: Array
    repeats: int = 1
    quantity: str = "error amplitude relative to its start"
    scale: Scale = "log"


@dataclass(frozen=True, eq=False)
class RegimeMap:
    """Where a linearised prediction holds: its error, and the drift of the kernel, both (S, W), at S output scales and
    W widths, positive and ascending.
    """

    title: str
    widths: Array
    output_scales: Array
    error: Array
    drift: Array


@dataclass(frozen=True, eq=False)
class Image:
    """Functions on a grid side by side, in common colours: panels of a name and values (rows, columns), the first row
    at the top.
    """

    title: str
    panels: tuple[tuple[str, Array], ...]


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


AnyChart = Chart | HeatMap | RegimeMap | Image | Map
