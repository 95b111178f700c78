"""Networks of many inputs on a line, a plane or a space through given points."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from fembridge.networks.affine import FixedAffine
from fembridge.problem import Array, Interval

MARGIN = 0.1  # of the box of the points, added on each side


@dataclass(frozen=True, eq=False)
class Slice:
    """A network R^D → R on the affine hull of k + 1 points, R^k → R: t ↦ model(origin + directions t).

    module: FixedAffine and the model itself, not a copy; its parameters are named "1.…". origin: (D,), the first point.
    directions: (D, k), orthonormal, so that lengths, areas and gradients along the slice are those in R^D. coordinates:
    (k + 1, k), t of the points. domain: the box of these and 10 % of its sides more at each end.
    """

    module: nn.Sequential
    origin: Array
    directions: Array
    coordinates: Array
    domain: list[Interval]


def slice_through(model: nn.Module, points: ArrayLike) -> Slice:
    """The restriction of a network to the line, plane or space through 2, 3 or 4 points: `expand(slice.module,
    slice.domain)` is exact, whatever the number of inputs.

    points: (k + 1, D) rows of R^D, D the inputs of the model; affinely independent. With edges p_i − p_0 = Q R, R
    upper triangular of positive diagonal: directions Q, and coordinates 0 and the columns of R. The first point is at
    the origin, the second on the positive first axis.

    Raises ValueError for points that are not finite, not so many, of another dimension, or dependent up to the
    rounding of their coordinates.

    >>> plane = slice_through(nn.Linear(4, 1), [[0, 0, 0, 1], [0, 3, 0, 1], [4, 0, 0, 1]])
    >>> plane.coordinates
    array([[0., 0.],
           [3., 0.],
           [0., 4.]])
    """
    rows = np.array(points, dtype=float)
    if rows.ndim != 2 or not 2 <= len(rows) <= min(4, rows.shape[1] + 1):
        raise ValueError(f"points: expected 2, 3 or 4 rows (k + 1, D) with k ≤ D, got shape {rows.shape}")
    if not np.abs(rows).max() < np.sqrt(np.finfo(float).max) / rows.size:  # so that no square overflows
        raise ValueError("points: expected finite numbers with finite squares")
    edges = (rows[1:] - rows[0]).T
    # The coordinates, and differences of them, are known to ε‖p‖; singular values to max(D, k) times that.
    rounding = 4 * max(rows.shape) * np.finfo(float).eps * np.linalg.norm(rows)
    if not np.linalg.svd(edges, compute_uv=False)[-1] > rounding:
        raise ValueError(f"points: expected affinely independent points, got {len(rows)} that are dependent")
    _check_takes(model, rows)
    q, r = np.linalg.qr(edges)
    signs = np.where(np.diag(r) < 0, -1.0, 1.0)
    directions, coordinates = q * signs, np.vstack([np.zeros(len(r)), (signs[:, None] * r).T]) + 0.0  # no −0
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    margin = MARGIN * (high - low)
    domain = [(float(a), float(b)) for a, b in zip(low - margin, high + margin, strict=True)]
    return Slice(nn.Sequential(FixedAffine(directions, rows[0]), model), rows[0], directions, coordinates, domain)


def _check_takes(model: nn.Module, rows: Array) -> None:
    """Raise ValueError where the model cannot be called with points of that dimension."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"slice: expected a torch.nn.Module, got {type(model).__name__}")
    try:
        with torch.no_grad():
            deepcopy(model).double().cpu()(torch.tensor(rows))
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"points: expected rows that the model takes, got {rows.shape[1]} numbers: {reason}") from None
