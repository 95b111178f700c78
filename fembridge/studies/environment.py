"""What a result was computed with: versions, processor, threads."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from fembridge import __version__

PACKAGES = ("numpy", "scipy", "scikit-fem", "torch", "matplotlib", "pydantic", "typer", "rich", "jinja2", "safetensors")


def installed(package: str) -> str:
    """The installed version of a package, read from its metadata (nothing is imported); "unknown" where there is none.

    >>> installed("no-such-package")
    'unknown'
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def environment() -> dict[str, Any]:
    """Versions, processor and threads: those of PyTorch where it is loaded, else the processors that may be used."""
    torch = sys.modules.get("torch")  # asked only where a network has run: loading it takes seconds
    return {
        "fembridge": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "gpu": torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None,
        "threads": torch.get_num_threads() if torch is not None else _processors(),
        "packages": {package: installed(package) for package in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
