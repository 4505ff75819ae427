"""Bounds that are one number for each entry, or names of constants."""

from __future__ import annotations

import math

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.configuration.schema import DefinitionVariable, PolicyVariable, StateVariable
from deqn.economy.bounds import Bound, bound_of
from deqn.economy.columns import lay_out
from deqn.economy.network import PolicyNetwork
from deqn.errors import ConfigError
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.training import least_squares, loss
from tests.conftest import own_model, shipped

TWO = torch.tensor([0.1, 0.5]), torch.tensor([0.4, 0.9])


def policy(**keys) -> PolicyVariable:
    return PolicyVariable.model_validate({"name": "s", **keys})


def test_each_entry_is_cut_to_its_own_bounds():
    bound = Bound(*TWO)
    x = torch.tensor([[0.0, 0.0], [0.3, 0.7], [1.0, 1.0]])
    assert torch.equal(bound.apply(x), torch.tensor([[0.1, 0.5], [0.3, 0.7], [0.4, 0.9]]))
    assert bound.apply(x[None]).shape == (1, 3, 2)


def test_no_gradient_flows_where_an_entry_is_cut():
    x = torch.tensor([[0.0, 0.7]], requires_grad=True)
    Bound(*TWO).apply(x).sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0]]


def test_a_name_may_be_a_number_or_one_for_each_entry():
    constants = {"low": 0.2, "high": [0.4, 0.9]}
    bound = bound_of(policy(shape=[2], bounds={"lower": "low", "upper": "high"}), constants, like=torch.empty(()))
    assert (bound.lower.tolist(), bound.upper.tolist()) == (pytest.approx([0.2, 0.2]), pytest.approx([0.4, 0.9]))
    assert bound_of(policy(bounds={"lower": "low"}), constants) == Bound(lower=0.2, penalty_lower=1 / 0.2 * (1 / 0.2))
    assert bound_of(policy(shape=[2], bounds={"lower": [3.0, 3.0]}), {}).lower == 3.0


def test_the_default_penalty_is_one_over_each_bound_squared():
    bound = bound_of(policy(shape=[2], bounds={"upper": [-2.0, 4.0]}), {}, like=torch.empty(()))
    assert (bound.penalty_upper.tolist(), bound.penalty_lower) == ([1 / 4, 1 / 16], 0.0)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"lower": "hgh"}, "x.bounds.lower = 'hgh': there is no constant of this name. Did you mean high?"),
        ({"lower": "0.3"}, "It is a text: leave out the quotes"),
        ({"lower": [1.0, 2.0, 3.0]}, r"has the shape \[3\], expected a number or the variable's shape \[2\]"),
        ({"lower": "high", "upper": 0.5}, r"x: bounds.lower = high \(\[0.4, 0.9\]\) is not below bounds.upper = 0.5"),
        (
            {"lower": [0.0, 1.0]},
            r"bounds.lower = \[0, 1\], so the default penalty 1/bound\*\*2 is infinite. Set bounds.pen",
        ),
    ],
)
def test_what_cannot_be_is_refused(bounds, message):
    with pytest.raises(ConfigError, match=message):
        bound_of(policy(shape=[2], bounds=bounds), {"high": [0.4, 0.9]}, "x")


def test_zero_needs_no_penalty_for_a_state_or_where_the_activation_keeps_within():
    bounds = {"lower": [0.0, 1.0], "upper": [2.0, 3.0]}
    state = StateVariable(name="K", shape=[2], bounds=bounds)
    for variable in (state, policy(shape=[2], activation="implied", bounds=bounds)):
        assert bound_of(variable, {}).penalty_lower == 0.0
    with pytest.raises(ConfigError, match="penalty"):
        bound_of(DefinitionVariable(name="C", shape=[2], bounds=bounds), {})


@pytest.mark.parametrize("value", ["true", "{}", "inf"])
def test_a_bound_of_another_kind_is_refused_in_one_sentence(value):
    with pytest.raises(ConfigError) as caught:
        compose(["model=brock_mirman", f"variables.policies.0.bounds.lower={value}"])
    (problem,) = caught.value.problems
    assert problem.startswith("variables.policies[0] 's'.bounds.lower = ")
    assert problem.endswith("expected a number, the name of a constant or a list of numbers.")


def test_an_implied_policy_lies_between_the_bounds_of_each_entry():
    variables = [
        policy(shape=[2], activation="implied", bounds={"lower": [0.1, 0.5], "upper": [0.4, 0.9]}, around=[0.2, 0.6]),
        policy(activation="implied", bounds={"lower": 0.0, "upper": 1.0}),
    ]
    columns = lay_out([(v.name, v.shape, bound_of(v, {}, like=torch.empty(()))) for v in variables])
    network = PolicyNetwork(torch.nn.Identity(), variables, columns, 3, False).float()
    far = torch.tensor([[-40.0] * 3, [0.0] * 3, [40.0] * 3])
    expected = torch.tensor([[0.1, 0.5, 0.0], [0.2, 0.6, 0.5], [0.4, 0.9, 1.0]])
    torch.testing.assert_close(network(far), expected)


def test_around_beyond_the_bound_of_its_entry_is_refused():
    variable = policy(shape=[2], bounds={"upper": [0.4, 0.9]}, around=[0.4, 0.95])
    columns = lay_out([("s", [2], bound_of(variable, {}, like=torch.empty(())))])
    with pytest.raises(ConfigError, match=r"lies beyond the policy's bounds: 0\.4, 0\.95"):
        PolicyNetwork(torch.nn.Identity(), [variable], columns, 2, False)


# -- in a model ----------------------------------------------------------------------------------------------------------

DEFINITIONS = shipped("brock_mirman", "Definitions") + """

def pair(state, policy_state):
    C = Y(state, policy_state) - I(state, policy_state)
    return torch.stack([C, 2 * C], -1)
"""  # fmt: skip


@pytest.fixture
def overrides(tmp_path) -> list[str]:
    """A policy, a state and a definition with bounds that Calibration.py or the constants name."""
    calibration = shipped("brock_mirman", "Calibration").replace(
        "return {", "return {'pair_low': np.array([2.0, 0.1]), "
    )
    folder = own_model(tmp_path, Definitions=DEFINITIONS, Calibration=f"import numpy as np\n{calibration}")
    names = ", ".join(f"{{name: {name}}}" for name in ("Y", "I", "C", "K_next", "R"))
    definitions = f"[{names}, {{name: pair, shape: [2], bounds: {{lower: pair_low}}}}]"
    return [
        "model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={folder}", f"variables.definitions={definitions}",
        "variables.policies.0.bounds.upper=s_max", "+constants.s_max=0.8", "variables.states.0.bounds={lower: K_low}",
    ]  # fmt: skip


def test_the_model_sees_the_bounds_and_so_does_the_loss(overrides):
    model = deqn.Model(compose(overrides).config)
    p = model.Parameters
    assert p.policy_bounds_hard["upper"]["s"] == 0.8
    assert p.state_bounds_hard["lower"]["K"] == pytest.approx(p.K_low)
    assert p.definition_bounds_hard["lower"]["pair"].tolist() == pytest.approx([2.0, 0.1])
    states = model.initial_states(6)
    policies = model.policy(states)
    C = model.Definitions.C(states, policies)
    expected = torch.stack([C.clamp(min=2.0), (2 * C).clamp(min=0.1)], -1)
    torch.testing.assert_close(model.Definitions.pair(states, policies), expected)
    excess = torch.stack([(2.0 - C).clamp(min=0) / 2.0, (0.1 - 2 * C).clamp(min=0) / 0.1], -1)
    penalty = loss.terms(model, states).penalties["penalty_lower_def_pair"]
    assert penalty.item() == pytest.approx(excess.square().sum().item() / 2, rel=1e-5)
    assert model.State.K(torch.zeros(1, 2)).item() == pytest.approx(p.K_low)


def test_rows_of_least_squares_add_up_to_the_loss_with_them(overrides):
    model = deqn.Model(compose([*overrides, "run.keras_precision=float64"]).config)
    states = model.initial_states(6)
    rows = least_squares.Residuals(model)(states)
    assert rows.square().sum().item() == pytest.approx(loss.terms(model, states).loss.item(), rel=1e-12)
    optimizer = LevenbergMarquardt(list(model.network.parameters()))
    before = optimizer.advance(least_squares.Residuals(model), states)
    assert math.isfinite(before)
    assert rows.square().sum() > least_squares.Residuals(model)(states).square().sum()
