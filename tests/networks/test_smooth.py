import torch

from fembridge.networks.activations import activation
from fembridge.networks.smooth import SMOOTH
from fembridge.studies.tables import SMOOTH as NAMES


def test_run_files_know_the_same_names() -> None:
    assert set(NAMES) == set(SMOOTH)


def test_each_is_smooth_and_elementwise() -> None:
    z = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    for name in SMOOTH:
        sigma = activation(name)
        assert torch.autograd.gradcheck(sigma, z)
        assert sigma(z.reshape(13, 1)).shape == (13, 1)
