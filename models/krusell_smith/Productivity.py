"""Households' productivity: its transitions, what it earns, and the labour that it adds up to.

This is what economies of the Krusell-Smith kind differ in: `models/krusell_smith_1998/` has another file of this name.
"""

import Parameters


def transition(Z, Z_next):
    """Probabilities of e' (columns) given e (rows), which depend on neither Z nor Z' in this economy: [nE, nE]."""
    return Parameters.Pi_e


def income(Z):
    """Labour income in units of the wage: [nE], the same at every Z."""
    return Parameters.e_grid


def labour(Z):
    """Labour in efficiency units, the same at every Z."""
    return Parameters.L
