"""Wave packets: norms, and local means of powers against their moments."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.packets import local_power, packet


def test_packets_have_norm_one() -> None:
    x = np.arange(-600, 601) / 20
    assert 0.05 * (packet(x, 6.0, 3.0) ** 2).sum() == pytest.approx(1, abs=1e-12)


def test_local_power_of_a_gaussian() -> None:
    """e^{−s²} times the window is a Gaussian again: (1 + 1/T²)^{−1/2} e^{−ω²/(1 + 1/T²)}."""
    omega, width = np.array([3.0, 4.0]), 4.0
    spread = 1 + width**-2
    expected = np.exp(-(omega**2) / spread) / np.sqrt(spread)
    assert local_power(lambda s: np.exp(-(s**2)), omega, width) == pytest.approx(expected, rel=1e-10)


def test_a_packet_stays_away_from_zero() -> None:
    with pytest.raises(ValueError, match="omega: expected frequencies above 8/4, got 1"):
        local_power(np.cos, [1.0, 5.0], 4.0)
