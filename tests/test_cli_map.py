"""`fembridge map`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import fembridge
from fembridge.__main__ import main
from fembridge.bridge.charts import Map
from fembridge.bridge.exactness import Exactness
from fembridge.bridge.expansion import Expansion, expand
from fembridge.studies import mapping

MODULE = """
import torch
from torch import nn

print("printed by theirs")

def make(*layers):
    torch.manual_seed(0)
    modules = [m for a, b in zip(layers, layers[1:]) for m in (nn.Linear(a, b).double(), nn.ReLU())]
    return nn.Sequential(*modules[:-1])

def line(): return make(1, 8, 8, 1)
def plane(): return make(2, 8, 8, 1)
def space(): return make(3, 6, 5, 1)
def four(): return make(4, 6, 1)
def two(): return make(2, 6, 2)
def smooth(): return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
def curved():
    from fembridge.networks.activations import SquaredReLU
    return nn.Sequential(nn.Linear(1, 4), SquaredReLU(), nn.Linear(4, 1))
def fail(): raise RuntimeError("out of order")
def nothing(): pass
"""


class Code:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every command runs in a folder of its own, with a module and weights, good and bad, in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEMBRIDGE_DEBUG", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Path("theirs.py").write_text(MODULE)
    torch.manual_seed(0)
    weights = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)).state_dict()
    save_file(weights, "net.safetensors")
    save_file({**weights, "2.scale": torch.ones(1)}, "more.safetensors")
    save_file({**weights, "2.bias": torch.tensor([torch.nan])}, "nan.safetensors")
    Path("cut.safetensors").write_bytes(Path("net.safetensors").read_bytes()[:-1])
    torch.save(weights, "net.pt")
    torch.save({"0.weight": Code()}, "code.pt")
    Path("bare.pt").write_bytes(pickle.dumps(Code()))
    Path("theirs").mkdir()
    Path("theirs/notes.txt").write_text("not ours")
    yield tmp_path
    sys.modules.pop("theirs", None)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Map]:
    """The charts that would have been drawn."""
    charts: list[Map] = []
    monkeypatch.setattr(mapping, "save", lambda chart, folder, name: charts.append(chart))
    return charts


def answer(capsys: pytest.CaptureFixture[str], command: str, code: int = 0) -> Any:
    assert main([*command.split(), "--json"]) == code
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and err in ("", "printed by theirs\n")
    return json.loads(out)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# ---- what it says ----


@pytest.mark.parametrize(("name", "d", "layers"), [("line", 1, [1, 8, 8, 1]), ("space", 3, [3, 6, 5, 1])])
def test_map_prints_what_expand_says(
    name: str, d: int, layers: list[int], drawn: list[Map], capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, f"map theirs:{name} --domain -1 1 --points 500 --seed 3")
    from theirs import line, space  # type: ignore[import-not-found]

    u = expand({"line": line, "space": space}[name](), [(-1.0, 1.0)] * d)
    assert isinstance(u, Expansion)
    assert (found["schema_version"], found["fembridge"]) == (1, fembridge.__version__)
    assert (found["network"], found["dimension"], found["layers"]) == (f"theirs:{name}", d, layers)
    assert found["domain"] == [[-1, 1]] * d
    partition = u.partition
    assert (found["regions"], found["cells"]) == (partition.regions, partition.cells)
    assert (found["vertices"], found["simplices"]) == (partition.mesh.p.shape[1], partition.mesh.t.shape[1])
    assert found["kink_facets"] == len(partition.kinks.facets)
    assert (found["snapped"], found["moved"]) == (partition.snapped, partition.moved)
    assert (found["points"], found["seed"]) == (500, 3)
    assert 0 <= found["difference"] <= found["bound"] and 0 <= found["volume_error"] <= found["volume_bound"]
    assert (found["verdict"], found["folder"]) == ("pass", "results/map")
    assert len(drawn[0].axes) == min(d, 2)


def test_the_folder_holds_the_mesh_the_weights_and_the_figure(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "map theirs:plane --out out")
    figures = {"figures", *(f"figures/map.{suffix}" for suffix in ("svg", "pdf", "png", "csv"))}
    assert tree(Path("out")) == {"DONE", "map.json", "env.json", "arrays.npz", "weights.safetensors", *figures}
    assert json.loads(Path("out/map.json").read_text()) == found
    assert json.loads(Path("out/env.json").read_text())["seed"] == 0
    from theirs import plane

    model = plane()
    assert all(torch.equal(load_file("out/weights.safetensors")[name], t) for name, t in model.state_dict().items())
    with np.load("out/arrays.npz", allow_pickle=False) as arrays:
        x, simplices = arrays["points"], arrays["simplices"]
        with torch.no_grad():
            np.testing.assert_allclose(arrays["values"], model(torch.tensor(x))[:, 0], rtol=0, atol=1e-15)
        assert len(x) == found["vertices"] and len(simplices) == len(arrays["region"]) == found["simplices"]
        assert len(np.unique(arrays["region"])) == found["regions"]
        kinks, layer, neuron = arrays["kinks"], arrays["kink_layer"], arrays["kink_neuron"]
        assert len(kinks) == len(layer) == len(neuron) == len(arrays["kink_knot"]) == found["kink_facets"]
        with torch.no_grad():
            before = [model[0](torch.tensor(x)), model[:3](torch.tensor(x))]
        for facet, k, j in zip(kinks, layer, neuron, strict=True):
            assert before[k - 1][facet, j].abs().max() < 1e-14  # where it says that a neuron bends, it is 0


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt"])
def test_weights_are_mapped(name: str, drawn: list[Map], capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, f"map --weights {name} --layers 2,8,1 --domain 0 1 --domain -2 -1")
    assert (found["network"], found["layers"], found["domain"]) == (name, [2, 8, 1], [[0, 1], [-2, -1]])
    assert drawn[0].title == f"{name}: 2-8-1"
    again = answer(capsys, "map --weights results/map/weights.safetensors --layers 2,8,1 --domain 0 1 --domain -2 -1")
    assert {**again, "network": name} == found
    answer(capsys, f"map --weights {name} --layers 2,8,1 --activation hat --domain 0 1 --domain -2 -1")
    relu, _, hat = drawn
    assert not np.array_equal(relu.values, hat.values)


def test_a_section_of_three_dimensions_is_exact(drawn: list[Map], capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "map theirs:space --domain -1 1 --domain 0 1 --domain 2 4")
    from theirs import space

    (chart,) = drawn
    assert chart.title == "theirs:space: 3-6-5-1, section $x_3 = 3$"
    assert chart.points.min(axis=0).tolist() == [-1, 0] and chart.points.max(axis=0).tolist() == [1, 1]
    with torch.no_grad():
        expected = space()(torch.tensor(np.pad(chart.points, ((0, 0), (0, 1)), constant_values=3.0)))[:, 0]
    np.testing.assert_allclose(chart.values, expected, rtol=0, atol=1e-14)


@pytest.mark.usefixtures("drawn")
def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "theirs:plane"]) == 0
    out, err = capsys.readouterr()
    assert err == "printed by theirs\n"
    for text in ("2 → 8 → 8 → 1", "[0, 1] × [0, 1]", "linear regions", "largest difference at 10000 points", "✓ pass"):
        assert text in out
    assert "figure: results/map/figures/map.png" in out


@pytest.mark.usefixtures("drawn")
def test_a_check_that_does_not_hold_is_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "exactness", lambda *_: Exactness(10, 1e-3, 1e-12, 0.0, 1e-12))
    assert answer(capsys, "map theirs:plane", code=1)["verdict"] == "fail"
    assert main(["map", "theirs:plane"]) == 1
    assert "✗ fail" in capsys.readouterr().out
    assert Path("results/map/DONE").exists()


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(("name", "kind"), [("line", "line"), ("plane", "triangle"), ("space", "tetra")])
def test_a_file_for_paraview(name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    meshio = pytest.importorskip("meshio")
    found = answer(capsys, f"map theirs:{name} --vtu")
    mesh = meshio.read("results/map/map.vtu")
    with np.load("results/map/arrays.npz") as arrays:
        d = arrays["points"].shape[1]
        np.testing.assert_array_equal(mesh.points[:, :d], arrays["points"])
        assert not mesh.points[:, d:].any()
        np.testing.assert_array_equal(mesh.point_data["u"], arrays["values"])
        np.testing.assert_array_equal(mesh.cells_dict[kind], arrays["simplices"])
        np.testing.assert_array_equal(mesh.cell_data["region"][0], arrays["region"])
    assert found["dimension"] == d


def test_without_meshio_nothing_is_begun(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(mapping, "find_spec", lambda name: None)
    before = tree(folder)
    assert main(["map", "theirs:plane", "--vtu"]) == 2
    expected = "fembridge: error: --vtu: meshio is not installed: pip install 'fembridge[vtu]'\n"
    assert capsys.readouterr() == ("", expected)  # theirs was not even imported
    assert tree(folder) == before


# ---- wrong input ----

NET = "map --weights net.safetensors --layers 2,8,1"
WRONG: list[tuple[str, str]] = [
    ("map", "network: expected MODULE:FACTORY or --weights FILE --layers N,N,…, got neither"),
    ("map theirs", 'network: expected MODULE:FACTORY, such as nets:make, got "theirs"'),
    ("map theirs:", 'got "theirs:"'),
    ("map :plane", 'got ":plane"'),
    ("map missing:plane", "missing:plane: ModuleNotFoundError: No module named 'missing'"),
    ("map ../theirs:plane", "../theirs:plane: TypeError"),
    ("map theirs:missing", "theirs:missing: AttributeError"),
    ("map theirs:make", "graph: expected one number as output, got no step"),
    ("map theirs:fail", "theirs:fail: RuntimeError: out of order"),
    ("map theirs:nothing", "expected a torch.nn.Module or a function that returns one, got None"),
    ("map theirs:MODULE", "AttributeError"),
    ("map theirs:smooth", "expand: Tanh is not a piecewise polynomial"),
    ("map theirs:curved", "graph: relu2 is of degree 2; expected piecewise-linear activations"),
    ("map theirs:four", "domain: expected an interval for each of the 4 inputs of the network, 3 at most"),
    ("map theirs:two", "graph: expected one number as output, got 2"),
    ("map theirs:plane --domain 1 0", "domain: expected finite ends a < b, got [1, 0]"),
    ("map theirs:plane --domain 0 nan", "domain: expected finite ends a < b, got [0, nan]"),
    ("map theirs:plane --domain 0 1e101", "domain: expected ends of size at most 1e100"),
    ("map theirs:plane --domain 0 1 --domain 0 1 --domain 0 1", "--domain: expected one interval for each of the 2"),
    ("map theirs:line --domain 0 1 --domain 0 1", "--domain: expected one interval for each of the 1 inputs"),
    ("map theirs:plane --domain 0", '--domain: expected two numbers A B, got "0"'),
    ("map theirs:plane --domain", '--domain: expected two numbers A B, got ""'),
    ("map theirs:plane --domain zero one", '--domain: expected two numbers A B, got "zero one"'),
    ("map theirs:plane --max-cells 0", "--max-cells"),
    ("map theirs:plane --max-cells 5", "max_cells: expected at most 5 cells, got "),
    ("map theirs:plane --points 0", "--points"),
    ("map theirs:plane --seed -1", "--seed"),
    ("map theirs:plane --max-memory 0", "max_memory: expected a positive number of GiB, got 0"),
    ("map theirs:plane --out theirs", "theirs: expected an empty folder or an older result"),
    ("map theirs:plane --out net.pt", "net.pt: expected a folder, got a file"),
    ("map theirs:plane --out net.pt/deep", "net.pt/deep: cannot be written"),
    ("map theirs:plane --weights net.pt", "--weights: expected without MODULE:FACTORY, got both"),
    ("map theirs:plane --layers 2,8,1", "--layers: expected with --weights alone"),
    ("map theirs:plane --activation relu", "--activation: expected with --weights alone"),
    ("map --weights net.pt", "--layers: expected with --weights, such as 2,64,64,1"),
    ("map --weights net.pt --layers 2,x", '--layers: expected a whole number up to 2³¹, got "x"'),
    ("map --weights net.pt --layers 2,8.5,1", '--layers: expected a whole number up to 2³¹, got "8.5"'),
    ("map --weights net.pt --layers 2,,1", '--layers: expected a whole number up to 2³¹, got ""'),
    ("map --weights net.pt --layers 2", '--layers: expected positive whole numbers from inputs to outputs, got "2"'),
    ("map --weights net.pt --layers 2,0,1", '--layers: expected positive whole numbers from inputs to outputs'),
    ("map --weights net.pt --layers 2,-8,1", '--layers: expected positive whole numbers from inputs to outputs'),
    ("map --weights net.pt --layers 2,2147483649,1", "--layers: expected a whole number up to 2³¹"),
    ("map --weights net.pt --layers 2,9,1", "net.pt: expected weights (9, 2), (1, 9) for layers 2,9,1, got 0.weight"),
    ("map --weights missing.pt --layers 2,8,1", "missing.pt: expected an existing file .safetensors, .pt, .pth"),
    ("map --weights theirs --layers 2,8,1", "theirs: expected an existing file"),
    ("map --weights theirs.py --layers 2,8,1", "theirs.py: expected an existing file .safetensors"),
    ("map --weights code.pt --layers 2,8,1", "code.pt: expected tensors: it is broken, or holds other objects"),
    ("map --weights bare.pt --layers 2,8,1", "bare.pt: expected tensors: it is broken, or holds other objects"),
    ("map --weights cut.safetensors --layers 2,8,1", "cut.safetensors: expected tensors: Error while deserializing"),
    ("map --weights more.safetensors --layers 2,8,1", "weights and biases of Linear layers alone, got 2.scale too"),
    ("map --weights nan.safetensors --layers 2,8,1", "nan.safetensors: expected finite numbers in 2.weight"),
    (f"{NET} --activation swish", "activation: expected one of relu, relu2"),
    (f"{NET} --activation relu2", "graph: relu2 is of degree 2; expected piecewise-linear activations"),
    (f"{NET} --activation step", "graph: step "),
    ("map theirs:plane extra", "unexpected extra argument"),
]  # fmt: skip


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(("command", "message"), WRONG, ids=[command[:70] for command, _ in WRONG])
def test_wrong_input_is_one_line_and_leaves_nothing(
    command: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(folder)
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    err = err.removeprefix("printed by theirs\n")
    assert out == "" and err.startswith("fembridge: error: ") and err.count("\n") == 1
    assert message in err
    assert tree(folder) == before  # "pwned" is not there


@pytest.mark.usefixtures("drawn")
def test_memory_is_bounded(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    before = tree(folder)
    assert main(["map", "theirs:plane", "--points", "100000000"]) == 4
    assert "a check at 100000000 points needs" in capsys.readouterr().err
    assert tree(folder) == before


def test_a_traceback_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEMBRIDGE_DEBUG", "1")
    assert main(["map", "theirs:fail"]) == 2
    assert "in fail" in capsys.readouterr().err  # where in their code it was
