"""Consumption of an independent solution, time iteration; how often the limit binds in either."""

import functools

import torch

import Parameters
import State

import Shocks

from sudden_stop.reference import Reference

NAMES = (
    "beta", "sigma", "omega", "kappa", "rho_y", "sigma_y", "r_mean", "rho_r", "sigma_r", "n_y", "far", "n_r", "b_low", "b_high",
    "least",
)  # fmt: skip


@functools.cache
def solution():
    return Reference.solve({name: getattr(Parameters, name) for name in NAMES}, n=Parameters.n_reference)


def at(states):
    """Bonds, log endowment and the rate's deviation as arrays [n], in that order."""
    rate = Shocks.R(states) - 1 - Parameters.r_mean
    return [x.double().cpu().numpy() for x in (State.b(states), torch.log(Shocks.Y(states)), rate)]


def reference(states):
    """Consumption of reference/Reference.py, at states [n, 3]: [n]."""
    return {"C": torch.as_tensor(solution().consumption(*at(states)))}


def closing_lines(run):
    """How often the limit binds on simulated states, by the network and by the reference, and the depth of a sudden stop."""
    states = run.simulate(batch=1000, length=300)[100:].flatten(0, 1)
    found = run.definitions(states)
    b, y, r = at(states)
    ours, theirs = 100 * found["binds"].mean(), 100 * (solution().free(b, y, r) >= solution().limited(b, y)).mean()
    return [
        f"the limit binds in {ours:.2f} % of {len(states):,} simulated years; by the reference, in the same states, in "
        f"{theirs:.2f} %"
    ]
