"""Train a ReLU network 2-64-64-1 on real elevations, to be mapped:

python experiments/train_terrain.py
fembridge map --weights experiments/terrain.safetensors --layers 2,64,64,1

The target is matplotlib's `jacksboro_fault_dem` (344 rows of 403 points, the first in the north), scaled to [−1, 1]
over [0, 1]², x₁ to the east and x₂ to the north. Adam on the mean square at 2,048 random points a step, with a learning
rate that falls to zero along a cosine. Under a minute on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib import cbook
from torch import nn

from fembridge.bridge.loading import save_weights

STEPS, BATCH, RATE, SEED = 6000, 2048, 1e-2, 0


def terrain() -> tuple[torch.Tensor, torch.Tensor]:
    """Points (N, 2) in [0, 1]² and elevations (N, 1) in [−1, 1], in float32."""
    with np.load(cbook.get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as dem:
        height = dem["elevation"].astype(float)[::-1]
    height = 2 * (height - height.min()) / np.ptp(height) - 1
    north, east = np.meshgrid(*(np.linspace(0, 1, n) for n in height.shape), indexing="ij")
    x = np.column_stack([east.ravel(), north.ravel()])
    return torch.tensor(x, dtype=torch.float32), torch.tensor(height.reshape(-1, 1), dtype=torch.float32)


def train() -> tuple[nn.Sequential, float]:
    """The trained network and the root of its mean square error over all points."""
    torch.manual_seed(SEED)
    model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    with torch.no_grad():
        model[0].bias.copy_(-(model[0].weight @ torch.rand(2, 64)).diagonal())  # kinks cross the square
    x, f = terrain()
    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    for _ in range(STEPS):
        some = torch.randint(len(x), (BATCH,))
        adam.zero_grad()
        nn.functional.mse_loss(model(x[some]), f[some]).backward()
        adam.step()
        falling.step()
    with torch.no_grad():
        return model, float(nn.functional.mse_loss(model(x), f).sqrt())


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "experiments/terrain.safetensors")
    model, error = train()
    save_weights(model, path)
    print(f"{path}: root mean square error {error:.3f} of elevations in [−1, 1]")
