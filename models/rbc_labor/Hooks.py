"""How far the policies are from those of an independent solution, Chebyshev collocation."""

import torch

import Definitions
import Parameters
import PolicyState
import State


def cycle_hook(state, i):
    """After each episode; histograms of states, policies and definitions are drawn by the library."""


def reference_policies(states):
    """Consumption, hours and the other quantities of reference/Reference.py, at states [n, 2]: name -> [n]."""
    from reference.Reference import solve

    names = ("alpha", "beta", "delta", "gamma", "frisch", "rho", "sigma", "chi", "K_ss", "C_ss")
    solution = solve({name: getattr(Parameters, name) for name in names}, n_nodes=Parameters.n_nodes)
    K, z = (column(states).double().cpu().numpy() for column in (State.K, State.z))
    return {name: torch.as_tensor(values).to(states) for name, values in solution.policies(K, z).items()}


def errors(states):
    """|C / C* - 1| and |N / N* - 1| at states [n, 2]: [2, n]."""
    known, policies = reference_policies(states), Parameters.policy(states)
    ours = {"C": Definitions.C(states, policies), "N": PolicyState.N(policies)}
    return torch.stack([(ours[name] / known[name] - 1).abs() for name in ours])


def closing_lines(run):
    """Distance to the reference on the ergodic states: where the economy is after 200 periods and more."""
    consumption, hours = errors(run.simulate(batch=64, length=400)[200:].flatten(0, 1))
    return [
        f"Chebyshev collocation on 12,800 ergodic states: consumption within mean {consumption.mean():.1e}, "
        f"max {consumption.max():.1e}; hours within mean {hours.mean():.1e}, max {hours.max():.1e} (relative)"
    ]
