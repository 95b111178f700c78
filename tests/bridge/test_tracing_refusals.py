"""What is no piecewise-linear network of one input and one output is refused, and by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

from fembridge.bridge.tracing import trace
from fembridge.networks.activations import BSpline, SquaredReLU
from fembridge.networks.affine import FixedAffine
from tests.bridge.nets import Forward, Net, norm, pruned, stack


class Doubled(nn.Linear):
    """No Linear layer, though derived from one."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def branching(net: Net, x: Tensor) -> Tensor:
    return net.u(net.a(x)) if x.sum() > 0 else -net.u(net.a(x))


def failing(net: Net, x: Tensor) -> Tensor:
    raise NotImplementedError


class Two(Net):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return self.u(self.a(x) + self.b(y))


def _net(forward: Forward) -> Net:
    return Net(forward).eval()


REFUSED = {
    "none": (None, r"expected a torch\.nn\.Module, got NoneType"),
    "batch-norm in training": (stack(norm(5)), "expected batch-norm in eval mode"),
    "batch-norm of batches": (stack(nn.BatchNorm1d(5, track_running_stats=False)).eval(), "with running statistics"),
    "dropout in training": (stack(nn.Dropout(0.5)), "expected dropout in eval mode"),
    "alpha dropout": (stack(nn.AlphaDropout(0.5)), "expected dropout in eval mode"),
    "functional dropout": (_net(lambda net, x: net.u(functional.dropout(net.a(x)))), "expected dropout in eval mode"),
    "a layer twice": (_net(lambda net, x: net.u(net.b(net.b(net.a(x))))), r"of their own parameters, got b\.weight"),
    "empty": (nn.Sequential(), "expected one number as output, got no step"),
    "no layer": (nn.ReLU(), "expected a module with a Linear layer"),
    "a list": (nn.ModuleList([nn.Linear(1, 1)]), "ModuleList is not a piecewise polynomial"),
    "branching": (
        _net(branching),
        "torch.fx cannot follow Net: symbolically traced variables cannot be used as inputs",
    ),
    "failing": (_net(failing), "torch.fx cannot follow Net: NotImplementedError"),
    "two inputs": (Two(failing), "torch.fx cannot follow Two: .*missing 1 required positional argument: 'y'"),
    "two outputs": (
        _net(lambda net, x: (net.u(h := net.a(x)), h)),
        "expected output to be of one tensor, got",
    ),
    "a dictionary": (_net(lambda net, x: {"u": net.u(net.a(x))}), "expected output to be of one tensor, got"),
    "no output": (_net(lambda net, x: None), "expected output to be of one tensor, got"),
    "a vector": (_net(lambda net, x: net.a(x)), "expected one number as output, got 5"),
    "a vector squeezed": (_net(lambda net, x: net.a(x).squeeze(-1)), "expected one number as output, got 5"),
    "a part of a vector": (_net(lambda net, x: net.a(x)[:, 0]), "expected one number as output, got 5"),
    "squeezed before": (_net(lambda net, x: net.u(net.a(x)).squeeze(-1) + 1), "squeeze, .*, to be the last step"),
    "flat before": (_net(lambda net, x: 2 * net.u(net.a(x)).flatten()), "flatten, .*, to be the last step"),
    "flat layer before": (stack(nn.Flatten(0)), "to be the last step"),
    "shapes": (_net(lambda net, x: net.u(net.a(net.a(x)))), "got a.weight used twice"),
    "sizes": (nn.Sequential(nn.Linear(3, 5), nn.Linear(4, 1)), r"expected a weight \(n, 5\)"),
    "broadcast": (
        _net(lambda net, x: net.u((h := net.a(x)) + net.b(h)) + h),
        "expected values of one size to be added",
    ),
    "written over too late": (_net(lambda net, x: [net.u(h := net.a(x)), h.relu_()][0]), "returns its last value"),
    "tanh": (stack(nn.Tanh()), "Tanh is not a piecewise polynomial"),
    "convolution": (stack(nn.Conv1d(1, 1, 1)), "Conv1d is not a piecewise polynomial"),
    "squared": (stack(SquaredReLU()), "relu2 is of degree 2; expected piecewise-linear activations"),
    "step": (stack(BSpline(0)), "jumps; expected continuous activations"),
    "unbounded": (stack(nn.Hardtanh(0, float("inf"))), "expected finite bounds of Hardtanh, got 0.0 and inf"),
    "derived": (stack(Doubled(5, 5)), r"expected tensors of layers that fembridge knows alone, got 1\.weight"),
    "a parameter": (_net(lambda net, x: net.u(net.scale * net.a(x))), "knows alone, got scale"),
    "sine": (_net(lambda net, x: net.u(torch.sin(net.a(x)))), "sin in sin is no known step"),
    "method": (_net(lambda net, x: net.u(net.a(x).tanh())), "tanh in tanh is no known step"),
    "product": (_net(lambda net, x: net.u(net.a(x) * net.a(x))), "used twice|mul in mul is no known step"),
    "square": (_net(lambda net, x: net.u((h := net.a(x)) * h)), "mul in mul is no known step"),
    "quotient": (_net(lambda net, x: net.u(1 / net.a(x))), "truediv in truediv is no known step"),
    "by zero": (_net(lambda net, x: net.u(net.a(x) / 0)), "truediv in truediv is no known step"),
    "by infinity": (_net(lambda net, x: net.u(net.a(x) * float("inf"))), "by finite numbers"),
    "plus nan": (_net(lambda net, x: net.u(net.a(x) + float("nan"))), "by finite numbers"),
    "factor": (_net(lambda net, x: net.u(torch.add(h := net.a(x), h, alpha=2))), "add in add is no known step"),
    "rounded": (
        _net(lambda net, x: net.u(torch.div(net.a(x), 3, rounding_mode="floor"))),
        "div in div is no known step",
    ),
    "single": (_net(lambda net, x: net.u(net.a(x).float())), "float in float_1 is no known step"),
    "middle": (_net(lambda net, x: net.u(net.a(x)[:, 1:])), "getitem in getitem is no known step"),
    "pruned": (stack(pruned(remove=False)), "expected a weight of its own in 1, got one that a hook sets"),
    "pruned bias": (stack(prune.random_unstructured(nn.Linear(5, 5), "bias", 0.4)), "expected a bias of its own in 1"),
    "pruned alone": (prune.random_unstructured(nn.Linear(5, 1), "weight", 0.4), "a weight of its own in Linear"),
    "not finite": (stack(FixedAffine(np.full((5, 5), np.nan), np.ones(5))), r"finite real numbers in 1\.weight"),
    "complex": (nn.Linear(1, 1, dtype=torch.complex128), "finite real numbers in weight"),
    "meta": (nn.Linear(1, 1, device="meta"), "finite real numbers in weight"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    model, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        trace(model)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_modules_that_torch_gave_up() -> None:
    with pytest.raises(ValueError, match=r"got one that a hook sets \(see .*parametrizations"):
        trace(stack(nn.utils.weight_norm(nn.Linear(5, 5))))
    with pytest.raises(ValueError, match="expected tensors of layers that fembridge knows alone, got _c"):
        trace(torch.jit.trace(stack(nn.ReLU()), torch.zeros(1, 3)))
