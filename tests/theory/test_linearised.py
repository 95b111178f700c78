"""Linearised training, against loops over steps, and exact integrals against quadrature."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fembridge.problem import Array
from fembridge.samples import sum_of_sines, waves_on
from fembridge.theory.graphs import Activation, Affine, Graph, values
from fembridge.theory.linearised import (
    KernelPrediction,
    deviation_bound,
    over_domain,
    predict_kernel,
    predict_refreshed,
)
from fembridge.theory.partitions import partition, volumes
from fembridge.theory.prediction import LeastSquares, solve
from fembridge.theory.spaces import simplex_rule
from fembridge.theory.splines import named
from fembridge.theory.tangents import simplex_frames, tangents

N = 12
RANDOM = np.random.default_rng(0)
J = RANDOM.standard_normal((N, 9))  # three directions of the data are out of reach
K, R0, W = J @ J.T, RANDOM.standard_normal(N), RANDOM.uniform(0.5, 1.5, N) / N
WAVES = RANDOM.standard_normal((2, N)) + 1j * RANDOM.standard_normal((2, N))
STEPS = np.array([0, 1, 2, 7, 40])


def loop(optimizer: str, eta: float, beta: float, steps: int) -> Array:
    """r_t at t = 0 … steps, by PyTorch's updates of θ in r = r_0 + J θ."""
    theta, m, found = np.zeros(J.shape[1]), np.zeros(J.shape[1]), []
    for _ in range(steps + 1):
        r = R0 + J @ theta
        found.append(r)
        g = J.T @ (W * r)
        m = beta * m + g
        theta = theta - eta * (g + beta * m if optimizer == "nesterov" else m)
    return np.array(found)


@pytest.mark.parametrize(("optimizer", "beta"), [("gd", 0.0), ("heavy-ball", 0.8), ("nesterov", 0.8)])
def test_all_steps_at_once_are_one_after_the_other(optimizer: str, beta: float) -> None:
    found = predict_kernel(K, R0, W, WAVES, STEPS, optimizer, momentum=beta)
    r = loop(optimizer, found.learning_rate, beta, 40)[STEPS]
    # 40 steps of sums of 12 products of size one
    assert np.abs(found.residuals - r).max() < 1e-12
    assert np.abs(found.coefficients - r @ WAVES.T).max() < 1e-11
    assert np.abs(found.norms - np.sqrt(r**2 @ W / (R0**2 @ W))).max() < 1e-12


def test_flow_is_the_limit_of_small_steps() -> None:
    flow = predict_kernel(K, R0, W, WAVES, [10], "flow")
    small = predict_kernel(K, R0, W, WAVES, [10_000], "gd", flow.learning_rate / 1000)
    # (1 − x/1000)^{1000 t} = e^{−xt} (1 − x²t/2000 …), x ≤ 1
    assert np.abs(flow.residuals - small.residuals).max() < 1e-3 * np.abs(R0).max()
    assert flow.stable and flow.stability_limit == np.inf


def test_a_wrong_kernel_shows() -> None:
    found = predict_kernel(
        1.01 * K, R0, W, WAVES, STEPS, learning_rate=predict_kernel(K, R0, W, WAVES, [0]).learning_rate
    )
    assert np.abs(found.residuals - loop("gd", found.learning_rate, 0.0, 40)[STEPS]).max() > 1e-4


def test_what_is_out_of_reach_stays() -> None:
    end = predict_kernel(K, R0, W, WAVES, [10**7]).residuals[0]
    projected = R0 - J @ np.linalg.lstsq(np.sqrt(W)[:, None] * J, np.sqrt(W) * R0, rcond=None)[0]
    assert np.abs(end - projected).max() < 1e-8


def test_refreshed_kernels_are_carried_on() -> None:
    kernels, eta = np.stack([K, 2 * K + np.eye(N), 0.5 * K]), 0.02
    found = predict_refreshed(kernels, [0, 3, 20], R0, W, WAVES, STEPS, eta)
    r, every = R0, []
    for step in range(41):
        every.append(r)
        r = r - eta * kernels[(step >= 3) + (step >= 20)] @ (W * r)
    expected = np.array(every)[STEPS]
    assert np.abs(found.residuals - expected).max() < 1e-12
    assert np.abs(found.norms - np.sqrt(expected**2 @ W / (R0**2 @ W))).max() < 1e-12
    largest = np.linalg.eigvalsh(np.sqrt(W)[:, None] * kernels[1] * np.sqrt(W))[-1]
    assert found.stability_limit == pytest.approx(2 / largest)
    one = predict_refreshed(kernels[:1], [0], R0, W, WAVES, STEPS, eta)
    assert (one.residuals == predict_kernel(K, R0, W, WAVES, STEPS, "gd", eta).residuals).all()
    early = predict_refreshed(kernels, [0, 50, 60], R0, W, WAVES, STEPS, eta)  # changes after the last step
    assert np.abs(early.residuals - one.residuals).max() < 1e-13


def drifting(size: float) -> tuple[KernelPrediction, Array, float]:
    """A prediction, true residuals under kernels K + ΔK_t that are no symmetric ones, and their largest drift."""
    prediction, r, every, drift = predict_kernel(K, R0, W, WAVES, STEPS, learning_rate=0.02), R0, [], 0.0
    random = np.random.default_rng(1)
    for _ in range(41):
        every.append(r)
        change = random.standard_normal((N, N))
        change *= size * np.linalg.norm(K) / np.linalg.norm(change)
        drift = max(drift, np.linalg.norm(change) / np.linalg.norm(K))
        r = r - 0.02 * (K + change) @ (W * r)
    return prediction, np.array(every)[STEPS], drift


def test_a_network_whose_kernel_drifts_stays_within_the_bound() -> None:
    for size in (1e-4, 1e-2, 0.1):
        prediction, r, drift = drifting(size)
        deviation = np.sqrt((r - prediction.residuals) ** 2 @ W / (R0**2 @ W))
        bound = deviation_bound(prediction, K, W, drift)
        assert bound[0] == deviation[0] == 0 and (deviation[1:] < bound[1:]).all()
        assert (bound[1:] < 100 * deviation[1:]).all()  # Frobenius norms of random matrices: about √N times too large
        # A bound of a hundredth of the drift does not hold.
        assert (deviation_bound(prediction, K, W, drift / 100)[1:] < deviation[1:]).any()


def test_the_bound_takes_each_stretch_with_its_own_drift() -> None:
    prediction = predict_kernel(K, R0, W, WAVES, STEPS, learning_rate=0.02)
    growing, whole = deviation_bound(prediction, K, W, [0, 0, 0, 0.01, 0.01]), deviation_bound(prediction, K, W, 0.01)
    assert (growing[:3] == 0).all() and (growing[3:] < whole[3:]).all()
    unit = 0.02 * W.max() * np.linalg.norm(K) * 0.01
    assert whole[1] == pytest.approx(unit)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adam"}, 'got "adam", which has no closed form'),
        ({"optimizer": "sgd"}, 'expected one of gd, flow, heavy-ball, nesterov, got "sgd"'),
        ({"residual": np.zeros(N)}, "residual: expected one row of finite numbers, not all zero"),
        ({"weights": np.append(W[1:], 0.0)}, "weights: expected 12 positive numbers, one for each datum, got 0"),
        ({"kernel": np.triu(K)}, "kernel: expected a finite symmetric matrix"),
        ({"kernel": -K}, "kernel: expected a positive matrix"),
        ({"kernel": K[1:, 1:]}, r"expected a finite symmetric matrix \(12, 12\), got shape \(11, 11\)"),
        ({"waves": WAVES[:, 1:]}, r"waves: expected shape \(F, 12\), got \(2, 11\)"),
        ({"steps": [0.5]}, "steps: expected one row of whole numbers"),
        ({"learning_rate": 0.0}, 'expected "auto" or a positive number, got 0'),
    ],
)
def test_bad_requests(changes: dict[str, Any], message: str) -> None:
    right = {"kernel": K, "residual": R0, "weights": W, "waves": WAVES, "steps": STEPS}
    with pytest.raises(ValueError, match=message):
        predict_kernel(**{**right, **changes})


def test_bad_requests_of_refreshed_kernels_and_bounds() -> None:
    for starts in ([1, 2], [0], [0, 0]):
        with pytest.raises(ValueError, match="starts: expected 2 ascending steps from 0 on"):
            predict_refreshed(np.stack([K, K]), starts, R0, W, WAVES, STEPS, 0.01)
    with pytest.raises(ValueError, match="expected ascending steps where kernels change"):
        predict_refreshed(np.stack([K, K]), [0, 2], R0, W, WAVES, [3, 1], 0.01)
    unstable = predict_kernel(K, R0, W, WAVES, STEPS, learning_rate=100.0)
    with pytest.raises(ValueError, match="expected stable gradient descent, got the unstable rate 100"):
        deviation_bound(unstable, K, W, 0.1)
    with pytest.raises(ValueError, match="expected stable gradient descent, got flow"):
        deviation_bound(predict_kernel(K, R0, W, WAVES, STEPS, "flow"), K, W, 0.1)
    with pytest.raises(ValueError, match="steps: expected ascending steps from 0 on"):
        deviation_bound(predict_kernel(K, R0, W, WAVES, [1, 2]), K, W, 0.1)


ALL: list[Any] = [(1, "weight"), (1, "bias"), (3, "weight"), (3, "bias"), (5, "weight"), (5, "bias")]


def network(sizes: list[int]) -> Graph:
    random, steps = np.random.default_rng(sum(sizes)), []
    for k, (m, n) in enumerate(pairwise(sizes)):
        weight, bias = random.standard_normal((n, m)) / np.sqrt(m), random.standard_normal(n) / 2
        steps += [Affine(2 * k, weight, bias), Activation(2 * k + 1, named("relu"))]
    return Graph(sizes[0], tuple(steps[:-1]))


@pytest.mark.parametrize(
    ("sizes", "frequencies", "degree"),
    [
        ([1, 12, 1], [1, 2, 9], 60),
        ([1, 6, 5, 1], [1, 3], 40),
        ([2, 4, 1], [(1, 0), (1, -1)], 40),
        ([3, 2, 1], [(0, 0, 1)], 28),
    ],
)
def test_over_a_domain_as_on_points_of_quadrature(sizes: list[int], frequencies: list[Any], degree: int) -> None:
    graph, box = network(sizes), [(-1.0, 1.0)] * sizes[0]
    found = partition(graph, box)
    mesh, parts = found.mesh, ALL[: 2 * len(sizes) - 2]
    u, tangent = values(graph, mesh.p.T)[-1][:, 0], tangents(graph, simplex_frames(mesh), parts)
    f = sum_of_sines(frequencies, [1.0] * len(frequencies), box)
    system = over_domain(tangent, mesh, u, f, box, frequencies, bandlimit=max(np.abs(k).max() for k in frequencies))
    exact = solve(system, tuple(frequencies), [0, 1, 30])

    points, weights = simplex_rule(sizes[0], degree)
    x = (points @ mesh.p.T[mesh.t.T]).reshape(-1, sizes[0])
    w = np.outer(volumes(mesh), weights).ravel()
    gradients, waves = (points @ tangent.nodal()).reshape(len(x), -1), waves_on(x, w, box, frequencies)
    r, root = (u[mesh.t.T] @ points.T).ravel() - f(x), np.sqrt(w)
    size = np.sqrt(2 * w @ f(x) ** 2 / w.sum())
    sampled = solve(
        LeastSquares(root[:, None] * gradients, -root * r, waves @ gradients, -waves @ r, size),
        exact.frequencies,
        [0, 1, 30],
    )
    # Both rules resolve the waves to round-off; some hundred sums of numbers of size one, contracted.
    assert np.abs(exact.coefficients - sampled.coefficients).max() < 1e-11
    assert exact.learning_rate == pytest.approx(sampled.learning_rate, rel=1e-12)
    assert exact.size == pytest.approx(size, rel=1e-12)
    if len(x) < 400:
        kernel = predict_kernel(gradients @ gradients.T, r, w, waves, [0, 1, 30])
        assert np.abs(exact.coefficients - kernel.coefficients).max() < 1e-11


def test_a_target_that_quadrature_does_not_resolve_shows() -> None:
    graph = network([1, 4, 1])
    mesh = partition(graph, (-1.0, 1.0)).mesh
    u, tangent = values(graph, mesh.p.T)[-1][:, 0], tangents(graph, simplex_frames(mesh), ALL[:4])
    f = sum_of_sines([40], [1.0], [(-1.0, 1.0)])
    found = [over_domain(tangent, mesh, u, f, [(-1.0, 1.0)], [1], bandlimit).size for bandlimit in (40, 0)]
    assert found[0] == pytest.approx(1, rel=1e-12) and abs(found[1] - 1) > 1e-3
