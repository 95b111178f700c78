from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.bridge.subjects import Elementwise, of_function, read_table, slopes, subject, values

MODULE = """
import torch
from torch import nn

class Swish(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.ones(()))
    def forward(self, z):
        return z * torch.sigmoid(self.beta * z)

instance = nn.Mish()
function = torch.sin
number = 3
def softmax(z): return torch.softmax(z, -1)
def total(z): return z.sum()
def halves(z): return z[..., ::2]
def nan(z): return torch.log(z)
def noise(z): return z + torch.randn_like(z)
def constant(z): return 0 * z + 2
def single(z): return z.float()
def text(z): return "z"
def inplace(z): return z.clamp_(0)
def fails(z): raise RuntimeError("out\\nof order")
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"nets_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return name


@pytest.mark.parametrize("name", ["Swish", "instance", "function"])
def test_code_of_ones_own(nets: str, name: str) -> None:
    found = subject(f"{nets}:{name}")
    assert found.kind == "module" and not list(found.module.parameters())
    z = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(
        slopes(found.module, z), (found.sigma(z + 1e-6) - found.sigma(z - 1e-6)) / 2e-6, atol=1e-8
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "AttributeError"),
        ("number", "expected a module or a function"),
        ("softmax", "by itself"),
        ("total", "shape"),
        ("halves", "shape"),
        ("nan", "finite"),
        ("noise", "by itself"),
        ("constant", "constant"),
        ("single", "float32"),
        ("text", "got str"),
        ("inplace", "changes"),
        ("fails", "RuntimeError: out of order"),
    ],
)
def test_what_is_no_activation_is_refused_in_one_line(nets: str, name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        subject(f"{nets}:{name}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("spec", ["no", "", "nothing_here:f", ":f", "os:", "missing.toml", "missing.json"])
def test_what_is_not_there_is_refused(spec: str) -> None:
    with pytest.raises(ValueError) as error:
        subject(spec)
    assert "\n" not in str(error.value)


def test_unknown_names_are_answered_with_the_names() -> None:
    with pytest.raises(ValueError, match=r"relu, relu2, .* tanh, .* seagull"):
        subject("rellu")


def test_tables_of_both_formats_and_of_design(tmp_path: Path) -> None:
    table = {"knots": [0, 1, 2], "coefficients": [1.0], "degree": 1}
    (tmp_path / "a.json").write_text(json.dumps({**table, "target": "flat", "taps": 1}))
    (tmp_path / "b.toml").write_text("knots = [0, 1, 2]\ncoefficients = [1.0]\ndegree = 1\n")
    z = np.linspace(-1, 3, 17)
    for name in ("a.json", "b.toml"):
        found = subject(str(tmp_path / name))
        np.testing.assert_array_equal(found.sigma(z), subject("hat").sigma(z))
        np.testing.assert_array_equal(values(found.module, z), values(subject("hat").module, z))
    assert read_table(str(tmp_path / "a.json")) == table


@pytest.mark.parametrize(
    "table",
    [
        [],
        {"knots": [0, 1, 2]},
        {"knots": [0, 1, 2], "coefficients": [0.0], "degree": 1},
        {"knots": [0, 1, 200], "coefficients": [1.0], "degree": 1},
        {"knots": [2, 1, 0], "coefficients": [1.0], "degree": 1},
        {"knots": "two", "coefficients": [1.0], "degree": 1},
        {"knots": [0, 1, 2], "coefficients": [1.0], "degree": 1.5},
        {"knots": list(range(9)), "coefficients": [1.0], "degree": 7},
    ],
)
def test_tables_that_are_no_spline(tmp_path: Path, table: Any) -> None:
    file = tmp_path / "t.json"
    file.write_text(json.dumps(table))
    with pytest.raises(ValueError) as error:
        subject(str(file))
    assert "\n" not in str(error.value)


def test_parameters_of_someone_elses_module_are_not_trained() -> None:
    assert not list(Elementwise(nn.PReLU()).parameters())
    prelu = nn.PReLU()
    found = of_function(prelu, "prelu")
    assert not any(p.requires_grad for p in prelu.parameters())
    assert values(found.module, np.array([-4.0]))[0] == -1.0


def test_a_slope_that_is_nowhere_is_zero() -> None:
    assert not slopes(Elementwise(lambda z: (z > 0).double()), np.array([-1.0, 1.0])).any()
    assert torch.is_grad_enabled()
