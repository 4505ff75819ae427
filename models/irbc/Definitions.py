"""N countries with complete markets: quantities as functions of state and policy.

A planner with given welfare weights chooses capital and consumption of all countries, whose goods are one. The economy, its
adjustment costs and its calibration are those of Brumm and Scheidegger (2017, section 4), after Juillard and Villemot (2011).
The policy is growth of capital; the price of the good, lambda, follows from it.
"""

import torch

import Parameters
import PolicyState
import State

alpha, delta, phi, A = Parameters.alpha, Parameters.delta, Parameters.phi, Parameters.A
NEWTON = 4  # steps before the last two; rounding is reached from a fifth to five times the consumption at rest


def Y(state, policy_state):
    """Output of each country, [*batch, N]."""
    return A * torch.exp(State.a(state)) * State.k(state) ** alpha


def k_next(state, policy_state):
    """Capital of each country next quarter, [*batch, N]."""
    return State.k(state) * (1 + PolicyState.g(policy_state))


def I(state, policy_state):
    """Investment of each country, without the costs of adjustment, [*batch, N]."""
    return State.k(state) * (delta + PolicyState.g(policy_state))


def C_mean(state, policy_state):
    """Consumption per country: what investment and costs of adjustment leave of output."""
    costs = phi / 2 * State.k(state) * PolicyState.g(policy_state) ** 2
    return (Y(state, policy_state) - I(state, policy_state) - costs).mean(-1)


def log_lambda(state, policy_state):
    """Log of the good's shadow price: that at which consumption A lambda^-gamma_j adds up to what there is.

    Newton's method for the log of the sum, which is convex and falls. The last two steps have a gradient: one gives the exact
    first derivative, two the second as well, which the second-order solution needs.
    """
    log_C = torch.log(C_mean(state, policy_state).clamp(min=Parameters.C_least) / A)
    with torch.no_grad():
        x = torch.full_like(log_C, Parameters.log_lambda_ss)
        for _ in range(NEWTON):
            x = newton(x, log_C)
    return newton(newton(x, log_C), log_C)


def newton(x, log_C):
    """The log of lambda after a step from x to the one at which the mean of lambda^-gamma_j is C."""
    gamma = Parameters.gamma
    parts = torch.exp(-gamma * x[..., None])
    return x + (torch.log(parts.mean(-1)) - log_C) * parts.sum(-1) / (gamma * parts).sum(-1)


def C(state, policy_state):
    """Consumption of each country, [*batch, N]."""
    return A * torch.exp(-Parameters.gamma * log_lambda(state, policy_state)[..., None])


def payoff(state, policy_state):
    """What a unit of capital of each country gives: its product and what is left of it, and smaller costs, [*batch, N]."""
    g = PolicyState.g(policy_state)
    return alpha * Y(state, policy_state) / State.k(state) + 1 - delta + phi / 2 * g * (g + 2)
