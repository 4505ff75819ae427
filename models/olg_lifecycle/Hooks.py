"""What is known of this economy: a closed form in one limit, time iteration where there are three ages; errors by age.

Sources: see Definitions.py; Huffman (1987), Journal of Political Economy 95(1), 138-159.
"""

import functools

import numpy as np
import torch

import Definitions
import Dynamics
import Parameters
import State

from reference import ThreeAges


def closed_form(state):
    """With log utility, labour in the first age only and no cost of changing capital: constant shares of wealth, no bonds.

    Args:
        state: [n, n_states].

    Returns:
        k_next and b_next [n, N - 1] and p [n], by name; None where the constants are others.
    """
    beta, savers = Parameters.beta_period, Parameters.savers
    if Parameters.gamma != 1 or Parameters.zeta != 0 or (Parameters.hours[1:] != 0).any():
        return None
    left = torch.arange(savers, 0, -1, device=state.device, dtype=state.dtype)  # ages that are still to come
    k = beta * (1 - beta**left) / (1 - beta ** (left + 1)) * Definitions.wealth(state, None)[..., :-1]
    tfp, delta = Dynamics.pairs.T
    R = 1 - delta + Parameters.alpha * tfp * (k.sum(-1, keepdim=True) / Parameters.L) ** (Parameters.alpha - 1)
    return {"k_next": k, "b_next": torch.zeros_like(k), "p": (Dynamics.shock_probs(state, None) / R).sum(-1)}


@functools.cache
def solution():
    number = {name: float(getattr(Parameters, name)) for name in ("alpha", "gamma", "zeta", "beta_period", "kappa", "p_ss")}
    k, b = Parameters.k_ss.tolist(), Parameters.b_ss.tolist()
    return ThreeAges.solve(
        number,
        Parameters.hours.cpu().numpy(),
        number["beta_period"],
        number["kappa"],
        Dynamics.pairs.cpu().numpy(),
        Parameters.transition.cpu().numpy(),
        np.array([*k, b[0], number["p_ss"]]),
    )


def reference(state):
    """k_next and b_next [n, 2] and p [n] of reference/ThreeAges.py, by name; None where there are not three ages."""
    if Parameters.savers != 2:
        return None
    k, b = (of(state).double().cpu().numpy() for of in (State.k, State.b))
    found = solution().policies(k, b, Dynamics.pair(state).cpu().numpy())
    return {name: torch.as_tensor(found[name]) for name in ("k_next", "b_next", "p")}


def closing_lines(run):
    """Relative Euler errors in percent by quarters of life, on the simulated states."""
    found = run.residuals(run.cloud())
    lines = []
    for name in ("capital", "bond"):
        for part in torch.arange(Parameters.savers).chunk(min(4, Parameters.savers)):
            errors = 100 * found[name][:, part].abs().flatten().double()
            at = [errors.mean(), *(errors.kthvalue(max(1, int(x * len(errors)))).values for x in (0.99, 0.999)), errors.max()]
            numbers = ", ".join(f"{x} {float(y):.3f}" for x, y in zip(("mean", "p99", "p99.9", "max"), at, strict=True))
            lines.append(f"Euler errors of {name}, ages {int(part[0]) + 1} to {int(part[-1]) + 1} [% of consumption]: {numbers}")
    return lines
