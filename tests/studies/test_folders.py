from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fembridge.studies import folders
from fembridge.studies.folders import result_file, result_folder, strict_json


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, with the contents of files."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def write(path: Path, text: str = "1", failure: type[BaseException] | None = None) -> None:
    with result_folder(path) as folder:
        (folder / "figures").mkdir()
        (folder / "figures/a.svg").write_text(text)
        if failure:
            raise failure


def write_file(path: Path, text: str, failure: type[BaseException] | None = None) -> None:
    with result_file(path) as file:
        file.write_text(text)
        if failure:
            raise failure


def test_a_result_appears_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new/deep/result"
    with result_folder(path) as folder:
        (folder / "verdict.json").write_text("{}")
        assert folder != path
        assert not path.exists()
    assert set(tree(path)) == {"DONE", "verdict.json"}
    assert os.listdir(path.parent) == ["result"]
    made_here = tmp_path / "made-here"
    made_here.mkdir()
    assert path.stat().st_mode == made_here.stat().st_mode  # as open as any other folder, not mkdtemp's 0700


def test_an_older_result_or_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "result", "old")
    write(tmp_path / "result", "new")
    assert (tmp_path / "result/figures/a.svg").read_text() == "new"
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty")
    assert sorted(os.listdir(tmp_path)) == ["empty", "result"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    write(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/figures/a.svg").read_text() == "new"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("older", [True, False])
def test_a_failure_leaves_nothing_and_loses_nothing(failure: type[BaseException], older: bool, tmp_path: Path) -> None:
    if older:
        write(tmp_path / "a/result", "old")
    before = tree(tmp_path)
    with pytest.raises(failure):
        write(tmp_path / "a/result", failure=failure)
    assert tree(tmp_path) == before


def test_a_failure_while_the_new_result_takes_its_place_brings_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "result", "old")
    before, rename = tree(tmp_path), os.rename

    def interrupted(source: Path, target: Path) -> None:
        if source.name == "new":
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "result", "new")
    assert tree(tmp_path) == before


def test_a_second_interrupt_does_not_cut_the_cleaning_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, remove = [], shutil.rmtree

    def impatient(*args: Any, **options: Any) -> None:
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        remove(*args, **options)

    monkeypatch.setattr(folders.shutil, "rmtree", impatient)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "result", failure=KeyboardInterrupt)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("contents", [{"notes.txt": "mine"}, {"DONE": "someone else's"}, {".git": ""}])
def test_a_folder_with_other_files_is_left_alone(contents: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    for name, text in contents.items():
        (tmp_path / "result" / name).write_text(text)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="expected an empty folder or an older result"):
        write(tmp_path / "result")
    assert tree(tmp_path) == before


def test_a_place_that_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    worked = False
    for path, message in {
        "file": "got a file",
        "file/result": "cannot be written",
        "file/a/b": "cannot be written",
    }.items():
        with pytest.raises(ValueError, match=message), result_folder(tmp_path / path):
            worked = True
    assert not worked
    assert tree(tmp_path) == {"file": b""}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ValueError, match="cannot be written: Permission denied"):
        write(tmp_path / "closed/result")


def test_a_result_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "deep/spectrum.weird"
    for text in ("old", "new"):
        write_file(path, text)
        assert tree(tmp_path) == {"deep": None, "deep/spectrum.weird": text.encode()}
    with pytest.raises(KeyboardInterrupt):
        write_file(path, "half", KeyboardInterrupt)
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == [path.name]


def test_a_result_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path, message in {
        ".": "expected a file, got a folder",
        "file/x": "cannot be written",
        "pipe": "expected a file, got a device, pipe or socket",
    }.items():
        with pytest.raises(ValueError, match=message), result_file(tmp_path / path):
            pass
    assert tree(tmp_path) == {"file": b"", "pipe": None}


@pytest.mark.parametrize("result", [result_folder, result_file])
def test_a_path_that_leads_nowhere_is_found_before_the_work(result: Any, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name in ("loop", "loop/result", 300 * "a"):
        with pytest.raises(ValueError, match="cannot be written: "), result(tmp_path / name):
            pytest.fail("worked")
    assert os.listdir(tmp_path) == ["loop"]


def test_a_long_name_in_another_alphabet(tmp_path: Path) -> None:
    write(tmp_path / ("é" * 120), "new")
    assert os.listdir(tmp_path) == ["é" * 120]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_json_is_strict_and_keeps_what_it_can_say(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    def expected(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: expected(one) for key, one in item.items()}
        if isinstance(item, list):
            return [expected(one) for one in item]
        return None if isinstance(item, float) and not np.isfinite(item) else item

    assert json.loads(strict_json(value), parse_constant=refuse) == expected(value)


def test_json_of_arrays() -> None:
    arrays = {"a": np.array([[1.5, np.nan]]), "n": np.int64(3), "ok": np.bool_(True), "t": (np.float32(0.5), -np.inf)}
    assert json.loads(strict_json(arrays)) == {"a": [[1.5, None]], "n": 3, "ok": True, "t": [0.5, None]}
