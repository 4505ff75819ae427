"""What is said about a number that is not finite."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.economy.check_numerics import CheckNumerics, NotFinite
from deqn.training.diagnose import explain


@pytest.fixture
def model() -> deqn.Model:
    return deqn.load_model("brock_mirman")


def test_a_simulated_state_is_named(model):
    states = model.initial_states(6)
    states[2, 1] = float("nan")
    assert explain(model, states).startswith("simulated states: 1 of 6 states, first at K=")


def test_an_equation_is_named_with_the_state_and_the_line(model):
    states = model.initial_states(6)
    states[2, 0] = -0.25
    text = explain(model, states)
    assert text.startswith("equation 'euler': 1 of 6 states, first at K=-0.25, z=")
    assert "`pow`, called in brock_mirman/Definitions.py:12" in text


def test_a_network_that_is_not_finite_is_named(model):
    with torch.no_grad():
        next(model.network.parameters()).fill_(float("inf"))
    assert explain(model, model.initial_states(6)).startswith("policies of the network: 6 of 6 states")


def test_a_gradient_that_is_not_finite_is_told_from_a_loss_that_is_not(model):
    """sqrt at zero: the value is finite, its derivative is not."""
    model._equations = lambda s, p: {"root": (p - p).abs().sqrt().sum(-1)}
    assert explain(model, model.initial_states(6)).startswith(
        "gradient of equation 'root', whose residual is finite: 6 of 6 states, first at K="
    )


def test_finite_operations_pass(model):
    with CheckNumerics(model.folder):
        model.equations(model.initial_states(3), torch.full((3, 1), 0.3))


def test_the_first_operation_is_named(model):
    with pytest.raises(NotFinite, match="`log`"), CheckNumerics(model.folder):
        torch.exp(torch.log(torch.tensor(-1.0)))
