"""A designed activation goes where PyTorch modules go."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks.activations import BSpline, Hat, SplineActivation

DESIGNED = SplineActivation([0, 1, 2, 3, 4], [1.268, -0.340, 0.091], 1)
X = torch.linspace(-3, 3, 64)[:, None]


def network(activation: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 16), activation, nn.Linear(16, 1))


def test_it_is_saved_and_loaded_by_safetensors(tmp_path: Path) -> None:
    """The knots and coefficients of the file take the place of those that the module was made with."""
    from safetensors.torch import load_model, save_model

    model, other = network(DESIGNED), network(SplineActivation([0, 1, 2, 3, 5], [1.0, 0.0, 0.0], 1))
    save_model(model, str(tmp_path / "model.safetensors"))
    load_model(other, str(tmp_path / "model.safetensors"))
    assert torch.equal(other(X), model(X))


@pytest.mark.slow
@pytest.mark.parametrize("activation", [DESIGNED, BSpline(3), Hat()], ids=["design", "cubic", "hat"])
def test_it_is_compiled(activation: nn.Module) -> None:
    model = network(activation)
    compiled = torch.compile(model)
    assert (compiled(X) - model(X)).abs().max() < 1e-6  # float32
    compiled(X).sum().backward()
    found = [p.grad.clone() for p in model.parameters()]  # type: ignore[union-attr]
    model.zero_grad()
    model(X).sum().backward()
    for p, g in zip(model.parameters(), found, strict=True):
        assert p.grad is not None and (p.grad - g).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("activation", [DESIGNED, BSpline(3), Hat()], ids=["design", "cubic", "hat"])
def test_it_is_exported_to_onnx(activation: nn.Module, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = network(activation).eval()
    torch.onnx.export(model, (X,), dynamo=True, dynamic_shapes=({0: "points"},)).save(str(tmp_path / "model.onnx"))  # type: ignore[union-attr]
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for x in (X, X[:7]):  # any number of points
        (u,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        assert np.abs(u - model(x).detach().numpy()).max() < 1e-6
