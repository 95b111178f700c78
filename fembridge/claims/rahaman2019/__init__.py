"""Rahaman, Baratin, Arpit, Draxler, Lin, Hamprecht, Bengio, Courville: On the Spectral Bias of Neural Networks (arXiv
1806.08734).
"""

from fembridge.claims.rahaman2019 import curves, robustness, sines

CLAIMS = [*sines.CLAIMS, *robustness.CLAIMS, *curves.CLAIMS]
