"""Shallow networks: what is built, what is drawn, where the kinks are, and the Gram matrices they have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.activations import Hat, activation
from fembridge.networks.models import initialise, kinks, on_knots, shallow
from fembridge.networks.tangents import features, gram

EPS = np.finfo(float).eps
INITS = ["grid", "he", "glorot", "gaussian", "uniform"]


def gauss_on(nodes, degree):
    z, w = np.polynomial.legendre.leggauss(degree + 1)
    half = np.diff(nodes)[:, None] / 2
    return (nodes[:-1, None] + half * (1 + z)).ravel(), (half * w).ravel()


def equal_parameters(first, second):
    return [torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True)]


def test_shallow_is_its_formula():
    rng = np.random.default_rng(0)
    w, b, v, x = rng.normal(size=(4, 20))
    model = shallow(nn.ReLU(), w, b, v)
    expected = np.maximum(np.multiply.outer(x, w) + b, 0) @ v
    magnitude = (np.abs(np.multiply.outer(x, w)) + np.abs(b)) @ np.abs(v)
    out = model(torch.tensor(x)[:, None])[:, 0].detach().numpy()
    assert (np.abs(out - expected) <= 25 * EPS * magnitude).all()
    assert [p.requires_grad for p in model.parameters()] == [False, False, True]
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert not shallow(nn.ReLU(), w, b)[2].weight.any()


def test_shallow_copies_what_it_is_given():
    v = np.ones(3)
    model = shallow(nn.ReLU(), np.ones(3), np.ones(3), v)
    with torch.no_grad():
        model[2].weight.zero_()
    assert v.all()


def test_state_dict_round_trip_and_move():
    first, second = (initialise("bspline2", 5, "he", (0, 1), seed) for seed in (1, 2))
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    assert not torch.equal(first(x), second(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))
    assert first.to(torch.float32)(x.float()).dtype == torch.float32


@pytest.mark.parametrize("spec", ["hat", "bspline3", {"knots": [0, 1, 3], "coefficients": [1.0], "degree": 1}], ids=str)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_compact_features_shrink_with_the_grid(spec, scale):
    a, b, n = -1.0, 3.0, 8
    knots = a + (b - a) * np.arange(n) / n
    x = np.linspace(a, b, 101)
    expected = activation(spec)(torch.tensor(scale * (x[:, None] - knots) * n / (b - a)))
    # the input z of at most 2n is rounded 3 times, and these activations have slopes up to 1
    assert (features(on_knots(spec, knots, (a, b), scale), x) - expected).abs().max() <= 3 * EPS * 2 * n


@pytest.mark.parametrize("spec", ["relu", "relu2", "leaky-relu", "step"])
def test_other_features_keep_width_one(spec):
    model = on_knots(spec, [0.0, 0.25, 0.5], (0.0, 1.0), weight_scale=2.0)
    assert model[0].weight.tolist() == [[2.0]] * 3
    assert model[0].bias.tolist() == [0.0, -0.5, -1.0]


@pytest.mark.parametrize("init", INITS)
def test_a_seed_decides_everything_and_the_global_generator_nothing(init):
    torch.manual_seed(3)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = initialise("relu", 6, init, (0, 1), seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002
    torch.manual_seed(4)
    again, other = (initialise("relu", 6, init, (0, 1), seed) for seed in (5, 6))
    assert equal_parameters(first, again) == [True] * 3
    assert equal_parameters(first, other) == [init == "grid"] * 3


def test_grid_is_on_knots():
    model = initialise("hat", 8, "grid", (-1.0, 3.0), seed=0, weight_scale=0.5)
    same = on_knots("hat", -1.0 + np.arange(8) / 2, (-1.0, 3.0), 0.5)
    assert equal_parameters(model, same) == [True] * 3


@pytest.mark.parametrize(
    ("init", "inner", "outer"),
    [
        ("he", lambda n: 2, lambda n: 2 / n),
        ("glorot", lambda n: 2 / (n + 1), lambda n: 2 / (n + 1)),
        ("gaussian", lambda n: 1, lambda n: 1 / n),
        ("uniform", lambda n: 1 / 3, lambda n: 1 / (3 * n)),
    ],
)
def test_the_variances_are_the_stated_ones(init, inner, outer):
    n, scale = 40_000, 3.0
    model = initialise("relu", n, init, (0, 1), seed=0, weight_scale=scale)
    # the mean of n squares of a normal variable has deviation √(2/n), a uniform one less: 6 of them
    for p, variance in zip(model.parameters(), (scale**2 * inner(n), scale**2 * inner(n), outer(n)), strict=True):
        assert abs(p.detach().square().mean().item() / variance - 1) <= 6 * np.sqrt(2 / n)
        assert abs(p.detach().mean().item()) <= 6 * np.sqrt(variance / n)
        # negative control: half the variance is far outside
        assert abs(p.detach().square().mean().item() / (variance / 2) - 1) > 0.5


def test_he_roughness_is_four():
    """E Σ (w_j v_j)² = 4 and its variance 128/n, for weights of variances 2 and 2/n."""
    n = 40_000
    model = initialise("relu", n, "he", (0, 1), seed=1)
    roughness = (model[0].weight[:, 0] * model[2].weight[0]).square().sum().item()
    assert abs(roughness - 4) <= 6 * np.sqrt(128 / n)


def test_kinks_are_where_the_slope_jumps():
    model = shallow(Hat(), [2.0, -4.0], [-0.5, 3.0])
    # 2x − ½ ∈ {0, 1, 2} and 3 − 4x ∈ {0, 1, 2}
    assert kinks(model, (0.0, 1.0)).tolist() == [0.25, 0.5, 0.75]
    assert kinks(model, (0.0, 2.0)).tolist() == [0.25, 0.5, 0.75, 1.25]
    assert kinks(shallow(nn.LeakyReLU(), [1.0], [2.0]), (0.0, 1.0)).shape == (0,)


@pytest.mark.parametrize("n", [3, 7, 10, 49, 100])
@pytest.mark.parametrize("domain", [(0.0, 1.0), (-np.pi, 1e3)])
def test_kinks_equal_to_round_off_count_once(n, domain):
    a, b = domain
    x = kinks(initialise("hat", n, "grid", domain, 0), domain)
    assert len(x) == n - 1
    assert np.abs(x - (a + (b - a) * np.arange(1, n) / n)).max() <= 8 * EPS * max(abs(a), abs(b))


def test_kinks_apart_by_more_than_round_off_are_kept():
    """Negative control: merging is for round-off alone."""
    x = kinks(shallow(nn.ReLU(), [1.0, 1.0], [-0.5, -0.5 - 1e-13]), (0.0, 1.0))
    assert len(x) == 2


def test_gram_of_hats_is_the_mass_matrix():
    n = 8
    model = on_knots("hat", np.arange(n) / n, (0.0, 1.0))
    x, w = gauss_on(np.arange(n + 1) / n, 2)
    mass = (np.diag([4.0] * (n - 1) + [2.0]) + np.eye(n, k=1) + np.eye(n, k=-1)) / (6 * n)
    stiffness = n * (np.diag([2.0] * (n - 1) + [1.0]) - np.eye(n, k=1) - np.eye(n, k=-1))
    # sums of at most len(x) products of weights (total 1) and features in [0, 1], slopes up to n
    assert np.abs(gram(model, x, w) - mass).max() <= 4 * len(x) * EPS
    assert np.abs(gram(model, x, w, derivative=True) - stiffness).max() <= 4 * len(x) * EPS * n**2
    assert np.abs(gram(model, x, w) - stiffness).max() > 1  # negative control


def test_gram_of_relus_over_the_interval():
    b = np.array([0.0, 0.3, 0.55])
    model = on_knots("relu", b, (0.0, 1.0))
    x, w = gauss_on(np.array([*b, 1.0]), 2)
    high, low = np.maximum.outer(b, b), np.minimum.outer(b, b)
    length, offset = 1 - high, high - low  # ∫ s (s + offset) over s in [0, length]
    assert np.abs(gram(model, x, w) - (length**3 / 3 + offset * length**2 / 2)).max() <= 4 * len(x) * EPS
    assert np.abs(gram(model, x, w, derivative=True) - length).max() <= 4 * len(x) * EPS


def test_features_follow_the_model():
    model = on_knots("hat", np.arange(4) / 4, (0.0, 1.0)).to(torch.float32)
    for x in ([0.1, 0.2], np.array([0.1, 0.2]), torch.tensor([0.1, 0.2], dtype=torch.float64)):
        phi = features(model, x)
        assert phi.shape == (2, 4)
        assert phi.dtype == torch.float32
    assert gram(model, [0.1, 0.2], [0.5, 0.5]).dtype == np.float64


GRID = on_knots("hat", np.arange(4) / 4, (0.0, 1.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shallow(Hat(), [1.0, 2.0], [0.0]), "biases: expected 2 numbers, one for each neuron, got 1"),
        (lambda: shallow(Hat(), [1.0], [0.0], [1.0, 2.0]), "output: expected 1 numbers"),
        (lambda: shallow(Hat(), [], []), r"weights: expected one row of finite numbers, got an array of shape \(0,\)"),
        (lambda: shallow(Hat(), [np.nan], [0.0]), "weights: expected one row of finite numbers"),
        (lambda: on_knots("hat", [0.5, 0.25], (0, 1)), "knots: expected strictly increasing knots"),
        (lambda: on_knots("hat", [0.5, 0.5], (0, 1)), "knots: expected strictly increasing knots"),
        (lambda: on_knots("hat", [0.0, 1.0], (0, 1)), r"knots: expected knots in \[0, 1\), got 1"),
        (lambda: on_knots("hat", [-0.1, 0.5], (0, 1)), r"knots: expected knots in \[0, 1\), got -0.1"),
        (lambda: on_knots("hat", [0.0, np.inf], (0, 1)), "knots: expected one row of finite numbers"),
        (lambda: on_knots("hat", [0.0], (1, 0)), "domain: expected finite ends a < b"),
        (lambda: on_knots("hat", [0.0], (0, 1), 0.0), "weight_scale: expected a positive number, got 0"),
        (lambda: initialise("hat", 0, "grid", (0, 1), 0), "width: expected a whole number from 1 on, got 0"),
        (lambda: initialise("hat", 2, "he", (0, 1), -1), "seed: expected a whole number from 0 on, got -1"),
        (lambda: initialise("hat", 2, "xavier", (0, 1), 0), "init: expected one of grid, he, .*, got 'xavier'"),
        (lambda: initialise("hat", 2, "he", (0, 1), 0, -1), "weight_scale: expected a positive number, got -1"),
        (lambda: kinks(shallow(Hat(), [1.0, 0.0], [0.0, 1.0]), (0, 1)), "kinks: .* got 0 at neuron 1"),
        (lambda: kinks(shallow(nn.Tanh(), [1.0], [0.0]), (0, 1)), "expected a piecewise polynomial, got Tanh"),
        (lambda: kinks(nn.Linear(1, 1), (0, 1)), r"model: expected Sequential\(Linear\(1, n\), activation, Linear"),
        (lambda: features(nn.Sequential(nn.Linear(2, 3), Hat(), nn.Linear(3, 1)), [0.0]), "model: expected"),
        (lambda: features(GRID, [[0.0]]), r"points: expected one row \(N,\), got an array of shape \(1, 1\)"),
        (lambda: gram(GRID, [0.0], [0.5, 0.5]), "gram: expected one weight for each point, got 1 points and 2 weights"),
        (lambda: gram(on_knots("step", [0.0], (0, 1)), [0.0], [1.0], True), "gram: expected continuous features"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
