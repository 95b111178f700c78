"""One check from each neighbour of the theory."""

from fembridge.claims.related import (
    cube,
    descent,
    lazy,
    periodic,
    physics,
    products,
    pruning,
    seagull,
    thresholds,
    wavelets,
)

CLAIMS = [*wavelets.CLAIMS, *thresholds.CLAIMS, *seagull.CLAIMS, *physics.CLAIMS, *periodic.CLAIMS]
CLAIMS += [*products.CLAIMS, *cube.CLAIMS, *pruning.CLAIMS, *descent.CLAIMS, *lazy.CLAIMS]
