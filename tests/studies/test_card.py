from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fembridge.bridge import cards
from fembridge.bridge.cards import Size
from fembridge.bridge.sections import GROWTH, Section, shape
from fembridge.studies import card as card_study
from fembridge.studies.card import headline, write_card

SMALL = Size(seeds=2, width=32, repeats=2, hidden=8, steps=10, output_steps=10, frequencies=(1, 2))


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_result_folder_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, whole: bool) -> None:
    monkeypatch.setitem(cards.SIZES, "quick", SMALL)
    if not whole:
        monkeypatch.setattr(cards, "sections", lambda one, *_: [partial(shape, one)])
        monkeypatch.setattr(card_study, "headline", lambda *_: "in short")
        monkeypatch.setattr(card_study, "_verdict", lambda _: {"verdict": "pass", "agreement": "It agrees."})
    (tmp_path / "mine.py").write_text("import torch\ndef f(z):\n    print('theirs')\n    return torch.tanh(z) + z\n")
    monkeypatch.chdir(tmp_path)
    seen: list[Any] = []
    card = write_card("mine:f", tmp_path / "out", progress=lambda items: (seen.append(i) or i for i in items))
    assert len(seen) == (6 if whole else 1) and "theirs" not in capsys.readouterr().out
    written = json.loads((tmp_path / "out" / "card.json").read_text(encoding="utf-8"))
    assert written["schema_version"] == 1 and written["headline"] == card["headline"]
    assert written["verdict"] == "pass" and written["folder"] == str(tmp_path / "out")
    names = [name for section in written["sections"] for name in section["figures"]]
    for name in names:
        assert {f.suffix for f in (tmp_path / "out" / "figures").glob(f"{name}.*")} == {".svg", ".png", ".pdf", ".csv"}
    page = (tmp_path / "out" / "card.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(names) and "http:" not in page.replace("http://www.w3.org", "")
    assert (tmp_path / "out" / "card.pdf").read_bytes().count(b"/Type /Page ") == 1
    assert (tmp_path / "out" / "DONE").exists() and (tmp_path / "out" / "env.json").exists()


@pytest.mark.parametrize(
    ("spec", "options"), [("rellu", {}), ("hat", {"scale": "huge"}), ("hat", {"seed": -1}), ("hat", {"seed": True})]
)
def test_bad_input_leaves_nothing_behind(tmp_path: Path, spec: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        write_card(spec, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_others_stays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected an empty folder"):
        write_card("hat", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def said(growth: float, steps: list[float], falls: float | str, **more: float) -> str:
    facts: dict[str, float | str] = {
        GROWTH: growth,
        "condition number at n = 256, measured": 3.0,
        **{f"steps to learn k = {2**i}, 64 grid features, predicted": step for i, step in enumerate(steps)},
        "exponent for k = 4 … 16, all parameters, weight scale 1, predicted": falls,
        **more,
    }
    return headline("hat", [Section("all", "", "", "", {}, facts)])


def test_headlines_say_what_the_numbers_say() -> None:
    inf = float("inf")
    assert "condition number 3, however many" in said(0.0, [1, 1, 2], -2.0)
    assert "at the same pace, in 1 to 2 steps" in said(0.0, [1, 1, 2], -2.0)
    assert "growing like n^4.0" in said(4.0, [10, 1000], -2.0)
    assert "100 times as many steps for frequency 2 as for 1" in said(4.0, [10, 1000], -2.0)
    assert "never learn frequency 2" in said(4.0, [10, inf], -2.0)
    assert "learns none" in said(4.0, [inf, inf], -2.0)
    assert "falls like k^−2.0." in said(4.0, [1, 2], -2.0)
    assert "faster than any power of the frequency." in said(4.0, [1, 2], "faster than any power")
    rank = {"numerical rank at n = 16": 2}
    assert "16 of them span 2 functions" in said(inf, [1, 2], -2.0, **rank)
