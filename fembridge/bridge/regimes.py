"""Where a linearised prediction holds: over widths and output scales, on data, and over a domain without data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from fembridge.bridge.charts import RegimeMap
from fembridge.bridge.expansion import Expansion, Globs
from fembridge.bridge.linearised import Linearised, compare_linearised
from fembridge.networks.activations import Spec
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import Law, Parametrisation, perceptron
from fembridge.problem import Array, Target
from fembridge.samples import Frequency, Samples
from fembridge.theory.linearised import over_domain
from fembridge.theory.prediction import Prediction, solve
from fembridge.theory.tangents import simplex_frames, tangents


def centred(model: nn.Module, samples: Samples) -> Samples:
    """Samples whose target is raised by what the network is at the start, so that its error there is −f."""
    return replace(samples, values=samples.values + outputs(model, samples))


def scaled(
    samples: Samples,
    width: int,
    output_scale: float,
    *,
    spec: Spec = "relu",
    hidden: int = 1,
    init: Law = "gaussian",
    parametrisation: Parametrisation = "ntk",
    steps: int | NDArray[np.integer] = 200,
    record: int = 10,
    seeds: Sequence[int] = (0, 1, 2),
    learning_rate: float | Literal["auto"] = "auto",
) -> Linearised:
    """Networks α h(θ) of one width and output scale α, one for each seed, compared with their linearisations.

    Centred: they are trained towards f + α h(θ_0), as if the output were α (h(θ) − h(θ_0)). Else the error at the start
    grows with α, θ has to move by as much at any α, and no scale is lazy (L. Chizat, E. Oyallon, F. Bach, arXiv
    1812.07956, which asks for h(θ_0) = 0). The tangent kernel goes with α², the learning rate 1/λ_max with 1/α²: the
    number of steps means the same at any scale.
    """
    inputs, outputs = samples.points.shape[1], samples.values.size // len(samples)
    layers = [inputs, *[width] * hidden, outputs]
    options: dict[str, Any] = {"init": init, "parametrisation": parametrisation, "output_scale": output_scale}
    models = [perceptron(spec, layers, seed=seed, **options) for seed in seeds]
    data = [centred(model, samples) for model in models]
    return compare_linearised(models, data, steps=steps, record=record, learning_rate=learning_rate)


def regime_map(
    widths: Sequence[int],
    output_scales: Sequence[float],
    samples: Samples,
    *,
    progress: Callable[[Any], Any] | None = None,
    **options: Any,
) -> RegimeMap:
    """Largest error of the prediction and largest drift of the kernel, (S, W) each: means over seeds of `scaled`.

    options: those of `scaled`. progress wraps the cells. Errors are relative to the start, and inf where a network has
    left the range of numbers.

    >>> from fembridge.samples import on_circle
    >>> found = regime_map([8, 128], [1.0, 4.0], on_circle(1, 8), steps=20, record=4, seeds=[0])
    >>> found.error.shape, bool(found.drift[1, 1] < found.drift[0, 0])
    ((2, 2), True)
    """
    cells = [(s, w) for s in range(len(output_scales)) for w in range(len(widths))]
    error, drift = np.empty((2, len(output_scales), len(widths)))
    for s, w in (progress or iter)(cells):
        found = scaled(samples, int(widths[w]), float(output_scales[s]), **options)
        assert found.error is not None and found.drift is not None
        error[s, w] = found.error.max(axis=(1, 2)).mean()
        drift[s, w] = np.nanmax(found.drift, axis=1).mean()
    title = "Where the tangent kernel at the start predicts training"
    return RegimeMap(title, np.asarray(widths, float), np.asarray(output_scales, float), error, drift)


def predict_over_domain(
    expansion: Expansion,
    target: Target | Callable[[Array], Array],
    frequencies: Sequence[Frequency],
    steps: ArrayLike,
    optimizer: str = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
    parameters: Globs = "*",
    bandlimit: int = 0,
) -> Prediction:
    """The training of a linearised network in ½∫(u − f)², over the domain it was expanded on: exact, without samples.

    target: f, a `Target`, or a function of points (N, d) made of waves of at most `bandlimit` periods over the domain,
    or linear on each cell of the expansion's mesh. Where f has breakpoints of its own, expand on a mesh that has them.
    frequencies: whole numbers in one dimension, wave vectors in more, in periods over the box around the domain.
    parameters: globs of those that train.

    Raises ValueError as `Expansion.names` and `theory.prediction.predict`; MemoryError where ∂u/∂θ would not fit.
    """
    mesh = expansion.partition.mesh
    parts = [expansion.trace.parameters[name] for name in expansion.names(parameters)]
    tangent = tangents(expansion.trace.graph, simplex_frames(mesh), parts)
    box = list(zip(mesh.p.min(axis=1).tolist(), mesh.p.max(axis=1).tolist(), strict=True))
    if isinstance(target, Target):
        given, bandlimit = target, max(bandlimit, target.bandlimit)
        system = over_domain(
            tangent, mesh, expansion.coefficients, lambda x: given.values(x[:, 0]), box, frequencies, bandlimit
        )
    else:
        system = over_domain(tangent, mesh, expansion.coefficients, target, box, frequencies, bandlimit)
    return solve(system, tuple(frequencies), steps, optimizer, learning_rate, momentum)
