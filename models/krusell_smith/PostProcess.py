"""What the economies of the Krusell-Smith kind add to the post-processing of docs/howto/heterogeneous_agents.md."""

import hashlib
import importlib.util
import json

import numpy as np
import torch

import Definitions
import Hooks
import Parameters
import State

from deqn import figures, histogram

FINE_ASSETS, FINE_TOP = 1_600, 300.0


def post_process(run):
    figures.save(Hooks.draw_economy(run.starting_state), run.output / "economy.png")


def references(run, periods=None):
    """The classical solution on the run's grid and on a fine one, solved by the first post-processing of a run.

    Args:
        periods: quarters of the path that its law of motion is fitted to, if not the usual ones.
    """
    if importlib.util.find_spec("jax") is None:
        print("no accuracy report: the classical solution needs JAX (pip install 'deqn[reference]')")
        return {}
    constants = run.config.constants
    fine = {"n_assets": max(FINE_ASSETS, 2 * constants["nA"]), "top": max(FINE_TOP, constants["amax"])}
    if constants["amax"] < 100:  # an economy with a bound that binds: the fine grid has the same one
        fine["top"] = constants["amax"]
    # capital moves more where Z has two states: another path for the fit moves log K by 0.02 %, of 50,000 quarters by 0.01 %
    long = {"periods": 51_000} if len(Parameters.tfp_grid) == 2 else {}
    long = long if periods is None else {"periods": periods}
    return {"own grid": Classical(run, long), "fine grid": Classical(run, fine | long)}


class Classical:
    """A classical solution, of reference/Reference.py, beside which the network is put; stored beside the run's post-processings.

    Args:
        options: of `solve` of that file, or of `module`, where another is given.
    """

    kind = "classical"

    def __init__(self, run, options, module=None):
        from krusell_smith.reference import Reference

        self.module, constants = module or Reference, run.config.constants
        key = hashlib.sha256(json.dumps([constants, options], sort_keys=True).encode()).hexdigest()[:12]
        file = run.output.parent / f"reference-{key}.npz"
        if not file.is_file():
            grid = f"{options.get('n_assets', constants['nA']):,} asset nodes"
            long = "minutes" if "periods" in options else "up to a minute"
            print(f"solving the {self.kind} reference on {grid} ({long}, once)", flush=True)
            self.module.save(self.module.solve(constants, **options), file)
        self.solution = self.module.load(file)
        self.a_grid = self.solution["a_grid"]

    def path(self, shocks):
        """K, C, Y, I, at_limit, mass, mass_at_top and, of the classical solution, inequality on nodes of Z [T]: [T] each."""
        p, path = self.solution, self.simulate(shocks)
        names = path.keys() & {"K", "C", "at_limit", "mass", "mass_at_top", "gini", "top_10", "top_1"}
        Y = p["tfp_grid"][shocks] * path["K"] ** p["alpha"] * p["labour"][shocks] ** (1 - p["alpha"])
        return {name: path[name] for name in names} | {"Y": Y, "I": Y + path["by_e"] @ p["goods"] - path["C"]}

    def simulate(self, shocks):
        return self.module.simulate(self.solution, shocks, inequality=True)

    def policy(self, states):
        """Consumption over cash above the borrowing limit at states [n, n_states], on the run's own grid: [n, nE nA]."""
        nodes = (State.Z(states)[:, None] - Parameters.tfp_grid).abs().argmin(-1).cpu().numpy()
        c = self.module.consumption_at(self.solution, nodes, *self.known(states))
        cash = Definitions.cash_on_hand(states, Parameters.a_grid)
        return (torch.as_tensor(c).to(cash) / (cash - Parameters.amin)).flatten(1)

    def known(self, states):
        """What households know of the distribution at states [n, n_states]: [n] each."""
        return (capital(states),)

    def inside(self, states):
        """Whether K is within the range of the solution, at states [n, n_states]: [n]."""
        log_K, grid = np.log(capital(states)), self.solution["log_K_grid"]
        return (log_K >= grid[0]) & (log_K <= grid[-1])


def capital(states):
    return Definitions.K(states, None).double().cpu().numpy()


def wider_box(run, states):
    """Z on any of its nodes; wealth of all households stretched by a factor between 0.95 and 1.05."""
    states = stretch_wealth(run, states)
    return State.update(states, "Z", run.model.rng.choice([len(states)], Parameters.tfp_grid))


def stretch_wealth(run, states):
    """States [n, n_states] in random order, wealth above the borrowing limit stretched by a factor between 0.95 and 1.05."""
    n, rng, a = len(states), run.model.rng, Parameters.a_grid
    states = states[rng.permutation(n)]
    stretched = a[0] + rng.uniform([n, 1, 1], 0.95, 1.05) * (a - a[0]).expand(1, len(Parameters.e_grid), -1)
    return State.update(states, "distribution", histogram.move_assets(State.distribution(states), stretched, a))
