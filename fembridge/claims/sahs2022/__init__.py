"""Sahs, Pyle, Damaraju, Ortega Caro, Tavaslioglu, Lu, Anselmi, Patel: Shallow Univariate ReLU Networks as Splines:
Initialization, Loss Surface, Hessian, and Gradient Flow Dynamics (arXiv 2008.01772).
"""

from fembridge.claims.sahs2022 import adaptive, critical, flow, hessians, initial, kernel, pinned, rank, views

CLAIMS = [*views.CLAIMS, *initial.CLAIMS, *flow.CLAIMS, *critical.CLAIMS]
CLAIMS += [*rank.CLAIMS, *pinned.CLAIMS, *hessians.CLAIMS, *kernel.CLAIMS, *adaptive.CLAIMS]
