"""Households' productivity: its dispersion is larger in recessions; who is at which rank changes as in `krusell_smith`."""

import Parameters

from krusell_smith.Productivity import labour, transition


def income(Z):
    """Labour income in units of the wage: [*batch, nE]. Z between the nodes counts as the nearer one."""
    return Parameters.income[(Z[..., None] - Parameters.tfp_grid).abs().argmin(-1)]
