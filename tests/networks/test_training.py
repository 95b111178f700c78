"""Training against a recursion written in NumPy alone, to a bound derived from the arithmetic of both."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.models import initialise, on_knots, shallow
from fembridge.networks.training import train
from fembridge.problem import Problem, Target, sample, sawtooth, sines
from fembridge.samples import on_points

WIDTH, STEPS = 16, 60
TARGET = sines([1, 3], [1.0, 0.5])
RUNS = [(name, beta, torch.float64) for name, beta in (("gd", 0.0), ("heavy-ball", 0.8), ("nesterov", 0.8))]
RUNS += [("gd", 0.0, torch.float32)]
CASES = [("mass", 64), ("mass", "exact"), ("stiffness", "exact"), ("h1", "exact")]


def points_of(problem):
    if problem.samples != "exact":
        return sample(problem)
    z, w = np.polynomial.legendre.leggauss(8)
    left = np.arange(WIDTH) / WIDTH
    return (left[:, None] + (1 + z) / (2 * WIDTH)).ravel(), np.tile(w / (2 * WIDTH), WIDTH)


def numpy_features(spec, x):
    """Values and slopes of the features on the grid of WIDTH knots, from their closed forms."""
    s = x[:, None] - np.arange(WIDTH) / WIDTH
    if spec == "relu":
        return np.maximum(s, 0), (s > 0).astype(float)
    z = WIDTH * s
    return np.interp(z, [0, 1, 2], [0, 1, 0]), WIDTH * (((z > 0) & (z < 1)) * 1.0 - ((z > 1) & (z < 2)))


def rows(problem, spec, x, w):
    """The least-squares rows of the loss ½ Σ w (Φv − y)²: stacked values, slopes, or both."""
    phi, slope = numpy_features(spec, x)
    blocks = {"mass": [0], "stiffness": [1], "h1": [0, 1]}[problem.loss]
    y = [problem.target.values(x), problem.target.slopes(x)]
    stacked = np.concatenate([(phi, slope)[i] for i in blocks])
    return stacked, np.concatenate([y[i] for i in blocks]), np.tile(w, len(blocks))


def recursion(optimizer, beta, eta, phi, y, w):
    """v_0 … v_STEPS of PyTorch's conventions, from v_0 = 0."""
    v, m, path = np.zeros(phi.shape[1]), np.zeros(phi.shape[1]), []
    for _ in range(STEPS + 1):
        path.append(v)
        g = phi.T @ (w * (phi @ v - y))
        m = beta * m + g
        v = v - eta * (g + beta * m if optimizer == "nesterov" else m)
    return np.array(path)


def error_bound(optimizer, beta, eta, phi, y, w, values, path, eps):
    """How far two computations of v_t, and of the residuals, may lie apart.

    One gradient g = Φᵀ(w∘(Φv − y)) errs by γ |Φ|ᵀ w (|Φ||v| + |y|), γ = (terms of both sums + 10) ε, and through its
    features: their inputs of size n are rounded, so a feature errs by 4nε, and only where it is not zero. There are
    STEPS such errors on either side, and the recursion of (v, ηm) carries each on by at most K = max_t ‖A^t‖.
    """
    n, size = phi.shape[1], np.abs(phi)
    gamma = (np.count_nonzero(phi, axis=0).max() + np.count_nonzero(phi, axis=1).max() + 10) * eps
    slip = 4 * n * eps * (phi != 0)
    largest = np.abs(path).max(axis=0)
    magnitude = w * (size @ largest + np.abs(y))
    gradient = np.linalg.norm((gamma * size + slip).T @ magnitude + size.T @ (w * (slip @ largest)))
    h, one = eta * phi.T @ (w[:, None] * phi), np.eye(n)
    upper = [one - (1 + beta) * h, -(beta**2) * one] if optimizer == "nesterov" else [one - h, -beta * one]
    powers = itertools.accumulate([np.block([upper, [h, beta * one]])] * STEPS, np.matmul)
    growth = max(1.0, *(np.linalg.norm(power, 2) for power in powers))
    update = 6 * eps * np.linalg.norm(largest)
    v_error = 2 * STEPS * growth * ((1 + 2 * beta) * eta * gradient + update)
    direct = 2 * (gamma + 4 * n * eps) * ((values != 0) @ largest + 2).max()
    return v_error, np.linalg.norm(values, axis=1).max() * v_error + direct


def trained(spec, problem, optimizer, beta, eta, **options):
    x, w = points_of(problem)
    model = on_knots(spec, np.arange(WIDTH) / WIDTH, (0.0, 1.0))
    settings = {"optimizer": optimizer, "momentum": beta, "learning_rate": eta, "record": np.arange(STEPS + 1)}
    return model, train(model, on_points(problem, x, w), **settings | options)


@pytest.mark.parametrize(("optimizer", "beta", "dtype"), RUNS)
@pytest.mark.parametrize(("loss", "samples"), CASES)
@pytest.mark.parametrize("spec", ["hat", "relu"])
def test_training_is_the_recursion(spec, loss, samples, optimizer, beta, dtype):
    problem = Problem(TARGET, (1, 3, 5), loss=loss, samples=samples)
    x, w = points_of(problem)
    phi, y, weights = rows(problem, spec, x, w)
    eta = 1 / np.linalg.eigvalsh(phi.T @ (weights[:, None] * phi)).max()
    path = recursion(optimizer, beta, eta, phi, y, weights)
    model, out = trained(spec, problem, optimizer, beta, eta, dtype=dtype)

    values = numpy_features(spec, x)[0]
    v_bound, bound = error_bound(optimizer, beta, eta, phi, y, weights, values, path, torch.finfo(dtype).eps)
    residuals = path @ values.T - TARGET.values(x)
    loss = (weights * (path @ phi.T - y) ** 2).sum(axis=1) / 2
    assert out.diverged is None
    assert np.abs(out.residuals - residuals).max() <= bound
    assert np.abs(model[2].weight.detach().numpy()[0] - path[-1]).max() <= v_bound
    # |L' − L| ≤ ‖r'−r‖_w (‖r‖_w + ‖r'−r‖_w/2)
    error = np.linalg.norm(phi, axis=1).max() * v_bound * np.sqrt(weights.sum()) + bound
    assert (np.abs(out.loss - loss) <= error * (np.sqrt(2 * loss) + error / 2)).all()

    # negative controls: another optimizer is told apart, and in double precision a learning rate off by a hundredth
    another = recursion("nesterov" if optimizer == "gd" else "gd", 0.8 - beta, eta, phi, y, weights)
    assert np.abs((another - path) @ values.T).max() > 3 * bound
    off = recursion(optimizer, beta, 0.99 * eta, phi, y, weights)
    assert dtype == torch.float32 or np.abs((off - path) @ values.T).max() > 1e5 * bound


def test_all_parameters_follow_their_gradient():
    """One step on w, b, v of u = Σ v ReLU(wx + b), the gradient by hand."""
    problem = Problem(TARGET, (1,), samples=32)
    x, q = sample(problem)
    model = initialise("relu", 10, "he", (0.0, 1.0), seed=0).requires_grad_(True)
    w, b, v = (p.detach().numpy().ravel().copy() for p in model.parameters())
    z = np.multiply.outer(x, w) + b
    r = np.maximum(z, 0) @ v - TARGET.values(x)
    active = (z > 0) * v
    gradient = [(q * r * x) @ active, (q * r) @ active, (q * r) @ np.maximum(z, 0)]
    train(model, on_points(problem, x, q), learning_rate=0.1, record=[0, 1])
    # sums of 32 and 10 products, all below max|v| max|r| max(1, |z|)
    bound = 100 * np.finfo(float).eps * max(1, np.abs(v).max()) * np.abs(r).max() * max(1, np.abs(z).max())
    for before, g, after in zip((w, b, v), gradient, model.parameters(), strict=True):
        assert np.abs(before - 0.1 * g - after.detach().numpy().ravel()).max() <= bound
        assert np.abs(0.1 * g).max() > 1e3 * bound  # each of the three did move


def test_inner_parameters_stay_where_they_do_not_train():
    problem = Problem(TARGET, (1,), samples=64)
    model, _ = trained("hat", problem, "gd", 0.0, 0.1)
    fresh = on_knots("hat", np.arange(WIDTH) / WIDTH, (0.0, 1.0))
    assert torch.equal(model[0].weight, fresh[0].weight)
    assert torch.equal(model[0].bias, fresh[0].bias)
    assert model[2].weight.any()


def test_coefficients_are_the_discrete_fourier_transform():
    domain, frequencies = (-1.0, 2.0), (1, 2, 7)
    problem = Problem(sines([2], [3.0], domain), frequencies, domain=domain, samples=32)
    x, w = sample(problem)
    model = initialise("relu", 5, "gaussian", domain, seed=0)
    out = train(model, on_points(problem, x, w), learning_rate=0.01, record=[0, 5])
    spectrum = 2 * np.fft.fft(out.residuals)[:, list(frequencies)] / 32
    assert np.abs(out.coefficients - spectrum).max() <= 32 * np.finfo(float).eps * 2 * np.abs(out.residuals).max() * 7
    silent = on_knots("relu", [0.0], domain)
    start = train(silent, on_points(problem, x, w), learning_rate=0.01, record=[0])
    assert np.abs(np.abs(start.coefficients[0]) - [0, 3, 0]).max() <= 100 * np.finfo(float).eps


def test_coefficients_do_not_depend_on_the_weights_scale():
    problem = Problem(TARGET, (1, 3), loss="mass", samples="exact")
    x, w = points_of(problem)
    make = lambda: on_knots("hat", np.arange(4) / 4, (0.0, 1.0))  # noqa: E731
    one, two = (train(make(), on_points(problem, x, s * w), learning_rate=0.5 / s, record=[0, 10]) for s in (1, 4))
    assert np.abs(one.coefficients - two.coefficients).max() <= 1e3 * np.finfo(float).eps
    assert np.abs(4 * one.loss - two.loss).max() <= 1e3 * np.finfo(float).eps


def test_recorded_steps_are_rows_of_the_full_record():
    problem = Problem(TARGET, (1, 3), samples=64)
    full = trained("relu", problem, "heavy-ball", 0.9, 0.2)[1]
    some = trained("relu", problem, "heavy-ball", 0.9, 0.2, record=[3, 10, 41])[1]
    assert some.steps.tolist() == [3, 10, 41]
    for name in ("residuals", "coefficients", "loss"):
        assert np.array_equal(getattr(full, name)[[3, 10, 41]], getattr(some, name))


def test_runs_are_bitwise_alike_and_leave_the_generators_alone():
    problem = Problem(TARGET, (1, 3), samples="exact", loss="h1")
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = trained("hat", problem, "nesterov", 0.9, 1e-3)[1]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    again = trained("hat", problem, "nesterov", 0.9, 1e-3)[1]
    assert np.array_equal(first.residuals, again.residuals)
    assert np.array_equal(first.loss, again.loss)


@pytest.mark.parametrize("eta_lambda", [2.5, 10.0])
def test_divergence_is_found_at_the_predicted_step(eta_lambda):
    """One neuron u = vx: L_t − L* = (1 − ηλ)^{2t} (L_0 − L*), so the step at which L passes 1e280 is known."""
    problem = Problem(TARGET, (1,), samples=32)
    x, w = sample(problem)
    curvature, y = (w * x**2).sum(), TARGET.values(x)
    best = (w * x * y).sum() / curvature
    excess = curvature * best**2 / 2
    expected = int(np.ceil(np.log(1e280 / excess) / (2 * np.log(eta_lambda - 1))))
    record = np.array([0, 5, expected - 1, expected, expected + 1, 1000])
    model = shallow(nn.ReLU(), [1.0], [0.0])
    out = train(model, on_points(problem, x, w), learning_rate=eta_lambda / curvature, record=record)
    assert out.diverged == expected
    for rows in (out.residuals, out.coefficients, out.loss[:, None]):
        assert np.isfinite(rows[:3]).all()
        assert np.isnan(rows[3:]).all()
    stable = train(
        shallow(nn.ReLU(), [1.0], [0.0]), on_points(problem, x, w), learning_rate=1.9 / curvature, record=[0, 1000]
    )
    assert stable.diverged is None


def test_float32_diverges_at_its_own_limit():
    problem = Problem(TARGET, (1,), samples=32)
    x, w = sample(problem)
    model = shallow(nn.ReLU(), [1.0], [0.0])
    out = train(model, on_points(problem, x, w), learning_rate=1e3, record=[0, 1000], dtype=torch.float32)
    assert out.diverged is not None
    assert out.diverged < 20
    assert np.isnan(out.loss).tolist() == [False, True]


def test_progress_sees_every_step_once():
    seen = []

    def watch(steps):
        assert len(steps) == 11
        for step in steps:
            seen.append(step)
            yield step

    trained("hat", Problem(TARGET, (1,), samples=64), "gd", 0.0, 0.1, record=[0, 10], progress=watch)
    assert seen == list(range(11))


def call(**changes):
    problem = changes.pop("problem", Problem(TARGET, (1,), samples=8))
    model = changes.pop("model", None) or on_knots(changes.pop("spec", "hat"), [0.0, 0.5], (0.0, 1.0))
    points, weights = changes.pop("points", np.arange(8) / 8), changes.pop("weights", np.full(8, 0.125))
    return train(model, on_points(problem, points, weights), **{"learning_rate": 0.1, "record": [0, 1]} | changes)


EXACT = Problem(TARGET, (1,), loss="stiffness", samples="exact")
HOLE = Target("hole", lambda x: np.where(x > 0.6, np.nan, x), None, np.empty(0), 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "lion"}, "optimizer: expected one of gd, heavy-ball, nesterov, sgd, adam, got 'lion'"),
        ({"learning_rate": 0.0}, "learning_rate: expected a positive number, got 0"),
        ({"learning_rate": np.nan}, "learning_rate: expected a positive number, got nan"),
        ({"momentum": 0.9}, 'momentum: expected 0 for "gd", got 0.9'),
        ({"momentum": 0.9, "optimizer": "adam"}, 'momentum: expected 0 for "adam", got 0.9'),
        ({"momentum": 1.0, "optimizer": "sgd"}, 'momentum: expected 0 ≤ momentum < 1 for "sgd", got 1'),
        ({"batch": 4}, 'batch: expected none for "gd", which takes all points, got 4'),
        ({"batch": 0, "optimizer": "sgd"}, "batch: expected a whole number from 1 on, got 0"),
        ({"batch": True, "optimizer": "adam"}, "batch: expected a whole number from 1 on, got True"),
        ({"batch": 4, "optimizer": "sgd", "problem": EXACT}, 'batch: expected none for the loss "stiffness"'),
        ({"seed": -1}, "seed: expected a whole number from 0 on, got -1"),
        ({"seed": 1.5}, "seed: expected a whole number from 0 on, got 1.5"),
        ({"optimizer": "nesterov"}, 'momentum: expected a number between 0 and 1 for "nesterov", got 0'),
        ({"optimizer": "heavy-ball", "momentum": 1.0}, 'momentum: .* for "heavy-ball", got 1'),
        ({"points": [[0.0]]}, r"points: expected one row of finite numbers, got an array of shape \(1, 1\)"),
        ({"points": [np.nan] * 8}, "points: expected one row of finite numbers"),
        ({"weights": [1.0]}, r"weights: expected 8 numbers ≥ 0, one for each point and not all 0, got \[1.\]"),
        ({"weights": [-1.0] * 8}, "weights: expected 8 numbers ≥ 0"),
        ({"weights": [0.0] * 8}, "weights: expected 8 numbers ≥ 0"),
        ({"record": []}, "record: expected ascending whole numbers from 0 on"),
        ({"record": [0, 0]}, r"record: expected ascending whole numbers from 0 on, got \[0, 0\]"),
        ({"record": [-1, 2]}, "record: expected ascending"),
        ({"record": [0.0, 1.0]}, "record: expected ascending"),
        ({"dtype": torch.int64}, "dtype: expected torch.float32 or torch.float64, got torch.int64"),
        ({"device": "nonsense"}, "device: 'nonsense' cannot be used here"),
        ({"device": "meta"}, "device: expected one that holds numbers, got 'meta'"),
        ({"model": nn.Linear(2, 1)}, r"model: does not take points of shape \(8, 1\): "),
        (
            {"model": nn.Linear(1, 2)},
            r"model: expected outputs of shape \(8, 1\), got \(8, 2\) for points of shape \(8, 1\)",
        ),
        ({"model": nn.ReLU()}, "model: expected a parameter to train"),
        ({"model": nn.Sequential(nn.Linear(1, 1), nn.Dropout())}, r"model: Dropout is random .* call model.eval\(\)"),
        ({"model": nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))}, "model: BatchNorm1d is random or mixes"),
        ({"problem": EXACT, "spec": "bspline0"}, 'loss: "stiffness" needs a continuous activation'),
        (
            {"problem": Problem(HOLE, (1,), samples=4)},
            'target: expected finite values at the points, got others from "hole"',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_bad_input_is_one_clear_line(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(**changes)
    assert "\n" not in str(caught.value)


def test_a_jump_has_no_slope_to_fit():
    """Problem refuses it first; training does so too for a problem made otherwise."""
    problem = Problem(TARGET, (1,), loss="h1", samples="exact")
    object.__setattr__(problem, "target", sawtooth())
    with pytest.raises(ValueError, match='loss: "h1" needs one input, one output and a target without jumps'):
        call(problem=problem)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_clear_line():
    with pytest.raises(ValueError, match="device: 'cuda' cannot be used here"):
        call(device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_agrees_with_the_processor():
    problem = Problem(TARGET, (1, 3), loss="h1", samples="exact")
    here, there = (trained("hat", problem, "heavy-ball", 0.9, 1e-3, device=device)[1] for device in ("cpu", "cuda"))
    assert np.abs(here.residuals - there.residuals).max() <= 1e-11
