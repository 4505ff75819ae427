"""Employment: its transitions depend on (Z, Z'), and the unemployed live on a benefit that a tax on labour income pays for.

Index 0 is unemployed, 1 employed. Unemployment is u(Z) in every quarter, as transitions into Z' are such that it moves from
u(Z) to u(Z') (Den Haan, Judd and Juillard, 2010, Journal of Economic Dynamics and Control 34(1), 1-3).
"""

import Parameters


def node(Z):
    """Index of the node of Z, of the shape of Z. Z between the nodes counts as the nearer one."""
    return (Z[..., None] - Parameters.tfp_grid).abs().argmin(-1)


def transition(Z, Z_next):
    """Probabilities of e' (columns) given e (rows), on the way from Z to Z': [*batch, nE, nE]."""
    return Parameters.Pi_e[node(Z), node(Z_next)]


def income(Z):
    """Labour income after taxes, or benefit, in units of the wage: [*batch, nE]."""
    return Parameters.income[node(Z)]


def labour(Z):
    """Labour, of the shape of Z."""
    return Parameters.labour[node(Z)]


def shares(Z):
    """Shares of the unemployed and of the employed: [*batch, nE]."""
    return Parameters.employment[node(Z)]
