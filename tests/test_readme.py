"""What the README shows runs as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fembridge.__main__ import main

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("fembridge ").split("  #")[0].replace("'", "").split()
    for line in TEXT.splitlines()
    if line.startswith("fembridge ")
]


@pytest.mark.parametrize(
    "code",
    re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL),
    ids=["design", "view", "expand", "theory", "curvature", "compare", "linearised"],
)
def test_python(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(code, {})
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda a: a[0])
def test_commands(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "experiments").symlink_to(README.parent / "experiments")
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "report":
        assert main(["verify", "--only", "hong2022.hat-symbol"]) == 0
    assert main(arguments) == 0


def test_links_and_figures_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (README.parent / target).exists(), target
