"""What is read off a module is the module, at random points up to rounding; anything else is refused by name."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from fembridge.bridge.expansion import expand
from fembridge.bridge.tracing import Trace, trace
from fembridge.networks.activations import BSpline, Hat, SplineActivation
from fembridge.networks.affine import FixedAffine
from fembridge.networks.perceptrons import perceptron
from fembridge.problem import Array
from fembridge.theory.graphs import rounding, values
from tests.bridge.nets import Forward, Net, norm, pruned, stack

EPS = np.finfo(float).eps


class Wide(nn.Linear):
    """A Linear layer with an initialisation of its own."""

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        nn.init.normal_(self.bias)


def random_points(d: int) -> Array:
    return np.random.default_rng(0).uniform(-2, 2, (500, d))


def same(model: nn.Module, found: Trace) -> bool:
    """Whether values of the graph are those of the module in float64, up to the bound on the rounding of both."""
    x = random_points(found.graph.dimension)
    with torch.no_grad():
        measured = deepcopy(model).double()(torch.tensor(x))
    assert measured.shape in ((500,), (500, 1))
    read = values(found.graph, x)
    bound = rounding(found.graph, [np.abs(h).max(axis=0) for h in read])[-1][0]
    assert np.abs(read[-1]).max() > 1e9 * EPS * bound  # another value than 0 would be seen
    return bool(np.abs(read[-1].ravel() - measured.numpy().ravel()).max() <= 4 * EPS * bound)


torch.manual_seed(0)
MODULES = {
    "nested": nn.Sequential(nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.ReLU())), nn.Sequential(nn.Linear(5, 1))),
    "one layer": nn.Linear(4, 1),
    "no bias": nn.Sequential(nn.Linear(3, 5, bias=False), nn.ReLU(), nn.Linear(5, 1, bias=False)),
    "activations": stack(nn.LeakyReLU(0.2), nn.Linear(5, 5), nn.ReLU6(), nn.Linear(5, 5), nn.Hardtanh(-0.3, 0.4)),
    "splines": stack(Hat(), nn.Linear(5, 5), BSpline(1), nn.Linear(5, 5), SplineActivation([-1, 0, 0.5], [2.0], 1)),
    "norm after": stack(norm(5), nn.ReLU()),
    "norm before": stack(nn.ReLU(), norm(5)),
    "norm without affine": stack(norm(5, affine=False), nn.ReLU()),
    "norm first": nn.Sequential(norm(3), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1)),
    "norm twice": (lambda b: stack(b, nn.ReLU(), b))(norm(5)),
    "activation first": nn.Sequential(nn.ReLU(), nn.Linear(3, 1)),
    "dropout": stack(nn.Dropout(0.5), nn.ReLU(), nn.AlphaDropout(0.1)),
    "identity": nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(3, 5), nn.Identity(), nn.ReLU(), nn.Linear(5, 1)),
    "flat output": stack(nn.ReLU()).append(nn.Flatten(0)),
    "over": stack(nn.ReLU(inplace=True), nn.Linear(5, 5), nn.LeakyReLU(0.3, inplace=True)),
    "one activation": (lambda relu: stack(relu, nn.Linear(5, 5), relu))(nn.ReLU()),
    "parametrized": stack(parametrizations.weight_norm(nn.Linear(5, 5)), nn.ReLU()),
    "parametrized twice": (lambda w: stack(w, nn.ReLU(), w))(parametrizations.weight_norm(nn.Linear(5, 5, bias=False))),
    "spectral norm": stack(parametrizations.spectral_norm(nn.Linear(5, 5)), nn.ReLU()),
    "pruned": stack(pruned(remove=True), nn.ReLU()),
    "derived": stack(Wide(5, 5), type("Mine", (nn.ReLU,), {})(), type("Other", (Hat,), {})()),
    "fixed": stack(FixedAffine(np.diag(np.arange(5.0)), np.ones(5)), nn.ReLU()),
    "fixed first": nn.Sequential(FixedAffine(np.eye(3, 2), np.ones(3)), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1)),
    "traced": torch.fx.symbolic_trace(stack(nn.ReLU())),
    "single": stack(nn.ReLU()).float(),
    "half": stack(nn.ReLU(), norm(5)).half(),
    "frozen": stack(nn.ReLU()).requires_grad_(False),
    "scaled": perceptron("relu", [3, 5, 5, 1], parametrisation="ntk", output_scale=0.1),
    "scaled, single": perceptron("hat", [3, 5, 1], init="he", parametrisation="ntk").float(),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    model = MODULES[name].eval()
    assert same(model, trace(model))


def statement(net: Net, x: Tensor) -> Tensor:
    h = net.a(x)
    net.over(h)
    return net.u(h)


def overwritten(net: Net, x: Tensor) -> Tensor:
    h = net.a(x)
    return net.u(net.over(h) + h)


def overwritten_view(net: Net, x: Tensor) -> Tensor:
    h = net.a(x)
    view = net.drop(h.flatten(1))
    functional.relu_(h)
    functional.leaky_relu(h.sub_(0.3), 0.5, inplace=True)
    return net.u(net.b(view))


def copied(net: Net, x: Tensor) -> Tensor:
    h = net.a(x)
    return net.u(net.over(h + 0) + h)


def unused(net: Net, x: Tensor) -> Tensor:
    h = net.a(x)
    torch.sin(net.b(h))
    u = net.u(net.relu(h))
    net.relu(net.c(h)).mul_(2)
    return u


FUNCTIONS: dict[str, Forward] = {
    "residual": lambda net, x: net.u((h := net.a(x)) + net.relu(net.b(h))),
    "halves": lambda net, x: net.u(0.5 * (h := net.a(x)) - net.relu(net.b(h))),
    "negative": lambda net, x: -net.u(torch.neg(net.relu(net.a(x)).neg())),
    "third": lambda net, x: net.u(torch.relu(net.a(x) / 3)) / 3,
    "one minus": lambda net, x: 1 - net.u(net.relu(1 - net.a(x))),
    "shifted": lambda net, x: net.u(net.relu(net.a(x) + 1) - 2) + 1,
    "input": lambda net, x: net.u(net.relu(net.a(2 * x - 1))),
    "input used twice": lambda net, x: net.u(net.relu(net.a(net.relu(x) - x))),
    "twice": lambda net, x: net.u(net.relu((h := net.a(x)) + h - 3 * h)),
    "methods": lambda net, x: net.u(net.a(x).mul(2).add(0.5).relu().sub(0.25).div(4)),
    "torch": lambda net, x: net.u(torch.relu(torch.sub(torch.mul(h := net.a(x), 2), torch.div(h, 3)))),
    "sum": lambda net, x: net.u(sum([net.relu(net.b(h := net.a(x))), h])),
    "numpy": lambda net, x: net.u(net.relu(net.a(x) * np.float64(0.5))),
    "relus": lambda net, x: net.u(functional.relu(net.c(torch.relu(net.b(net.a(x).relu()))))),
    "leaky": lambda net, x: net.u(functional.leaky_relu(net.b(functional.leaky_relu(net.a(x))), 0.3)),
    "leaky by name": lambda net, x: net.u(functional.leaky_relu(net.a(x), negative_slope=-0.5)),
    "leaky in place": lambda net, x: net.u(functional.leaky_relu_(net.a(x), 0.25)),
    "relu in place": lambda net, x: net.u(functional.relu_(net.b(functional.relu(net.a(x), inplace=True)))),
    "dropout": lambda net, x: net.u(functional.dropout(net.relu(net.a(x)), 0.5, net.training)),
    "augmented": lambda net, x: net.u(_augmented(net.a(x))),
    "in place as a statement": statement,
    "in place before a sum": overwritten,
    "in place under a view": overwritten_view,
    "in place on a sum": copied,
    "unused branches": unused,
    "flatten": lambda net, x: net.u(net.relu(net.a(torch.flatten(x, 1).contiguous().double()).flatten(start_dim=1))),
    "squeeze": lambda net, x: net.u(net.relu(net.a(x))).squeeze(-1),
    "squeeze by name": lambda net, x: torch.squeeze(net.u(net.relu(net.a(x))), dim=1),
    "squeeze all": lambda net, x: net.u(net.relu(net.a(x))).squeeze(),
    "column": lambda net, x: net.u(net.relu(net.a(x)))[:, 0],
    "last of all": lambda net, x: net.u(net.relu(net.a(x)))[..., 0],
    "flat": lambda net, x: net.u(net.relu(net.a(x))).flatten(),
    "view": lambda net, x: net.u(net.relu(net.a(x))).view(-1),
}


def _augmented(h: Tensor) -> Tensor:
    h = torch.relu(h)
    h *= 2
    h += 1
    h -= 0.5
    h /= 3
    return h


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    model = Net(FUNCTIONS[name]).eval()
    assert same(model, trace(model))


def test_a_difference_is_seen() -> None:
    """Negative control: weights that are off by 1e-9, and sums that are not in place."""
    model = stack(nn.ReLU())
    found = trace(model)
    with torch.no_grad():
        model[0].weight.data = model[0].weight.double() * (1 + 1e-9)
    assert not same(model, found)
    assert not same(Net(overwritten), trace(Net(copied)))


@pytest.mark.parametrize("name", ["squeeze", "column", "unused branches", "in place before a sum"])
def test_the_expansion_is_the_module(name: str) -> None:
    model = Net(FUNCTIONS[name]).eval().double()
    u, x = expand(model, [(-1.0, 1.0)] * 3), np.random.default_rng(1).uniform(-1, 1, (200, 3))
    with torch.no_grad():
        assert np.abs(u(x) - model(torch.tensor(x)).numpy().ravel()).max() < 1e-13


def test_parameters() -> None:
    found = trace(Net(unused).eval())
    # In the order of the module; those of other layers, or of none, are known by name only.
    assert list(found.parameters) == ["a.weight", "a.bias", "u.weight", "u.bias"]
    assert found.others == ("scale", "b.weight", "b.bias", "c.weight", "c.bias")
    assert len(found.graph.steps) == 3
    for name, (place, part) in found.parameters.items():
        assert np.array_equal(getattr(found.graph.steps[place - 1], part), Net(unused).get_parameter(name).detach())
    normed = trace(MODULES["norm after"].eval())
    assert list(normed.parameters) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert normed.others == ("1.weight", "1.bias")
    scaled = MODULES["scaled"]  # the factor, a step of its own, leaves them what they are
    for name, (place, part) in trace(scaled).parameters.items():
        assert np.array_equal(getattr(trace(scaled).graph.steps[place - 1], part), scaled.get_parameter(name).detach())
    other = trace(MODULES["parametrized"].eval())
    assert list(other.parameters) == ["0.weight", "0.bias", "1.bias", "3.weight", "3.bias"]
    assert other.others == tuple(f"1.parametrizations.weight.original{i}" for i in (0, 1))


def test_tangents_of_scaled_layers() -> None:
    """∂u/∂W = s ∂u/∂W' for the weights W' = s W of a plain layer, so that their Gram matrices are G = D G' D."""
    box = [(-1.0, 1.0)] * 2
    plain, scaled = (
        perceptron("relu", [2, 6, 4, 1], init="he", seed=1, parametrisation=p) for p in ("standard", "ntk")
    )
    u, v = expand(plain, box), expand(scaled, box)
    x = np.random.default_rng(1).uniform(-1, 1, (200, 2))
    assert np.abs(u(x) - v(x)).max() < 1e-13
    d = np.repeat([layer.factor for layer in scaled[::2]], [6 * 3, 4 * 7, 5])
    G, expected = v.tangent_gram(), d[:, None] * u.tangent_gram() * d
    assert np.abs(G - expected).max() < 1e-12 * np.abs(expected).max()
    assert np.abs(G - u.tangent_gram()).max() > 0.1 * np.abs(expected).max()


def test_modules_are_left_as_they_were() -> None:
    model = Net(lambda net, x: net.u(net.a(x) + torch.tensor(1.0))).eval()
    before = set(vars(model)), set(dict(model.named_buffers()))
    with pytest.raises(
        ValueError, match="expected tensors of layers that fembridge knows alone, got _tensor_constant0"
    ):
        trace(model)
    assert before == (set(vars(model)), set(dict(model.named_buffers())))


def test_hooks() -> None:
    """Those of a container are followed; those of a layer are not, and `expand` notices where they matter."""
    seen: list[torch.Size] = []
    model = nn.Sequential(stack(nn.ReLU())).double()
    model[0].register_forward_hook(lambda module, inputs, output: 3 * output)
    assert same(model, trace(model))
    model[0][1].register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    expand(model, [(-1.0, 1.0)] * 3)
    assert seen
    model[0][1].register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
    with pytest.raises(ValueError, match="the module does not equal its layers"):
        expand(model, [(-1.0, 1.0)] * 3)


def test_sums_in_place_that_torch_fx_does_not_see() -> None:
    """`h += 1` is followed as `h = h + 1`, so that another name of h keeps the old value; `expand` notices."""

    def renamed(net: Net, x: Tensor) -> Tensor:
        h = kept = net.a(x)
        h += 1
        return net.u(net.relu(h) + kept)

    with pytest.raises(ValueError, match="the module does not equal its layers"):
        expand(Net(renamed), [(-1.0, 1.0)] * 3)
