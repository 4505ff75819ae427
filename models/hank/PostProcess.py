"""A figure, the distance to backward induction, and states of a wider box for docs/howto/heterogeneous_agents.md."""

import numpy as np

import Definitions
import Hooks
import Parameters
import State
from reference import Reference

from deqn import figures, histogram

STATES = 500  # at which the network is held against the other solution


def post_process(run):
    figures.save(Hooks.draw_economy(run.cloud()), run.output / "economy.png")
    print("solving the economy by backward induction (up to a minute)", flush=True)
    print("\n".join([*Hooks.closing_lines(run), *distance(run)]))


def distance(run):
    """Lines on how far output, inflation and the nominal rate are from those of reference/Reference.py, on simulated states."""
    try:
        solution = Reference.solve(run.config.constants)
    except RuntimeError as error:
        return [f"backward induction finds no equilibrium: {error}"]
    states = run.cloud()
    states = states[:: max(1, len(states) // STATES)]
    now = Definitions.quarter(states, Parameters.policy(states))
    nodes = (State.b(states)[:, None] - Parameters.b_grid).abs().argmin(-1).tolist()
    masses = State.distribution(states).double().cpu().numpy()
    exact = [
        Reference.quarter(solution, mass, *Reference.read(solution, j, Reference.equality(solution, mass)), solution["b"][j])
        for j, mass in zip(nodes, masses, strict=True)
    ]
    lines = []
    for name, scale, title in (("y", 100, "log output [%]"), ("pi", 400, "inflation [% a year]"), ("i", 400, "rate [% a year]")):
        gap = scale * np.abs(getattr(now, name).detach().double().cpu().numpy() - [one[name] for one in exact])
        lines.append(f"{title}, from backward induction: {gap.mean():.4f} on average, {gap.max():.4f} at most")
    return lines


def wider_box(run, states):
    """b on any of its nodes; bonds of all households moved towards their mean B by up to 5 %, so that the mean stays B."""
    n, rng, a = len(states), run.model.rng, Parameters.a_grid
    states = states[rng.permutation(n)]
    closer = rng.uniform([n, 1, 1], 0.0, 0.05)
    bonds = (a + closer * (Parameters.B - a)).expand(n, len(Parameters.e_grid), -1)
    moved = histogram.move_assets(State.distribution(states), bonds, a)
    return State.update_dict(states, {"distribution": moved, "b": rng.choice([n], Parameters.b_grid)})
