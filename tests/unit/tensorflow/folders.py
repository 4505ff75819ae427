"""A small folder written for the TensorFlow library, of which tests change a file: an economy with a known saving rate."""

from __future__ import annotations

import textwrap
from pathlib import Path

import torch

import deqn
from deqn.configuration.compose import compose
from deqn.economy.probe import probe
from deqn.training.try_hooks import try_hooks

CONFIG = {
    "constants/tiny": "{alpha: 0.36, beta: 0.96, rho: 0.9, sigma: 0.04}",
    "variables/tiny": """
        states:
          - {name: K, bounds: {lower: 0.01}, init: {distribution: uniform, kwargs: {minval: 0.1, maxval: 0.3}}}
          - {name: z}
        policies:
          - {name: s, activation: tf.nn.sigmoid}
        definitions:
          - {name: Y}
          - {name: C, bounds: {lower: 0.001}}
        """,
    "net/tiny": "layers: [{hidden: {units: 8, type: dense, activation: relu}}, {output: {type: dense, activation: linear}}]",
    "optimizer/tiny": "{optimizer: Adam, learning_rate: 0.001}",
    "run/tiny": "{N_sim_batch: 16, N_episode_length: 2, N_minibatch_size: 16, N_episodes: 2}",
}
MODEL = {
    "Definitions": """
        import tensorflow as tf
        import Parameters
        import PolicyState
        import State

        def Y(state, policy_state):
            return tf.math.exp(State.z(state)) * State.K(state) ** Parameters.alpha

        def C(state, policy_state):
            return (1 - PolicyState.s(policy_state)) * Y(state, policy_state)
        """,
    "Dynamics": """
        import itertools, math
        import tensorflow as tf
        import Definitions, Parameters, PolicyState, State

        shocks = [x * math.sqrt(2.0) * Parameters.sigma for x in [-1.224744871, 0.0, 1.224744871]]
        probs = [x / math.sqrt(math.pi) for x in [0.2954089751, 1.181635900, 0.2954089751]]
        shock_values = tf.constant(list(itertools.product(shocks)))
        shock_probs = tf.constant([p for (p,) in itertools.product(probs)])

        def AR_step(prev_state):
            return State.update(tf.zeros_like(prev_state), "z", Parameters.rho * State.z(prev_state))

        def policy_step(prev_state, policy_state):
            K_next = PolicyState.s(policy_state) * Definitions.Y(prev_state, policy_state)
            return State.update(tf.zeros_like(prev_state), "K", K_next)

        def total_step_random(prev_state, policy_state):
            normals = Parameters.rng.normal([prev_state.shape[0], 1])
            shock = State.update(tf.zeros_like(prev_state), "z", normals[:, 0] * Parameters.sigma)
            return AR_step(prev_state) + shock + policy_step(prev_state, policy_state)

        def total_step_spec_shock(prev_state, policy_state, shock_index):
            shock = State.update(
                tf.zeros_like(prev_state), "z", tf.repeat(shock_values[shock_index, 0], prev_state.shape[0]))
            return AR_step(prev_state) + shock + policy_step(prev_state, policy_state)
        """,
    "Equations": """
        import Definitions, Parameters, PolicyState, State

        def equations(state, policy_state):
            E_t = State.E_t_gen(state, policy_state)
            K_next = PolicyState.s(policy_state) * Definitions.Y(state, policy_state)
            loss_dict = {}
            loss_dict["euler"] = 1 - Parameters.beta * Definitions.C(state, policy_state) * E_t(
                lambda s, ps: Parameters.alpha * Definitions.Y(s, ps) / State.K(s) / Definitions.C(s, ps))
            return loss_dict
        """,
    "Hooks": """
        import tensorflow as tf
        import Definitions, Parameters, PolicyState, State
        from Parameters import policy, states, policy_states, definitions

        def cycle_hook(state, i):
            policy_state = policy(state)
            for s in states:
                tf.summary.histogram("hist_" + s, getattr(State, s)(state), step=i)
            for p in policy_states:
                tf.summary.histogram("hist_" + p, getattr(PolicyState, p)(policy_state), step=i)
            for d in definitions:
                tf.summary.histogram("hist_" + d, getattr(Definitions, d)(state, policy_state), step=i)
            return True

        def post_init():
            n = Parameters.starting_state.shape[0]
            Parameters.starting_state.assign(State.update(Parameters.starting_state, "z", tf.constant(0.0, shape=(n,))))
        """,
}


MODEL = {name: textwrap.dedent(text).lstrip("\n") for name, text in MODEL.items()}


def write(folder: Path, **files: str) -> Path:
    """The folder with `config/` and `tiny/`; `files` replace those of the model, `beside__x` lies beside it, `y__x` in y/.

    A file that begins with `+` is added to the one that is there.
    """
    texts = dict(MODEL)
    for name, text in files.items():
        new = textwrap.dedent(text.removeprefix("+"))
        texts[name] = texts[name] + new if text.startswith("+") else new
    for name, text in texts.items():
        where, _, file = name.rpartition("__")
        place = folder / {"": "tiny", "beside": "."}.get(where, where) / f"{file}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    for name, text in CONFIG.items():
        place = folder / "config" / f"{name}.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))
    return folder


def overrides(folder: Path) -> list[str]:
    groups = [f"{name.split('/')[0]}=tiny" for name in CONFIG]
    return ["MODEL_NAME=tiny", f"MODELS_DIR={folder}", *groups]


def load(folder: Path, *more: str, **files: str) -> deqn.Model:
    """The model of the written folder; see `write`."""
    write(folder, **files)
    return deqn.Model(compose([*overrides(folder), *more], config_dir=folder / "config").config)


def check(folder, *more: str, **files: str):
    """The model and what `--check` says of it."""
    model = load(folder, *more, **files)
    report = probe(model)
    try_hooks(model)
    return model, report


STATES = torch.tensor([[0.2, -0.1], [0.2, 0.1], [0.15, 0.02]])


def residual(model: deqn.Model) -> torch.Tensor:
    """Of the Euler equation at some states: `[3]`."""
    return model.equations(STATES, model.policy(STATES))["euler"]
