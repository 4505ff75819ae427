"""DICE-2016R (Nordhaus, 2017): growth that emits carbon, carbon that warms, warming that costs output.

Time is a state: tau = 1 - exp(-nu t) after t periods of five years, between 0 and 1. What changes with time alone is looked up
in the tables of Calibration.py. Capital is per unit of effective labour, carbon in thousands of GtC, so that all states are of
the order of one.

Prices are those of the planner, in goods of the period. A price is the network's, times gross output.
"""

import torch

import Parameters
import PolicyState
import State

def period(state):
    """Periods of five years since 2015."""
    return -torch.log((1 - State.tau(state)).clamp(min=1e-30)) / Parameters.nu


def now(table, state):
    """The entry of this period in a table `[periods]`."""
    return table[period(state).round().clamp(max=len(table) - 1).long()]


def year(state, policy_state):
    """Calendar year."""
    return 2015 + Parameters.years * period(state)


def K(state, policy_state):
    """Capital."""
    return State.k(state) * now(Parameters.effective, state)


def Y_gross(state, policy_state):
    """Output before damages and abatement."""
    return now(Parameters.effective, state) * State.k(state) ** Parameters.gamma


def damages(state, policy_state):
    """Share of output lost to warming."""
    return Parameters.damage * State.T(state) ** 2


def scc(state, policy_state):
    """Social cost of carbon: what a ton more costs all later periods."""
    return Y_gross(state, policy_state) * torch.exp(PolicyState.log_scc(policy_state))


def mu(state, policy_state):
    """Mitigation rate: its marginal cost, backstop mu^(theta - 1), is the social cost of carbon, or the rate is at its bound."""
    wanted = (scc(state, policy_state) / now(Parameters.price_of_backstop, state)) ** (1 / (Parameters.theta - 1))
    return torch.where(period(state) < 0.5, Parameters.mu_0, torch.minimum(wanted, now(Parameters.most, state)))


def abatement(state, policy_state):
    """Share of output that mitigation costs."""
    cost = now(Parameters.price_of_backstop, state) * now(Parameters.intensity, state) / Parameters.theta / 1000
    return cost * mu(state, policy_state) ** Parameters.theta


def Y(state, policy_state):
    """Output net of damages and abatement."""
    return Y_gross(state, policy_state) * (1 - damages(state, policy_state) - abatement(state, policy_state))


def C(state, policy_state):
    """Consumption: a share of output net of damages, before abatement, which jumps where the bound on mitigation does."""
    return PolicyState.c(policy_state) * Y_gross(state, policy_state) * (1 - damages(state, policy_state))


def s(state, policy_state):
    """Savings rate."""
    return 1 - C(state, policy_state) / Y(state, policy_state)


def a_head(state, policy_state):
    """Consumption a head."""
    return 1000 * C(state, policy_state) / now(Parameters.people, state)


def industry(state, policy_state):
    """Industrial emissions."""
    return now(Parameters.intensity, state) * Y_gross(state, policy_state) * (1 - mu(state, policy_state))


def price(state, policy_state, name):
    """Of a unit of carbon or warmth at the end of the period, by the policy's name."""
    return Y_gross(state, policy_state) * torch.exp(getattr(PolicyState, name)(policy_state))
