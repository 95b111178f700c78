"""Memory is estimated before it is taken: half of the machine's, unless a limit was set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

GIB = 2**30

_limit: ContextVar[float | None] = ContextVar("memory limit", default=None)


def available() -> float:
    """Bytes that one computation may take: the limit that was set, else half of this machine's memory."""
    limit = _limit.get()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 if limit is None else limit


@contextmanager
def memory_limit(gib: float | None) -> Iterator[None]:
    """Inside the block, computations may take this many GiB instead of half of the machine's memory (None: that half).

    Raises ValueError for a limit that is not positive.

    >>> with memory_limit(0.5):
    ...     available() / GIB
    0.5
    """
    if gib is not None and not gib > 0:
        raise ValueError(f"max_memory: expected a positive number of GiB, got {gib:g}")
    token = _limit.set(None if gib is None else gib * GIB)
    try:
        yield
    finally:
        _limit.reset(token)


def fits(needed: float) -> bool:
    """Whether so many bytes may be taken: how a dense method is chosen over a matrix-free one."""
    return needed <= available()


def require_memory(needed: float, what: str) -> None:
    """Raise MemoryError where `needed` bytes are more than may be taken.

    >>> with memory_limit(1.0):
    ...     require_memory(2**31, "the Gram matrix")
    Traceback (most recent call last):
    ...
    MemoryError: the Gram matrix needs 2 GiB, more than the 1 GiB it may take
    """
    if not fits(needed):
        raise MemoryError(f"{what} needs {needed / GIB:.3g} GiB, more than the {available() / GIB:.3g} GiB it may take")
