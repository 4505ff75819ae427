"""`closed_form(state)` and `reference(state)` of Hooks.py."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.economy.known_answer import closed_form, known_answer
from tests.conftest import own_model


def model(tmp_path, body: str) -> deqn.Model:
    hooks = f"import State\n\n\ndef closed_form(state):\n    {body}\n"
    overrides = ["MODEL_NAME=mine", f"MODELS_DIR={own_model(tmp_path / 'models', Hooks=hooks)}"]
    return deqn.load_model("brock_mirman", overrides, check=False)


def test_a_number_is_the_policy_in_every_state(tmp_path):
    found = closed_form(mine := model(tmp_path, "return {'s': 0.3}"), mine.initial_states(4))
    torch.testing.assert_close(found, {"s": torch.full((4,), 0.3)})


def test_a_tensor_is_the_policy_state_by_state(tmp_path):
    mine = model(tmp_path, "return {'s': 0.1 * State.K(state)}")
    states = mine.initial_states(4)
    torch.testing.assert_close(closed_form(mine, states)["s"], 0.1 * states[:, 0])


@pytest.mark.parametrize("body", ["return {}", "return None"])
def test_nothing_is_said_where_it_does_not_hold(tmp_path, body):
    mine = model(tmp_path, body)
    states = mine.initial_states(4)
    assert closed_form(mine, states) == {}
    assert deqn.Run(mine, tmp_path).policy_errors(states) == {}


def test_the_error_is_the_distance_of_the_bounded_policy(tmp_path):
    mine = model(tmp_path, "return {'s': 0.3}")
    states = mine.initial_states(4)
    with torch.no_grad():
        expected = (mine.PolicyState.s(mine.policy(states)) - 0.3).abs()
    torch.testing.assert_close(deqn.Run(mine, tmp_path).policy_errors(states)["s"], expected)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return {'S': 0.3}", r"names 'S', which is neither a policy nor a definition. Did you mean s\?"),
        ("return 0.3", "returns a float, expected a dict"),
        ("return {'s': state}", r"neither a number nor a tensor of shape \[7\]"),
        ("return {'s': 1 / 0}", r"mine/Hooks.py:5: closed_form\(state\) failed: ZeroDivisionError"),
    ],
)
def test_a_mistake_is_found_before_training(tmp_path, body, message):
    with pytest.raises(deqn.ModelError, match=message):
        deqn.economy.probe.probe(model(tmp_path, body))


@pytest.mark.parametrize("name", ["bm1972", "brock_mirman"])
def test_the_shipped_ones_hold_for_full_depreciation_only(name):
    for delta, known in ((1.0, 1), (0.1, 0)):
        shipped = deqn.load_model(name, [f"constants.delta={delta}"], check=False)
        assert len(closed_form(shipped, shipped.initial_states(3))) == known


def test_a_reference_is_asked_for_where_no_closed_form_holds(tmp_path):
    mine = model(
        tmp_path,
        "return {} if State.K(state).mean() > 5 else {'s': 0.3}\n\n\ndef reference(state):\n    return {'C': 2.0}",
    )
    states = torch.ones(3, 2)
    assert known_answer(mine, states)[0] == "closed form"
    kind, known = known_answer(mine, 10 * states)
    assert kind == "reference"
    torch.testing.assert_close(known, {"C": torch.full((3,), 2.0)})
    run = deqn.Run(mine, tmp_path)
    expected = (run.definitions(10 * states)["C"] - 2).abs()
    torch.testing.assert_close(run.policy_errors(10 * states)["C"], expected)
