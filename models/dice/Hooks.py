"""The path from 2015 under the network, beside that of the direct optimisation."""

import functools

import torch

import Parameters
import State

from reference import Reference

PERIODS = 150  # of the optimisation: later ones no longer matter before 2300
SHOWN = {
    "T": "warming [C]", "M": "carbon [GtC]", "mu": "mitigation", "scc": "social cost of carbon [US$/t]",
    "C": "consumption [trillion US$]", "s": "savings rate",
}  # fmt: skip


@functools.cache
def optimum(constants):
    return Reference.solve(dict(constants), PERIODS)


def solution(run):
    """The direct optimisation with the run's constants."""
    return optimum(tuple(run.config.constants.items()))


def start():
    """The state in 2015: `[1, 7]`."""
    values = {name: getattr(Parameters, f"{name}_0") / (1000 if name in "MUL" else 1) for name in "kMULTO"}
    return State.update_dict(Parameters.starting_state[:1], values | {"tau": 0.0})


def states(run, periods=58):
    """Under the network, 2015 to 2300: `[periods, 7]`."""
    found = [start()]
    for _ in range(periods - 1):
        found.append(run.model.step(found[-1]))
    return torch.cat(found)


def path(run):
    """Of the variables that are shown, and of the year and capital: by name `[periods]`."""
    visited = states(run)
    found = run.definitions(visited) | {"T": State.T(visited), "M": 1000 * State.M(visited)}
    return {name: found[name].double().cpu().numpy() for name in ("year", "K", *SHOWN)}


def closing_lines(run):
    """The network's path, and its largest relative distance to that of the optimisation."""
    ours, theirs = path(run), solution(run)
    lines = []
    for name, title in SHOWN.items():
        known = getattr(theirs, name)[: len(ours[name])]
        at = ", ".join(f"{year} {ours[name][(year - 2015) // 5]:.4g}" for year in (2020, 2100, 2200, 2300))
        lines.append(f"{title}: {at}; from the direct optimisation by {100 * abs(ours[name] / known - 1).max():.2f} % at most")
    return lines
