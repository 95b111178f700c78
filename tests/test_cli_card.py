"""The verb `card`: its folder, and what it refuses."""

import json
from pathlib import Path

import pytest

from fembridge.__main__ import main


@pytest.mark.slow
def test_the_card_of_a_design(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["design", "--taps", "3", "--out", "flat.json"]) == 0
    capsys.readouterr()
    assert main(["card", "flat.json", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    folder = Path("results/cards/flat")
    assert found["verdict"] == "pass" and found["folder"] == str(folder)
    assert {"DONE", "card.html", "card.json", "card.pdf", "env.json", "figures"} == {p.name for p in folder.iterdir()}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("swish", "activation: expected one of relu"),
        ("missing.json", "missing.json"),
        ("nowhere:thing", "nowhere"),
        ("hat --seed -1", "--seed"),
        ("hat --scale huge", "--scale"),
    ],
)
def test_what_has_no_card_is_one_line(
    argv: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["card", *argv.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err
    assert not list(tmp_path.iterdir())
