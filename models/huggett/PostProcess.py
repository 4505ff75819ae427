"""A figure of the economy, and the solution by another method for the report of docs/howto/heterogeneous_agents.md."""

import hashlib
import json

import numpy as np
import torch

import Definitions
import Dynamics
import Hooks
import Parameters
import State

from deqn import figures, histogram


def post_process(run):
    figures.save(Hooks.draw_economy(run.cloud()), run.output / "economy.png")


def references(run, periods=4_000):
    """Backward induction on the run's grid and on one of twice as many nodes, solved by the first post-processing of a run.

    Args:
        periods: of the path that its proxies are fitted to.
    """
    nA = run.config.constants["nA"]
    return {name: Solution(run, {"n_assets": n, "periods": periods}) for name, n in (("own grid", nA), ("fine grid", 2 * nA))}


class Solution:
    """Of reference/Reference.py; stored beside the run's post-processings.

    Args:
        options: of Reference.solve.
    """

    def __init__(self, run, options):
        from reference import Reference

        self.module, constants = Reference, run.config.constants
        key = hashlib.sha256(json.dumps([constants, options], sort_keys=True).encode()).hexdigest()[:12]
        file = run.output.parent / f"reference-{key}.npz"
        if not file.is_file():
            print(f"solving the reference on {options['n_assets']:,} nodes of bonds (up to a minute, once)", flush=True)
            np.savez(file, **Reference.solve(constants, **options))
        self.solution = dict(np.load(file))
        self.a_grid = self.solution["a"]

    def path(self, shocks):
        """K (debt), q, r, C and at_limit on nodes of Z [T]: [T] each."""
        path = self.module.simulate(self.solution, shocks)
        return {name: path[name] for name in ("K", "q", "r", "C", "at_limit")}

    def policy(self, states):
        """The policy m / Z at states [n, n_states]: [n, nE nA]."""
        aggregates = zip(nodes(states), *described(states), strict=True)
        m = np.stack([self.module.m_at(self.solution, *at) for at in aggregates])
        Z = State.Z(states)
        return torch.as_tensor(m).to(Z).flatten(1) / Z[:, None]

    def inside(self, states):
        """Whether debt and unemployment are on the grid of the solution, at states [n, n_states]: [n]."""
        grids = self.solution["B_grid"], self.solution["u_grid"]
        return np.all([(x >= grid[0]) & (x <= grid[-1]) for x, grid in zip(described(states), grids, strict=True)], 0)


def nodes(states):
    """Nodes of Z, [n]."""
    return Dynamics.node(State.Z(states)).cpu().numpy()


def described(states):
    """Debt and share without work, [n] each."""
    return tuple(f(states, None).double().cpu().numpy() for f in (Definitions.debt, Definitions.unemployed))


def wider_box(run, states):
    """Z on any of its nodes; all bonds shrunk by a factor between 0.97 and 1, so that they are still zero on average."""
    n, rng = len(states), run.model.rng
    states = states[rng.permutation(n)]
    smaller = rng.uniform([n, 1, 1], 0.97, 1.0) * Parameters.a_grid.expand(1, len(Parameters.e_grid), -1)
    moved = histogram.move_assets(State.distribution(states), smaller, Parameters.a_grid)
    return State.update_dict(states, {"distribution": moved, "Z": rng.choice([n], Parameters.z_grid)})
