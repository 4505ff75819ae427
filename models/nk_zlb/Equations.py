"""Euler equation and price setting, for either pair of policies, given what is expected.

1 / C = beta_t R E[1 / (C' Pi')] and, with inflation P = Pi / Pi*, where a change of prices costs phi_price / 2 (P - 1)^2 Y,
(P - 1) P = (1 - epsilon + epsilon w) / phi_price + beta_t E[C / C' Y' / Y (P' - 1) P'], with the wage w = chi C Y^eta.

Units: log points of consumption; tenths of a log point of inflation.
"""

import torch

import Definitions
import Parameters
import State

epsilon, phi_price = Parameters.epsilon, Parameters.phi_price
chi = (epsilon - 1) / epsilon  # output is one in the steady state


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    beta = Definitions.discount(state)

    def price_change(s, p):
        """Y' / C' (P' - 1) P'."""
        pi = Definitions.today(p)[1]
        return torch.expm1(pi) * torch.exp(pi) / Definitions.consumed(pi)

    marginal = beta * E_t(lambda s, p: 1 / (Definitions.C(s, p) * Definitions.Pi(s, p)))
    change = beta * E_t(price_change)
    residuals = {}
    for name, at_zero in (("free", False), ("zero", True)):
        log_C, pi = Definitions.branch(policy_state, at_zero)
        log_Y = log_C - torch.log(Definitions.consumed(pi))
        log_R = 0.0 if at_zero else Definitions.log_rule(policy_state)
        wage = chi * torch.exp(log_C + Parameters.eta * log_Y)
        prices = (1 - epsilon + epsilon * wage) / phi_price + change * Definitions.consumed(pi)
        residuals[f"euler_{name}"] = log_C + log_R + torch.log(marginal)
        residuals[f"prices_{name}"] = 10 * (torch.expm1(pi) * torch.exp(pi) - prices)
    return residuals
