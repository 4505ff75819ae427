"""The household with a borrowing limit: the reference against a closed form and another grid, the model against the reference."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from deqn.errors import ModelError
from tests.models.conftest import reference_of

CONSTANTS = {
    "beta": 0.95, "R": 1.02, "gamma": 2.0, "limit": 0.0, "rho": 0.9, "sigma_z": 0.12, "n_z": 5, "sigma_u": 0.2, "n_u": 61,
    "far": 4.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def gridpoints() -> ModuleType:
    """models/consumption_savings/reference/Reference.py by itself."""
    return reference_of("consumption_savings")


@pytest.fixture(scope="module", params=[0.0, 0.3])
def limit(request) -> float:
    return request.param


@pytest.fixture(scope="module")
def known(gridpoints, limit):
    return gridpoints.solve(CONSTANTS | {"limit": limit}, n=500)


@pytest.fixture(scope="module")
def model(limit) -> deqn.Model:
    return deqn.load_model("consumption_savings", [f"constants.limit={limit}"])


@pytest.fixture(scope="module")
def states(model) -> torch.Tensor:
    with model.context():
        return model.initial_states(400)


def exact(known):
    """The reference as the network's policy; where the limit binds, all is consumed."""

    def policy(states: torch.Tensor) -> torch.Tensor:
        log_m, z = states.reshape(-1, 2).numpy().T
        share = np.log(known.consumption(np.exp(log_m), z)) - log_m
        return torch.as_tensor(share).reshape(*states.shape[:-1], 1)

    return policy


def test_another_grid_gives_the_same_consumption(gridpoints, known, limit, states):
    m, z = states.numpy().T
    fine = gridpoints.solve(CONSTANTS | {"limit": limit}, n=1000)
    np.testing.assert_allclose(known.consumption(np.exp(m), z), fine.consumption(np.exp(m), z), rtol=5e-5)


def test_without_risk_it_is_what_keeps_consumption_constant(gridpoints):
    """beta R = 1: interest on what is beyond income is consumed; who has less consumes all."""
    certain = {"beta": 1 / 1.05, "R": 1.05, "sigma_z": 1e-9, "sigma_u": 1e-9, "n_z": 2, "n_u": 3}
    found = gridpoints.solve(CONSTANTS | certain, n=200)
    m = np.linspace(0.2, 20, 300)
    expected = np.where(m < 1, m, 1 + (m - 1) * 0.05 / 1.05)
    np.testing.assert_allclose(found.consumption(m, np.zeros(300)), expected, atol=1e-6)


def test_the_chain_of_persistent_income_is_that_of_independent_coins(gridpoints, model):
    z, P = gridpoints.chain(CONSTANTS["rho"], CONSTANTS["sigma_z"], CONSTANTS["n_z"])
    np.testing.assert_allclose(model.Parameters.z_nodes, z, atol=1e-12)
    np.testing.assert_allclose(model.Parameters.P, P, atol=1e-12)


def test_transitory_income_has_a_mean_of_one(model):
    p = model.Parameters
    assert float(p.weights @ torch.exp(p.u_nodes)) == pytest.approx(1, abs=1e-12)
    assert float(p.weights @ (p.u_nodes - p.u_mean) ** 2) == pytest.approx(CONSTANTS["sigma_u"] ** 2, rel=2e-3)


def residuals(model, known, states, error: float = 0.0) -> torch.Tensor:
    """Where the limit does not bind, `[n]`."""
    model.expectations.policy = exact(known)
    policies = exact(known)(states)
    with model.context():
        found = model.equations(states, policies + error)["euler"]
    return found[policies[:, 0] < -1e-9]


def test_the_reference_has_small_residuals_in_the_model(model, known, states):
    assert residuals(model, known, states).abs().max() < 1e-4


def test_consumption_that_is_wrong_by_a_hundredth_has_residuals(model, known, states):
    assert residuals(model, known, states, error=-0.01).abs().min() > 5e-3


def test_the_limit_holds_exactly(model, limit):
    with model.context():
        states = torch.tensor([[0.0, 0.0], [0.0, 0.0]], dtype=model.dtype)
        policies = torch.tensor([[0.2], [-0.5]], dtype=model.dtype)
        D = model.Definitions
        assert D.C(states, policies).tolist() == [1.0, float(np.exp(-0.5))]
        assert D.binds(states, policies).tolist() == [1.0, 0.0]
        assert D.a_next(states, policies)[0] == -limit


def test_what_is_saved_next_year_is_there_with_interest(model, limit):
    """Cash on hand is R a + y, and what can be borrowed comes on top."""
    states, policies = torch.tensor([[0.7, 0.0]], dtype=model.dtype), torch.tensor([[-0.5]], dtype=model.dtype)
    with model.context():
        a = model.Definitions.a_next(states, policies)
        later = model.expectations.next_states(states, policies, 5 * CONSTANTS["n_u"])[:, 0]
        y = model.Definitions.income(later, model.expectations.dynamics.shock_values[:, 1])
    torch.testing.assert_close(torch.exp(later[:, 0]), CONSTANTS["R"] * a + y + limit)


def test_a_limit_whose_interest_the_lowest_income_does_not_pay_is_refused():
    with pytest.raises(ModelError, match=r"constants.limit = 20.0: the lowest income does not pay the interest"):
        deqn.load_model("consumption_savings", ["constants.limit=20.0"])
