"""A spectrum or one end of it: computed, written and summed up."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fembridge.studies.folders import result_file
from fembridge.theory import spectra
from fembridge.theory.eigenpairs import Eigenpairs, eigenpairs
from fembridge.theory.features import Features
from fembridge.theory.symmetric import Spectrum

End = Literal["largest", "smallest"]


def find(
    features: Features, form: Any, method: Any, affine: bool, end: End, count: int | None, out: Path | None
) -> Eigenpairs | Spectrum:
    """All eigenvalues, or so many eigenpairs of one end; their arrays are written to `out`, where one is given."""
    with result_file(out) if out else nullcontext() as file:
        if count:
            found: Eigenpairs | Spectrum = eigenpairs(features, count, end, form, method)
        else:
            found = spectra.spectrum(features, form, method, affine)
        if file:
            arrays: dict[str, Any] = {"eigenvalues": found.eigenvalues, "error": found.error}
            if isinstance(found, Eigenpairs):
                arrays |= {"residuals": found.residuals, "eigenvectors": found.vectors}
            with file.open("wb") as stream:  # a stream keeps the suffix as it was given
                np.savez(stream, **arrays)
    return found


def summary(found: Eigenpairs | Spectrum, top: int | None) -> dict[str, Any]:
    """What is printed as JSON, with the first `top` eigenvalues."""
    whole = {} if isinstance(found, Eigenpairs) else {
        "condition_number": found.condition_number, "noise_floor": found.noise_floor
    }  # fmt: skip
    return {
        "method": found.method,
        **whole,
        "error_bound": found.error.max(),
        "eigenvalues": found.eigenvalues[:top],
        "error": found.error[:top],
    }


def sentence(found: Eigenpairs | Spectrum) -> str:
    """One line on all of them."""
    if isinstance(found, Eigenpairs):
        return f"largest relative residual {found.residuals.max():.1e} · {found.method}"
    return f"condition number {found.condition_number:.6g} · noise floor {found.noise_floor:.1e} · {found.method}"
