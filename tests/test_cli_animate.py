from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fembridge.__main__ import main

RUN = """
[problem]
target = { kind = "sines", frequencies = [1, 3], amplitudes = [1, 0.5] }
samples = 64
[network]
activation = ["relu", "hat"]
layers = [1, 8, 1]
[training]
steps = 20
"""
CIRCLE = """
[problem]
target = { kind = "circle", frequency = 1 }
samples = 16
[network]
activation = "relu"
layers = [2, 4, 1]
init = "he"
trained = "all"
[verdict]
tolerance = 0.1
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEMBRIDGE_DEBUG", raising=False)
    Path("run.toml").write_text(RUN)
    Path("circle.toml").write_text(CIRCLE)
    Path("empty").mkdir()
    Path("a folder.gif").mkdir()
    return tmp_path


def tree() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*"))


def test_a_run_file_becomes_a_film(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.toml").write_text(RUN.replace('["relu", "hat"]', '"hat"'))
    assert main(["animate", "run.toml", "--frames", "3", "--seed", "5"]) == 0
    out, err = capsys.readouterr()
    assert out == "results/films/run.gif\n" and err == ""
    assert Path("results/films/run.gif").read_bytes().startswith(b"GIF89a")
    assert tree() == [
        "a folder.gif",
        "circle.toml",
        "empty",
        "results",
        "results/films",
        "results/films/run.gif",
        "run.toml",
    ]


def test_a_run_folder_is_compared(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fembridge.output.figures.save", lambda chart, folder, name: [])
    monkeypatch.setattr("fembridge.output.films.save_film", lambda films, path, *_: path.write_bytes(b""))
    assert main(["run", "run.toml", "--out", "runs", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["folder"]
    assert main(["animate", run, "--out", "film.gif", "--frames", "3", "--fps", "5", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found.pop("fembridge")
    assert found == {
        "schema_version": 1,
        "file": "film.gif",
        "seed": 0,
        "frames": 3,
        "fps": 5,
        "steps": [0, 1, 20],
        "activations": ["relu", "hat"],
        "theory": "exact",
        "frequencies": [1, 3],
        "checked": True,
        "difference": 0.0,
    }
    assert err == f"fembridge: trained again, with the amplitudes in {run} to the last bit\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run.toml", "--out", "film.avi"], "--out: expected a file that ends in .gif or .mp4, got film.avi"),
        (["run.toml", "--out", "a folder.gif"], "a folder.gif: expected a file, got a folder"),
        (["run.toml", "--out", "run.toml/film.gif"], "run.toml/film.gif: cannot be written: Not a directory"),
        (["run.toml", "--scale", "quick"], "run.toml: quick: expected a table [quick]"),
        (["run.toml", "--frames", "1"], "--frames"),
        (["circle.toml"], "network.layers: expected one input and one output to film, got [2, 4, 1]"),
        (["empty"], "empty: expected a run folder, with its config.toml, got none"),
        (["missing.toml"], "missing.toml: No such file or directory"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree()
    assert main(["animate", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
    assert tree() == before


def test_mp4_without_its_package(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fembridge.studies.animation.find_spec", lambda name: None)
    before = tree()
    assert main(["animate", "run.toml", "--out", "film.mp4"]) == 2
    assert "pip install 'fembridge[video]'" in capsys.readouterr().err and tree() == before


@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_an_interrupt_leaves_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a frame is drawn; what was there before stays."""
    if name.endswith("mp4"):
        pytest.importorskip("imageio_ffmpeg")
    drawn: list[int] = []

    class Interrupted:
        count = 5

        def __init__(self, films: Any) -> None:
            assert [one.label for one in films] == ["relu", "hat"]

        def image(self, i: int) -> Any:
            drawn.append(i)
            if len(drawn) > 4:
                os.kill(os.getpid(), 2)
            return np.full((64, 64, 3), len(drawn), dtype=np.uint8)

    monkeypatch.setattr("fembridge.output.films.Stage", Interrupted)
    Path(name).write_bytes(b"older")
    before = tree()
    assert main(["animate", "run.toml", "--out", name, "--frames", "5"]) == 130
    assert tree() == before and Path(name).read_bytes() == b"older" and len(drawn) == 5
