"""The probe changes nothing and chooses the fast way only where it is right (its messages: tests/cli)."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.economy.probe import probe
from deqn.errors import ModelError
from tests.conftest import assert_same, own_model, shipped

# the TensorFlow library's users write it for one node
REPEAT = "shock_values[shock_index, 0].repeat(len(prev_state)))"


def own(tmp_path, *overrides: str, **files: str) -> deqn.Model:
    models = own_model(tmp_path / "models", **files)
    return deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}", *overrides])


def replaced(file: str, old: str, new: str) -> dict[str, str]:
    text = shipped("brock_mirman", file)
    assert old in text
    return {file: text.replace(old, new)}


def test_it_moves_neither_the_generators_nor_the_network():
    model = deqn.load_model("brock_mirman")
    before = [
        model.rng.get_state(),
        torch.get_rng_state(),
        {k: v.clone() for k, v in model.network.state_dict().items()},
    ]
    probe(model)
    assert_same([model.rng.get_state(), torch.get_rng_state(), dict(model.network.state_dict())], before)


def test_it_leaves_a_training_network_in_training():
    model = deqn.load_model("brock_mirman")
    model.network.train()
    probe(model)
    assert model.network.training


def test_it_reports_nodes_and_equations():
    report = probe(deqn.load_model("brock_mirman"))
    assert report.nodes == 5
    assert report.equations["euler"][0] == ()
    assert report.equations["euler"][1] > 0
    assert report.notes == []


def test_pseudo_random_reports_its_draws():
    model = deqn.load_model("brock_mirman", ["run.expectation_type=pseudo_random", "run.expectation_pseudo_draws=4"])
    assert probe(model).nodes == 4


@pytest.mark.parametrize(
    ("files", "switch"),
    [
        (("Dynamics", "shock_values[shock_index, 0])", REPEAT), "stacked_step"),
        (("Equations", "Definitions.C(s, p))}", "(s[:, 0] ** 0 * Definitions.C(s, p)).reshape(len(s)))}"), "stacked_function"),
        (("Equations", "Definitions.C(s, p))}", "Definitions.C(s, p) + State.z(s).exp().mean())}"), "stacked_function"),
    ],
    ids=["repeat", "columns by position", "a mean over the batch"],
)  # fmt: skip
def test_code_that_would_differ_on_all_nodes_at_once_is_evaluated_node_by_node(tmp_path, files, switch):
    model = own(tmp_path, **replaced(*files))
    report = probe(model)
    assert not getattr(model.expectations, switch)
    assert any("one shock node at a time" in note for note in report.notes)


def test_the_slow_way_gives_the_numbers_of_the_fast_way(tmp_path):
    slow = own(tmp_path, **replaced("Dynamics", "shock_values[shock_index, 0])", REPEAT))
    fast = deqn.load_model("brock_mirman")
    probe(slow), probe(fast)
    states = fast.initial_states(20)
    one, other = (m.equations(states, m.policy(states))["euler"] for m in (slow, fast))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_policy_that_matters_only_tomorrow_is_no_error(tmp_path):
    """mu today enters nothing, but the expectation of mu tomorrow does."""
    text = replaced("Equations", "Definitions.C(s, p))}", "Definitions.C(s, p) * (1 + PolicyState.mu(p)))}")[
        "Equations"
    ]
    policies = "variables.policies=[{name: s, activation: implied, bounds: {lower: 0.01, upper: 0.99}}, {name: mu}]"
    report = probe(own(tmp_path, policies, Equations=text.replace("import State", "import PolicyState\nimport State")))
    assert any("'mu' is zero" in note for note in report.notes)


def test_a_bound_that_binds_everywhere_is_remarked():
    policies = "variables.policies=[{name: s, bounds: {lower: 0.9, upper: 0.99}}]"
    notes = probe(deqn.load_model("brock_mirman", [policies])).notes
    assert any("a bound may bind everywhere" in note for note in notes)


def test_problems_of_several_files_are_reported_at_once(tmp_path):
    files = replaced("Dynamics", "def next_state", "shock_probs = shock_probs * 2\n\n\ndef next_state")
    files |= replaced(
        "Definitions",
        "return PolicyState.s(policy_state) * Y(state, policy_state)",
        "return Y(state, policy_state)[:, None]",
    )
    with pytest.raises(ModelError) as error:
        probe(own(tmp_path, **files))
    text = str(error.value)
    assert len(error.value.problems) >= 2
    assert "shock_probs sums to 2" in text
    assert "definition 'I' has shape [7, 1]" in text


def test_initial_states_outside_the_domain_are_named_with_the_state():
    with pytest.raises(ModelError, match=r"not finite for \d of 7 initial states, first at K=-"):
        probe(deqn.load_model("brock_mirman", ["variables.states.0.init.kwargs={minval: -2.0, maxval: -1.0}"]))
