"""Where gradient flow on the output weights ends: the solution of least distance from the start."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fembridge.networks.kernels import fixed_kernel
from fembridge.samples import Samples


def flow_limit(model: nn.Sequential, samples: Samples) -> nn.Sequential:
    """The model with the last layer that gradient flow from its present one tends to; others are left as they are.

    For weights w_q and features Φ (N, P), with 1 among them where the bias trains, the flow of ½ Σ_q w_q r_q² leaves
    θ − θ₀ in the row space of √w Φ, where the least squares have one solution: θ = θ₀ + (√w Φ)⁺ √w (f − u₀), by
    singular values, of which those under ε max(N, P) times the largest count as 0. Interpolation, where Φ allows it.

    Raises ValueError unless the last layer, a Linear, is all that trains, and the samples have the loss "mass".

    >>> from fembridge.networks.models import shallow
    >>> both = shallow(nn.ReLU(), weights=[1.0, 2.0], biases=[0.0, 0.0])   # u = v₁ x + 2 v₂ x
    >>> v = flow_limit(both, Samples([[1.0]], [5.0]))[2].weight[0]          # the shortest way to v₁ + 2 v₂ = 5
    >>> [round(one, 12) for one in v.tolist()]
    [1.0, 2.0]
    """
    last = model[-1] if isinstance(model, nn.Sequential) and len(model) else None
    if not isinstance(last, nn.Linear) or not fixed_kernel(model):
        raise ValueError("model: expected a Sequential whose last layer, a Linear, is all that trains")
    if samples.loss != "mass":
        raise ValueError(f'samples: expected the loss "mass", got "{samples.loss}"')
    with torch.no_grad():
        x, f, w = (torch.as_tensor(a).to(last.weight) for a in (samples.points, samples.values, samples.weights))
        features = model[:-1](x)
        residual = f.reshape(len(x), -1) - last(features)
        parts = [(last.weight, features)] if last.weight.requires_grad else []
        if last.bias is not None and last.bias.requires_grad:
            parts.append((last.bias[:, None], torch.ones_like(x[:, :1])))
        root = w.sqrt()[:, None]
        step = _least_norm(root * torch.cat([columns for _, columns in parts], dim=1), root * residual)
        sizes = [columns.shape[1] for _, columns in parts]
        for (parameter, _), change in zip(parts, step.T.split(sizes, dim=1), strict=True):
            parameter += change
    return model


def _least_norm(A: Tensor, b: Tensor) -> Tensor:
    rcond = torch.finfo(A.dtype).eps * max(A.shape)
    return torch.linalg.lstsq(A.cpu(), b.cpu(), rcond=rcond, driver="gelsd").solution.to(A)
