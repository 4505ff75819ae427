"""Expected growth x' = rho x + phi_x sigma e^v e' and log volatility v' = rho_v v + sigma_v w'; e', w' standard normal, on nodes.

The innovations to consumption and to dividends themselves are no states: Equations.py integrates them in closed form.
"""

import torch

import Globals
import Parameters
import State

shock_values, shock_probs = State.gauss_hermite([1.0, 1.0], Parameters.n_nodes)


def step(state, e, w):
    p = Parameters
    deviation = p.phi_x * p.sigma * torch.exp(State.v(state))
    return State.update_dict(
        state, {"x": p.rho * State.x(state) + deviation * e, "v": p.rho_v * State.v(state) + p.sigma_v * w}
    )


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    if Globals.DISABLE_SHOCKS:
        return step(prev_state, 0.0, 0.0)
    e, w = (Parameters.rng.normal(prev_state.shape[:-1], stddev=1.0) for _ in range(2))
    return step(prev_state, e, w)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one node of the shocks."""
    return step(prev_state, shock_values[shock_index, 0], shock_values[shock_index, 1])
