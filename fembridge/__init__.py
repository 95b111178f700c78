"""Which frequencies will this network learn, how fast, and is the theory right?

Public names are loaded when they are first used, so that spectra and predictions never wait for PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    # what a computation may take
    "memory_limit": "memory",
    # what is being fitted
    "Problem": "problem",
    "Target": "problem",
    "sines": "problem",
    "sawtooth": "problem",
    "terrain": "problem",
    "Samples": "samples",
    "samples_of": "samples",
    "on_box": "samples",
    "on_circle": "samples",
    "on_curve": "samples",
    "sum_of_sines": "samples",
    "terrain_grid": "datasets",
    "photograph": "datasets",
    "digits": "datasets",
    # theory: predicts
    "Spline": "theory.splines",
    "fourier_power": "theory.splines",
    "shift_symbol": "theory.splines",
    "Features": "theory.features",
    "grid": "theory.features",
    "on_knots": "theory.features",
    "gram": "theory.grams",
    "spectrum": "theory.spectra",
    "eigenpairs": "theory.eigenpairs",
    "laplace_modes": "theory.laplace",
    "predict": "theory.prediction",
    "steps_to_tolerance": "theory.prediction",
    "stability_limit": "theory.rates",
    "predict_kernel": "theory.linearised",
    "sgd_moments": "theory.stochastic",
    "design": "theory.design.designs",
    "designed_features": "theory.design.boundary",
    # networks: measure
    "Hat": "networks.activations",
    "BSpline": "networks.activations",
    "SplineActivation": "networks.activations",
    "initialise": "networks.models",
    "shallow": "networks.models",
    "perceptron": "networks.perceptrons",
    "gauss_newton": "networks.curvature",
    "ntk": "networks.curvature",
    "hessian": "networks.curvature",
    "top_eigenvalues": "networks.leading",
    "spline_view": "networks.univariate",
    "spline_network": "networks.univariate",
    "train": "networks.training",
    "train_many": "networks.training",
    # the bridge between them
    "expand": "bridge.expansion",
    "expand_sampled": "bridge.sampled",
    "rayleigh": "bridge.frequencies",
    "slice_through": "bridge.slices",
    "network_from": "bridge.inverse",
    "compare": "bridge.comparison",
    "compare_linearised": "bridge.linearised",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fembridge' has no attribute {name!r}")
    return getattr(import_module(f"fembridge.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
