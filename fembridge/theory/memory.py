"""Memory is estimated before it is taken."""

from __future__ import annotations

import os


def require_memory(needed: int, what: str) -> None:
    """Raise MemoryError where `needed` bytes are more than half of this machine's memory."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > total / 2:
        raise MemoryError(
            f"{what} needs {needed / 2**30:.1f} GiB, more than half of this machine's {total / 2**30:.1f} GiB"
        )
