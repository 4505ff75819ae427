"""The households' Euler equations at every node of the histogram, as in `krusell_smith`, with a discount factor for each e."""

import Parameters

from krusell_smith.Equations import equations, implied


def discounted(value):
    """Next period's value in today's utils, by the discount factor that a household has today: [*batch, nE, nA]."""
    return Parameters.beta[:, None] * value
