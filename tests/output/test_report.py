"""The page of a result folder holds everything, escapes everything, and refuses what it cannot read."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fembridge.bridge.charts import Chart, HeatMap, Pair
from fembridge.output.figures import save
from fembridge.output.report import inline, number, write_report

X = np.arange(1.0, 9)
CURVES = Chart("Curves", "n", "error", (Pair("a", X, X**-2, X**-2),))
HEAT = HeatMap("Heat", X, X, np.outer(X, X), np.outer(X, X))
EVIL = '<script>alert("&")</script>'


def claim(name: str, verdict: str = "pass", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "source": "A paper, theorem 1",
        "statement": f"It holds. {EVIL}",
        "kind": "identity",
        "predicted": 3.0,
        "measured": None,
        "error": 1.25e-9,
        "tolerance": 1e-8,
        "why": "n times round-off",
        "verdict": verdict,
        "known": False,
        "seconds": 0.5,
        "figure": f"figures/{name}.svg",
        **changes,
    }


def run(**changes: Any) -> dict[str, Any]:
    amplitudes = {"predicted": [[1.0, 0.5], [1e-3, 0.25]], "measured": [[1.0, 0.5], [1e-3, None]]}
    settings = {"schema_version": 1, "activation": EVIL, "learning_rate": 0.1, "max_error": 1e-9, "tolerance": 1e-6}
    return {**settings, "frequencies": [1, 2], "steps": [0, 10], **amplitudes, "verdict": "pass", **changes}


def measured(**changes: Any) -> dict[str, Any]:
    """A run without theory, of wave vectors, judged by a statistic."""
    statistic = {"name": "exponent", "values": [1.5, 2.5], "mean": 2.0, "interval": [1.0, None], "within": [0, None]}
    about = {"statistic": statistic, "reason": f"too few seeds {EVIL}", "drift": [0.0, 0.5], "drift_limit": 0.1}
    nothing = {"predicted": None, "max_error": None, "tolerance": None}
    return run(frequencies=[[1, 0], [2, -2]], **nothing, **about, **changes)


def verification(*claims: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"schema_version": 1, "fembridge": "0.1.0", "seed": 0, "verdict": "fail", "claims": list(claims), **changes}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result folder without its verdict, made once."""
    folder = tmp_path_factory.mktemp("drawn")
    for name, chart in (("one", CURVES), ("two.b", CURVES), ("heat", HEAT)):
        save(chart, folder / "figures", name)
    environment = {"python": "3", "gpu": None, "packages": {"numpy": EVIL}, "seeds": [0, 1]}
    (folder / "env.json").write_text(json.dumps(environment))
    (folder / "config.toml").write_text(f'target = "{EVIL}"\n')
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "result"))


def page(folder: Path, verdict: Any) -> str:
    (folder / "verdict.json").write_text(verdict if isinstance(verdict, str) else json.dumps(verdict))
    path = write_report(folder)
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Every opened tag with its attributes; the nesting of all others than void ones is checked."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


VERDICTS = {
    "verify": verification(
        claim("one"), claim("two.b", "fail", known=True), claim("heat", "inconclusive", figure=None)
    ),
    "run": run(),
    "measured": measured(),
    "nothing at frequencies": run(frequencies=[], predicted=None, measured=[[], []]),
    "runs": {
        "schema_version": 1,
        "runs": [run(), run(activation="hat", diverged=7, verdict="fail")],
        "verdict": "fail",
    },
}


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
def test_a_page_is_whole_escaped_and_points_nowhere_else(folder: Path, verdict: dict[str, Any]) -> None:
    html = page(folder, verdict)
    tags = Tags(html).found
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert EVIL not in html
    assert "&lt;script&gt;alert(" in html
    assert "script" not in {tag for tag, _ in tags}
    assert set(re.findall(r"\w+://[^\s\"'<>]*", html)) == {"http://www.w3.org/2000/svg"}
    for tag, attributes in tags:
        assert "src" not in attributes
        target = attributes.get("href", attributes.get("xlink:href"))
        if target is not None and not (tag == "image" and target.startswith("data:image/png;base64,")):
            assert target[0] == "#"
            assert target[1:] in ids
    assert set(re.findall(r"url\(#([^)]*)\)", html)) <= set(ids)
    assert not list(folder.glob(".report*"))


def test_the_verdict_is_told_in_words_and_signs(folder: Path) -> None:
    html = page(folder, VERDICTS["verify"])
    assert "3 claims:" in html
    assert all(text in html for text in ("✓ pass", "✗ fail", "? inconclusive", "known finding", "n times round-off"))
    assert html.count("<svg") == 2
    assert "1.25×10⁻⁹" in html


def test_a_known_finding_that_passes_is_told(folder: Path) -> None:
    assert "known to fail: changed" in page(folder, verification(claim("one", known=True)))


def test_a_run_without_theory_says_what_it_was_judged_by(folder: Path) -> None:
    html = page(folder, VERDICTS["measured"])
    assert "2 (over 2 seeds; interval 1 to —; wanted 0 to —)" in html
    assert "(2, −2)" in html and "0.5 at the end (judged up to 0.1)" in html and "too few seeds" in html
    assert "Predicted at end" not in html
    assert "Predicted at end" in page(folder, VERDICTS["run"])


def test_a_run_shows_every_figure_and_its_configuration(folder: Path) -> None:
    html = page(folder, VERDICTS["runs"])
    assert html.count("<svg") == 3
    assert all(text in html for text in ("target = ", "diverged at step 7", "numpy", "0, 1"))


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        ("{", r"verdict\.json: expected JSON: "),
        ("[" * 100_000, r"verdict\.json: expected JSON: "),
        ([], r'verdict\.json: expected the key "claims"'),
        ({"schema_version": 1}, r'verdict\.json: expected the key "claims"'),
        (verification(schema_version=2), r"verdict\.json: schema_version: "),
        (verification(verdict="perhaps"), r"verdict\.json: verdict: "),
        (verification({"id": "one"}), r"verdict\.json: claims\.0\.source: "),
        (verification(claim("one", predicted="many")), r"claims\.0\.predicted: "),
        (verification(claim("one"), claim("one")), r"verdict\.json: expected claims of different ids, got one twice"),
        (verification(claim("three")), r"three\.svg: expected an SVG figure"),
        (run(steps=[0]), r"verdict\.json: predicted: expected one row for each step"),
        (run(frequencies=[1]), r"verdict\.json: predicted: expected one row for each step"),
    ],
)
def test_a_broken_verdict_is_refused_in_one_line(folder: Path, verdict: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        page(folder, verdict)
    assert "\n" not in str(caught.value)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("place", ["", "none"])
def test_a_folder_without_a_verdict_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match=r"expected a result folder of verify or run, with its verdict\.json"):
        write_report(tmp_path / place)


@pytest.mark.parametrize("name", ["config.toml", "env.json", "verdict.json"])
def test_a_file_that_is_no_text_is_named(folder: Path, name: str) -> None:
    (folder / "verdict.json").write_text(json.dumps(run()))
    (folder / name).write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=rf"{name}: expected text in UTF-8: "):
        write_report(folder)


def test_a_drawing_brings_nothing_but_shapes(tmp_path: Path) -> None:
    svg = tmp_path / "a.svg"
    svg.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" viewBox="0 0 1 1" onload="f()">'
        '<script>f()</script><a x:href="https://a.b"><path id="p"/></a><style>*{}</style>'
        '<path id="q" clip-path="url(#p)" style="clip-path: url(#p)"/><use x:href="#q"/><use x:href="f.svg#q"/></svg>'
    )
    assert inline(svg, "n-", 'a "label"') == (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" role="img" aria-label="a &quot;label&quot;">'
        '<path id="n-q" clip-path="url(#n-p)" style="clip-path: url(#n-p)" /><use href="#n-q" /><use /></svg>'
    )


def test_numbers_are_short() -> None:
    values = [0.0, -4.0, 12345678.0, 3.883222, -1.5e-12, float("nan"), float("inf"), None]
    assert [number(value) for value in values] == ["0", "−4", "1.235×10⁷", "3.883", "−1.5×10⁻¹²", "—", "—", "—"]
