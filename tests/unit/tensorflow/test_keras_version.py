"""Steps to all shock nodes at once, as in the Keras version of the TensorFlow library."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.economy.linear import linear_solution
from deqn.economy.probe import probe
from deqn.economy.steady_state import steady_state
from deqn.errors import ModelError
from tests.unit.tensorflow.folders import MODEL, STATES, check, load, residual

AT_ONCE = """
    import tensorflow as tf
    import Definitions, Parameters, PolicyState, State
    from Parameters import global_default_dtype, policy

    shock_values = tf.constant([[-0.05], [0.0], [0.05]], dtype=global_default_dtype)
    calm = tf.constant([0.1, 0.8, 0.1])
    wild = tf.constant([0.4, 0.2, 0.4])
    n_int_samples = 3

    def step(prev_state, policy_state, shock):
        state = State.update(prev_state, "z", Parameters.rho * State.z(prev_state) + shock)
        return State.update(state, "K", PolicyState.s(policy_state) * Definitions.Y(prev_state, policy_state))

    def total_step_random(prev_state, policy_state, mode=None):
        probs = tf.where(tf.expand_dims(State.z(prev_state), -1) > 0, wild, calm)
        index = tf.random.categorical(tf.math.log(probs), 1)[:, 0]
        return step(prev_state, policy_state, tf.gather(shock_values, index)[:, 0])

    def total_step_spec_shock(prev_state, policy_state, mode=None):
        old_state = tf.repeat(prev_state, n_int_samples, axis=0)
        old_pol = tf.repeat(policy_state, n_int_samples, axis=0)
        next_states = step(old_state, old_pol, tf.tile(shock_values, [prev_state.shape[0], 1])[:, 0])
        return old_state, old_pol, next_states, policy(next_states)

    def total_step_spec_probs(prev_state, policy_state, mode=None):
        up = tf.repeat(tf.cast(State.z(prev_state) > 0, global_default_dtype), n_int_samples, axis=0)
        n = [prev_state.shape[0]]
        return (1 - up) * tf.tile(calm, n) + up * tf.tile(wild, n)
    """
FOUR = MODEL["Equations"].replace(
    "lambda s, ps: Parameters.alpha * Definitions.Y(s, ps) / State.K(s) / Definitions.C(s, ps)",
    "lambda sold, psold, s, ps: Parameters.alpha * Definitions.Y(s, ps) / State.K(s) / Definitions.C(s, ps)",
)
BY_NODE = """+
    shock_values, weights = tf.constant([[-0.05], [0.0], [0.05]]), None
    shock_probs = None

    def shock_probs(state, policy_state):
        return tf.where(tf.expand_dims(State.z(state), -1) > 0, tf.constant([0.4, 0.2, 0.4]), tf.constant([0.1, 0.8, 0.1]))
    """


def test_a_step_to_all_nodes_at_once_with_functions_of_four(tmp_path):
    model, report = check(tmp_path / "at once", Dynamics=AT_ONCE, Equations=FOUR)
    assert (report.nodes, report.notes) == (3, [])
    by_node = load(tmp_path / "by node", Dynamics=BY_NODE)
    torch.testing.assert_close(residual(model), residual(by_node), rtol=1e-5, atol=1e-6)
    episode = STATES.expand(2, 3, 2)
    of_episode = model.equations(episode, model.policy(episode))["euler"]
    torch.testing.assert_close(of_episode, residual(model).expand(2, 3))
    deqn.Trainer(model).fit(quiet=True)


def test_probabilities_of_the_state_with_an_index_of_the_shock(tmp_path):
    probs = BY_NODE.replace(
        "def shock_probs(state, policy_state)", "def total_step_spec_probs(prev_state, policy_state)"
    )
    probs = probs.replace("shock_probs = None", "").replace("State.z(state)", "State.z(prev_state)")
    one_by_one = probs.replace("(prev_state, policy_state)", "(prev_state, policy_state, shock_index)").replace(
        "        return tf.where(", "        return tf.gather(tf.where("
    ).replace("0.1]))\n", "0.1])), shock_index, axis=1)\n")  # fmt: skip
    expected = load(tmp_path / "plain", Dynamics=BY_NODE)
    for name, dynamics in (("all", probs), ("one", one_by_one)):
        model, _ = check(tmp_path / name, Dynamics=dynamics)
        torch.testing.assert_close(residual(model), residual(expected))


def test_another_return_is_said(tmp_path):
    with pytest.raises(ModelError, match=r"must return \(old state, old policy, next state, next policy\)"):
        probe(
            load(
                tmp_path,
                Dynamics=AT_ONCE.replace(
                    "return old_state, old_pol, next_states, policy(next_states)", "return next_states"
                ),
            )
        )


def test_a_file_with_networks_of_its_own_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(ModelError, match=r"tiny/Model.py is not read: .*docs/reference/tensorflow_model_files.md"):
        load(tmp_path, Model="class Model:\n    pass\n")


def test_the_steady_state_is_that_of_the_same_steps_node_by_node(tmp_path):
    """Shocks are off under E_t, too: one next state a state."""
    at_once = load(tmp_path / "at once", "run.keras_precision=float64", Dynamics=AT_ONCE, Equations=FOUR)
    by_node = load(tmp_path / "by node", "run.keras_precision=float64", Dynamics=BY_NODE)
    found, expected = steady_state(at_once), steady_state(by_node)
    torch.testing.assert_close(found.state, expected.state, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(found.policy, expected.policy, rtol=1e-6, atol=1e-8)
    assert found.policy.item() == pytest.approx(0.36 * 0.96)
    linear_solution(at_once, found)
