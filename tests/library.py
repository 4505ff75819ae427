"""A small folder as the users of the TensorFlow library have them: config/, a model folder, all of it made for these tests."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "config/config.yaml": """\
        hydra:
          run:
            dir: runs/${MODEL_NAME}/${now:%Y-%m-%d}/${now:%H-%M-%S}
        defaults:
          - constants: growth
          - net: growth
          - optimizer: growth
          - run: growth
          - variables: growth
        seed: 42
        STARTING_POINT: LATEST
        CHECKPOINT_INTERVAL: 2
        MAX_TO_KEEP_NUMBER: 10
        MODEL_NAME: growth
        initialize_each_episode: True
        error_filename: error_file.txt
        enable_check_numerics: False
        """,
    "config/constants/growth.yaml": """\
        constants:
          alpha: 0.36
          beta: 0.96
          Version: '2016'
        """,
    "config/net/growth.yaml": """\
        layers:
          - hidden: {units: 8, type: dense, activation: tanh, init_scale: 1.0}
          - output: {type: dense, activation: linear, init_scale: 0.1}
        net_initializer_mode: fan_avg
        """,
    "config/optimizer/growth.yaml": """\
        optimizer: Adam
        learning_rate: 0.003
        clipvalue: 1.0
        """,
    "config/run/growth.yaml": """\
        N_sim_batch: 16
        N_episode_length: 4
        N_epochs_per_episode: 1
        N_minibatch_size: 16
        N_episodes: 4
        sorted_within_batch: false
        """,
    "config/variables/growth.yaml": """\
        states:
          - name: K
            init: {distribution: uniform, kwargs: {minval: 0.1, maxval: 0.3}}
          - name: z
            init: {distribution: normal, kwargs: {mean: 0.0, stddev: 0.01}}
        policies:
          - name: s
            bounds: {lower: 0.01, upper: 0.99}
            activation: implied
        definitions:
          - name: Y
            bounds: {lower: 0.001}
          - name: C
            bounds: {lower: 0.001}
        """,
    "growth/Definitions.py": """\
        import torch
        import Parameters, PolicyState, State

        def Y(state, policy_state):
            return torch.exp(State.z(state)) * State.K(state) ** Parameters.alpha

        def C(state, policy_state):
            return (1 - PolicyState.s(policy_state)) * Y(state, policy_state)
        """,
    "growth/Dynamics.py": """\
        import torch
        import Definitions, Globals, Parameters, PolicyState, State

        shock_values = torch.tensor([[-0.02], [0.02]])
        shock_probs = torch.tensor([0.5, 0.5])

        def _next(state, policy_state, eps):
            new = State.update(state, "K", PolicyState.s(policy_state) * Definitions.Y(state, policy_state))
            return State.update(new, "z", 0.9 * State.z(state) + eps)

        def total_step_random(prev_state, policy_state):
            if Globals.DISABLE_SHOCKS:
                return _next(prev_state, policy_state, torch.zeros(prev_state.shape[0]))
            i = (Parameters.rng.uniform([prev_state.shape[0]]) > 0.5).long()
            return _next(prev_state, policy_state, shock_values[i, 0])

        def total_step_spec_shock(prev_state, policy_state, shock_index):
            return _next(prev_state, policy_state, shock_values[shock_index, 0])
        """,
    "growth/Equations.py": """\
        import Definitions, Parameters, State

        def equations(state, policy_state):
            E_t = State.E_t_gen(state, policy_state)
            C = Definitions.C(state, policy_state)
            return_ = E_t(lambda s, p: Parameters.alpha * Definitions.Y(s, p) / State.K(s) / Definitions.C(s, p))
            return {"euler": 1 - Parameters.beta * return_ * C}
        """,
    "growth/Hooks.py": """\
        def cycle_hook(state, i):
            print("hook", i)
        """,
}
VARIABLES = """\
import numpy as np
import Parameters

assert Parameters.MODEL_NAME == "growth"
states = [{"name": "K", "init": {"distribution": "uniform", "kwargs": {"minval": np.float64(0.1), "maxval": 0.3}}}]
for name in ("z",):
    states.append({"name": name, "init": {"distribution": "normal", "kwargs": {"mean": 0.0, "stddev": 0.01}}})
policies = [{"name": "s", "activation": lambda x: 0.98 * x.sigmoid() + 0.01}]
definitions = [{"name": name, "bounds": {"lower": np.float64(0.001)}} for name in ("Y", "C")]
constants = {"alpha": 0.3, "beta": 0.96, "grid": np.linspace(0.0, 1.0, 3), "double": lambda x: 2 * x}
"""


def library(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """Writes the folder; a file can be given anew, or one more.

    Args:
        changes: path -> text.
    """
    for path, text in {**FILES, **(changes or {})}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        indent = len(text) - len(text.lstrip(" "))
        file.write_text("".join(line[indent:] for line in text.splitlines(keepends=True)), encoding="utf-8")
    return folder


def with_variables(folder: Path, text: str = VARIABLES, **changes: str) -> Path:
    """The folder with a Variables.py; the YAML file of the variables is empty, and that of the constants has one."""
    own = {
        "growth/Variables.py": text,
        "config/variables/growth.yaml": "",
        "config/constants/growth.yaml": "constants: {alpha: 0.36}\n",
    }
    return library(folder, own | changes)
