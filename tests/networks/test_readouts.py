"""Read-outs of fixed features, fitted at once."""

import numpy as np
from torch import nn

from fembridge.networks.limits import flow_limit
from fembridge.networks.outputs import outputs
from fembridge.networks.readouts import readout, risk
from fembridge.networks.training import train
from fembridge.samples import Samples


def test_the_least_norm_is_where_descent_ends() -> None:
    random = np.random.default_rng(0)
    w, b = random.standard_normal((12, 2)), random.standard_normal(12)
    data = Samples(np.array([[2.0, 0.0], [0.0, -2.0]]), random.standard_normal((2, 3)))
    fitted, trained = (readout(nn.Tanh(), w, b, 3) for _ in range(2))
    flow_limit(fitted, data)
    train(trained, data, learning_rate=0.15, record=[0, 800])
    assert np.allclose(outputs(fitted, data), data.values, atol=1e-12)
    assert np.allclose(fitted[2].weight.detach(), trained[2].weight.detach(), atol=1e-6)


def test_risk_of_each_output() -> None:
    model = readout(nn.Identity(), [[1.0]], [0.0], 2)
    assert np.allclose(risk(model, Samples([[1.0], [2.0]], [[1.0, 2.0], [1.0, 0.0]])), [1.0, 2.0])
