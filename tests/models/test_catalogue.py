"""Every model with a known answer of its policies: the answer solves the equations, and a smoke run comes near it."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.economy.known_answer import known_answer

# largest mean distance after the smoke preset, relative to the mean size of the variable
SMOKE = {
    "asset_pricing": 1e-3,
    "nk_zlb": 1e-4,
    "ramsey": 1e-3,
    "rbc": 1e-4,
    "rbc_labor": 1e-3,
    "stochastic_growth": 2e-4,
    "stochastic_growth_pseudostates": 1e-3,
}


@pytest.fixture(scope="module", params=SMOKE)
def model(request) -> deqn.Model:
    """In float64, with its preset for a minute at most."""
    return deqn.load_model(request.param, ["preset=smoke", "run.keras_precision=float64"])


def test_an_answer_that_is_a_formula_for_all_policies_has_no_residual(model):
    """With the formula in place of the network; quadrature and rounding are all that is left."""
    states = model.initial_states(50)
    kind, known = known_answer(model, states)
    names = [column.name for column in model.policy_columns]
    if kind != "closed form" or not known.keys() >= set(names):
        pytest.skip("its answer is another method's, which has errors of its own: its own test says how large")

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, states.shape[-1])
        values = known_answer(model, flat)[1]
        columns = [values[name].reshape(len(flat), -1) for name in names]
        return torch.cat(columns, dim=-1).reshape(*states.shape[:-1], -1)

    network, model.expectations.policy = model.expectations.policy, policy
    with model.context(), torch.no_grad():
        residuals = model.equations(states, policy(states))
    model.expectations.policy = network
    assert max(float(values.abs().max()) for values in residuals.values()) < 1e-12


def test_a_smoke_run_comes_near_the_answer(model):
    deqn.Trainer(model).fit(quiet=True)
    run = deqn.Run(model, model.folder)
    states = run.cloud()
    errors, (_, known) = run.policy_errors(states), known_answer(model, states)
    for name, error in errors.items():
        assert error.mean() / known[name].abs().mean() < SMOKE[model.name], name
