"""Consumption and inflation of an independent solution, time iteration; how often the bound binds in either."""

import functools

import torch

import Parameters
import State

from reference import Reference

NAMES = (
    "beta", "pi_target", "eta", "epsilon", "phi_price", "phi_pi", "phi_y", "rho", "sigma", "crisis", "p_crisis", "p_stay",
    "n_nodes", "far",
)  # fmt: skip


@functools.cache
def solution():
    return Reference.solve({name: getattr(Parameters, name) for name in NAMES})


def at(states):
    """log_C, pi and log_R of the reference at states [n, 2]: by name [n]."""
    b, crisis = (column(states).double().cpu().numpy() for column in (State.b, State.crisis))
    return {name: torch.as_tensor(values) for name, values in solution().policies(b, crisis).items()}


def reference(states):
    """Consumption and gross inflation of reference/Reference.py, at states [n, 2]: by name [n]."""
    found = at(states)
    return {"C": torch.exp(found["log_C"]), "Pi": torch.exp(Parameters.pi_target + found["pi"])}


def closing_lines(run):
    """How often the bound binds, in the network's economy and in the reference's, on the same simulated shocks."""
    states = run.simulate(batch=1000, length=300)[100:].flatten(0, 1)  # states do not depend on policies
    ours = 100 * run.definitions(states)["binds"].mean()
    theirs = 100 * (at(states)["log_R"] < 0).double().mean()
    return [f"the bound binds in {ours:.2f} % of {len(states):,} simulated quarters; in the reference's economy {theirs:.2f} %"]
