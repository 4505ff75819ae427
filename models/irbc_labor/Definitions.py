"""N countries with complete markets that choose hours: quantities as functions of state and policy.

Utility of country j is C^(1 - 1/gamma_j) / (1 - 1/gamma_j) - b_j l^(1 + 1/eta_j) / (1 + 1/eta_j), its output is
A e^a k^alpha l^(1 - alpha): model II of the comparison by Den Haan, Judd and Juillard (2011), as in Juillard and Villemot (2011).
All else is as in `irbc`. Consumption and hours follow from the price of the good, lambda, and that from the policy.
"""

import torch

import Parameters
import PolicyState
import State

from irbc.Definitions import I, k_next, payoff

alpha, phi, A = Parameters.alpha, Parameters.phi, Parameters.A

NEWTON = 4  # steps before the last two; rounding is reached where -2 to 6 times the consumption at rest is spent on capital


def l(state, policy_state):
    """Hours of each country, one at rest, [*batch, N]: tau_j b_j l^(1 / eta_j) = lambda (1 - alpha) Y / l."""
    return torch.exp(Parameters.l_elasticity * (log_lambda(state, policy_state)[..., None] + log_worth(state)))


def Y(state, policy_state):
    """Output of each country, [*batch, N]."""
    return A * torch.exp(log_worth(state)) * l(state, policy_state) ** (1 - alpha)


def C(state, policy_state):
    """Consumption of each country, [*batch, N]: tau_j C_j^(-1 / gamma_j) = lambda."""
    return Parameters.C_rest * torch.exp(-Parameters.gamma * log_lambda(state, policy_state)[..., None])


def spent(state, policy_state):
    """Investment and costs of adjustment per country, which may be negative."""
    costs = phi / 2 * State.k(state) * PolicyState.g(policy_state) ** 2
    return (I(state, policy_state) + costs).mean(-1)


def log_worth(state):
    """Log of e^a k^alpha, [*batch, N]."""
    return State.a(state) + alpha * torch.log(State.k(state))


def log_lambda(state, policy_state):
    """Log of the good's shadow price: that at which consumption and what is spent add up to output.

    Demand falls in it and supply rises, from nothing and without bound, so there is one for any policy. Newton's method for the
    difference of the logs. The last two steps have a gradient, as in `irbc`.
    """
    worth, left = log_worth(state), spent(state, policy_state)
    with torch.no_grad():
        x = torch.zeros_like(left)
        for _ in range(NEWTON):
            x = newton(x, worth, left)
    return newton(newton(x, worth, left), worth, left)


def newton(x, worth, left):
    """The log of lambda after a step from x [*batch], for log_worth [*batch, N] and spent [*batch].

    What is spent counts as demand, and as supply where it is negative.
    """
    gamma, supplied = Parameters.gamma, (1 - alpha) * Parameters.l_elasticity
    C = Parameters.C_rest * torch.exp(-gamma * x[..., None])
    Y = A * torch.exp((1 + supplied) * worth + supplied * x[..., None])
    positive = left.clamp(min=0)
    demand, supply = C.mean(-1) + positive, Y.mean(-1) + (positive - left)
    slope = (gamma * C).mean(-1) / demand + (supplied * Y).mean(-1) / supply
    return x + (torch.log(demand) - torch.log(supply)) / slope
