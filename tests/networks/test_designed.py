import numpy as np
import pytest
import torch

from fembridge.networks.designed import last_gram, spline_network


def test_the_network_combines_its_splines_and_trains_its_output_alone() -> None:
    T = np.random.default_rng(0).standard_normal((5, 6))
    model = spline_network(2, 4, T)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["3.weight"]
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    splines = model[1](model[0](x)).numpy()
    assert np.abs(splines.sum(axis=1) - 1).max() < 1e-15  # a partition of unity, up to both ends
    assert np.abs(model[:-1](x).detach().numpy() - splines @ T.T).max() < 1e-14
    weights = np.full(9, 1 / 9)
    assert np.abs(last_gram(model, x[:, 0].numpy(), weights) - T @ splines.T @ splines @ T.T / 9).max() < 1e-13


@pytest.mark.parametrize("matrix", [np.eye(3), np.ones(4)])
def test_a_matrix_of_another_width_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match="matrix: expected 6 columns"):
        spline_network(2, 4, matrix)
