"""The small open economy: the reference against another grid and exact cases, the models against the reference."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from deqn.errors import DEQNError
from tests.models.conftest import reference_of

CONSTANTS = {
    "beta": 0.95, "sigma": 2.0, "omega": 0.31, "kappa": 0.25, "rho_y": 0.54, "sigma_y": 0.04, "r_mean": 0.04, "rho_r": 0.57,
    "sigma_r": 0.01, "n_y": 21, "far": 4.0, "n_r": 3, "b_low": -0.88, "b_high": 0.2, "least": 0.001,
}  # fmt: skip
COARSE = {"n": 80, "n_y": 11, "n_r": 3}
PHI = 0.69 / 0.31


@pytest.fixture(scope="module")
def iteration() -> ModuleType:
    """models/sudden_stop/reference/Reference.py by itself."""
    return reference_of("sudden_stop")


@pytest.fixture(scope="module")
def known(iteration):
    return iteration.solve(CONSTANTS, **COARSE)


@pytest.fixture(scope="module")
def states() -> np.ndarray:
    """Bonds, log endowment and the rate's deviation within two standard deviations: [3, n]."""
    rng = np.random.default_rng(0)
    return np.stack([rng.uniform(-0.8, -0.3, 300), rng.uniform(-0.095, 0.095, 300), rng.uniform(-0.024, 0.024, 300)])


def test_another_grid_gives_the_same_consumption(iteration, known, states):
    other = iteration.solve(CONSTANTS, n=100, n_y=9, n_r=3)
    np.testing.assert_allclose(other.consumption(*states), known.consumption(*states), rtol=2e-3)


def test_where_the_limit_binds_all_that_can_be_borrowed_is(known, states):
    b, y, _ = states
    C, Y = known.consumption(*states), np.exp(y)
    debt = C - Y - b  # at market value
    binds = known.free(*states) > known.limited(b, y)
    assert binds.any()
    assert not binds.all()
    np.testing.assert_allclose(debt[binds], 0.25 * (Y + PHI * C)[binds], rtol=1e-12)
    assert (debt < 0.25 * (Y + PHI * C))[~binds].all()


def test_at_rest_at_the_limit_consumption_is_what_keeps_it_there(iteration):
    """Without shocks, c = 1 + b (1 - 1 / R) and -b / R = kappa (1 + phi c): two linear equations."""
    R, kappa = 1.04, 0.25
    b = -R * kappa * (1 + PHI) / (1 + PHI * kappa * (R - 1))
    C = iteration.limited(CONSTANTS, np.array([b]), np.ones(1))[0]
    assert pytest.approx(1 + b * (1 - 1 / R), rel=1e-12) == C
    assert pytest.approx(b, rel=1e-12) == R * (1 + b - C)


def test_what_the_limit_allows_grows_with_bonds_by_more_than_they_do(iteration):
    """By 1 / (1 - kappa phi): more consumption raises the price of collateral, and so what can be borrowed."""
    b = np.array([-0.7, -0.6])
    low, high = iteration.limited(CONSTANTS, b, np.ones(2))
    assert high - low == pytest.approx(0.1 / (1 - 0.25 * PHI), rel=1e-12)


def test_too_few_steps_are_said(iteration):
    with pytest.raises(RuntimeError, match="has not converged"):
        iteration.solve(CONSTANTS, n=10, n_y=3, n_r=3, steps=3)


@pytest.fixture(scope="module", params=["sudden_stop", "sudden_stop_calibrated"])
def model(request) -> deqn.Model:
    return deqn.load_model(request.param, ["run.keras_precision=float64", "constants.n_reference=80"])


def in_columns(model: deqn.Model, states: np.ndarray) -> torch.Tensor:
    """Bonds, log endowment and the rate's deviation as states of the model: [n, 3]."""
    b, y, r = (torch.tensor(x) for x in states)
    if model.name == "sudden_stop":
        return torch.stack([b, y, r], dim=-1)
    return torch.stack([1.04 + r, torch.exp(y), b], dim=-1)


def exact(model, known):
    """The reference as the network's policy."""

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, 3)
        columns = flat if model.name == "sudden_stop" else torch.stack(
            [flat[:, 2], torch.log(flat[:, 1]), flat[:, 0] - 1.04], dim=-1
        )  # fmt: skip
        solution = known.free if model.Parameters.kink == "exact" else known.consumption
        found = torch.as_tensor(np.log(solution(*columns.T.numpy())))
        return found.reshape(*states.shape[:-1], 1)

    return policy


def residuals(model, known, states, error: float = 0.0) -> torch.Tensor:
    policy, columns = exact(model, known), in_columns(model, states)
    model.expectations.policy = policy
    with model.context():
        return model.equations(columns, policy(columns) + error)["euler"].abs()


def test_the_reference_has_small_residuals_in_the_model(model, known, states):
    assert residuals(model, known, states).max() < 2e-3
    assert residuals(model, known, states).mean() < 2e-4


def test_consumption_that_is_wrong_by_a_hundredth_has_residuals(model, known, states):
    assert residuals(model, known, states, error=0.01).min() > 5e-3


def test_consumption_is_the_smaller_of_what_is_wanted_and_of_what_the_limit_allows(model, states):
    columns = in_columns(model, states)
    with model.context():
        D = model.Definitions
        policies = torch.full((len(columns), 1), -0.02, dtype=model.dtype)
        C, limited, binds = (D.C(columns, policies), D.C_limited(columns, policies), D.binds(columns, policies) == 1)
        debt = -D.b_next(columns, policies) / (1.04 + torch.tensor(states[2]))
        allowed = D.limit(columns, policies)
    assert binds.any()
    assert (C[binds] == limited[binds]).all()
    assert torch.allclose(C[~binds].log(), torch.tensor(-0.02, dtype=C.dtype))
    assert torch.allclose(debt[binds], allowed[binds], rtol=1e-12)
    assert (debt[~binds] < allowed[~binds]).all()


def test_the_monomial_rule_has_two_nodes_a_shock_and_gives_nearly_the_same_residuals(known, states):
    model = deqn.load_model("sudden_stop", ["run.expectation_type=monomial"])
    assert len(model.linker.link("Dynamics").shock_probs) == 4
    assert residuals(model, known, states).mean() < 2e-3


def test_the_reference_by_fischer_burmeister_has_small_residuals_too(known, states):
    model = deqn.load_model("sudden_stop", ["constants.kink=fischer_burmeister"])
    assert residuals(model, known, states).max() < 2e-3


def test_a_share_that_gives_several_equilibria_is_refused():
    with pytest.raises(DEQNError, match="several equilibria"):
        deqn.load_model("sudden_stop", ["constants.kappa=0.5"])
