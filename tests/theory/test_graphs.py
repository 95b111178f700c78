"""Piecewise-linear networks in numbers: values, bounds on their rounding, derivatives."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fembridge.theory.graphs import (
    Activation,
    Affine,
    Graph,
    Sum,
    derivatives,
    evaluate,
    gradients,
    rounding,
    sensitivities,
    slopes,
    values,
)
from fembridge.theory.splines import Spline, leaky_relu, named, spline
from tests.theory.conformity import EPS, network, random_layers

BENT = spline([-1.0, 0.25, 0.5, 3.0], [2.0, -1.0], 1, name="bent")
ABSOLUTE = Spline("abs", np.zeros(1), np.array([[0.0, -1.0], [0.0, 1.0]]))
SHIFTED = Spline("shifted", np.array([-0.5, 1.0]), np.array([[2.0, 3.0], [2.0, -1.0], [0.5, 0.25]]))
LINE = Spline("line", np.zeros(1), np.array([[1.0, 2.0], [1.0, 2.0]]))
STEADY = Spline("steady", np.zeros(1), np.array([[3.0], [3.0]]))
WIDER = Spline("of degree 2 in name", np.zeros(1), np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
ACTIVATIONS = [named("relu"), named("hat"), leaky_relu(0.1), BENT, ABSOLUTE, SHIFTED, LINE, STEADY, WIDER]


def residual(sigma: Spline = BENT) -> Graph:
    """u = w·(σ(z) − ½ σ(−z')), z' = V σ(z): sums, and a value that is used twice."""
    (a, b), (c, d), (e, f) = random_layers(1, 2, 5, 5, 1)
    steps = (Affine(0, a, b), Activation(1, sigma), Affine(2, c, d), Activation(3, named("relu")))
    return Graph(2, (*steps, Sum((2, 4, 2), (0.5, -0.5, 0.5)), Affine(5, e, f)))


@pytest.mark.parametrize("sigma", ACTIVATIONS, ids=lambda s: s.name)
def test_evaluation_is_the_spline(sigma: Spline) -> None:
    z = np.concatenate([sigma.knots, np.linspace(-7, 7, 57), sigma.knots + 1e-9])
    assert np.abs(evaluate(sigma, z) - sigma(z)).max() <= 8 * EPS * np.abs(sigma(z)).max()
    assert len(slopes(sigma)) == len(sigma.knots) + 1
    middle = np.concatenate([[sigma.knots[0] - 1], sigma.knots + 1e-3])
    assert np.abs(slopes(sigma) - (sigma(middle + 1e-4) - sigma(middle)) / 1e-4).max() < 1e-9


def test_zero_is_zero() -> None:
    """σ(τ) = 0 exactly at the knots of a ReLU and of a hat, so that what is off is off."""
    assert (evaluate(named("relu"), np.array([-1.0, 0.0, -1e-300])) == 0).all()
    assert (evaluate(named("hat"), np.array([-1.0, 0.0, 2.0, 5.0])) == 0).all()


def test_values_by_hand() -> None:
    graph, x = residual(), np.random.default_rng(0).standard_normal((7, 2))
    found = values(graph, x)
    assert [v.shape[1] for v in found] == graph.sizes == [2, 5, 5, 5, 5, 5, 1]
    steps = graph.steps
    z = x @ steps[0].weight.T + steps[0].bias
    h = BENT(z)
    k = np.maximum(h @ steps[2].weight.T + steps[2].bias, 0)
    u = (h - 0.5 * k) @ steps[5].weight.T + steps[5].bias
    assert np.abs(found[-1] - u).max() < 8 * EPS
    assert np.array_equal(values(graph, x, 2)[-1], found[2]) and len(values(graph, x, 2)) == 3
    assert [k for k, _ in graph.activations] == [2, 4]


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("widths", [(1, 30, 30, 30), (2, 12, 12), (3, 60, 5)], ids=str)
def test_rounding_is_bounded(widths: tuple[int, ...], scale: float) -> None:
    """Against fractions, at random points and where sums cancel; and it is no worse a bound than it must be."""
    layers = [(w * scale, b * scale) for w, b in random_layers(0, *widths)]
    graph, rng = network(layers), np.random.default_rng(1)
    x = rng.uniform(-1, 1, (4, widths[0]))
    found = values(graph, x)
    bounds = rounding(graph, [np.abs(h).max(axis=0) for h in found])
    largest = 0.0
    for i, point in enumerate(x):
        h = [Fraction(float(v)) for v in point]
        for k, step in enumerate(graph.steps, start=1):
            if isinstance(step, Affine):
                rows = zip(step.weight.tolist(), step.bias.tolist(), strict=True)
                h = [sum(Fraction(w) * v for w, v in zip(row, h, strict=True)) + Fraction(b) for row, b in rows]
            else:
                h = [max(v, Fraction(0)) for v in h]
            error = np.array([float(abs(Fraction(float(a)) - b)) for a, b in zip(found[k][i], h, strict=True)])
            assert (error <= EPS * bounds[k]).all()
            largest = max(largest, float((error / (EPS * np.where(bounds[k] > 0, bounds[k], 1))).max()))
    assert largest > 1e-3


def test_rounding_of_sums_and_splines() -> None:
    graph = residual()
    found = values(graph, np.random.default_rng(0).standard_normal((50, 2)))
    largest = [np.abs(h).max(axis=0) for h in found]
    bounds = rounding(graph, largest)
    assert [len(b) for b in bounds] == graph.sizes
    steepest, knots = np.abs(slopes(BENT)).max(), BENT.knots
    held = steepest * np.abs(knots).max() + np.abs(BENT(knots)).max()
    assert np.allclose(bounds[2], steepest * bounds[1] + held + largest[2], rtol=1e-15)
    assert np.allclose(bounds[5], (bounds[2] + largest[2]) + 0.5 * (bounds[4] + largest[4]), rtol=1e-15)
    assert len(rounding(graph, largest[:3])) == 3


@pytest.mark.parametrize("sigma", [named("relu"), BENT, SHIFTED], ids=lambda s: s.name)
def test_derivatives_are_differences(sigma: Spline) -> None:
    graph, step = residual(sigma), 1e-6
    x = np.random.default_rng(3).uniform(-1, 1, (40, 2))
    derivative = derivatives(graph, x)
    found = gradients(graph, derivative, len(x))
    assert [g.shape for g in found] == [(40, n, 2) for n in graph.sizes]
    back = sensitivities(graph, derivative, len(x))
    assert np.abs(back[0][:, None] - found[-1]).max() < 1e-14
    away = np.ones(len(x), dtype=bool)
    nodal = values(graph, x)
    for _, activation in graph.activations:
        away &= np.abs(nodal[activation.source][:, :, None] - activation.spline.knots).min(axis=(1, 2)) > 1e-4
    assert away.sum() > 10
    for axis in range(2):
        ahead = values(graph, x + step * np.eye(2)[axis])
        for g, after, now in zip(found, ahead, nodal, strict=True):
            assert np.abs((after - now) / step - g[:, :, axis])[away].max() < 1e-8


def test_derivatives_from_a_value_on_and_of_another() -> None:
    """∂u/∂x = ∂u/∂h_k ∂h_k/∂x for values that all goes through; ∂(w·h_4)/∂x by both ways."""
    graph, x = residual(), np.random.default_rng(4).uniform(-1, 1, (9, 2))
    derivative = derivatives(graph, x)
    whole = gradients(graph, derivative, 9)
    from_two = gradients(graph, derivative, 9, start=2)
    assert np.array_equal(from_two[0], np.zeros((9, 2, 5))) and np.array_equal(from_two[2][3], np.eye(5))
    assert np.abs(from_two[-1] @ whole[2] - whole[-1]).max() < 1e-14
    back = sensitivities(graph, derivative, 9)
    assert np.abs(back[2][:, None] - from_two[-1]).max() < 1e-14
    weights = np.random.default_rng(5).standard_normal((9, 5))
    part = sensitivities(graph, derivative, 9, of=(4, weights))
    assert np.abs(part[0][:, None] - weights[:, None] @ whole[4]).max() < 1e-14
    assert not part[5].any() and not part[6].any()


def test_on_a_kink_the_right_hand_slope() -> None:
    graph = Graph(1, (Affine(0, np.ones((1, 1)), np.zeros(1)), Activation(1, named("hat"))))
    slope = derivatives(graph, np.array([[0.0], [1.0], [2.0], [-1.0]]))[2].ravel()
    assert slope.tolist() == [1, -1, 0, 0]


ONE = Affine(0, np.ones((1, 1)), np.zeros(1))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((), "expected one number as output, got no step"),
        ((Affine(0, np.ones((2, 1)), np.zeros(2)),), "expected one number as output, got 2"),
        ((replace(ONE, source=1),), "expected sources before step 1"),
        ((replace(ONE, source=-1),), "expected sources before step 1"),
        ((Sum((), ()),), "expected sources before step 1"),
        ((replace(ONE, bias=np.zeros(2)),), r"expected a weight \(n, 1\) and a bias"),
        ((replace(ONE, weight=np.ones((1, 2))),), r"expected a weight \(n, 1\) and a bias"),
        ((replace(ONE, bias=np.array([np.nan])),), "expected finite numbers at step 1"),
        ((replace(ONE, weight=np.array([[np.inf]])),), "expected finite numbers at step 1"),
        ((ONE, Sum((0, 1), (1.0, np.inf))), "expected finite numbers at step 2"),
        ((ONE, Sum((0, 1), (1.0,))), "expected a coefficient for each source at step 2"),
        ((Affine(0, np.ones((2, 1)), np.zeros(2)), Sum((0, 1), (1.0, 1.0))), "expected values of one size"),
        ((ONE, Activation(1, named("relu2"))), "relu2 is of degree 2"),
        ((ONE, Activation(1, named("step"))), "step jumps; expected continuous activations"),
    ],
)
def test_refusals(steps: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Graph(1, steps)
    assert "\n" not in str(caught.value)
