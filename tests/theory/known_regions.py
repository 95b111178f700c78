"""ReLU networks whose linear regions are counted by hand: kinks that coincide, touch, run parallel and meet in a point.

All numbers are short in base 2, so that what meets here meets in float64 too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.theory.regions import Box, Layers


@dataclass(frozen=True, eq=False)
class Known:
    """The hidden layers of a network, a box, and how many regions there are."""

    name: str
    box: Box
    layers: Layers
    regions: int

    def __str__(self) -> str:
        return self.name


def layer(*neurons: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Neurons (w, b)."""
    rows = np.array(neurons, dtype=float)
    return rows[:, :-1], rows[:, -1]


def signed(d: int) -> tuple[np.ndarray, np.ndarray]:
    """σ(x_i) in the first d neurons, σ(−x_i) in the last."""
    return np.vstack([np.eye(d), -np.eye(d)]), np.zeros(2 * d)


def tents(d: int, depth: int) -> Layers:
    """x_i folded by T(x) = 2σ(x) − 4σ(x − ½), each by itself: 2^depth pieces on [0, 1] in each direction."""
    offsets, fold = np.tile([0.0, -0.5], d), np.kron(np.eye(d), [[2.0, -4.0], [2.0, -4.0]])
    return [(np.repeat(np.eye(d), 2, axis=0), offsets), *[(fold, offsets)] * (depth - 1)]


UNIT = [(0.0, 1.0)]
LINE, SQUARE, CUBE = ([(-1.0, 1.0)] * d for d in (1, 2, 3))
MIRRORS = [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (1, 1, 0, 0), (1, -1, 0, 0)]
MIRRORS += [(1, 0, 1, 0), (1, 0, -1, 0), (0, 1, 1, 0), (0, 1, -1, 0)]

KNOWN = (
    # one hidden layer
    Known("points, two of them one", LINE, [layer((1, 0.5), (-2, -1), (1, -0.25), (4, 1))], 4),
    Known("points at the ends and outside", LINE, [layer((1, 1), (-1, 1), (1, -1), (1, 3))], 1),
    Known("dead, always on, zero", SQUARE, [layer((0, 0, -1), (0, 0, 1), (0, 0, 0), (1, 1, 4), (1, 1, -4))], 1),
    Known("coincident lines", SQUARE, [layer((1, 2, 0.5), (2, 4, 1), (-0.5, -1, -0.25))], 2),
    Known("parallel lines", SQUARE, [layer((1, 1, 0), (1, 1, 0.5), (-1, -1, 0.5), (2, 2, 0.5))], 5),
    Known("a grid", SQUARE, [layer((1, 0, 0), (1, 0, 0.5), (1, 0, -0.5), (0, 1, 0), (0, 1, 0.5))], 12),
    Known("three lines in a point", SQUARE, [layer((1, 0, -0.5), (0, 1, 0.25), (1, 1, -0.25))], 6),
    Known("four lines in a point, one doubled", SQUARE, [layer(*((*w, 0) for w in SQUARE), (1, 0, 0), (0, 1, 0))], 6),
    Known("the diagonals and the axes", SQUARE, [layer((1, 1, 0), (1, -1, 0), (1, 0, 0), (0, 1, 0))], 8),
    Known("an edge and a corner of the box", SQUARE, [layer((1, 0, -1), (0, 1, 1), (1, 1, 2), (1, -1, 2))], 1),
    Known("lines through a corner of the box", SQUARE, [layer((1, 2, 3), (2, 1, 3), (1, -1, 0), (2, -1, 1))], 3),
    Known("three planes", CUBE, [signed(3)], 8),
    Known("planes through a line", CUBE, [layer((1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 0, 0), (1, -1, 0, 0))], 8),
    Known("four planes in a point", CUBE, [layer((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (1, 1, 1, 0))], 14),
    Known("the mirrors of a cube", CUBE, [layer(*MIRRORS)], 48),
    Known("a face, an edge, a corner of a cube", CUBE, [layer((1, 0, 0, 1), (1, 1, 0, 2), (1, 1, 1, -3))], 1),
    Known("parallel planes", CUBE, [layer((1, 1, 1, 0), (1, 1, 1, 1), (-2, -2, -2, 2), (4, 4, 4, 0))], 4),
    # deep
    Known("a dead layer", LINE, [layer((1, 0)), layer((-1, -1)), layer((1, 0), (1, 1))], 2),
    Known("nothing but zero", SQUARE, [layer((1, 0, -4), (0, 0, 0)), layer((1, 1, 0)), layer((1, 0))], 1),
    Known("|x| touches zero", LINE, [signed(1), layer((1, 1, 0), (-1, -1, 0))], 2),
    Known("zero on one side", LINE, [layer((1, 0)), layer((1, 0), (-1, 0)), layer((1, 1, 0))], 2),
    Known("five folds", UNIT, tents(1, 5), 32),
    Known("three folds both ways", UNIT * 2, tents(2, 3), 64),
    Known("two folds three ways", UNIT * 3, tents(3, 2), 64),
    Known("σ(x) − σ(y)", SQUARE, [layer((1, 0, 0), (0, 1, 0)), layer((1, -1, 0))], 5),
    Known("a line through a vertex", SQUARE, [signed(2), layer((1, 2, -1, -2, 0))], 6),
    Known("a line again", SQUARE, [signed(2), layer((1, 0, -1, 0, 0), (2, 0, -2, 0, 0))], 4),
    Known("|x| + |y| = ½, ¾", SQUARE, [signed(2), layer((1, 1, 1, 1, -0.5), (-1, -1, -1, -1, 0.75))], 12),
    Known("|x| + |y| = 1, corners on the edges", SQUARE, [signed(2), layer((1, 1, 1, 1, -1))], 8),
    Known("|x| + |y| = 2, at the corners", SQUARE, [signed(2), layer((1, 1, 1, 1, -2))], 4),
    Known("|x| + |y| + |z| = ½, 1", CUBE, [signed(3), layer((*[1] * 6, -0.5), (*[1] * 6, -1))], 24),
    Known("|x| + |y| + |z| = 2", CUBE, [signed(3), layer((*[1] * 6, -2))], 16),
)
