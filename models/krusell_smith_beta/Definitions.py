"""Quantities as functions of state and policy, as in `krusell_smith`; the unemployed make goods at home, beside Y.

Source: Krusell and Smith (1998), Journal of Political Economy 106(5), 867-896, section IV.
"""

import Parameters
import Productivity
import State

from krusell_smith.Definitions import *

from deqn import histogram

goods = Parameters.goods


def earnings(state, wage):
    """Income beside that of assets, in goods, at the wage [*batch]: [*batch, nE]."""
    return wage[..., None] * Productivity.income(State.Z(state)) + goods


def home(state, policy_state):
    """Goods that the unemployed make at home: [*batch]."""
    return (State.distribution(state).sum(-1) * goods).sum(-1)


def I(state, policy_state):
    """Investment, as all goods are consumed or invested: [*batch]."""
    return Y(state, policy_state) + home(state, policy_state) - C(state, policy_state)


def negative(state, policy_state):
    """Share of households with negative wealth: [*batch]."""
    return (State.distribution(state).sum(-2) * (a_grid < 0)).sum(-1)


def gini(state, policy_state):
    """Gini coefficient of wealth: [*batch]."""
    return histogram.gini(State.distribution(state), a_grid)


def top(state, fraction):
    """Share of wealth that the richest `fraction` of households hold: [*batch]."""
    return histogram.top_share(State.distribution(state), a_grid, fraction)
