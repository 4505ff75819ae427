"""Capital, consumption, and hours where they are chosen, of an independent solution by polynomials, up to two countries."""

import functools

import torch

import Parameters
import State

from reference import Reference

NAMES = ("beta", "alpha", "delta", "phi", "rho", "sigma", "sigma_common", "A", "gamma", "sd_a")
HOURS = hasattr(Parameters, "eta")  # as in irbc_labor: whether they are chosen


@functools.cache
def solution():
    names = (*NAMES, "C_rest", "eta") if HOURS else NAMES
    return Reference.solve({name: getattr(Parameters, name) for name in names})


def reference(states):
    """Capital next quarter, consumption and chosen hours at states [n, 2 N]: by name [n, N]; nothing beyond two countries."""
    if Parameters.N > 2:
        return {}
    k, a = (column(states).double().cpu().numpy() for column in (State.k, State.a))
    found = solution().policies(k, a)
    return {name: torch.as_tensor(found[name]) for name in ("k_next", "C", *["l"] * HOURS)}
