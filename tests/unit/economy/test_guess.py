"""`guess(state)` of Guess.py or Definitions.py."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.economy.guess import find_guess, guess
from deqn.economy.probe import probe
from deqn.economy.steady_state import steady_state
from tests.conftest import own_model, shipped

RULE = "import torch\nimport Definitions\nimport Parameters\nimport State\n\n\ndef guess(state):\n    {body}\n"


def model(tmp_path, *overrides: str, **files: str) -> deqn.Model:
    folder = own_model(tmp_path / "models", **files)
    return deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={folder}", *overrides], check=False)


def test_it_sees_states_parameters_and_definitions(tmp_path):
    body = "return {'s': 0.3 + 0.1 * torch.tanh(State.z(state)) * Definitions.guess_scale() * Parameters.alpha}"
    definitions = shipped("brock_mirman", "Definitions") + "\n\ndef guess_scale():\n    return 2.0\n"
    mine = model(tmp_path, Guess=RULE.format(body=body), Definitions=definitions)
    states = mine.initial_states(5)
    torch.testing.assert_close(guess(mine, states), 0.3 + 0.072 * torch.tanh(states[:, 1:]))


def test_policies_are_in_their_columns_whatever_the_order_and_the_shape(tmp_path):
    mine = model(
        tmp_path,
        "variables.policies=[{name: s}, {name: a, shape: [2, 2]}, {name: b}]",
        Guess=RULE.format(body="return {'b': 3.0, 'a': torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 's': State.K(state)}"),
    )
    states = mine.initial_states(3)
    for row, state in zip(guess(mine, states), states, strict=True):
        assert row.tolist() == [float(state[0]), 1.0, 2.0, 3.0, 4.0, 3.0]


def test_a_function_of_definitions_does_as_well(tmp_path):
    definitions = shipped("brock_mirman", "Definitions")
    mine = model(tmp_path, Definitions=f"{definitions}\n\ndef guess(state):\n    return {{'s': 0.25}}\n")
    assert guess(mine, mine.initial_states(2)).tolist() == [[0.25], [0.25]]


def test_a_definition_of_that_name_is_no_guess(tmp_path):
    definitions = shipped("brock_mirman", "Definitions")
    mine = model(
        tmp_path,
        "variables.definitions=[{name: guess}]",
        Definitions=f"{definitions}\n\ndef guess(state, policy_state):\n    return Y(state, policy_state)\n",
    )
    assert find_guess(mine) is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return {'S': 0.3}", r"mine: guess\(state\) names 'S', which is no policy. Did you mean s\?"),
        ("return {}", r"gives no 's'. It must give every policy"),
        ("return 0.3", "returns a float, expected a dict"),
        ("return {'s': state}", r"neither a number nor a tensor of shape \[7\]"),
        ("return {'s': 1 / 0}", r"mine/Guess.py:8: guess\(state\) failed: ZeroDivisionError"),
        (
            "return {'s': torch.log(State.z(state))}",
            r"gives for 's' what is not finite in \d of 7 initial states, first at K=",
        ),
    ],
)
def test_a_mistake_is_found_before_training(tmp_path, body, message):
    with pytest.raises(deqn.ModelError, match=message):
        probe(model(tmp_path, Guess=RULE.format(body=body)))


@pytest.mark.parametrize(
    "text", ["def guess(state, policy_state):\n    return {}\n", "def ges(state):\n    return {}\n"]
)
def test_a_file_without_a_guess_of_a_state_is_refused(tmp_path, text):
    with pytest.raises(deqn.ModelError, match=r"mine/Guess.py: expected a function guess\(state\)"):
        probe(model(tmp_path, Guess=text))


@pytest.mark.parametrize("name", ["bm1972", "brock_mirman"])
@pytest.mark.parametrize("delta", [0.1, 1.0])
def test_the_shipped_ones_keep_capital_at_the_steady_state(name, delta):
    economy = deqn.load_model(name, [f"constants.delta={delta}"], check=False)
    found = steady_state(economy)
    torch.testing.assert_close(guess(economy, found.state), found.policy, rtol=1e-4, atol=0)
