"""What the tables of a run file ask of each other. Raises ValueError with one line that names the key."""

from __future__ import annotations

from fnmatch import fnmatchcase

import numpy as np

from fembridge.problem import check_domain, check_row
from fembridge.studies.table import shown
from fembridge.studies.tables import (
    EXACT,
    OF_VALIDATION,
    SMOOTH,
    Config,
    NetworkTable,
    OptimizerTable,
    ProblemTable,
    VerdictTable,
)
from fembridge.studies.targets import Circle, Curve, Digits, File, OnInterval, Sawtooth, Sines, Terrain


def is_on_an_interval(config: Config) -> bool:
    """Whether the target is a function on an interval whose integrals are known."""
    target = config.problem.target
    without = not (isinstance(target, Sines) and target.phases is not None)
    return isinstance(target, OnInterval) and len(config.problem.domain) == 1 and without


def has_exact_theory(config: Config) -> bool:
    """Whether theory knows every step without linearising: output weights of a shallow network on an interval."""
    network = config.network
    shallow = len(network.layers) == 3 and network.trained == "output"
    plain = network.parametrisation == "standard" and network.output_scale == 1
    spline = not any(one in SMOOTH for one in network.activations)
    return is_on_an_interval(config) and shallow and plain and spline and config.optimizer.name in EXACT


def check(config: Config) -> None:
    """Raise ValueError where a table asks for what another does not allow."""
    _check_domain(config.problem)
    _check_samples(config.problem)
    _check_waves(config.problem)
    _check_noise(config.problem)
    _check_network(config.network, config.problem)
    if has_exact_theory(config):
        if config.theory.refresh:
            raise ValueError("theory.refresh: expected none where theory is exact")
    else:
        _check_linearised(config)
    _check_verdict(config.verdict, config.problem, config.optimizer)
    for key, given in (
        ("verdict.within", config.verdict.within),
        ("network.weight_scale", config.network.weight_scale),
    ):
        if isinstance(given, dict) and set(given) != set(config.network.activations):
            wanted, came = ", ".join(config.network.activations), ", ".join(given) or "none"
            raise ValueError(f"{key}: expected an entry for each of {wanted}, got {came}")


def _check_domain(table: ProblemTable) -> None:
    kind, given = table.target.kind, table.domain != ((0.0, 1.0),)
    if table.brings_domain and given:
        raise ValueError(f'problem.domain: expected none with target.kind = "{kind}", got {shown(table.domain)}')
    most = 1 if isinstance(table.target, Sawtooth | File) else 2 if isinstance(table.target, Terrain) else 3
    if len(table.domain) > most:
        allowed = "one interval [[a, b]]" if most == 1 else "one or two intervals"
        raise ValueError(f'problem.domain: expected {allowed} with target.kind = "{kind}", got {shown(table.domain)}')
    if isinstance(table.target, Terrain) and len(table.domain) == 2 and table.domain != ((0.0, 1.0),) * 2:
        raise ValueError(f"problem.domain: expected [[0, 1], [0, 1]] for the whole terrain, got {shown(table.domain)}")
    for ends in table.domain:
        try:
            check_domain(ends)
        except ValueError as error:
            raise ValueError(f"problem.{error}") from None


def _check_noise(table: ProblemTable) -> None:
    target = table.target
    if isinstance(target, Digits) and target.noise_frequency is not None and target.outputs > 1:
        raise ValueError(
            f"problem.target.noise_frequency: expected none with more than two classes, got {target.noise_frequency}"
        )


def _check_samples(table: ProblemTable) -> None:
    kind, dimensions = table.target.kind, 1 if table.brings_domain else len(table.domain)
    if table.brings_samples and table.samples != 256:
        raise ValueError(f'problem.samples: expected none with target.kind = "{kind}", got {shown(table.samples)}')
    if isinstance(table.samples, tuple) and len(table.samples) != dimensions:
        raise ValueError(
            f"problem.samples: expected a whole number, or one for each of {dimensions} dimensions, "
            f"got {shown(table.samples)}"
        )
    points = np.prod([float(count) for count in table.counts])
    if dimensions > 1 and points > 1e8:
        raise ValueError(f"problem.samples: expected at most 1e8 points in all, got {points:g}")


def _check_waves(table: ProblemTable) -> None:
    """Amplitudes, phases and wave vectors of sums of sines; those on an interval are for `Problem`."""
    target = table.target
    if not isinstance(target, Sines | Curve | Circle):
        return
    if isinstance(target, Circle):
        frequencies: tuple[int | tuple[int, ...], ...] = (target.frequency,)
    else:
        frequencies = target.frequencies
        for name, values in (("amplitudes", target.amplitudes), ("phases", target.phases)):
            if values is None or values == "random":
                continue
            check_row(f"problem.target.{name}", values)
            if len(values) != len(frequencies):
                raise ValueError(
                    f"problem.target: expected one {name[:-1]} for each frequency, got {len(frequencies)} frequencies "
                    f"and {len(values)} {name}"
                )
    dimensions = 1 if table.brings_domain else len(table.domain)
    counts = table.counts if len(table.counts) == dimensions else (np.inf,) * dimensions
    for k in frequencies:
        vector = k if isinstance(k, tuple) else (k,)
        if len(vector) != dimensions:
            wanted = "whole numbers" if dimensions == 1 else f"wave vectors of {dimensions} whole numbers"
            raise ValueError(f"problem.target.frequencies: expected {wanted}, got {shown(k)}")
        if not any(vector) or frequencies.count(k) > 1:
            raise ValueError(
                f"problem.target.frequencies: expected distinct ones other than 0, got {shown(frequencies)}"
            )
        if dimensions > 1 and any(2 * abs(part) >= count for part, count in zip(vector, counts, strict=True)):
            raise ValueError(
                f"problem.target.frequencies: {shown(k)} is at or above the sampling limit of {shown(counts)} samples"
            )


def _check_network(network: NetworkTable, table: ProblemTable) -> None:
    layers = network.layers
    for place, end, count in (("first", layers[0], table.inputs), ("last", layers[-1], table.outputs)):
        if end != count:
            raise ValueError(
                f'network.layers: expected {count} as the {place} for target.kind = "{table.target.kind}" '
                f"of {table.inputs} inputs and {table.outputs} outputs, got {shown(layers)}"
            )
    for glob in network.globs:
        if not any(fnmatchcase(name, glob) for name in network.parameters):
            raise ValueError(
                f"network.trained: expected globs that match one of {', '.join(network.parameters)}, got {shown(glob)}"
            )


def _check_linearised(config: Config) -> None:
    table, network, optimizer = config.problem, config.network, config.optimizer
    if table.samples == "exact":
        raise ValueError(
            "problem.samples: expected a whole number where more than the output weights of [1, n, 1] is trained, or "
            f'by "{optimizer.name}", got "exact"'
        )
    if table.loss != "mass":
        raise ValueError(f'problem.loss: expected "mass" with samples that are counted, got "{table.loss}"')
    if network.init == "grid":
        raise ValueError(
            'network.init: expected "he", "glorot", "gaussian" or "uniform" ("grid" is for [1, n, 1] with '
            'trained = "output", by an optimizer without chance), got "grid"'
        )
    if config.theory.refresh and optimizer.name != "gd":
        raise ValueError(f'theory.refresh: expected none with optimizer.name = "{optimizer.name}"')
    if config.theory.refresh and config.theory.refresh[-1] > config.training.steps:
        raise ValueError(
            f"theory.refresh: expected steps up to {config.training.steps}, got {config.theory.refresh[-1]}"
        )
    stated = "tolerance" in config.verdict.model_fields_set or config.verdict.statistic is not None
    if network.trained != "output" and not stated:
        raise ValueError("verdict: expected a tolerance or a statistic where not the output weights alone are trained")


def _check_verdict(verdict: VerdictTable, table: ProblemTable, optimizer: OptimizerTable) -> None:
    statistic, target = verdict.statistic, table.target
    if statistic is None:
        if optimizer.name == "adam":
            raise ValueError('verdict.statistic: expected one with optimizer.name = "adam", which has no closed form')
        return
    if "tolerance" in verdict.model_fields_set:
        raise ValueError(f'verdict.tolerance: expected none with verdict.statistic = "{statistic}"')
    if statistic in OF_VALIDATION and not isinstance(target, Digits):
        raise ValueError(f'verdict.statistic: expected target.kind = "digits" for "{statistic}", got "{target.kind}"')
    if statistic in OF_VALIDATION and optimizer.learning_rate == "auto":
        raise ValueError(f'optimizer.learning_rate: expected a positive number for the statistic "{statistic}"')
    sizes = {float(np.linalg.norm(k)) for k in getattr(target, "frequencies", ())}
    if statistic == "exponent" and len(sizes) < 2 and not table.brings_samples:
        raise ValueError('verdict.statistic: expected a target of two frequencies or more for "exponent"')
    if statistic == "psnr" and table.outputs > 1:
        raise ValueError(f'verdict.statistic: expected a target of one output for "psnr", got {table.outputs}')
