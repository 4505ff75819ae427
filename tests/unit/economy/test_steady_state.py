"""deqn/economy/steady_state.py, against steady states that are known."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.economy.steady_state import steady_state
from tests.conftest import own_model, shipped


def capital(alpha: float, beta: float, delta: float) -> float:
    return ((1 / beta - 1 + delta) / alpha) ** (1 / (alpha - 1))


@pytest.mark.parametrize("delta", [1.0, 0.1, 0.025])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_growth_rests_at_its_modified_golden_rule(delta, precision, tolerance):
    model = deqn.load_model("brock_mirman", [f"constants.delta={delta}", f"run.keras_precision={precision}"])
    found = steady_state(model)
    K = capital(0.36, 0.96, delta)
    assert float(model.State.K(found.state)) == pytest.approx(K, rel=tolerance)
    assert float(model.State.z(found.state)) == pytest.approx(0.0, abs=1e-12)
    assert float(model.PolicyState.s(found.policy)) == pytest.approx(delta * K ** (1 - 0.36), rel=10 * tolerance)
    assert found.residual < 1e-5


def test_the_steady_state_has_no_shocks_whatever_their_size():
    model = deqn.load_model("brock_mirman", ["constants.sigma=0.4", "constants.delta=0.1"])
    assert float(model.State.K(steady_state(model).state)) == pytest.approx(capital(0.36, 0.96, 0.1), rel=1e-5)


def test_a_model_that_draws_all_the_same_rests_at_the_mean_over_its_nodes(tmp_path):
    dynamics = shipped("brock_mirman", "Dynamics").replace("0.0 if Globals.DISABLE_SHOCKS else ", "")
    folder = own_model(tmp_path, Dynamics=dynamics)
    model = deqn.load_model("brock_mirman", [f"MODELS_DIR={folder}", "MODEL_NAME=mine"])
    assert float(model.State.K(steady_state(model).state)) == pytest.approx(capital(0.36, 0.96, 1.0), rel=1e-4)


def test_a_model_without_shocks_has_one_too():
    model = deqn.load_model("bm1972")
    assert float(model.State.K_t(steady_state(model).state)) == pytest.approx((0.36 * 0.99) ** (1 / 0.64), rel=1e-5)


def test_where_every_state_is_at_rest_there_is_no_steady_state(tmp_path):
    """Capital that never moves: every start is at rest, and they do not agree."""
    dynamics = shipped("brock_mirman", "Dynamics").replace("Definitions.K_next(state, policy_state)", "State.K(state)")
    equations = """
import PolicyState
import State


def equations(state, policy_state):
    return {"savings": PolicyState.s(policy_state) - 0.3}
"""
    folder = own_model(tmp_path, Dynamics=dynamics, Equations=equations)
    assert steady_state(deqn.load_model("brock_mirman", [f"MODELS_DIR={folder}", "MODEL_NAME=mine"])) is None


def test_large_models_are_left_alone():
    assert steady_state(deqn.load_model("krusell_smith", ["constants.nA=100"])) is None


def test_model_and_generator_are_as_before():
    model = deqn.load_model("brock_mirman")
    states = model.initial_states(5)
    generator, before = model.rng.get_state(), model.equations(states, model.policy(states))["euler"]
    steady_state(model)
    assert torch.equal(model.rng.get_state(), generator)
    assert torch.equal(model.equations(states, model.policy(states))["euler"], before)
    assert model.Globals.DISABLE_SHOCKS is False
