"""The loss: sums, penalties, what is reported."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.training import loss
from tests.conftest import own_model

TWO = """
import Definitions
import PolicyState
import State

def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    return {"one": PolicyState.s(policy_state) - E_t(lambda s, p: State.z(s)),
            "two": 2 + 0 * PolicyState.s(policy_state)}
"""
BOUNDED = "variables.policies=[{name: s, bounds: {lower: 0.5, upper: 2.0}}]"


@pytest.fixture
def model(tmp_path):
    """brock_mirman's variables, two equations; the policy is what the test sets."""
    models = own_model(tmp_path, Equations=TWO)

    def load(*overrides: str) -> deqn.Model:
        return deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}", *overrides])

    return load


def with_policy(model: deqn.Model, values: torch.Tensor) -> loss.LossTerms:
    """Loss terms at `[n]` values of the policy."""
    model.policy = lambda states: values.unsqueeze(-1)
    return loss.terms(model, model.initial_states(len(values)))


def test_the_loss_is_the_sum_over_the_batch_divided_by_the_number_of_equations(model):
    terms = with_policy(model(), torch.full((6,), 0.3))
    residual = terms.residuals["one"]
    torch.testing.assert_close(terms.deviations["one"], (residual**2).sum())
    torch.testing.assert_close(terms.deviations["two"], torch.tensor(6 * 4.0))
    torch.testing.assert_close(terms.net_loss, ((residual**2).sum() + 24) / 2)


def test_twice_the_batch_has_twice_the_loss(model):
    loaded = model()
    states = loaded.initial_states(4)
    once, twice = (loss.terms(loaded, s).loss for s in (states, torch.cat([states, states])))
    torch.testing.assert_close(twice, 2 * once)


def test_the_default_penalty_is_one_over_the_bound_squared(model):
    terms = with_policy(model(BOUNDED), torch.tensor([0.1, 1.0, 5.0, 2.5]))
    assert terms.penalties["penalty_lower_policy_s"].item() == pytest.approx(0.4**2 / 0.5**2)
    assert terms.penalties["penalty_upper_policy_s"].item() == pytest.approx((3.0**2 + 0.5**2) / 2.0**2)


def test_a_penalty_of_ones_own_replaces_the_default(model):
    own = "variables.policies=[{name: s, bounds: {lower: 0, penalty_lower: 100.0, upper: 2, penalty_upper: 3}}]"
    terms = with_policy(model(own), torch.tensor([-0.5, 4.0]))
    assert terms.penalties["penalty_lower_policy_s"].item() == pytest.approx(100 * 0.25)
    assert terms.penalties["penalty_upper_policy_s"].item() == pytest.approx(3 * 4.0)


def test_a_penalty_of_zero_removes_the_term(model):
    own = "variables.policies=[{name: s, bounds: {lower: 0.5, penalty_lower: 0}}]"
    assert with_policy(model(own), torch.tensor([0.1])).penalties == {}


def test_penalties_enter_the_loss_divided_by_the_number_of_equations(model):
    terms = with_policy(model(BOUNDED), torch.tensor([0.1, 1.0, 5.0]))
    torch.testing.assert_close(terms.loss, terms.net_loss + torch.stack(list(terms.penalties.values())).sum() / 2)


def test_inside_the_bounds_there_is_no_penalty(model):
    terms = with_policy(model(BOUNDED), torch.tensor([0.6, 1.9]))
    assert [float(value) for value in terms.penalties.values()] == [0.0, 0.0]
    assert torch.equal(terms.loss, terms.net_loss)


def test_a_bound_of_a_definition_is_penalised_too(model):
    definition = (
        "variables.definitions=[{name: C, bounds: {lower: 10.0}}, {name: Y}, {name: I}, {name: K_next}, {name: R}]"
    )
    loaded = model(definition)
    states = loaded.initial_states(3)
    consumption = loaded.Definitions.C_RAW(states, loaded.policy(states))
    penalty = loss.bound_penalties(loaded, states, loaded.policy(states))["penalty_lower_def_C"]
    torch.testing.assert_close(penalty, ((10 - consumption) ** 2).sum() / 100)
    assert (loaded.Definitions.C(states, loaded.policy(states)) == 10).all()


def test_a_bound_of_a_state_is_enforced_without_a_penalty(model):
    state = "variables.states.0.bounds={lower: 0, upper: 0.2}"
    loaded = model(state)
    states = loaded.initial_states(50)
    assert loaded.State.K(states).max() <= 0.2 < loaded.State.K_RAW(states).max()
    assert all("K" not in name for name in loss.bound_penalties(loaded, states, loaded.policy(states)))


def test_the_penalty_pushes_the_policy_back(model):
    """The residual has no gradient beyond the bound; the penalty has."""
    loaded = model(BOUNDED)
    values = torch.tensor([0.1], requires_grad=True)
    with_policy(loaded, values).loss.backward()
    torch.testing.assert_close(values.grad, torch.tensor([-2 * 0.4 / 0.25 / 2]))


def test_a_bound_that_does_not_bind_has_a_penalty_of_zero_without_gradient(model):
    terms = with_policy(model(BOUNDED), torch.tensor([0.55, 0.6], requires_grad=True))
    assert {name: float(value) for name, value in terms.penalties.items()} == dict.fromkeys(terms.penalties, 0.0) != {}
    assert not any(value.requires_grad for value in terms.penalties.values())


def test_a_policy_that_is_no_number_has_a_penalty_that_is_none(model):
    terms = with_policy(model(BOUNDED), torch.tensor([0.55, float("nan")]))
    assert all(value.isnan() for value in terms.penalties.values())


def test_a_residual_with_a_shape_counts_as_one_equation():
    x = torch.arange(12.0).reshape(3, 4)
    torch.testing.assert_close(loss.squared_sum(x), (x**2).mean(1).sum())


def test_reported_residuals_have_no_gradient(model):
    assert not any(r.requires_grad for r in with_policy(model(), torch.tensor([0.3])).residuals.values())
