"""Networks from outside are read as they are, or refused in one line; no code in a file of weights is ever run."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fembridge.bridge.loading import from_factory, from_weights, save_weights
from fembridge.networks.activations import Hat

SIZES = (2, 12, 12, 1)


def network(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    pairs = [m for a, b in pairwise(SIZES) for m in (nn.Linear(a, b), activation())]
    return nn.Sequential(*pairs[:-1])


def state(**changes: Any) -> dict[str, Any]:
    """The state dict of `network`, with tensors changed, added, or (None) left out; "_" stands for "."."""
    found = {**network().state_dict(), **{name.replace("_", "."): value for name, value in changes.items()}}
    return {name: value for name, value in found.items() if value is not None}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Code:
    """What a pickle can hold: a call that is made when it is read."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


# ---- weights ----


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt", "net.pth"])
@pytest.mark.parametrize(("activation", "sigma"), [("relu", nn.ReLU), ("hat", Hat), ("leaky-relu", nn.LeakyReLU)])
def test_weights_make_the_same_network(name: str, activation: str, sigma: Callable[[], nn.Module]) -> None:
    model = network(sigma)
    if name.endswith("safetensors"):
        save_weights(model, name)
    else:
        torch.save(model.state_dict(), name)
    x = torch.rand(50, 2, dtype=torch.float64)
    found = from_weights(name, SIZES, activation)
    assert torch.equal(found(x), model.double()(x))
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_layers_come_in_natural_order() -> None:
    """Layer 10 after layer 2, though "10" < "2"; a prefix does not matter."""
    weights = {f"net.{i}.weight": torch.full((1, 1), float(i)) for i in (10, 2, 1)}
    save_file(weights, "net.safetensors")
    layers = [m for m in from_weights("net.safetensors", (1, 1, 1, 1)) if isinstance(m, nn.Linear)]
    assert [layer.weight.item() for layer in layers] == [1, 2, 10]
    assert all(layer.bias is None for layer in layers)


def test_tensors_that_share_memory_are_saved() -> None:
    model = network()
    model[2].weight = nn.Parameter(torch.rand(12, 12).T)  # not contiguous
    model[4].bias = model[4].weight = nn.Parameter(torch.rand(1, 12))
    save_weights(model, "net.safetensors")
    assert Path("net.safetensors").stat().st_size > 0


BROKEN: dict[str, tuple[Any, str]] = {
    "no file": (None, r"net\.pt: expected an existing file \.safetensors, \.pt, \.pth"),
    "no tensors": ({}, r"expected weights \(12, 2\), \(12, 12\), \(1, 12\) for layers 2,12,12,1, got none"),
    "layers too few": (state(**{"4_weight": None}), r"got 0\.weight \(12, 2\), 2\.weight \(12, 12\)$"),
    "layers too many": (state(**{"6_weight": torch.ones(1, 1)}), r"6\.weight \(1, 1\)$"),
    "other shapes": (state(**{"2_weight": torch.ones(12, 13)}), r"2\.weight \(12, 13\)"),
    "a convolution": (state(**{"0_weight": torch.ones(12, 2, 3)}), r"got 2\.weight \(12, 12\), 4\.weight \(1, 12\)$"),
    "a bias too long": (state(**{"2_bias": torch.ones(13)}), r"a bias \(12,\) of 2\.weight, got \(13,\)"),
    "tensors too many": (
        state(**{"5_mean": torch.ones(12)}),
        r"weights and biases of Linear layers alone, got 5\.mean",
    ),
    "another activation": (state(**{"1_knots": torch.ones(3)}), r"Linear layers alone, got 1\.knots too"),
    "a nan": (state(**{"2_weight": torch.full((12, 12), torch.nan)}), r"finite numbers in 2\.weight and its bias"),
    "an infinite bias": (state(**{"0_bias": torch.full((12,), torch.inf)}), r"finite numbers in 0\.weight"),
    "whole numbers": (state(**{"0_weight": torch.ones(12, 2, dtype=torch.int64)}), r"real numbers in 0\.weight, got"),
    "complex numbers": (state(**{"0_weight": torch.ones(12, 2, dtype=torch.cfloat)}), r"real numbers in 0\.weight"),
    "a sparse matrix": (state(**{"0_weight": torch.ones(12, 2).to_sparse()}), r"dense real numbers in 0\.weight"),
    "no numbers": (state(**{"0_weight": torch.ones(12, 2, device="meta")}), r"dense real numbers in 0\.weight"),
    "a checkpoint": ({"epoch": 3, "state_dict": state()}, r"expected a state dict.*, got 'epoch' with int$"),
    "names that are none": ({0: torch.ones(2)}, r"expected a state dict.*, got 0 with Tensor$"),
    "a tensor": (torch.ones(2), r"expected a state dict, names with tensors, got Tensor$"),
    "a whole module": (network(), r"holds other objects, which are not unpickled"),
    "code": ({"0.weight": Code()}, r"holds other objects, which are not unpickled"),
    "bare code": (pickle.dumps(Code()), r"holds other objects, which are not unpickled"),
    "noise": (b"noise", r"expected tensors: it is broken"),
    "nothing": (b"", r"expected tensors: it is broken"),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_what_does_not_fit_is_refused_in_one_line(content: Any, message: str, folder: Path) -> None:
    if isinstance(content, bytes):
        Path("net.pt").write_bytes(content)
    elif content is not None:
        torch.save(content, "net.pt")
    with pytest.raises(ValueError, match=message) as caught:
        from_weights("net.pt", SIZES)
    assert "\n" not in str(caught.value)
    assert not (folder / "pwned").exists()


def test_that_code_would_have_run() -> None:
    """The negative control of the test above."""
    pickle.loads(pickle.dumps(Code()))
    assert Path("pwned").is_dir()


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_broken_safetensors_are_refused_in_one_line(cut: int) -> None:
    save_file(state(), "net.safetensors")
    Path("net.safetensors").write_bytes(Path("net.safetensors").read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"^net\.safetensors: expected tensors: Error while deserializing") as caught:
        from_weights("net.safetensors", SIZES)
    assert "\n" not in str(caught.value)


def test_other_files_are_not_opened() -> None:
    Path("net.pkl").write_bytes(pickle.dumps(Code()))
    Path("folder.pt").mkdir()
    os.mkfifo("pipe.pt")
    for name in ("net.pkl", "folder.pt", "pipe.pt", "net"):
        with pytest.raises(ValueError, match="expected an existing file"):
            from_weights(name, SIZES)
    assert not Path("pwned").exists()


def test_an_activation_is_that_of_its_tables() -> None:
    save_weights(network(Hat), "net.safetensors")
    with pytest.raises(ValueError, match=r"net\.safetensors: 1\.\w+ is not that of the activation BSpline"):
        from_weights("net.safetensors", SIZES, "bspline0")
    with pytest.raises(ValueError, match="activation: expected one of relu"):
        from_weights("net.safetensors", SIZES, "swish")


# ---- factories ----

MODULE = """
import sys
from torch import nn
print("imported")
net = nn.Sequential(nn.Linear(2, 1), nn.Dropout())
number = 3
def make():
    print("made")
    return net
def take(width):
    return net
def fail():
    raise RuntimeError("out of\\norder")
def leave():
    sys.exit(0)
def nothing():
    pass
class Net(nn.Linear):
    def __init__(self):
        super().__init__(2, 1)
"""


@pytest.fixture
def theirs(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A module of theirs, under a name that no other test has imported."""
    name = f"theirs_{abs(hash(request.node.nodeid))}"
    (folder / f"{name}.py").write_text(MODULE)
    yield name
    sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["make", "net", "Net"])
def test_a_factory_gives_its_module_in_eval_mode(name: str, theirs: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = list(sys.path)
    model = from_factory(f"{theirs}:{name}")
    assert isinstance(model, nn.Module) and not model.training
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("imported\n")
    assert sys.path == path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", r"AttributeError: module '.*' has no attribute 'missing'"),
        ("take", r"TypeError: take\(\) missing 1 required positional argument"),
        ("fail", r"RuntimeError: out of"),
        ("leave", r"SystemExit: 0"),
        ("nothing", r"expected a torch\.nn\.Module or a function that returns one, got None"),
        ("number", r"expected a torch\.nn\.Module or a function that returns one, got int"),
        ("net.weight", r"AttributeError"),
    ],
)
def test_a_factory_that_fails_is_named(name: str, message: str, theirs: str) -> None:
    path = list(sys.path)
    with pytest.raises(ValueError, match=f"^{theirs}:{name}: {message}"):
        from_factory(f"{theirs}:{name}")
    assert sys.path == path


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", 'expected MODULE:FACTORY, such as nets:make, got ""'),
        ("net", 'expected MODULE:FACTORY, such as nets:make, got "net"'),
        (":make", 'expected MODULE:FACTORY, such as nets:make, got ":make"'),
        ("net:", 'expected MODULE:FACTORY, such as nets:make, got "net:"'),
        ("no_such_module:make", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("../net:make", "TypeError"),
        (".net:make", "TypeError"),
        ("broken:make", "SyntaxError"),
        ("a b:make", "ModuleNotFoundError"),
        ("os:system", "TypeError"),
        ("os:sep", "got str"),
    ],
)
def test_a_spec_that_names_nothing_is_refused(spec: str, message: str) -> None:
    Path("broken.py").write_text("def make(:")
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        from_factory(spec)


def test_tensors_are_only_tensors(folder: Path) -> None:
    """A state dict may hold a subclass such as a parameter."""
    torch.save({name: nn.Parameter(tensor) for name, tensor in state().items()}, "net.pt")
    assert isinstance(from_weights("net.pt", SIZES)[0].weight, Tensor)
