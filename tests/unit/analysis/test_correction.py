"""deqn/analysis/correction.py: the linearised equations know how far a policy is from the solution."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import deqn
from deqn.analysis import correction
from deqn.analysis.correction import policy_correction, relative_sizes
from deqn.analysis.verdict import judge
from tests.conftest import own_model, shipped
from tests.unit.analysis.test_verdict import ALPHA_BETA, kinds, with_savings

# the policy s is 0.3 in every state; residuals of another constant are 1 - beta times its distance
PATIENT = """
import Parameters
import PolicyState
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    ahead = E_t(lambda s, p: PolicyState.s(p))
    return {"value": PolicyState.s(policy_state) - 0.3 * (1 - Parameters.beta) - Parameters.beta * ahead}
"""


def test_the_distance_of_a_savings_rate_from_the_closed_form(tmp_path):
    run = with_savings(ALPHA_BETA + 1e-3, tmp_path, "run.keras_precision=float64")
    change = policy_correction(run.model, run.cloud())
    torch.testing.assert_close(change["s"], torch.full_like(change["s"], -1e-3), rtol=0.01, atol=0)


def test_the_network_is_left_as_it_is_and_a_solution_is_not_changed(tmp_path):
    run = with_savings(ALPHA_BETA, tmp_path, "run.keras_precision=float64")
    before = [p.clone() for p in run.model.network.parameters()]
    assert policy_correction(run.model, run.cloud())["s"].abs().max() < 1e-8
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.network.parameters(), strict=True))


def test_derivatives_in_pieces_are_those_taken_at_once(tmp_path, monkeypatch):
    """Of 50 countries with 102 nodes of shocks, those of all states at once took more than 20 GB."""
    run = with_savings(ALPHA_BETA + 1e-3, tmp_path, "run.keras_precision=float64")
    states, asked = run.cloud(), []
    whole = policy_correction(run.model, states)["s"]
    monkeypatch.setattr(correction, "_ENTRIES", 200)
    linearised = correction.linearised
    monkeypatch.setattr(correction, "linearised", lambda m, v, x: asked.append(len(x)) or linearised(m, v, x))
    torch.testing.assert_close(policy_correction(run.model, states)["s"], whole, rtol=1e-9, atol=0)
    assert len(asked) > 3


def of_patient_agents(rate: float, folder: Path) -> deqn.Run:
    models = own_model(folder / "models", Equations=PATIENT)
    return with_savings(rate, folder, f"MODELS_DIR={models}", "MODEL_NAME=mine", "constants.beta=0.999")


def test_patient_agents_with_tiny_residuals_are_told_that_their_policy_is_off(tmp_path):
    verdict = judge(of_patient_agents(0.33, tmp_path))
    assert verdict.numbers["mean_residual"]["value"] < 1e-4
    assert verdict.numbers["policy_correction"]["s"] == pytest.approx(0.03 / 0.33, rel=0.02)
    assert "policies still off" in kinds(verdict)


def test_they_are_told_nothing_at_their_solution(tmp_path):
    verdict = judge(of_patient_agents(0.3, tmp_path))
    assert verdict.numbers["policy_correction"]["s"] < 1e-3
    assert "policies still off" not in kinds(verdict)


def test_where_a_residual_is_no_function_of_one_state_nothing_is_said(tmp_path):
    equations = shipped("brock_mirman", "Equations").replace(
        "    C = Def", "    if float(State.K(state).mean()) < 0:\n        return {}\n    C = Def"
    )
    folder = own_model(tmp_path / "models", Equations=equations)
    run = with_savings(0.3, tmp_path, f"MODELS_DIR={folder}", "MODEL_NAME=mine")
    assert policy_correction(run.model, run.cloud()) is None


def test_shapes_are_those_of_the_policies(tmp_path):
    model = deqn.load_model("analytic")
    change = policy_correction(model, model.initial_states(600))
    assert {name: value.shape[1:] for name, value in change.items()} == {c.name: c.shape for c in model.policy_columns}
    assert all(math.isfinite(float(value.abs().max())) for value in change.values())


def test_too_many_policies_are_left_out(tmp_path, monkeypatch):
    run = with_savings(0.3, tmp_path)
    monkeypatch.setattr(correction, "_POLICIES", 0)
    assert policy_correction(run.model, run.cloud()) is None


def test_a_growth_rate_near_zero_is_measured_by_the_state_that_it_moves(tmp_path):
    """Its own size would make a change of 1e-4 look like one of a half."""
    model = deqn.load_model("irbc")
    states = model.initial_states(200)
    change = {"g": torch.full((200, 2), 1e-4)}
    found = relative_sizes(model, states, change)
    assert found["g"] == pytest.approx(1e-4, rel=0.2)


def test_a_policy_that_moves_no_state_is_measured_by_itself():
    model = deqn.load_model("asset_pricing")
    states = model.initial_states(200)
    with model.context(), torch.no_grad():
        own = model.policy(states)[:, 0].abs().mean()
    change = {column.name: torch.full((200,), 0.01) for column in model.policy_columns}
    assert relative_sizes(model, states, change)[model.policy_columns[0].name] == pytest.approx(
        0.01 / float(own), rel=1e-3
    )
