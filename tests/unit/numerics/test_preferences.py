"""deqn/numerics/preferences.py."""

from __future__ import annotations

import math

import pytest
import torch

from deqn.numerics.preferences import (
    inverse_utility,
    log_certainty_equivalent,
    log_discount_factor,
    log_value,
    utility,
)

PROBS = [0.3, 0.7]


def E_t(function):
    """Over two nodes; next period's state is the node's index, there is no policy."""
    return sum(prob * function(node, None) for node, prob in enumerate(PROBS))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 10.0])
def test_utility_is_the_textbooks(gamma):
    C = torch.tensor([0.7, 1.0, 1.6], dtype=torch.float64)
    torch.testing.assert_close(utility(C.log(), gamma), (C ** (1 - gamma) - 1) / (1 - gamma), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1 + 1e-9, 10.0])
def test_the_inverse_of_utility_gives_consumption_back(gamma):
    x = torch.linspace(-0.3, 0.3, 7, dtype=torch.float64)
    torch.testing.assert_close(inverse_utility(utility(x, gamma), gamma), x, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("distance", [0.0, 1e-6, -1e-6])
def test_near_one_utility_is_log_consumption_in_float32(distance):
    x = torch.tensor([-2.0, 0.5, 3.0])
    torch.testing.assert_close(utility(x, 1 + distance), x, rtol=1e-5, atol=0)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 10.0])
def test_the_gradient_of_utility_is_marginal_utility_also_in_gamma_equal_to_one(gamma):
    x = torch.tensor([-0.4, 0.0, 0.8], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(utility(x, gamma).sum(), x)
    torch.testing.assert_close(slope, torch.exp((1 - gamma) * x), rtol=1e-13, atol=0)


def test_gamma_may_differ_by_state_and_be_one_in_some():
    gamma = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    found = utility(torch.tensor([0.5, 0.5], dtype=torch.float64), gamma)
    torch.testing.assert_close(found.detach(), torch.tensor([0.5, 1 - math.exp(-0.5)], dtype=torch.float64))
    (slope,) = torch.autograd.grad(found.sum(), gamma)
    assert torch.isfinite(slope).all()


def certainty_equivalent(gamma: float, logs: torch.Tensor) -> torch.Tensor:
    """Of the values exp(logs[node]), `[2, batch]`."""
    return log_certainty_equivalent(E_t, lambda s, p: logs[s], gamma)


def test_the_certainty_equivalent_is_the_power_mean():
    logs = torch.tensor([[0.1], [-0.2]], dtype=torch.float64)
    mean = 0.3 * math.exp(-9 * 0.1) + 0.7 * math.exp(9 * 0.2)
    assert certainty_equivalent(10.0, logs).item() == pytest.approx(-math.log(mean) / 9, rel=1e-13)
    assert certainty_equivalent(1.0, logs).item() == pytest.approx(0.3 * 0.1 - 0.7 * 0.2, rel=1e-12)


@pytest.mark.parametrize("level", [-500.0, 500.0])
def test_values_beyond_the_range_of_float32_have_a_finite_certainty_equivalent_and_gradient(level):
    logs = torch.tensor([[level + 1.0], [level - 1.0]], dtype=torch.float32, requires_grad=True)
    found = certainty_equivalent(10.0, logs)
    expected = level - math.log(0.3 * math.exp(-9.0) + 0.7 * math.exp(9.0)) / 9
    assert found.item() == pytest.approx(expected, rel=1e-6)
    (slope,) = torch.autograd.grad(found.sum(), logs)
    assert slope.sum().item() == pytest.approx(1.0, rel=1e-4)  # the certainty equivalent is homogeneous


@pytest.mark.parametrize("psi", [0.5, 1.5])
def test_the_value_is_epstein_and_zins(psi):
    ce, beta, rho = 1.3, 0.9, 1 - 1 / psi
    expected = ((1 - beta) + beta * ce**rho) ** (1 / rho)
    found = log_value(torch.tensor(math.log(ce), dtype=torch.float64), beta, psi)
    assert found.item() == pytest.approx(math.log(expected), rel=1e-12)


@pytest.mark.parametrize("psi", [1.0, 1 + 1e-7])
def test_with_an_elasticity_near_one_the_value_is_a_geometric_mean(psi):
    found = log_value(torch.tensor(0.4, dtype=torch.float64), 0.9, psi)
    assert found.item() == pytest.approx(0.9 * 0.4, rel=1e-6)


def test_with_the_elasticity_the_inverse_of_risk_aversion_only_growth_is_discounted():
    growth, V, CE = torch.tensor([0.02]), torch.tensor([0.5]), torch.tensor([0.1])
    found = log_discount_factor(growth, V, CE, beta=0.99, gamma=4.0, psi=0.25)
    torch.testing.assert_close(found, math.log(0.99) - 4 * growth)


def test_the_discount_factor_is_the_ratio_of_marginal_values():
    """dV / dC'(node) over dV / dC, by differentiating the aggregator itself."""
    beta, gamma, psi = 0.95, 6.0, 1.5
    C = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    later = torch.tensor([1.1, 0.8], dtype=torch.float64, requires_grad=True)
    # a last period: V'^(1 - 1/psi) = (1 - beta) C'^(1 - 1/psi)
    log_V = torch.log(later) + math.log(1 - beta) / (1 - 1 / psi)
    log_CE = log_certainty_equivalent(E_t, lambda s, p: log_V[s] - torch.log(C), gamma)
    V = C * torch.exp(log_value(log_CE, beta, psi))
    today, tomorrow = torch.autograd.grad(V, (C, later))
    found = log_discount_factor(later.log(), log_V, log_CE, beta, gamma, psi).exp()
    torch.testing.assert_close(tomorrow / torch.tensor(PROBS) / today, found, rtol=1e-6, atol=0)
