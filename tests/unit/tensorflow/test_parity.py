"""Numbers that the TensorFlow library computed (tests/data/README.md), from a folder in TensorFlow's names with its weights."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.economy.probe import probe
from deqn.training import loss
from tests.conftest import with_tensorflow_weights
from tests.unit.tensorflow.folders import write

CONFIG = {
    "constants": "{alpha: 0.36, beta: 0.99, delta: 1.0, k_lb: 0.1, k_ub: 1.0}",
    "variables": """
states: [{name: K_t, init: {distribution: uniform, kwargs: {minval: 0.1, maxval: 1.0}}}]
policies: [{name: s_t}]
definitions: [{name: Y_t}, {name: K_tplus1}, {name: C_t}, {name: R_tplus1}]
""",
    "net": """
layers:
  - hidden: {units: 50, activation: relu}
  - hidden: {units: 50, activation: relu}
  - output: {activation: sigmoid, init_scale: 0.1}
""",
}
FILES = {
    "Definitions": """
        import tensorflow as tf
        import Parameters, PolicyState, State

        def Y_t(state, policy_state):
            return tf.math.pow(State.K_t(state), Parameters.alpha)

        def K_tplus1(state, policy_state):
            s = PolicyState.s_t(policy_state)
            return tf.math.add((1 - Parameters.delta) * State.K_t(state), s * Y_t(state, policy_state))

        def C_t(state, policy_state):
            return tf.math.multiply(tf.ones_like(State.K_t(state)) - PolicyState.s_t(policy_state), Y_t(state, policy_state))

        def R_tplus1(state, policy_state):
            alpha = Parameters.alpha
            return tf.constant(alpha) * tf.math.exp((alpha - 1) * tf.math.log(K_tplus1(state, policy_state)))
        """,
    "Dynamics": """
        import tensorflow as tf
        import Definitions, State

        shock_probs = tf.constant([1.0])

        def total_step_random(prev_state, policy_state):
            step = tf.zeros_like(prev_state)
            return tf.tensor_scatter_nd_update(
                step, [[j, 0] for j in range(prev_state.shape[0])], Definitions.K_tplus1(prev_state, policy_state))

        def total_step_spec_shock(prev_state, policy_state, shock_index):
            return total_step_random(prev_state, policy_state)
        """,
    "Equations": """
        import tensorflow as tf
        import Definitions, Parameters, State

        @tf.function
        def equations(state, policy_state):
            E_t = State.E_t_gen(state, policy_state)
            R = Definitions.R_tplus1(state, policy_state) + 1 - Parameters.delta
            C = Definitions.C_t(state, policy_state)
            return {"REE": 1 - E_t(lambda s, ps: Definitions.C_t(s, ps)) / (Parameters.beta * C * R)}
        """,
    "Hooks": "def cycle_hook(state, i):\n    return True\n",
}


@pytest.fixture
def there(tmp_path):
    folder = write(tmp_path, **FILES)
    for group, text in CONFIG.items():
        (folder / "config" / group / "tiny.yaml").write_text(text)
    groups = [f"{group}=tiny" for group in ("constants", "variables", "net", "optimizer", "run")]
    arguments = ["MODEL_NAME=tiny", f"MODELS_DIR={folder}", *groups]
    model = deqn.Model(compose(arguments, config_dir=folder / "config").config)
    return model, with_tensorflow_weights(model)


def test_residuals_equal_tensorflows_before_and_after_the_probe(there):
    model, stored = there
    states, expected = torch.tensor(stored["x"]), torch.tensor(stored["eq_REE"])
    for _ in range(2):  # one node after the other, and as the probe has chosen
        found = model.equations(states, model.policy(states))["REE"].detach()
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        probe(model)


def test_the_loss_equals_tensorflows(there):
    model, stored = there
    terms = loss.terms(model, torch.tensor(stored["x"]))
    assert terms.net_loss.item() == pytest.approx(float(stored["loss"][1]), abs=1e-5)
