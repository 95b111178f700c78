"""Hong, Siegel, Tan, Xu: On the Activation Function Dependence of the Spectral Bias of Neural Networks (arXiv
2208.04924).
"""

from fembridge.claims.hong2022 import boxes, domains, faster, grams, knots, spectra, sums, tangents, trained, training

IN_FULL = [*trained.CLAIMS, *sums.CLAIMS, *tangents.CLAIMS, *faster.CLAIMS, *boxes.CLAIMS]  # all parameters trained
CLAIMS = [*grams.CLAIMS, *spectra.CLAIMS, *knots.CLAIMS, *training.CLAIMS, *domains.CLAIMS, *IN_FULL]
