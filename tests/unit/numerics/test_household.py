"""The household's Euler equation on the nodes: zero at the solution of the endogenous grid method, written here in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deqn import histogram, household
from deqn.numerics.complementarity import between

LOW, HIGH, GAMMA, BETA, R, W = 0.0, 30.0, 2.0, 0.95, 1.02, 1.0
GRID = 30.0 * np.linspace(0, 1, 80) ** 2
INCOME = np.array([0.3, 1.4])
P = np.array([[0.6, 0.4], [0.2, 0.8]])
CASH = R * GRID + W * INCOME[:, None]


def endogenous_grid(impatience: float = 1.0) -> np.ndarray:
    """Consumption [2, 80], Carroll (2006)."""
    c = 0.5 * CASH
    for _ in range(2000):
        implied = (impatience * BETA * R * P @ c**-GAMMA) ** (-1 / GAMMA)
        savings = np.stack([np.interp(cash, i + GRID, GRID) for cash, i in zip(CASH, implied, strict=True)])
        c = CASH - savings.clip(LOW, HIGH)
    return c


def residual(c: np.ndarray, impatience: float = 1.0) -> torch.Tensor:
    cash, wanted, grid = (torch.as_tensor(x) for x in (CASH, c, GRID))
    choice = household.choose(cash, wanted, LOW, HIGH)
    implied = (impatience * BETA * R * torch.as_tensor(P) @ choice.c**-GAMMA) ** (-1 / GAMMA)
    return household.euler_residual(choice, implied, histogram.Grid(grid), LOW, HIGH)


def test_the_solution_has_no_residual():
    c = endogenous_grid()
    assert (CASH - c)[:, 0].min() == pytest.approx(LOW, abs=1e-12), "the limit binds somewhere"
    assert residual(c).abs().max() < 1e-10


def test_at_the_upper_limit_as_at_the_lower():
    """Agents so patient that the rich would save more than they may."""
    c = endogenous_grid(1.06)
    assert (CASH - c)[:, -1].max() == pytest.approx(HIGH)
    assert residual(c, 1.06).abs().max() < 1e-10


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_another_policy_has_a_residual_of_its_size(factor):
    c = endogenous_grid()
    inner = (CASH - c > 0.05) & (CASH - c < HIGH - 0.05)
    found = residual(factor * c)[torch.as_tensor(inner)].abs()
    assert found.min() > 1e-4
    assert found.max() < 0.05


def test_savings_lie_between_the_limits_and_cash_is_used_up():
    cash = torch.as_tensor(CASH)
    choice = household.choose(cash, cash * torch.linspace(1.2, -0.2, 80, dtype=torch.float64), LOW, HIGH)
    assert choice.a_next.min() == LOW
    assert choice.a_next.max() == HIGH
    torch.testing.assert_close(choice.c + choice.a_next, cash)


@pytest.mark.parametrize(
    ("gap", "above", "below", "sign"),
    [(0.0, 1.0, 1.0, 0), (0.3, 0.0, 2.0, 0), (-0.3, 2.0, 0.0, 0), (0.3, 1.0, 2.0, 1), (-0.3, 1.0, 2.0, -1), (-0.3, 0.0, 2.0, -1)],
)  # fmt: skip
def test_a_residual_is_zero_where_a_limit_explains_it(gap, above, below, sign):
    value = float(between(*(torch.tensor(x, dtype=torch.float64) for x in (gap, above, below))))
    assert (abs(value) < 1e-10) if sign == 0 else (value * sign > 0.05)
