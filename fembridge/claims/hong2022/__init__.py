"""Hong, Siegel, Tan, Xu: On the Activation Function Dependence of the Spectral Bias of Neural Networks (arXiv
2208.04924).
"""

from fembridge.claims.hong2022 import domains, grams, knots, spectra, training

CLAIMS = [*grams.CLAIMS, *spectra.CLAIMS, *knots.CLAIMS, *training.CLAIMS, *domains.CLAIMS]
