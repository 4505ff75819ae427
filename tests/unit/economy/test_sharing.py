"""A definition is computed once for the same state and policy; all numbers stay what they are without that."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
import torch

import deqn
from deqn.economy.probe import probe
from deqn.training import loss
from tests.conftest import own_model, shipped

DEFINITIONS = (
    shipped("brock_mirman", "Definitions")
    + """

def profit(state, policy_state):
    return Y(state, policy_state) - R(state, policy_state) * State.K(state)


def twice(state, policy_state):
    return profit(state, policy_state) + profit(state, policy_state)
"""
)
EQUATIONS = """
import torch

import Definitions
import Parameters
import PolicyState
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C(state, policy_state)
    euler = 1 - Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p))
    more = sum(E_t(lambda s, p: Definitions.twice(s, p) * n) for n in range(12))
    {before}
    return {{"euler": euler + 0.001 * more * Definitions.twice(state, policy_state) {more}}}
"""


def load(tmp_path, before: str = "", more: str = "", definitions: str = DEFINITIONS, **files: str) -> deqn.Model:
    """A model in float64 whose definitions are often asked for again."""
    equations = EQUATIONS.format(before=before, more=more)
    models = own_model(tmp_path / "models", **{"Definitions": definitions, "Equations": equations}, **files)
    overrides = ["MODEL_NAME=mine", f"MODELS_DIR={models}", "run.keras_precision=float64"]
    return deqn.load_model("brock_mirman", overrides, check=False)


def checked(tmp_path, **changes: str) -> deqn.Model:
    model = load(tmp_path, **changes)
    probe(model)
    return model


def residual(model: deqn.Model, states: torch.Tensor) -> torch.Tensor:
    return model.equations(states, model.policy(states))["euler"]


def both(model: deqn.Model, function):
    """With values shared, and each computed anew."""
    model.sharing.on = True
    shared = function()
    model.sharing.on = False
    return shared, function()


def counted(model: deqn.Model, name: str) -> list[int]:
    """Grows by one entry each time a definition is computed."""
    calls = []
    shared = getattr(model.Definitions, name)
    plain = shared.__wrapped__

    def function(state, policy_state):
        calls.append(1)
        return plain(state, policy_state)

    plain.__globals__[name] = model.sharing.definition(function)
    model.Definitions.__dict__[name] = plain.__globals__[name]
    return calls


def test_a_model_whose_definitions_are_often_asked_for_again_shares_them(tmp_path):
    assert checked(tmp_path).sharing.on


@pytest.mark.parametrize("name", ["bm1972", "brock_mirman", "rbc_labor"])
def test_a_model_with_few_calls_keeps_its_bits(name):
    assert not deqn.load_model(name).sharing.on


def test_a_definition_is_computed_once_for_today_and_once_for_all_nodes(tmp_path):
    model = checked(tmp_path)
    calls = counted(model, "profit")
    residual(model, model.initial_states(4))
    assert len(calls) == 2


def test_residuals_and_a_period_have_the_same_bits(tmp_path):
    model = checked(tmp_path)
    states, state = model.initial_states(50), model.rng.get_state()

    def numbers():
        model.rng.set_state(state)
        return torch.cat([residual(model, states)[:, None], model.step(states)], dim=-1)

    assert torch.equal(*both(model, numbers))


def test_the_gradient_is_the_same(tmp_path):
    model = checked(tmp_path)
    states = model.initial_states(50)

    def gradient():
        found = torch.autograd.grad(loss.terms(model, states).loss, list(model.network.parameters()))
        return torch.cat([part.flatten() for part in found])

    shared, plain = both(model, gradient)
    assert torch.allclose(shared, plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("transform", [torch.func.jacrev, torch.func.jacfwd, torch.func.vmap])
def test_a_transform_of_torch_func_gives_the_same(tmp_path, transform):
    model = checked(tmp_path)
    states = model.initial_states(5)

    def one(x):
        return model.equations(x[None], model.policy(states[:1]))["euler"][0]

    shared, plain = both(model, lambda: transform(one)(states if transform is torch.func.vmap else states[0]))
    assert plain.abs().max() > 0
    assert torch.allclose(shared, plain, rtol=1e-12)


def test_nothing_is_kept_after_an_evaluation(tmp_path):
    model = checked(tmp_path)
    kept = []
    shared = model.Definitions.__dict__["profit"]

    def profit(state, policy_state):
        value = shared(state, policy_state)
        kept.append(weakref.ref(value))
        return value

    shared.__wrapped__.__globals__["profit"] = profit
    residual(model, model.initial_states(4)).sum().backward()
    gc.collect()
    assert kept
    assert all(value() is None for value in kept)


def test_a_constant_that_has_changed_is_heeded(tmp_path):
    model = checked(tmp_path)
    states = model.initial_states(4)
    before = residual(model, states)
    model.Parameters.__dict__["delta"] = 0.5
    assert not torch.allclose(residual(model, states), before)


@pytest.mark.parametrize("change", ["state", "policy"])
def test_what_was_changed_in_place_is_computed_again(tmp_path, change):
    model = checked(tmp_path)
    states = model.initial_states(4)
    policies = model.policy(states).detach()
    with model.sharing.evaluation():
        before = model.Definitions.C(states, policies)
        (states if change == "state" else policies)[:, 0] *= 0.5
        assert not torch.allclose(model.Definitions.C(states, policies), before)
        assert torch.equal(model.State.K(states), states[:, 0])


def test_a_value_without_a_graph_is_not_given_where_gradients_are_recorded(tmp_path):
    model = checked(tmp_path)
    states = model.initial_states(4)
    with model.sharing.evaluation():
        policies = model.policy(states)
        with torch.no_grad():
            assert not model.Definitions.C(states, policies).requires_grad
        assert model.Definitions.C(states, policies).requires_grad


def test_a_state_that_is_watched_later_gets_its_derivative(tmp_path):
    model = checked(tmp_path)
    states = model.initial_states(4)
    policies = model.policy(states).detach()
    with model.sharing.evaluation():
        model.Definitions.Y(states, policies)
        states.requires_grad_()
        (slope,) = torch.autograd.grad(model.Definitions.Y(states, policies).sum(), states)
    assert bool(slope.any())


DRAWS = DEFINITIONS.replace("return profit(", "return Parameters.rng.normal([1]) + profit(")
DERIVATIVE = "torch.autograd.grad(Definitions.C(state, policy_state).sum(), policy_state)"
CHANGED = "spent = Definitions.profit(state, policy_state); spent *= 2"


@pytest.mark.parametrize(
    "changes",
    [
        {"definitions": DRAWS, "more": "+ Definitions.twice(state, policy_state)"},
        {"before": f"slope = {DERIVATIVE}[0] if policy_state.requires_grad else 0", "more": "* 1"},
        {"before": CHANGED, "more": "+ 0 * spent"},
    ],
    ids=["draws", "differentiates without keeping the graph", "changes a value in place"],
)
def test_a_model_that_would_give_other_numbers_shares_nothing(tmp_path, changes):
    assert not checked(tmp_path, **changes).sharing.on


def test_a_value_changed_in_place_where_the_probe_has_not_been_ends_sharing(tmp_path):
    before = "spent = Definitions.profit(state, policy_state)\n    if len(state) == 3:\n        spent *= 2"
    model = checked(tmp_path, before=before, more="+ spent")
    states = model.initial_states(3)
    assert model.sharing.on
    with torch.no_grad():
        first = residual(model, states)
    assert not model.sharing.on
    with torch.no_grad():
        assert torch.equal(first, residual(model, states))


def test_threads_share_nothing_with_each_other(tmp_path):
    model = checked(tmp_path)
    calls, states = counted(model, "profit"), model.initial_states(4)
    policies = model.policy(states)
    with model.sharing.evaluation():
        model.Definitions.profit(states, policies)
        thread = threading.Thread(target=lambda: model.Definitions.profit(states, policies))
        thread.start()
        thread.join()
    assert len(calls) == 2


def test_compiled_the_loss_is_the_same_and_its_graph_shorter(tmp_path):
    model, lengths = checked(tmp_path), []
    states = model.initial_states(4)

    def backend(graph, _):
        lengths.append(len(graph.graph.nodes))
        return graph.forward

    def compiled():
        torch.compiler.reset()
        with model.context():
            return torch.compile(loss.terms, fullgraph=True, backend=backend)(model, states).loss

    shared, plain = both(model, compiled)
    assert torch.equal(shared, plain)
    assert lengths[0] < 0.6 * lengths[1]
