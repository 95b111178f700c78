"""Hat trained in full on Rahaman's sums of sines: unbiased where hats are as narrow as the highest frequency."""

from __future__ import annotations

from functools import partial

import numpy as np

from fembridge.bridge.charts import Chart
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.hong2022.grams import SOURCE
from fembridge.claims.rahaman2019.sines import FULL, QUICK, trained
from fembridge.claims.repeats import LEFT, UNBIASED, WHY

NARROW = 4.0  # W/k: first-layer weights are uniform on ±W, W/2 in the mean; a hat rises over 1/w, half a period 1/2k


def _hat(setting: Setting, growing: bool, narrow: bool) -> Evidence:
    """The exponent of steps to half the error. The controls are k², gradient descent under the tangent kernel of ReLU,
    and, where the bias is there, its reverse.
    """
    scale = NARROW * setting.size(QUICK, FULL).frequencies[-1] if narrow else 1.0
    run = trained(setting, "hat", growing, scale)
    title = f"Hat, Adam, first-layer weights and biases on ±{scale:g}"
    chart = Chart(title, "frequency k", LEFT, (run.pair(),), slopes=(2.0,))
    return Evidence(np.zeros(1), run.exponents()[:, None], np.array([2.0 if narrow else -1.0]), chart)


CLAIMS = [
    Claim(
        "hong2022.trained-hat-default",
        f"{SOURCE}, section 4",
        "In Rahaman's experiment with Hat instead of ReLU and PyTorch's initialisation, steps to half the error do not "
        "grow with the frequency. (They do, as those of ReLU: hats of slope 1 on [0, 1] are wider than the domain.)",
        "statistical",
        UNBIASED,
        WHY,
        partial(_hat, growing=False, narrow=False),
        known=True,
    ),
    *(
        Claim(
            f"hong2022.trained-hat-narrow-{'growing' if growing else 'equal'}",
            f"{SOURCE}, section 4",
            "With hats as narrow as half a period of the highest frequency K, first-layer weights and biases uniform "
            f"on ±4K, they do not{', nor for amplitudes that grow with the frequency' if growing else ''}.",
            "statistical",
            UNBIASED,
            f"{WHY} A hat w x + b rises over 1/|w|, and |w| is 2K in the mean.",
            partial(_hat, growing=growing, narrow=True),
        )
        for growing in (False, True)
    ),
]
