"""Sahs, Pyle, Damaraju, Ortega Caro, Tavaslioglu, Lu, Anselmi, Patel: Shallow Univariate ReLU Networks as Splines:
Initialization, Loss Surface, Hessian, and Gradient Flow Dynamics (arXiv 2008.01772).
"""

from fembridge.claims.sahs2022 import adaptive, critical, flow, hessians, initial, kernel, views

CLAIMS = [*views.CLAIMS, *initial.CLAIMS, *flow.CLAIMS, *critical.CLAIMS, *hessians.CLAIMS]
CLAIMS += [*kernel.CLAIMS, *adaptive.CLAIMS]
