"""The contest of activations: what is counted, first layers, and theory beside training where nothing is random."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.claims import Setting
from fembridge.claims.design import contest as contests
from fembridge.claims.design.contest import DESIGN, QUICK, Choice, Contest, Entry, contest, first_layer
from fembridge.claims.design.trained import decibels, end, octaves, psnr_chart
from fembridge.samples import on_box

STEPS = np.array([0, 1, 2, 4, 8, 16])
CHOICE = Choice("grid", 16.0, 1.0)
DATA = on_box(lambda x: np.sin(2 * np.pi * x[:, 0]), [(0.0, 1.0)], [16], [1, 2])


def made(halves: dict[str, tuple[float, float]]) -> Contest:
    """Errors of two frequencies, and in norm as of the first, that halve in so many steps."""
    entries = {}
    for label, half in halves.items():
        left = 0.5 ** (STEPS[None, :, None] / np.array(half)).repeat(3, axis=0)
        entries[label] = Entry(CHOICE, np.ones(3), left, left[..., 0])
    return Contest(QUICK, STEPS, (0, 1, 2), (DATA,) * 3, entries)


def test_steps_to_a_part_and_what_is_never_reached() -> None:
    found = made({DESIGN: (1.0, 2.0), "Hat": (4.0, 100.0)})
    assert found.steps_to(0.25, found.entries[DESIGN].left)[0].tolist() == [2, 4]
    assert found.steps_to(0.25, found.entries["Hat"].left)[0].tolist() == [8, 16]
    assert octaves(found, ["Hat"]).ravel() == pytest.approx([np.log2(13 / 4 * 16 / 7) / 2] * 3, abs=0.3)


def test_a_network_that_starts_below_counts_from_step_one() -> None:
    found = made({DESIGN: (1.0, 1.0)})
    assert found.steps_to(0.5, np.full((1, len(STEPS), 1), 0.1)).tolist() == [[1.0]]


def test_errors_in_the_end_in_decibels() -> None:
    found = made({DESIGN: (4.0, 4.0), "Hat": (8.0, 8.0)})  # steps 8 and 16: 2^−3 and 2^−1.5 in the mean
    assert end(found, DESIGN) == pytest.approx([2.0**-3] * 3)
    assert decibels(found, ["Hat"]).ravel() == pytest.approx([30 * np.log10(2)] * 3)
    assert len(psnr_chart(found, "").pairs) == 2


def test_first_layers() -> None:
    w, b = first_layer(Choice("grid", 16.0, 1.0), 0, 1, QUICK)
    assert len(w) == QUICK.cells + 5 and -b / w[:, 0] == pytest.approx((np.arange(21) - 5) / 16)
    drawn = [first_layer(Choice("random", 4.0, 1.0), seed, 2, QUICK) for seed in (0, 0, 1)]
    assert (drawn[0][0] == drawn[1][0]).all() and (drawn[0][0] != drawn[2][0]).all()
    assert np.abs(drawn[0][0]).max() <= 4 / np.sqrt(2) and drawn[0][0].shape == (QUICK.width, 2)


def test_theory_and_training_agree_on_a_small_contest(monkeypatch: pytest.MonkeyPatch) -> None:
    small = QUICK._replace(cells=8, points=(32, 6), frequencies=(1, 2), outer=20, seeds=(2, 2), scales=(8.0,))
    monkeypatch.setattr(contests, "QUICK", small)
    found = contest.__wrapped__(Setting("quick", 17), "sines", "output")
    for label, entry in found.entries.items():
        assert entry.left.shape == (2, len(found.steps), 2) and entry.choice.scale == 8.0
        assert found.predicted(label) == pytest.approx(entry.left, abs=1e-12)
        assert (entry.norms[:, -1] < entry.norms[:, 0]).all()
    again = contest.__wrapped__(Setting("quick", 17), "sines", "output")
    assert (again.entries["sine"].left == found.entries["sine"].left).all()
