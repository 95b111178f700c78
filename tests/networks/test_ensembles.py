"""Networks trained as a stack are those trained one by one, whatever is trained, by which optimizer, on what data."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.affine import ScaledLinear
from fembridge.networks.ensembles import alike, stack
from fembridge.networks.models import on_knots
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train, train_many
from fembridge.problem import Problem, sines
from fembridge.samples import Samples, on_box, on_circle, on_points

R, STEPS = 3, 20
RECORD = [0, 1, 7, STEPS]
# T = 20 steps, each of sums of at most 64 terms of size 1, twice (forward and backward), through maps whose
# linearisations are no more than twofold expansive in all: 20 · 2 · 2 · 64 ε = 1.1e-12
BOUND = {"float64": 1e-12, "float32": 1e-12 * 2.0**29}
CIRCLE = on_circle(3, 24)
PLANE = on_box(lambda x: np.sin(2 * np.pi * x.sum(1)), [(0, 1), (0, 1)], (6, 4), [(1, 1)])
LINE = on_points(Problem(sines([1, 3], [1.0, 0.5]), (1, 3)), np.arange(24) / 24, np.linspace(1, 2, 24) / 36)
SLOPES = [
    on_points(Problem(sines([1, 3], [1.0, 0.5]), (1, 3), loss=loss, samples="exact"), np.arange(24) / 24, LINE.weights)
    for loss in ("stiffness", "h1")
]
SEVERAL = Samples(CIRCLE.points, np.stack([CIRCLE.values, CIRCLE.points[:, 0], CIRCLE.points[:, 1] ** 2], axis=1))
SPLINE = {"knots": [-1.0, -0.25, 0.5, 2.0], "coefficients": [1.0, -0.5], "degree": 1}
OPTIMIZERS = {
    "gd": {"optimizer": "gd"},
    "heavy-ball": {"optimizer": "heavy-ball", "momentum": 0.8},
    "nesterov": {"optimizer": "nesterov", "momentum": 0.8},
    "sgd": {"optimizer": "sgd", "batch": 5, "seeds": [4, 0, 9]},
    "sgd with momentum": {"optimizer": "sgd", "batch": 3, "momentum": 0.5},
    "sgd on all": {"optimizer": "sgd"},
    "adam": {"optimizer": "adam", "learning_rate": 0.01},
    "adam on batches": {"optimizer": "adam", "learning_rate": 0.01, "batch": 7},
}
RATES = {"of two sizes": [0.1, 0.05, 0.1], "all different": [0.03, 0.1, 0.05]}


def nets(spec="tanh", layers=(2, 8, 6, 1), **options):
    return [perceptron(spec, layers, seed=r, **options) for r in range(R)]


CASES = {
    **{name: (nets, CIRCLE, options) for name, options in OPTIMIZERS.items()},
    **{f"rates {name}": (nets, CIRCLE, {"learning_rate": rates}) for name, rates in RATES.items()},
    "rates and batches": (nets, CIRCLE, {"learning_rate": [0.1, 0.02, 0.1], "optimizer": "sgd", "batch": 6}),
    "samples of their own": (nets, [CIRCLE, PLANE, on_circle(1, 24)], {}),
    "batches of their own samples": (nets, [CIRCLE, PLANE, CIRCLE], {"optimizer": "sgd", "batch": 4}),
    "tangent-kernel scaling": (lambda: nets("relu", init="he", parametrisation="ntk", output_scale=0.5), CIRCLE, {}),
    "a subset": (lambda: nets(trained=("0.bias", "2.*")), CIRCLE, {}),
    "the output alone": (lambda: nets(trained="4.weight"), CIRCLE, {"optimizer": "nesterov", "momentum": 0.9}),
    "several outputs": (lambda: nets(layers=(2, 8, 3)), SEVERAL, {"optimizer": "adam", "batch": 5}),
    "slopes": (lambda: nets("hat", (1, 8, 1), weight_scale=4.0), SLOPES[0], {"learning_rate": 1e-3}),
    "values and slopes": (lambda: nets("relu2", (1, 8, 1)), SLOPES[1], {"learning_rate": [1e-3, 2e-3, 1e-3]}),
    "a spline": (lambda: nets(SPLINE), CIRCLE, {"optimizer": "heavy-ball", "momentum": 0.5}),
    "hats": (lambda: nets("hat"), CIRCLE, {"optimizer": "sgd", "batch": 8}),
    "single precision": (nets, CIRCLE, {"dtype": "float32"}),
    "single precision, adam": (lambda: nets(SPLINE), PLANE, {"dtype": torch.float32, "optimizer": "adam", "batch": 8}),
    "knots": (lambda: [on_knots("hat", np.arange(8) / 8, (0.0, 1.0), s) for s in (0.5, 1.0, 2.0)], LINE, {}),
}


def trained(case, engine, **changes):
    make, samples, options = case
    models = make()
    settings = {"learning_rate": 0.05, "record": RECORD, **options, "engine": engine, **changes}
    return models, train_many(models, samples, **settings)


def apart(one, other):
    """The largest difference of all that two trainings leave."""
    pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(one[1], other[1], strict=True) for name in KEPT]
    for a, b in zip(one[0], other[0], strict=True):
        pairs += [(p.detach().numpy(), q.detach().numpy()) for p, q in zip(a.parameters(), b.parameters(), strict=True)]
    return max(np.abs(a - b).max(initial=0.0) for a, b in pairs)


KEPT = ("residuals", "loss", "coefficients")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_stack_is_its_members_one_by_one(case):
    stacked, loop = trained(case, "stacked"), trained(case, "loop")
    bound = BOUND[str(case[2].get("dtype", "float64")).removeprefix("torch.")]
    assert apart(stacked, loop) <= bound
    silent = "bias" if case[1] is SLOPES[0] else "none"  # the slopes of a piecewise-linear network do not see biases
    for before, after in zip(case[0](), stacked[0], strict=True):
        for (name, p), q in zip(before.named_parameters(), after.parameters(), strict=True):
            assert torch.equal(p.to(q), q) != (p.requires_grad and silent not in name)
    for path, model in zip(stacked[1], stacked[0], strict=True):
        assert path.diverged is None and path.steps.tolist() == RECORD
        assert all(p.grad is None for p in model.parameters())
    # negative control: at a learning rate off by a millionth the same comparison tells two trainings apart
    rate = case[2].get("learning_rate", 0.05)
    off = trained(case, "loop", learning_rate=(np.asarray(rate) * (1 + 1e-6)).tolist())
    assert bound > 1e-9 or apart(stacked, off) > 100 * bound


def test_members_train_as_train_does():
    """The loop is `train` itself, seeds and rates included."""
    many = trained(CASES["rates and batches"], "loop", seeds=[5, 1, 3])[1]
    for r, (model, rate, seed) in enumerate(zip(nets(), [0.1, 0.02, 0.1], [5, 1, 3], strict=True)):
        one = train(model, CIRCLE, learning_rate=rate, record=RECORD, optimizer="sgd", batch=6, seed=seed)
        assert np.array_equal(one.residuals, many[r].residuals) and one.learning_rate == many[r].learning_rate


@pytest.mark.parametrize("options", [{}, {"optimizer": "sgd", "batch": 8}], ids=["all points", "batches"])
def test_a_member_that_diverges_leaves_the_others_alone(options):
    record, rates = [0, 2, 60, 100], [0.05, 1e4, 0.05]
    finals = []

    def observe(model):
        finals.append(torch.cat([p.detach().ravel() for p in model.parameters()]).isfinite().all())
        return sum(p.detach().square().sum().item() for p in model.parameters())

    case = (lambda: nets("relu"), CIRCLE, {"learning_rate": rates, "record": record, **options, "observe": observe})
    stacked, loop = trained(case, "stacked")[1], trained(case, "loop")[1]
    for r, (a, b) in enumerate(zip(stacked, loop, strict=True)):
        assert a.diverged == b.diverged and (a.diverged is None) == (r != 1)
        gone = np.array(record) >= (10**9 if a.diverged is None else a.diverged)
        for name in (*KEPT, "observed"):
            one, other = getattr(a, name), getattr(b, name)
            assert np.isnan(one[gone]).all() and np.isnan(other[gone]).all()
            # five times as many steps as in the table above; what diverges enlarges errors, too
            assert r == 1 or np.abs(one - other).max() <= 5 * BOUND["float64"] * np.abs(other).max()
    assert gone.sum() == 0 and np.isnan(stacked[1].residuals[2:]).all()
    assert all(finals)  # a network that has diverged is not shown


def test_all_diverge():
    paths = trained((nets, CIRCLE, {"learning_rate": 1e6, "record": [0, 10**9]}), "stacked")[1]
    assert all(path.diverged is not None and np.isfinite(path.loss[0]) for path in paths)


def test_what_is_observed_is_kept_by_member_and_step():
    observe = lambda model: [p.detach().abs().max().item() for p in model.parameters()]  # noqa: E731
    for engine in ("stacked", "loop"):
        models, paths = trained((nets, CIRCLE, {"observe": observe}), engine)
        for model, path in zip(models, paths, strict=True):
            assert path.observed.shape == (len(RECORD), 6)
            assert np.array_equal(path.observed[-1], observe(model))
        assert not np.array_equal(paths[0].observed, paths[1].observed)
    assert trained((nets, CIRCLE, {}), "stacked")[1][0].observed is None


def test_which_networks_are_alike():
    net = lambda: perceptron(SPLINE, [2, 4, 1], parametrisation="ntk")  # noqa: E731
    assert alike(net(), net())
    factor, buffer, frozen, hook, twice = (net() for _ in range(5))
    factor[0].factor *= 1 + 1e-15
    buffer[1].pieces[1, 2] += 1e-9  # which `repr` does not show
    frozen[2].bias.requires_grad_(False)
    hook[1].register_forward_hook(lambda module, inputs, out: 2 * out)
    for other in (factor, buffer, frozen, hook, twice.eval(), perceptron("relu", [2, 4, 1])):
        assert not alike(net(), other)
        with pytest.raises(ValueError, match="models: expected modules of one structure to stack, got another at 1"):
            stack([net(), other], [0.1, 0.1])
        models = [net(), copy.deepcopy(other)]
        train_many(models, CIRCLE, learning_rate=0.1, record=[0, 1])  # one by one, of itself


def test_a_module_used_twice_has_one_parameter():
    def tied(seed):
        layer = ScaledLinear(torch.full((2, 2), 0.1 * seed, dtype=torch.float64), torch.ones(2).double(), 0.5)
        return nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), perceptron("relu", [2, 1], seed=seed))

    case = (lambda: [tied(r) for r in range(R)], CIRCLE, {"optimizer": "nesterov", "momentum": 0.5})
    assert apart(trained(case, "stacked"), trained(case, "loop")) <= BOUND["float64"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": []}, "samples: expected one for each of 0 models, got 0"),
        ({"samples": [CIRCLE]}, "samples: expected one for each of 3 models, got 1"),
        ({"learning_rate": [0.1, 0.2]}, "learning_rate: expected one for each of 3 models, got 2"),
        ({"learning_rate": [0.1, 0.2, -1.0]}, "learning_rate: expected a positive number, got -1"),
        ({"seeds": [1]}, "seeds: expected one for each of 3 models, got 1"),
        ({"seeds": [1, 2, -1]}, "seed: expected a whole number from 0 on, got -1"),
        ({"engine": "threads"}, "engine: expected one of auto, loop, stacked, got 'threads'"),
        ({"models": [perceptron("relu", [2, 2, 1])] * 3}, "models: expected networks of their own parameters"),
        ({"models": [nn.Linear(2, 1), nn.Linear(2, 1), nn.Linear(2, 1, bias=False)]}, "models: .* got another at 2"),
        ({"samples": [CIRCLE, CIRCLE, LINE]}, "samples: expected points and values of one shape, and one loss"),
        ({"samples": [CIRCLE, on_circle(3, 25), CIRCLE]}, "samples: expected points and values of one shape"),
        ({"samples": LINE}, r"model: does not take points of shape \(24, 1\)"),
        ({"samples": SEVERAL}, r"model: expected outputs of shape \(24, 3\), got \(24, 1\)"),
        ({"observe": lambda model: np.ones(len(SHAPES.append(0) or SHAPES))}, "observe: expected numbers of one shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_bad_input_is_one_clear_line_and_leaves_the_networks(changes, message):
    models = changes.pop("models", nets())
    before = [[p.detach().clone() for p in model.parameters()] for model in models]
    settings = {"samples": CIRCLE, "learning_rate": 0.1, "record": [0, 3], "engine": "stacked", "dtype": "float32"}
    with pytest.raises(ValueError, match=message) as caught:
        train_many(models, **settings | changes)
    assert "\n" not in str(caught.value)
    for model, values in zip(models, before, strict=True):
        assert all(p.dtype == v.dtype and torch.equal(p, v) for p, v in zip(model.parameters(), values, strict=True))


SHAPES: list[int] = []
