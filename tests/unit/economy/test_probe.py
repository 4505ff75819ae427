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
    return deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}", *overrides], check=False)


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
    notes = probe(deqn.load_model("brock_mirman", [policies], check=False)).notes
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


def test_a_definition_whose_declared_shape_is_one_entry_is_right():
    """An economy of N countries with N = 1."""
    assert probe(deqn.load_model("irbc", ["constants.N=1"])).equations["euler"][0] == (1,)


def test_a_constant_that_is_a_text_is_no_reason_for_a_wrong_shape(tmp_path):
    wrong = replaced("Dynamics", "def next_state", "shock_probs = shock_probs * 2\n\n\ndef next_state")
    with pytest.raises(ModelError) as error:
        probe(own(tmp_path, "+constants.grid=power", **wrong))
    assert "shock_probs sums to 2" in str(error.value)
    assert "is a text" not in str(error.value)


@pytest.mark.parametrize(
    "use", ["+ Parameters.grid", "* Parameters.grid", ".clamp(Parameters.grid)", "* torch.exp(Parameters.grid)",
            "* float(Parameters.grid)", "+ __import__('numpy').exp(Parameters.grid)", "* (0.5 * Parameters.grid)"]
)  # fmt: skip
def test_a_text_where_a_number_is_meant_is_named(tmp_path, use):
    text = equations(f'{{"euler": euler {use}}}')
    with pytest.raises(ModelError, match=r"constants\.grid = 'power' is a text; was a number meant\?"):
        probe(own(tmp_path, "+constants.grid=power", Equations=text))


def test_a_text_that_no_file_of_the_model_reads_is_no_reason(tmp_path):
    text = equations('{"euler": euler + None}')
    with pytest.raises(ModelError, match="TypeError") as error:
        probe(own(tmp_path, "+constants.Version='2016'", Equations=text))
    assert "is a text" not in str(error.value)


def test_initial_states_outside_the_domain_are_named_with_the_state():
    with pytest.raises(ModelError, match=r"not finite for \d of 7 initial states, first at K=-"):
        probe(
            deqn.load_model(
                "brock_mirman", ["variables.states.0.init.kwargs={minval: -2.0, maxval: -1.0}"], check=False
            )
        )


POLICIES = "variables.policies=[{name: s, activation: implied, bounds: {lower: 0.01, upper: 0.99}}, {name: mu%s}]"
IMPORTS = "import Definitions\nimport Parameters\nimport PolicyState\nimport State\nimport torch\n\n\n"
EULER = """
    R = lambda s, p: Parameters.alpha * Definitions.Y(s, p) / State.K(s)
    C = Definitions.C(state, policy_state)
    euler = 1 - Parameters.beta * State.E_t_gen(state, policy_state)(lambda s, p: R(s, p) * C / Definitions.C(s, p))
"""


def equations(returned: str) -> str:
    return f"{IMPORTS}def equations(state, policy_state):{EULER}    return {returned}\n"


def notes(model: deqn.Model) -> str:
    return " | ".join(probe(model).notes)


IDENTITY = (
    "Definitions.Y(state, policy_state) - Definitions.C(state, policy_state) - Definitions.I(state, policy_state)"
)


def test_an_identity_as_the_only_equation_is_refused(tmp_path):
    with pytest.raises(ModelError, match="'resource' is zero, but for rounding, whatever the policies are"):
        probe(own(tmp_path, Equations=equations(f'{{"resource": {IDENTITY}}}')))


def test_an_identity_beside_another_equation_is_remarked_whatever_its_units(tmp_path):
    said = notes(own(tmp_path, Equations=equations(f'{{"euler": euler, "resource": 1e6 * ({IDENTITY})}}')))
    assert "equation 'resource' is" in said
    assert "'euler'" not in said


def test_a_small_residual_is_no_identity(tmp_path):
    assert notes(own(tmp_path, Equations=equations('{"euler": 1e-9 * euler}'))) == ""


def test_fewer_equations_than_policies_are_remarked(tmp_path):
    model = own(tmp_path, POLICIES % "", Equations=equations('{"euler": euler + 0.1 * PolicyState.mu(policy_state)}'))
    assert "1 equation against 2 policies" in notes(model)


def test_gradients_that_cancel_in_the_sum_of_two_equations_are_not_zero(tmp_path):
    both = '{"euler": euler - PolicyState.mu(policy_state), "slack": PolicyState.mu(policy_state) - 0.1}'
    assert notes(own(tmp_path, POLICIES % "", Equations=equations(both))) == ""


@pytest.mark.parametrize("function", ["total_step_random", "total_step_spec_shock"])
def test_states_changed_in_place_are_refused_with_the_file(tmp_path, function):
    old = next(line for line in shipped("brock_mirman", "Dynamics").splitlines() if f"def {function}" in line)
    with pytest.raises(ModelError, match=rf"mine/Dynamics.py: {function}\(.*changes the states that it is given"):
        probe(own(tmp_path, **replaced("Dynamics", old, f"{old}\n    prev_state[..., 1] *= 0.9")))


@pytest.mark.parametrize(
    ("file", "function", "said"),
    [
        ("Dynamics", "total_step_random", "total_step_random"),
        ("Definitions", "C", "definition 'C'"),
        ("Equations", "equations", r"equations\(\)"),
    ],
)
def test_policies_changed_in_place_are_refused_with_the_file(tmp_path, file, function, said):
    old = next(line for line in shipped("brock_mirman", file).splitlines() if f"def {function}(" in line)
    with pytest.raises(ModelError, match=rf"mine/{file}.py: {said}.*changes the policies that it is given"):
        probe(own(tmp_path, **replaced(file, old, f"{old}\n    policy_state[..., 0] *= 0.9")))


def test_next_states_changed_in_place_inside_an_expectation_are_refused(tmp_path):
    lines = [
        "def later(s, p):",
        "    R = Definitions.R(s, p)",
        "    s[..., 1] += 1",
        "    return R",
        'return {"euler": 1 - E_t(later)}',
    ]
    text = shipped("brock_mirman", "Equations").partition("    return ")[0] + "".join(f"    {line}\n" for line in lines)
    with pytest.raises(ModelError, match=r"changed in place, on the way to a residual. Write x = x \+ 1"):
        probe(own(tmp_path, Equations=text))


def test_nodes_that_all_lead_to_the_same_state_are_remarked(tmp_path):
    model = own(tmp_path, **replaced("Dynamics", "policy_state, shock_values[shock_index, 0])", "policy_state, 0.0)"))
    assert "gives the same next state on all 5 nodes" in notes(model)


@pytest.mark.parametrize(
    ("nodes", "what"),
    [("0.3 * shock_values[shock_index, 0]", "standard deviation"), ("shock_values[shock_index, 0] + 0.05", "mean")],
)
def test_nodes_with_other_moments_than_the_draws_are_remarked(tmp_path, nodes, what):
    said = notes(own(tmp_path, **replaced("Dynamics", "shock_values[shock_index, 0])", f"{nodes})")))
    assert f"next period's z has {what}" in said


@pytest.mark.parametrize("rule", ["expectation_type=monomial", "expectation_type=product"])
def test_coarse_nodes_are_not_remarked(rule):
    assert notes(deqn.load_model("brock_mirman", [f"run.{rule}", "constants.n_nodes=2", "seed=3"])) == ""


CHAIN = (
    IMPORTS
    + """P = torch.tensor([[0.1, 0.9, 0.0], [0.45, 0.9, 0.45], [0.475, 0.475, 0.05]])


def shock_probs(state, policy_state):
    return P[State.z(state).long()]


def total_step_spec_shock(prev_state, policy_state, shock_index):
    return State.update_dict(prev_state, {"K": Definitions.K_next(prev_state, policy_state), "z": shock_index})


def total_step_random(prev_state, policy_state):
    return total_step_spec_shock(prev_state, policy_state, Parameters.rng.categorical(shock_probs(prev_state, policy_state)))
"""
)
IN_REGIME_0 = "variables.states.1.init={distribution: constant, kwargs: {value: 0.0}}"


def test_a_wrong_row_of_a_chain_is_refused_with_a_state_that_no_initial_state_is_in(tmp_path):
    with pytest.raises(ModelError, match=r"shock_probs sums to 1.8, not 1.*First of \d+ of 320 states: K=.*, z=1\."):
        probe(own(tmp_path, IN_REGIME_0, Dynamics=CHAIN))


def test_an_equation_that_is_not_finite_names_operation_and_line(tmp_path):
    text = equations('{"euler": euler + torch.log(-Definitions.C(state, policy_state))}')
    line = len(text.splitlines())
    with pytest.raises(ModelError, match=rf"result that is not finite is `log`, called in mine/Equations.py:{line}"):
        probe(own(tmp_path, Equations=text))


LOG = {"Definitions": "\n\ndef elasticity(state, policy_state):\n    return torch.log(State.z(state))\n"}
WITH_LOG = "variables.definitions=[{name: C}, {name: I}, {name: elasticity%s}]"


def test_a_definition_that_is_not_finite_is_refused_where_it_has_a_penalty(tmp_path):
    text = shipped("brock_mirman", "Definitions") + LOG["Definitions"]
    with pytest.raises(
        ModelError, match=r"definition 'elasticity': not finite for \d+ of 256 initial states \(\d\d %\)"
    ):
        probe(own(tmp_path / "one", WITH_LOG % ", bounds: {lower: 0.1}", Definitions=text))
    assert "definition 'elasticity': not finite" in notes(own(tmp_path / "other", WITH_LOG % "", Definitions=text))


def test_draws_that_do_not_follow_from_the_seed_are_remarked(tmp_path):
    numpys = "torch.as_tensor(__import__('numpy').random.normal(0, 0.1, prev_state.shape[:-1]), dtype=prev_state.dtype)"
    torchs = "0.02 * torch.randn(prev_state.shape[:-1])"
    for draw, said in ((numpys, True), (torchs, False)):
        text = shipped("brock_mirman", "Dynamics")
        old = "Parameters.rng.normal(prev_state.shape[:-1], stddev=Parameters.sigma)"
        assert old in text
        model = own(tmp_path / str(said), Dynamics="import torch\n" + text.replace(old, draw))
        assert ("different draws from the same seed" in notes(model)) == said


@pytest.mark.parametrize(("output", "said"), [("sigmoid", "only 0.5 to 0.726 of 0.01 to 0.99"), ("linear", "")])
def test_an_output_activation_that_cuts_the_range_of_a_policy_is_remarked(output, said):
    assert said in notes(deqn.load_model("brock_mirman", [f"net.layers.2.output.activation={output}"], check=False))


BOUND_ON_C = "variables.definitions=[{name: Y}, {name: I}, {name: C, bounds: {lower: 0.01}}, {name: K_next}, {name: R}]"
SLIPS = {
    "an expectation of a number": (
        ("Equations", "lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p)", "Definitions.R(state, policy_state)"),
        "E_t takes a function of next period's state and policy, E_t(lambda s, p: ...); it got a Tensor.",
    ),
    "an argument of a bounded definition that is forgotten": (
        ("Equations", "Definitions.C(s, p)", "Definitions.C(s)"), "C() missing 1 required positional argument: 'policy_state'",
    ),
    "a definition without return": (
        ("Definitions", "return Parameters.alpha", "Parameters.alpha"),
        "definition 'R' is NoneType, expected a tensor or a number. Is its `return` missing?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_of_the_pen_is_called_by_its_name(tmp_path, slip):
    change, message = SLIPS[slip]
    with pytest.raises(ModelError) as error:
        probe(own(tmp_path, BOUND_ON_C, **replaced(*change)))
    assert message in str(error.value)
    assert "<lambda>" not in str(error.value)
