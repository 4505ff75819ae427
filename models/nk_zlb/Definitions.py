"""A New Keynesian economy with the zero lower bound: quantities as functions of state and policy.

Consumption and inflation have a kink where the bound begins to bind. What they would be if the rate followed its rule, and what
if it were zero, has none, given what is expected: the network has these two pairs, and the kink is here, exact. Piecewise smooth
policies: Aruoba, Cuba-Borda and Schorfheide (2018). The economy is like that of Fernández-Villaverde, Gordon, Guerrón-Quintana
and Rubio-Ramírez (2015), with costs of changing prices (Rotemberg, 1982) as in Gavin, Keen, Richter and Throckmorton (2015).
"""

import math

import torch

import Parameters
import PolicyState
import State


def branch(policy_state, at_zero):
    """Log consumption and log inflation over its target, if the rate is zero or follows the rule."""
    if at_zero:
        return PolicyState.c_zero(policy_state) / 100, PolicyState.pi_zero(policy_state) / 100
    return PolicyState.c_free(policy_state) / 100, PolicyState.pi_free(policy_state) / 100


def consumed(pi):
    """C / Y: what changing prices leaves of output."""
    return 1 - Parameters.phi_price / 2 * torch.expm1(pi) ** 2


def discount(state):
    """Discount factor between this quarter and the next."""
    return Parameters.beta * torch.exp(Parameters.crisis * State.crisis(state) - State.b(state))


def log_rule(policy_state):
    """Log of what the rule asks for: Pi* / beta (Pi / Pi*)^phi_pi Y^phi_y; output is one in the steady state."""
    log_C, pi = branch(policy_state, at_zero=False)
    log_Y = log_C - torch.log(consumed(pi))
    return Parameters.pi_target - math.log(Parameters.beta) + Parameters.phi_pi * pi + Parameters.phi_y * log_Y


def today(policy_state):
    """Log consumption and log inflation over its target, as they are."""
    at_zero = log_rule(policy_state) < 0
    pairs = zip(branch(policy_state, at_zero=True), branch(policy_state, at_zero=False), strict=True)
    return [torch.where(at_zero, zero, free) for zero, free in pairs]


def C(state, policy_state):
    """Consumption; one in the steady state."""
    return torch.exp(today(policy_state)[0])


def Pi(state, policy_state):
    """Gross inflation."""
    return torch.exp(Parameters.pi_target + today(policy_state)[1])


def Y(state, policy_state):
    """Output, which is hours."""
    log_C, pi = today(policy_state)
    return torch.exp(log_C) / consumed(pi)


def R_rule(state, policy_state):
    """Gross nominal rate that the rule asks for."""
    return torch.exp(log_rule(policy_state))


def R(state, policy_state):
    """Gross nominal rate."""
    return R_rule(state, policy_state).clamp(min=1.0)


def binds(state, policy_state):
    """1 where the bound binds."""
    return (R_rule(state, policy_state) < 1).to(state.dtype)
