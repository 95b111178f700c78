"""A continuous piecewise-linear network in numbers: affine maps, activations and sums, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fembridge.problem import Array
from fembridge.theory.splines import Spline


@dataclass(frozen=True, eq=False)
class Affine:
    """h = W h_source + b; weight W (n, m), bias b (n,)."""

    source: int
    weight: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class Activation:
    """h = σ(h_source), elementwise; σ continuous and piecewise linear."""

    source: int
    spline: Spline


@dataclass(frozen=True, eq=False)
class Sum:
    """h = Σ_i coefficients[i] h_{sources[i]}."""

    sources: tuple[int, ...]
    coefficients: tuple[float, ...]


Step = Affine | Activation | Sum


@dataclass(frozen=True, eq=False)
class Graph:
    """u: R^d → R in steps. Value 0 is x, value k that of the k-th step, and the last one is u.

    Raises ValueError for numbers that are not finite, shapes that do not fit, a step before its source, a last value
    that is not one number, and activations that jump or are of degree 2 or more.

    >>> relu = Spline("relu", np.zeros(1), np.array([[0.0, 0.0], [0.0, 1.0]]))
    >>> kink = Graph(1, (Affine(0, np.ones((1, 1)), np.array([-0.5])), Activation(1, relu)))
    >>> values(kink, np.array([[0.25], [1.0]]))[-1].ravel()
    array([0. , 0.5])
    """

    dimension: int
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        sizes = [self.dimension]
        for k, step in enumerate(self.steps, start=1):
            sources = sources_of(step)
            if not sources or not all(0 <= source < k for source in sources):
                raise ValueError(f"graph: expected sources before step {k}, got {sources}")
            size = sizes[sources[0]]
            if isinstance(step, Affine):
                shapes = step.weight.shape, step.bias.shape
                if shapes != ((len(step.bias), size), (len(step.bias),)):
                    raise ValueError(f"graph: expected a weight (n, {size}) and a bias (n,) at step {k}, got {shapes}")
                if not (np.isfinite(step.weight).all() and np.isfinite(step.bias).all()):
                    raise ValueError(f"graph: expected finite numbers at step {k}")
                size = len(step.bias)
            elif isinstance(step, Activation):
                _check_continuous(step.spline)
            else:
                if any(sizes[source] != size for source in sources):
                    raise ValueError(f"graph: expected values of one size to be added at step {k}")
                if len(step.coefficients) != len(sources):
                    raise ValueError(f"graph: expected a coefficient for each source at step {k}")
                if not np.isfinite(step.coefficients).all():
                    raise ValueError(f"graph: expected finite numbers at step {k}")
            sizes.append(size)
        if len(sizes) < 2 or sizes[-1] != 1:
            raise ValueError(f"graph: expected one number as output, got {sizes[-1] if self.steps else 'no step'}")

    @property
    def sizes(self) -> list[int]:
        """How many numbers each value is."""
        sizes = [self.dimension]
        for step in self.steps:
            sizes.append(len(step.bias) if isinstance(step, Affine) else sizes[sources_of(step)[0]])
        return sizes

    @property
    def activations(self) -> list[tuple[int, Activation]]:
        """The activations with their place."""
        return [(k, step) for k, step in enumerate(self.steps, start=1) if isinstance(step, Activation)]


def sources_of(step: Step) -> tuple[int, ...]:
    """The values that a step takes."""
    return step.sources if isinstance(step, Sum) else (step.source,)


def _check_continuous(spline: Spline) -> None:
    if spline.degree > 1 and spline.pieces[:, 2:].any():
        raise ValueError(f"graph: {spline.name} is of degree {spline.degree}; expected piecewise-linear activations")
    if np.abs(spline.jumps()[:, 0]).max() > 1e-12 * max(1.0, np.abs(spline.pieces).max()):
        raise ValueError(f"graph: {spline.name} jumps; expected continuous activations")


def slopes(spline: Spline) -> Array:
    """σ' between knots, (m + 1,): from −∞ to the first, …, from the last to ∞."""
    return np.asarray(spline.pieces[:, 1] if spline.degree else np.zeros(len(spline.pieces)))


def values(graph: Graph, x: Array, upto: int | None = None) -> list[Array]:
    """All values (or those up to a step) at points x (N, d): arrays (N, n_k)."""
    found = [x]
    for step in graph.steps[:upto]:
        if isinstance(step, Affine):
            found.append(found[step.source] @ step.weight.T + step.bias)
        elif isinstance(step, Activation):
            found.append(evaluate(step.spline, found[step.source]))
        else:
            found.append(np.asarray(sum(c * found[i] for i, c in zip(step.sources, step.coefficients, strict=True))))
    return found


def evaluate(spline: Spline, z: Array) -> Array:
    """σ(z): linear between knots, and its outer slopes beyond them."""
    first, last = spline.knots[[0, -1]]
    left, *_, right = slopes(spline)
    at_knots, parts = spline(spline.knots), []
    if at_knots.any():
        parts.append(np.interp(z, spline.knots, at_knots))
    if left:
        parts.append(left * np.minimum(z - first, 0))
    if right:
        parts.append(right * np.maximum(z - last, 0))
    return np.asarray(sum(parts)) if parts else np.zeros_like(z)


def rounding(graph: Graph, largest: Sequence[Array]) -> list[Array]:
    """First-order bounds ρ, in units of ε, on the rounding errors of `values`, for errors of x of ε|x| too: (n_k,).

    largest: bounds on |h_k| (n_k,). ρ = |W|(ρ + |h|) + |b| for an affine map, Σ|c|(ρ + |h|) for a sum,
    max|σ'| (ρ + max|τ|) + max|σ(τ)| + |σ(z)| for an activation with knots τ.
    """
    bounds = [largest[0]]
    for k, step in enumerate(graph.steps[: len(largest) - 1], start=1):
        if isinstance(step, Affine):
            bounds.append(np.abs(step.weight) @ (bounds[step.source] + largest[step.source]) + np.abs(step.bias))
        elif isinstance(step, Activation):
            steepest, knots = np.abs(slopes(step.spline)).max(), step.spline.knots
            held = steepest * np.abs(knots).max() + np.abs(step.spline(knots)).max()
            bounds.append(steepest * bounds[step.source] + held + largest[k])
        else:
            terms = zip(step.sources, step.coefficients, strict=True)
            bounds.append(np.asarray(sum(abs(c) * (bounds[i] + largest[i]) for i, c in terms)))
    return bounds


def derivatives(graph: Graph, x: Array) -> dict[int, Array]:
    """σ'(z) of each activation at points x (N, d), by its place: arrays (N, n_k). From the right on a kink."""
    found = values(graph, x)
    return {
        k: slopes(step.spline)[np.searchsorted(step.spline.knots, found[step.source], side="right")]
        for k, step in graph.activations
    }


def gradients(graph: Graph, derivative: dict[int, Array], count: int, start: int = 0) -> list[Array]:
    """∂h_k/∂h_start (N, n_k, n_start) of all values from `start` on (N = count), with these σ'; by x if start is 0.

    The list holds zeros (N, n_k, n_start) for values that do not depend on it.
    """
    sizes = graph.sizes
    found: list[Array] = [np.zeros((count, size, sizes[start])) for size in sizes[:start]]
    found.append(np.broadcast_to(np.eye(sizes[start]), (count, sizes[start], sizes[start])))
    for k, step in enumerate(graph.steps[start:], start=start + 1):
        if isinstance(step, Affine):
            found.append(step.weight @ found[step.source])
        elif isinstance(step, Activation):
            found.append(derivative[k][:, :, None] * found[step.source])
        else:
            found.append(np.asarray(sum(c * found[i] for i, c in zip(step.sources, step.coefficients, strict=True))))
    return found


def sensitivities(
    graph: Graph, derivative: dict[int, Array], count: int, of: tuple[int, Array] | None = None
) -> list[Array]:
    """∂u/∂h_k (N, n_k) of all values (N = count), with these σ'; or, `of` (k, weights (N, n_k)), of weights·h_k."""
    found = [np.zeros((count, size)) for size in graph.sizes]
    last, weights = of if of is not None else (len(graph.steps), np.ones((count, 1)))
    found[last][:] = weights
    for k, step in reversed(list(enumerate(graph.steps[:last], start=1))):
        if isinstance(step, Affine):
            found[step.source] += found[k] @ step.weight
        elif isinstance(step, Activation):
            found[step.source] += derivative[k] * found[k]
        else:
            for i, c in zip(step.sources, step.coefficients, strict=True):
                found[i] += c * found[k]
    return found
