"""N countries with complete markets whose households choose consumption and leisure, which are not separable.

Utility of country j is tau_j V^(1 - 1/gamma_j) / (1 - 1/gamma_j) with
V = [C^(1 - 1/xi_j) + b_j (L - l)^(1 - 1/xi_j)]^(1 / (1 - 1/xi_j)), output is A e^a [alpha k^mu_j + (1 - alpha) l^mu_j]^(1/mu_j):
model IV of the comparison by Den Haan, Judd and Juillard (2011), as in the programs of Maliar, Maliar and Judd (2011). Model III,
V = C^psi (L - l)^(1 - psi) with production of Cobb and Douglas, is that of xi = 1 and mu = 0. All else is as in `irbc`.

All is in logs of deviations from rest, where both forms are one. Consumption and the price of the good are formulas in hours of
the country; hours are those at which the price is the same for all countries and goods add up.
"""

import math

import torch
from torch.nn.functional import logsigmoid

import Parameters
import PolicyState
import State

from irbc.Definitions import I, k_next

alpha, delta, phi, A, L = Parameters.alpha, Parameters.delta, Parameters.phi, Parameters.A, Parameters.L
gamma, xi, mu = Parameters.gamma, Parameters.xi, Parameters.mu

NEWTON = 6  # steps before the last two; rounding is reached where -2 to 1.4 times the output at rest is spent on capital
LONGEST = 1.0  # step, in the logit of hours over the time there is


def Y(state, policy_state):
    """Output of each country, [*batch, N]."""
    return A * torch.exp(State.a(state) + produced(state, policy_state))


def l(state, policy_state):
    """Hours of each country, one at rest, [*batch, N]."""
    return L * torch.sigmoid(logit(state, policy_state))


def C(state, policy_state):
    """Consumption of each country, [*batch, N]."""
    return Parameters.C_rest * torch.exp(allocation(logit(state, policy_state), state)[0])


def log_lambda(state, policy_state):
    """Log of the good's shadow price, zero at rest: tau_j times marginal utility of consumption, of any country, [*batch]."""
    return allocation(logit(state, policy_state), state)[2].mean(-1)


def payoff(state, policy_state):
    """What a unit of capital of each country gives: its product and what is left of it, and smaller costs, [*batch, N]."""
    g = PolicyState.g(policy_state)
    product = State.a(state) + (1 - mu) * (produced(state, policy_state) - torch.log(State.k(state)))
    return alpha * A * torch.exp(product) + 1 - delta + phi / 2 * g * (g + 2)


def produced(state, policy_state):
    """Log of [alpha k^mu + (1 - alpha) l^mu]^(1 / mu), [*batch, N]."""
    return power_mean(torch.log(State.k(state)), torch.log(l(state, policy_state)), alpha, Parameters.exponent_Y)[0]


def spent(state, policy_state):
    """Investment and costs of adjustment per country, which may be negative."""
    costs = phi / 2 * State.k(state) * PolicyState.g(policy_state) ** 2
    return (I(state, policy_state) + costs).mean(-1)


def logit(state, policy_state):
    """That of hours over the time there is, [*batch, N].

    The last two steps have a gradient. One has the exact first derivative, two have the second as well, which the second-order
    solution needs.
    """
    left = spent(state, policy_state)
    with torch.no_grad():
        q = torch.full_like(State.k(state), -math.log(L - 1))
        for _ in range(NEWTON):
            q = newton(q, state, left)
    return newton(newton(q, state, left), state, left)


def newton(q, state, left):
    """The logits after a step from q [*batch, N], with the goods that are spent [*batch].

    The step leads to one price, at which to first order demand is supply, in logs. In each country the price rises in hours and
    consumption falls in them, so no slope is zero. What is spent counts as demand, and as supply where it is negative.
    """
    log_C, log_Y, price, slope_C, slope_Y, slope_price = allocation(q, state)
    C, Y, positive = Parameters.C_rest * torch.exp(log_C), A * torch.exp(log_Y), left.clamp(min=0)
    demand, supply = C.mean(-1) + positive, Y.mean(-1) + (positive - left)
    by_price = (slope_C * C / demand[..., None] - slope_Y * Y / supply[..., None]) / slope_price
    excess = torch.log(demand) - torch.log(supply)
    common = ((by_price * price).mean(-1) - excess) / by_price.mean(-1)
    return q + ((common[..., None] - price) / slope_price).clamp(-LONGEST, LONGEST)


def allocation(q, state):
    """Logs of consumption, output and price of each country where hours have the logit q, and their slopes in q, all [*batch, N].

    Consumption from (1 - alpha) A e^a [...]^(1/mu - 1) l^(mu - 1) = b ((L - l) / C)^(-1/xi).
    """
    log_k, log_l, log_leisure = torch.log(State.k(state)), math.log(L) + logsigmoid(q), math.log(L / (L - 1)) + logsigmoid(-q)
    worked = torch.sigmoid(q)  # share of time
    made, share_k = power_mean(log_k, log_l, alpha, Parameters.exponent_Y)
    log_C = log_leisure + xi * (State.a(state) + (1 - mu) * (made - log_l))
    V, share_C = power_mean(log_C, log_leisure, Parameters.weight_C, Parameters.exponent_V)
    price = -log_C / xi + (1 / xi - 1 / gamma) * V
    slope_C = -worked - xi * (1 - mu) * share_k * (1 - worked)
    slope_price = -slope_C / xi + (1 / xi - 1 / gamma) * (share_C * slope_C - (1 - share_C) * worked)
    return log_C, State.a(state) + made, price, slope_C, (1 - share_k) * (1 - worked), slope_price


def power_mean(x, y, weight, exponent):
    """Log of [weight e^(exponent x) + (1 - weight) e^(exponent y)]^(1 / exponent), and the share of x in the sum, [*batch, N]."""
    first, second = weight * torch.expm1(exponent * x), (1 - weight) * torch.expm1(exponent * y)
    return torch.log1p(first + second) / exponent, (weight + first) / (1 + first + second)
