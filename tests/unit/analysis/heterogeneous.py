"""An economy with a histogram of households whose solution is known in closed form, as a folder of files.

Households have log utility and no other income than the return on their assets, R(Z) h(e), drawn anew every period. They
consume 1 - beta of their cash on hand m = R(Z) h(e) a, and V = A + log(m) / (1 - beta) (Samuelson, 1969).
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import torch

import deqn

BETA, NODES = 0.9, 600
FILES = {
    "Calibration": """
        import numpy as np

        def calibrate(constants):
            a_grid = 0.5 + 499.5 * np.linspace(0, 1, 600) ** 3
            D = np.zeros((2, 600))
            D[:, 240:250] = 0.05
            return {"a_grid": a_grid, "R": np.array([0.98, 1.02]) / constants["beta"], "h": np.array([0.97, 1.03]), "D": D}
        """,
    "Definitions": """
        from collections import namedtuple

        import Parameters
        import PolicyState
        import State

        Households = namedtuple("Households", "c a_next")

        def cash_on_hand(state, a):
            return State.R(state)[..., None, None] * Parameters.h[:, None] * a

        def households(state, policy_state):
            cash = cash_on_hand(state, Parameters.a_grid)
            a_next = ((1 - PolicyState.share(policy_state)) * cash).clamp(Parameters.a_grid[0], Parameters.a_grid[-1])
            return Households(cash - a_next, a_next)

        def utility(c):
            return c.log()
        """,
    "Dynamics": """
        import torch

        import Definitions
        import Parameters
        import State

        from deqn import histogram

        shock_probs = torch.tensor([0.5, 0.5])

        def transition(state, next_state):
            return torch.full((2, 2), 0.5)

        def total_step_spec_shock(state, policy_state, shock_index):
            a_next = Definitions.households(state, policy_state).a_next
            D = histogram.transport(State.distribution(state), a_next, Parameters.a_grid, transition(state, state))
            return State.update_dict(state, {"R": Parameters.R[shock_index], "distribution": D})

        def total_step_random(state, policy_state):
            return total_step_spec_shock(state, policy_state, Parameters.rng.categorical(shock_probs.expand(len(state), 2)))
        """,
    "Equations": """
        import Parameters
        import PolicyState

        def equations(state, policy_state):
            return {"share": PolicyState.share(policy_state) - (1 - Parameters.beta)}
        """,
}
CONFIG = {
    "model": """
        # @package _global_
        defaults:
          - override /constants: returns
          - override /variables: returns
          - override /net: brock_mirman
          - override /optimizer: brock_mirman
          - override /run: brock_mirman
        MODEL_NAME: returns
        """,
    "constants": f"constants: {{beta: {BETA}}}",
    "variables": """
        states:
          - {name: R, init: {distribution: choice, kwargs: {values: R}}}
          - {name: distribution, shape: [2, 600], init: {distribution: constant, kwargs: {value: D}}}
        policies:
          - {name: share, shape: [2, 600]}
        definitions: []
        """,
}


def returns(folder: Path, definitions: str = "[]", **files: str | None) -> deqn.Model:
    """The model, in float64; files given anew, None for those that are left out."""
    for name, text in (FILES | files).items():
        path = folder / "models" / "returns" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text or ""))
    for group, text in CONFIG.items():
        path = folder / "config" / group / "returns.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).replace("definitions: []", f"definitions: {definitions}"))
    overrides = [f"MODELS_DIR={folder / 'models'}", "run.keras_precision=float64"]
    overrides += ["N_simulated_batch_size=4", "N_simulated_episode_length=20"]
    return deqn.load_model("returns", overrides, config_dir=str(folder / "config"))


def consume(share: float):
    """The policy to consume a share of cash on hand."""

    def policy(states: torch.Tensor) -> torch.Tensor:
        return states.new_full((*states.shape[:-1], 2 * NODES), share)

    return policy
