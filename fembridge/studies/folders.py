"""Result folders and files that are there as a whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from fembridge import __version__

DONE = "DONE"


@contextmanager
def result_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which takes its place when the block ends.

    DONE is written last. When the block raises (Ctrl-C too) the temporary folder is removed and an older result
    stays as it was. Only an older result of fembridge (it has its DONE), or an empty folder, is replaced.

    Raises ValueError, before the block, where `path` holds anything else or cannot be written.
    """
    target = _destination(path)
    _replaceable(target, path)
    with _workshop(target, path) as workshop:
        new, old = workshop / "new", workshop / "old"
        new.mkdir()
        yield new
        (new / DONE).write_text(f"fembridge {__version__}\n", encoding="utf-8")
        if target.exists():
            os.rename(target, old)
        try:
            os.rename(new, target)
        except BaseException:
            if old.exists():
                os.rename(old, target)
            raise


@contextmanager
def result_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes its place when the block ends; removed when the block raises.

    Raises ValueError, before the block, where `path` is a folder, a device or the like, or cannot be written.
    """
    target = _destination(path)
    if target.exists() and not target.is_file():
        raise ValueError(f"{path}: expected a file, got a {'folder' if target.is_dir() else 'device, pipe or socket'}")
    with _workshop(target, path) as workshop:
        yield workshop / target.name
        os.replace(workshop / target.name, target)


def strict_json(value: Any, indent: int | None = None) -> str:
    """JSON of dictionaries, sequences, arrays and numbers; NaN and infinities, which JSON lacks, become null.

    >>> strict_json({"eigenvalues": np.array([1.0, np.inf])})
    '{"eigenvalues": [1.0, null]}'
    """
    return json.dumps(_plain(value), indent=indent, allow_nan=False, ensure_ascii=False)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented `strict_json`."""
    path.write_text(strict_json(value, indent=2), encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _destination(path: str | Path) -> Path:
    """Where `path` leads, links followed. Raises ValueError where it leads nowhere: a loop, a name that is too long."""
    target = Path(os.path.realpath(path))
    try:
        target.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ValueError(f"{path}: cannot be written: {error.strerror}") from None
    return target


def _replaceable(target: Path, shown: str | Path) -> None:
    """Raise ValueError unless nothing is lost when `target` is replaced."""
    if not target.exists():
        return
    if not target.is_dir():
        raise ValueError(f"{shown}: expected a folder, got a file")
    done = target / DONE
    ours = done.is_file() and done.read_bytes().startswith(b"fembridge ")
    if not ours and any(target.iterdir()):
        raise ValueError(f"{shown}: expected an empty folder or an older result (with its {DONE}), got other files")


@contextmanager
def _workshop(target: Path, shown: str | Path) -> Iterator[Path]:
    """A temporary folder beside `target`, on the same file system, removed afterwards with parents made in vain."""
    missing = [parent for parent in target.parents if not parent.exists()]
    workshop = None
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            workshop = Path(tempfile.mkdtemp(prefix=".fembridge-", dir=target.parent))
        except OSError as error:
            raise ValueError(f"{shown}: cannot be written: {error.strerror or error}") from None
        yield workshop
    finally:
        if workshop is not None:
            try:
                shutil.rmtree(workshop, ignore_errors=True)
            finally:  # again, as a second Ctrl-C may have cut that short
                shutil.rmtree(workshop, ignore_errors=True)
        if not target.exists():
            for parent in missing:
                with suppress(OSError):
                    parent.rmdir()
