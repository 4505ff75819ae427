"""Euler equations of each age but the last for capital and for bonds, as relative errors of its consumption.

(1 + zeta (k' - R k)) u'(c) = beta E[R' (1 + zeta (k'' - R' k')) u'(c')] + lambda + mu
p u'(c)                     = beta E[u'(c')] + kappa mu

The residual is how far the consumption that is right, given the right-hand side, is from the household's, relative to it.
"""

import Definitions
import Parameters
import PolicyState
import State

beta, gamma, kappa = Parameters.beta_period, Parameters.gamma, Parameters.kappa


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    today = Definitions.marginal_utility(state, policy_state)[..., :-1]
    mu = Definitions.mu(state, policy_state)

    def returns(s, p):
        return Definitions.R(s, p)[..., None] * (Definitions.marginal_cost(s, p) * Definitions.marginal_utility(s, p))[..., 1:]

    capital = beta * E_t(returns) / today + Definitions.lambda_k(state, policy_state) + mu
    bond = beta * E_t(lambda s, p: Definitions.marginal_utility(s, p)[..., 1:]) / today + kappa * mu
    price = PolicyState.p(policy_state)[..., None]
    return {
        "capital": (capital / Definitions.marginal_cost(state, policy_state)[..., :-1]) ** (-1 / gamma) - 1,
        "bond": (bond / price) ** (-1 / gamma) - 1,
        "clearing": Definitions.excess(state, policy_state),
    }
