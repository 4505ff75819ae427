"""Constant relative risk aversion and the preferences of Epstein and Zin, in logs and relative to today's consumption.

V^(1 - gamma) leaves the range of float32 (1e-45 to 3e38) for a value of 1e5 and gamma = 10. Nothing here is such a level. Utility
is (C^(1 - gamma) - 1) / (1 - gamma) of a C near one, and the limits gamma -> 1 and psi -> 1 are reached without 0 / 0.

Epstein and Zin's value, V^(1 - 1/psi) = (1 - beta) C^(1 - 1/psi) + beta CE(V')^(1 - 1/psi) with the certainty equivalent
CE(V') = E[V'^(1 - gamma)]^(1 / (1 - gamma)), is both times the same pair of functions:

    log CE(V') = scale + inverse(E[utility(log V' - scale, gamma)], gamma) for every scale,
    log V / C = inverse(beta utility(log CE(V') / C, 1 / psi), 1 / psi).

Source: Epstein and Zin (1989), Substitution, risk aversion, and the temporal behavior of consumption and asset returns: A
theoretical framework, Econometrica 57(4), 937-969.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Number = float | Tensor


def utility(log_C: Tensor, gamma: Number) -> Tensor:
    """(C^(1 - gamma) - 1) / (1 - gamma) of log consumption, log C for gamma = 1; of the shape of `log_C`.

    Example:
        >>> utility(torch.tensor([0.0, 1.0]), 1.0)
        tensor([0., 1.])
    """
    return _by_power(log_C, gamma, lambda x, power: torch.expm1(power * x) / power)


def inverse_utility(level: Tensor, gamma: Number) -> Tensor:
    """Log of the consumption that gives this utility; not a number where no consumption does, (1 - gamma) level <= -1."""
    return _by_power(level, gamma, lambda x, power: torch.log1p(power * x) / power)


def _by_power(x: Tensor, gamma: Number, function: Callable[[Tensor, Number], Tensor]) -> Tensor:
    """function(x, 1 - gamma), and its limit x at gamma = 1; gamma broadcasts with x."""
    if not isinstance(gamma, Tensor):
        return x if gamma == 1 else function(x, 1 - gamma)
    log = gamma == 1
    return torch.where(log, x, function(x, 1 - torch.where(log, 2.0, gamma)))


def log_certainty_equivalent(E_t: Callable[..., Any], log_V: Callable[..., Tensor], gamma: Number) -> Tensor:
    """log E[V'^(1 - gamma)]^(1 / (1 - gamma)): `[batch]`.

    The scale is the mean of log V', so that only its spread across nodes is limited, in float32 to 80 / |1 - gamma|.

    Args:
        E_t: the operator of `State.E_t_gen(state, policy_state)`.
        log_V: function of next period's state and policy, `[batch]`, in any unit that is known today.
        gamma: relative risk aversion.
    """
    scale = E_t(log_V)
    return scale + inverse_utility(E_t(lambda s, p: utility(log_V(s, p) - scale, gamma)), gamma)


def log_value(log_CE: Tensor, beta: Number, psi: Number) -> Tensor:
    """log V / C of the certainty equivalent of next period's value, log CE(V') / C: both `[batch]`.

    V is in units of consumption: a C that never changes has V = C.

    Args:
        log_CE: relative to today's consumption.
        beta: discount factor.
        psi: elasticity of intertemporal substitution.
    """
    return inverse_utility(beta * utility(log_CE, 1 / psi), 1 / psi)


def log_discount_factor(
    log_growth: Tensor, log_V: Tensor, log_CE: Tensor, beta: Number, gamma: Number, psi: Number
) -> Tensor:
    """Log of beta (C' / C)^(-1 / psi) (V' / CE(V'))^(1 / psi - gamma), which discounts payoffs; of the shape of `log_growth`.

    Args:
        log_growth: log C' / C.
        log_V: log V' / C, relative to today's consumption.
        log_CE: log CE(V') / C.
        beta, gamma, psi: discount factor, relative risk aversion, elasticity of intertemporal substitution.
    """
    log_beta = torch.log(beta) if isinstance(beta, Tensor) else math.log(beta)
    return log_beta - log_growth / psi + (1 / psi - gamma) * (log_V - log_CE)
