"""Designed activations: what the theory run backwards promises, measured on the networks that it makes."""

from fembridge.claims.design import steps, symbols, trained

CLAIMS = [*symbols.CLAIMS, *steps.CLAIMS, *trained.CLAIMS]
