"""Quadrature rules and the expectation operator."""

from __future__ import annotations

import types

import pytest
import torch

import deqn
from deqn.numerics.expectations import Expectations


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# -- the operator -----------------------------------------------------------------------------------------------------


def operator(probs, values=(-1.0, 0.5, 2.0), stacked=(False, False), kind="product", draws=5) -> Expectations:
    """x' = x + shock * (1, 0); the policy is the square of the first state."""
    nodes = torch.tensor(values)
    generator = torch.Generator().manual_seed(0)

    def shift(state, shock):
        shock = torch.as_tensor(shock)
        return state + torch.stack([shock, torch.zeros_like(shock)], dim=-1)

    dynamics = types.SimpleNamespace(
        shock_probs=probs,
        total_step_spec_shock=lambda s, p, i: shift(s, nodes[i]),
        total_step_random=lambda s, p: shift(s, torch.randn(s.shape[:-1], generator=generator)),
    )
    result = Expectations(dynamics, lambda s: s[..., :1] ** 2, kind, draws)
    result.stacked_step, result.stacked_function = stacked
    return result


STATES = torch.tensor([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]], dtype=torch.float64)
PROBS = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
SWITCHES = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize("stacked", SWITCHES)
def test_it_is_the_sum_of_probability_times_value(stacked):
    E_t = operator(PROBS, stacked=stacked).E_t_gen(STATES, STATES[:, :1])
    expected = sum(p * (STATES[:, 0] + v) ** 3 for p, v in ((0.2, -1.0), (0.3, 0.5), (0.5, 2.0)))
    torch.testing.assert_close(E_t(lambda s, p: p[..., 0] * s[..., 0]), expected)


@pytest.mark.parametrize("stacked", SWITCHES)
def test_a_value_with_dimensions_of_its_own_keeps_them(stacked):
    E_t = operator(PROBS, stacked=stacked).E_t_gen(STATES, STATES[:, :1])
    value = E_t(lambda s, p: torch.stack([s, 2 * s], dim=-2))
    assert value.shape == (4, 2, 2)
    torch.testing.assert_close(value[:, 1], 2 * value[:, 0])


@pytest.mark.parametrize("stacked", SWITCHES)
def test_the_expectation_of_a_number_is_the_number_for_each_state(stacked):
    E_t = operator(PROBS, stacked=stacked).E_t_gen(STATES, STATES[:, :1])
    torch.testing.assert_close(E_t(lambda s, p: 3), torch.full((4,), 3.0))


@pytest.mark.parametrize("stacked", SWITCHES)
def test_probabilities_may_depend_on_the_state(stacked):
    """shock_probs(state, policy_state) gives [batch, nodes]."""
    by_state = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0.5, 0.5, 0]])
    E_t = operator(lambda s, p: by_state, stacked=stacked).E_t_gen(STATES, STATES[:, :1])
    torch.testing.assert_close(E_t(lambda s, p: s[..., 0]), torch.tensor([0.0, 2.5, 5.0, 3.75]))


def test_the_network_is_called_once_for_all_nodes():
    calls = []
    expectations = operator(PROBS)
    policy = expectations.policy
    expectations.policy = lambda s: calls.append(s.shape) or policy(s)
    E_t = expectations.E_t_gen(STATES, STATES[:, :1])
    E_t(lambda s, p: p[..., 0])
    E_t(lambda s, p: s[..., 0])
    assert calls == [(3, 4, 2)]


def test_pseudo_random_is_the_mean_of_its_draws():
    E_t = operator(PROBS, kind="pseudo_random", draws=50_000).E_t_gen(STATES, STATES[:, :1])
    torch.testing.assert_close(E_t(lambda s, p: s[..., 0] - STATES[:, 0]), torch.zeros(4), atol=0.03, rtol=0)
    torch.testing.assert_close(E_t(lambda s, p: (s[..., 0] - STATES[:, 0]) ** 2), torch.ones(4), atol=0.04, rtol=0)


def test_pseudo_random_uses_one_set_of_draws_for_all_expectations_of_a_state():
    E_t = operator(PROBS, kind="pseudo_random").E_t_gen(STATES, STATES[:, :1])
    assert torch.equal(E_t(lambda s, p: s[..., 0]), E_t(lambda s, p: s[..., 0]))


def test_float64_states_have_float64_expectations_with_float32_probabilities():
    E_t = operator(PROBS.float()).E_t_gen(STATES, STATES[:, :1])
    assert E_t(lambda s, p: s[..., 0]).dtype == torch.float64


def test_gradients_reach_todays_policy_through_tomorrows_state():
    model = deqn.load_model("brock_mirman", ["run.keras_precision=float64"])
    states = model.initial_states(4)
    policies = torch.full((4, 1), 0.4, requires_grad=True)
    E_t = model.E_t_gen(states, policies)
    E_t(lambda s, p: model.State.K(s)).sum().backward()
    torch.testing.assert_close(policies.grad[:, 0], model.Definitions.Y(states, policies).detach())
