"""From a wanted spectrum to a spline activation: the theory run backwards."""
