"""Networks of wavelets: ReLUs, reflections at the ends, and what trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fembridge.networks import wavelets
from fembridge.networks.activations import SplineActivation
from fembridge.networks.readouts import hidden


def test_seven_relus_are_the_wavelet() -> None:
    z = torch.linspace(-1, 4, 101, dtype=torch.float64)[:, None]
    psi = SplineActivation(np.arange(7) / 2, np.array([1, -6, 10, -6, 1]) / 12, 1)
    assert (wavelets.as_relus()(z) - psi(z)).abs().max() < 1e-13


def test_features_vanish_at_the_ends_and_span_the_grid() -> None:
    network, ends = wavelets.wavelets(4), np.array([0.0, 1.0])
    assert np.abs(hidden(network, ends[:, None]).numpy()).max() < 1e-14
    assert np.linalg.matrix_rank(hidden(network, np.arange(1, 16)[:, None] / 16).numpy()) == 15


def test_only_the_output_trains() -> None:
    assert [name for name, p in wavelets.wavelets(2).named_parameters() if p.requires_grad] == ["3.weight"]
    with pytest.raises(ValueError, match="levels: expected one or more, got 0"):
        wavelets.wavelets(0)
