"""The process around the verbs: exit codes, errors as one line, signals. Also `python -m fembridge`.

Nothing but the standard library is loaded before `main` answers for signals and errors.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

INPUT_ERRORS = {
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 all as it should be · 1 a verdict is fail · 2 wrong usage or input · 3 inconclusive · 4 run-time failure ·
    130 interrupted (SIGTERM too). An error is one line on stderr; FEMBRIDGE_DEBUG=1 adds the traceback, and warnings.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_streams()
    with _interrupts(), warnings.catch_warnings():
        if not _debugging():
            warnings.simplefilter("ignore")
        try:
            return _command(arguments)
        except KeyboardInterrupt:
            return _complain("interrupted", 130)
        except BrokenPipeError:  # the reader of stdout has gone; the interpreter flushes once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 4
        except Exception as error:
            return _complain(_sentence(error), 2 if _is_input_error(error) else 4)


def _command(arguments: list[str]) -> int:
    import typer

    from fembridge.cli import app

    command = typer.main.get_command(app)
    try:
        with command.make_context("fembridge", arguments) as context:
            code = command.invoke(context)
    except typer.Exit as done:
        code = done.exit_code
    sys.stdout.flush()
    return int(code or 0)


def _is_input_error(error: Exception) -> bool:
    if hasattr(error, "format_message"):  # wrong usage, found by typer
        return True
    if isinstance(error, OSError):  # not a full disk, say
        return error.errno in INPUT_ERRORS
    return isinstance(error, ValueError) and type(error).__name__ != "LinAlgError"


def _sentence(error: Exception) -> str:
    if hasattr(error, "format_message"):
        return f"{error.format_message()} (fembridge --help)".replace("Value error, ", "")
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return (
        str(error) if isinstance(error, ValueError | MemoryError) and str(error) else f"{type(error).__name__}: {error}"
    )


def _complain(message: str, code: int) -> int:
    if _debugging():
        traceback.print_exc()
    print("fembridge: error:", *message.split(), file=sys.stderr)
    return code


def _debugging() -> bool:
    return os.environ.get("FEMBRIDGE_DEBUG") == "1"


def _open_streams() -> None:
    """Let stdout and stderr take any text: what their encoding lacks becomes "?", and closed ones lose it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the life of the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


# ---- interrupts ----

PATIENCE = 0.05  # seconds after which an interrupt that came at a wrong time comes again


class _Interrupt(KeyboardInterrupt):
    """A type of its own: Python takes an exact KeyboardInterrupt that leaves exec() for the end of the process."""


@contextmanager
def _interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGINT and SIGTERM, unless the process was told to ignore them.

    It waits while a module is imported, which libraries written in C do not survive, and comes again where it was
    raised in a callback, which cannot pass it on.
    """
    if threading.current_thread() is not threading.main_thread():  # only there may signals be handled
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    hook = sys.unraisablehook

    def swallowed(what: Any) -> None:
        if not (issubclass(what.exc_type, KeyboardInterrupt) and _again()):
            hook(what)

    for number in before:
        signal.signal(number, _stop)
    sys.unraisablehook = swallowed
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if hasattr(signal, "SIGALRM") and signal.getsignal(signal.SIGALRM) is _stop:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    if frame is None or not _again():
        raise _Interrupt


def _again() -> bool:
    """Have the interrupt come again; False where there is no timer for it."""
    if not hasattr(signal, "SIGALRM"):
        return False
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    return True


if __name__ == "__main__":
    sys.exit(main())
