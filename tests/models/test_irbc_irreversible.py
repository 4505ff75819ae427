"""Irreversible investment in N countries: complementarity, the limit without constraint, a path by direct optimisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import deqn
from tests.models.test_irbc import tensors

BETA, ALPHA, DELTA, PHI, RHO = 0.99, 0.36, 0.01, 0.5, 0.95
A = (1 - BETA * (1 - DELTA)) / (ALPHA * BETA)


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("irbc_irreversible")


def test_the_multiplier_is_zero_where_a_country_invests_and_investment_is_where_it_is_not(model):
    states, raw = tensors(2), torch.linspace(-0.02, 0.0, 300, dtype=model.dtype)[:, None].expand(-1, 2)
    with model.context():
        mu, invested = model.Definitions.mu(states, raw), model.Definitions.I(states, raw)
        binds = model.Definitions.binds(states, raw) > 0
    assert (mu * invested == 0).all()
    assert (mu >= 0).all()
    assert (invested >= 0).all()
    assert torch.equal(mu > 0, binds & (raw < -DELTA))
    assert 0 < binds.double().mean() < 1


def test_where_nothing_binds_the_equations_are_those_without_the_constraint(model):
    free, states = deqn.load_model("irbc"), tensors(2)

    def policy(states: torch.Tensor) -> torch.Tensor:
        return 0.003 * torch.tanh(states[..., 2:])

    found = []
    for one in (model, free):
        one.expectations.policy = policy
        with one.context():
            found.append(one.equations(states, policy(states))["euler"])
    model.expectations.policy = model.policy
    torch.testing.assert_close(*found)


def test_it_is_refused_where_the_bound_is_not_that_of_depreciation():
    with pytest.raises(deqn.DEQNError, match="expected -delta"):
        deqn.load_model("irbc_irreversible", ["constants.delta=0.02"])


def best_path(k_0: float, a: np.ndarray, gamma: float, start: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """What one planner does who knows productivity `[T]` and must leave capital one: value, and capital `[T + 1]`."""
    beta, weight, k = BETA ** np.arange(len(a)), A ** (1 / gamma), np.linspace(k_0, 1.0, len(a) + 1)

    def minus_value(inner: np.ndarray) -> tuple[float, np.ndarray]:
        k[1:-1] = inner
        g, Y = k[1:] / k[:-1] - 1, A * np.exp(a) * k[:-1] ** ALPHA
        C = Y - (DELTA + g + PHI / 2 * g**2) * k[:-1]
        if (C <= 0).any():  # a step too far: the search takes a shorter one
            return 1e6, np.zeros_like(inner)
        marginal = beta * weight * C ** (-1 / gamma)
        by_k = ALPHA * Y / k[:-1] + 1 - DELTA + PHI / 2 * g * (g + 2)
        slope = marginal[1:] * by_k[1:] - marginal[:-1] * (1 + PHI * g[:-1])
        return -(beta * weight * C ** (1 - 1 / gamma)).sum() / (1 - 1 / gamma), -slope

    n = len(a)
    later, now = np.eye(n), np.eye(n, k=-1)
    matrix = (later - (1 - DELTA) * now)[:, : n - 1]
    offset = np.zeros(n)
    offset[0], offset[-1] = -(1 - DELTA) * k_0, 1.0
    invest = {"type": "ineq", "fun": lambda x: matrix @ x + offset, "jac": lambda x: matrix}
    found = minimize(
        minus_value,
        k[1:-1].copy() if start is None else start,
        jac=True,
        constraints=[invest],
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    assert found.status in (0, 8), found.message  # 8: rounding leaves no way down
    return -found.fun, np.concatenate([[k_0], found.x, [1.0]])


@pytest.mark.filterwarnings("ignore:invalid value")
def test_the_equations_hold_on_a_path_of_direct_optimisation_on_which_the_constraint_binds():
    """One country, no shocks, low productivity at first. The multiplier is from the value of a unit of capital more."""
    T, gamma = 60, 0.5
    options = ["N=1", "gamma_low=0.5", "gamma_high=0.5", "sigma=1e-9", "sigma_common=1e-9"]
    model = deqn.load_model("irbc_irreversible", [f"constants.{option}" for option in options])
    a = -0.4 * RHO ** np.arange(T)
    _, k = best_path(1.3, a, gamma)
    g = k[1:] / k[:-1] - 1
    assert (g[:2] < -DELTA + 1e-6).all()
    C = A * np.exp(a) * k[:-1] ** ALPHA - (DELTA + g + PHI / 2 * g**2) * k[:-1]
    price, step = (C / A) ** (-1 / gamma), 1e-4
    q = []
    for t in range(3):
        up, down = (best_path(k[t + 1] + x, a[t + 1 :], gamma, k[t + 2 : -1])[0] for x in (step, -step))
        q.append(BETA * (up - down) / (2 * step) / price[t])
    mu = 1 + PHI * g[:3] - np.array(q)
    assert (mu[:2] > 1e-3).all()
    raw = torch.tensor(np.maximum(g[:3], -DELTA) - mu / model.Parameters.kappa)
    states = torch.tensor(np.stack([k[:3], a[:3]], axis=-1))
    for t in range(2):
        model.expectations.policy = lambda s, t=t: raw[t + 1].expand(*s.shape[:-1], 1)
        with model.context():
            residual = float(model.equations(states[t : t + 1], raw[t].reshape(1, 1))["euler"])
        assert abs(residual) < 1e-4
