"""The process around the verbs: exit codes, errors as one line, signals. Also `python -m fembridge`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from fembridge.cli import app


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 all as it should be · 1 a verdict is fail · 2 wrong usage or input · 3 inconclusive · 4 run-time failure ·
    130 interrupted (SIGTERM too). An error is one line on stderr; FEMBRIDGE_DEBUG=1 adds the traceback.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with _sigterm_as_interrupt():
        try:
            command = typer.main.get_command(app)
            with command.make_context("fembridge", arguments) as context:
                code = command.invoke(context)
            sys.stdout.flush()
            return int(code or 0)
        except typer.Exit as done:
            return done.exit_code
        except KeyboardInterrupt:
            return _complain("interrupted", 130)
        except BrokenPipeError:  # the reader of stdout has gone; the interpreter flushes once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 4
        except Exception as error:
            return _complain(_sentence(error), 2 if _is_input_error(error) else 4)


def _is_input_error(error: Exception) -> bool:
    if hasattr(error, "format_message"):  # wrong usage, found by typer
        return True
    if isinstance(error, OSError):  # not a full disk, say
        return isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)
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
    if os.environ.get("FEMBRIDGE_DEBUG") == "1":
        traceback.print_exc()
    print("fembridge: error:", *message.split(), file=sys.stderr)
    return code


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there may signals be handled
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
