"""Consumption of an independent solution, endogenous gridpoints; how often the limit binds in either."""

import functools

import torch

import Definitions
import Parameters
import State

from reference import Reference

NAMES = ("beta", "R", "gamma", "limit", "rho", "sigma_z", "sigma_u", "n_z", "n_u", "far")


@functools.cache
def solution():
    return Reference.solve({name: getattr(Parameters, name) for name in NAMES})


def reference(states):
    """Consumption of reference/Reference.py, at states [n, 2]."""
    m, z = (column(states).double().cpu().numpy() for column in (Definitions.m, State.z))
    return {"C": torch.as_tensor(solution().consumption(m, z))}


def transversality(state, policy_state):
    """Discount factor, and the value of assets in units of utility: discounted, it vanishes in the end."""
    a_next = Definitions.a_next(state, policy_state) + Parameters.limit
    return {"a": (Parameters.beta, Definitions.C(state, policy_state) ** -Parameters.gamma * a_next)}


def closing_lines(run):
    """How often the limit binds on simulated states, by the network and by the reference."""
    states = run.simulate(batch=1000, length=300)[100:].flatten(0, 1)
    ours = 100 * run.definitions(states)["binds"].mean()
    m = Definitions.m(states).double().cpu()
    theirs = 100 * (reference(states)["C"] >= m * (1 - 1e-12)).double().mean()
    return [f"the limit binds in {ours:.2f} % of {len(states):,} simulated years; by the reference in {theirs:.2f} %"]
