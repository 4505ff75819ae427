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


# ----------------------------------------------------------------------------------------------- endogenous gridpoints


def test_savings_are_those_of_interpolation_row_by_row():
    generator = torch.Generator().manual_seed(0)
    needed = torch.rand(3, 2, 80, generator=generator, dtype=torch.float64).cumsum(-1)
    cash = 45 * torch.rand(3, 2, 20, generator=generator, dtype=torch.float64) - 2
    found = household.savings(cash, needed, torch.as_tensor(GRID))
    for i, e in np.ndindex(3, 2):
        np.testing.assert_allclose(found[i, e], np.interp(cash[i, e], needed[i, e], GRID), atol=1e-12)
    assert (found == 0).any(), "some can only afford the first node"
    torch.testing.assert_close(found, household.savings(cash, needed, histogram.Grid(torch.as_tensor(GRID))))


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        ([1.0, 2.0, 1.5, 3.0], [0.0, 0.5, 2.0, 2.5, 3.0]),  # falls: node 2 takes 2, as node 1 does
        ([1.0, 1.0, 2.0, 3.0], [0.0, 1.5, 2.0, 2.5, 3.0]),  # level below
        ([1.0, 2.0, 2.0, 2.0], [0.0, 0.5, 3.0, 3.0, 3.0]),  # and above
        ([2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 3.0, 3.0, 3.0]),
    ],
)
def test_savings_where_what_they_take_does_not_rise_are_finite_and_so_are_gradients(needed, expected):
    grid = torch.arange(4.0, dtype=torch.float64)
    cash = torch.tensor([[0.5, 1.5, 2.0, 2.5, 9.0]], dtype=torch.float64, requires_grad=True)
    row = torch.tensor([needed], dtype=torch.float64, requires_grad=True)
    found = household.savings(cash, row, grid)
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float64))
    found.sum().backward()
    assert torch.isfinite(torch.cat([cash.grad, row.grad], -1)).all()


def test_a_row_that_is_not_a_number_leaves_no_savings_that_are():
    row = torch.tensor([[1.0, torch.nan, 2.0, 3.0]])
    assert household.savings(torch.tensor([[2.5]]), row, torch.arange(4.0)).isnan().all()


def test_savings_at_the_nodes_solve_the_household_problem():
    """One step of endogenous gridpoints from its solution leads back to it."""
    c = endogenous_grid()
    implied = torch.as_tensor((BETA * R * P @ c**-GAMMA) ** (-1 / GAMMA))
    grid = torch.as_tensor(GRID)
    torch.testing.assert_close(torch.as_tensor(CASH) - household.savings(torch.as_tensor(CASH), implied + grid, grid),
                               torch.as_tensor(c), atol=1e-10, rtol=0)  # fmt: skip


def test_gradients_of_savings_are_those_of_differences_also_state_by_state():
    grid = torch.as_tensor(GRID)
    needed = (1.1 * grid + 0.5 + 0.1 * grid.sqrt()).expand(4, 2, 80)
    cash = torch.linspace(1.0, 20.0, 8, dtype=torch.float64).expand(4, 2, 8) + 0.123
    assert torch.autograd.gradcheck(lambda c, n: household.savings(c, n, grid), (
        cash.clone().requires_grad_(), needed.clone().requires_grad_()))  # fmt: skip
    by_state = torch.func.vmap(lambda c, n: household.savings(c, n, grid))(cash, needed)
    torch.testing.assert_close(by_state, household.savings(cash, needed, grid))
