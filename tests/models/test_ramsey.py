"""Growth with progress that slows down: its reference against shooting, and the model against its reference."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from tests.models.conftest import reference_of

P = {"alpha": 0.3, "beta": 0.985, "delta": 0.1, "gamma": 1.5, "g_0": 0.03, "g_inf": 0.01, "nu": 0.02}


@pytest.fixture(scope="module")
def backwards() -> ModuleType:
    return reference_of("ramsey")


def constants(**changes: float) -> dict[str, float]:
    """Those of the model with capital and consumption at rest, from the textbook's conditions."""
    p = P | changes
    growth = np.exp(p["g_inf"])
    k = ((growth ** p["gamma"] / p["beta"] - 1 + p["delta"]) / p["alpha"]) ** (1 / (p["alpha"] - 1))
    return p | {"k_ss": k, "C_ss": k ** p["alpha"] + (1 - p["delta"]) * k - growth * k}


def shooting(p: dict[str, float], k: float, years: int = 120) -> float:
    """Consumption of the first year on the path that neither runs out of capital nor piles it up; by bisection."""
    low, high = 0.0, k ** p["alpha"] + (1 - p["delta"]) * k
    for _ in range(60):
        C, capital = 0.5 * (low + high), k
        first = C
        for t in range(years):
            growth = np.exp(p["g_inf"] + (p["g_0"] - p["g_inf"]) * np.exp(-p["nu"] * t))
            capital = (capital ** p["alpha"] + (1 - p["delta"]) * capital - C) / growth
            if capital <= 0.01 * p["k_ss"] or capital > 5 * p["k_ss"]:
                break
            R = p["alpha"] * capital ** (p["alpha"] - 1) + 1 - p["delta"]
            C = C * (p["beta"] * R) ** (1 / p["gamma"]) / growth
        low, high = (first, high) if capital > p["k_ss"] else (low, first)
    return 0.5 * (low + high)


@pytest.mark.parametrize("changes", [{}, {"gamma": 3.0, "g_0": 0.06, "nu": 0.1}], ids=["shipped", "other constants"])
@pytest.mark.parametrize("share", [0.3, 1.0, 1.5])
def test_the_reference_starts_where_shooting_starts(backwards, changes, share):
    p = constants(**changes)
    k = share * p["k_ss"]
    found = backwards.solve(p).consumption(np.array([k]), np.array([0.0]))[0]
    assert found == pytest.approx(shooting(p, k), rel=1e-8)


def test_the_reference_knows_the_closed_form_of_full_depreciation(backwards):
    """Log utility, delta = 1: the savings rate is alpha beta, however productivity grows."""
    p = constants(gamma=1.0, delta=1.0)
    k, t = p["k_ss"] * np.linspace(0.3, 1.6, 50), np.linspace(0, 300, 50)
    C = backwards.solve(p).consumption(k, t)
    np.testing.assert_allclose(C, (1 - p["alpha"] * p["beta"]) * k ** p["alpha"], rtol=1e-9)


def test_more_nodes_of_capital_give_the_same_policy(backwards):
    p = constants()
    k, t = p["k_ss"] * np.linspace(0.2, 1.6, 80), np.linspace(0, 250, 80)
    np.testing.assert_allclose(
        backwards.solve(p).consumption(k, t), backwards.solve(p, n_k=800).consumption(k, t), rtol=1e-8
    )


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("ramsey")


def test_where_the_economy_ends_is_that_of_the_textbook(model):
    expected = constants()
    for name in ("k_ss", "C_ss"):
        assert float(getattr(model.Parameters, name)) == pytest.approx(expected[name], rel=1e-12)


def test_a_year_is_a_year_on_the_clock_and_goods_are_consumed_or_kept(model):
    states = model.initial_states(100)
    with model.context(), torch.no_grad():
        policies = model.policy(states)
        D = model.Definitions
        later = model.step(states)
        torch.testing.assert_close(D.years(later, policies) - D.years(states, policies), torch.ones(100).double())
        kept = D.growth(states, policies) * D.k_next(states, policies)
        goods = D.Y(states, policies) + (1 - P["delta"]) * states[:, 0]
        torch.testing.assert_close(kept + D.C(states, policies), goods, rtol=1e-13, atol=0)


def test_the_reference_has_no_residual_in_the_model_and_another_policy_has_one(model, backwards):
    solution = backwards.solve(constants())

    def policy(states: torch.Tensor, factor: float = 1.0) -> torch.Tensor:
        k, tau = states.reshape(-1, 2).numpy().T
        C = factor * solution.consumption(k, -np.log1p(-tau) / P["nu"])
        return torch.as_tensor(1 - C / k ** P["alpha"]).reshape(*states.shape[:-1], 1)

    states = model.initial_states(200)
    network, model.expectations.policy = model.expectations.policy, policy
    with model.context(), torch.no_grad():
        exact = model.equations(states, policy(states))["euler"].abs().max()
        other = model.equations(states, policy(states, 1.01))["euler"].abs().min()
    model.expectations.policy = network
    assert exact < 1e-6
    assert other > 1e-3


def test_utility_that_is_not_finite_is_refused():
    with pytest.raises(deqn.DEQNError, match="utility is not finite"):
        deqn.load_model("ramsey", ["constants.beta=0.999", "constants.gamma=0.5"])
