"""A Lucas tree with long-run risk (Bansal and Yaron, 2004): ratios as functions of state and policy.

Growth of consumption is mu + x + sigma e^v eta', of dividends mu_d + phi x + phi_d sigma e^v u'; all innovations are independent
and standard normal. V is the household's value in units of consumption, P the price of all dividends after today's.
"""

import torch

import Parameters
import PolicyState
import State


def variance(state, policy_state=None):
    """Of consumption growth next month."""
    return (Parameters.sigma * torch.exp(State.v(state))) ** 2


def value(state, policy_state):
    """Value over consumption, V / C."""
    return torch.exp(PolicyState.log_v(policy_state))


def wealth(state, policy_state):
    """Wealth over consumption, today's consumption included: (V / C)^(1 - 1/psi) / (1 - beta) (Epstein and Zin, 1989)."""
    return torch.exp((1 - 1 / Parameters.psi) * PolicyState.log_v(policy_state)) / (1 - Parameters.beta)


def pd(state, policy_state):
    """Price over the month's dividend."""
    return torch.exp(PolicyState.log_pd(policy_state))
