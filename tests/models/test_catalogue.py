"""Every model with a known answer of its policies: a formula solves the equations, and a smoke run comes near the answer."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.economy.known_answer import closed_form, known_answer

# largest mean distance after the smoke preset, relative to the mean size of the variable
SMOKE = {
    "asset_pricing": 1e-3,
    "consumption_savings": 2e-3,
    "irbc": 1e-3,
    "irbc_labor": 1e-3,
    "irbc_leisure": 1e-3,
    "nk_zlb": 1e-4,
    "olg_lifecycle": 1e-2,
    "ramsey": 1e-3,
    "ramsey_stoch": 1e-3,
    "rbc": 1e-4,
    "rbc_labor": 1e-3,
    "stochastic_growth": 2e-4,
    "stochastic_growth_pseudostates": 1e-3,
    "sudden_stop": 1e-3,
    "sudden_stop_calibrated": 1e-3,
}


@pytest.fixture(scope="module", params=SMOKE)
def model(request) -> deqn.Model:
    """In float64, with its preset for a minute at most."""
    return deqn.load_model(request.param, ["preset=smoke", "run.keras_precision=float64"])


@pytest.mark.parametrize("name", ["stochastic_growth", "stochastic_growth_pseudostates"])
def test_a_closed_form_for_all_policies_has_no_residual(name):
    """With the formula in place of the network; rounding is all that is left."""
    model = deqn.load_model(name, ["run.keras_precision=float64"])

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, states.shape[-1])
        known = closed_form(model, flat)
        columns = [known[column.name].reshape(len(flat), -1) for column in model.policy_columns]
        return torch.cat(columns, dim=-1).reshape(*states.shape[:-1], -1)

    states = model.initial_states(50)
    model.expectations.policy = policy
    with model.context(), torch.no_grad():
        residuals = model.equations(states, policy(states))
    assert max(float(values.abs().max()) for values in residuals.values()) < 1e-12


def test_a_smoke_run_comes_near_the_answer(model):
    deqn.Trainer(model).fit(quiet=True)
    run = deqn.Run(model, model.folder)
    states = run.cloud()
    errors, (_, known) = run.policy_errors(states), known_answer(model, states)
    for name, error in errors.items():
        assert error.mean() / known[name].abs().mean() < SMOKE[model.name], name
