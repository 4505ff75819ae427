"""The choice between a liquid and an illiquid asset: held against a maximisation, and against one asset alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from deqn import household, portfolio

GAMMA = 2.0
ADJUSTMENT = portfolio.Adjustment(0.25, 4.0)
B = 8.0 * torch.linspace(0, 1, 120, dtype=torch.float64) ** 2
A = 30.0 * torch.linspace(0, 1, 160, dtype=torch.float64) ** 2
KEPT = 1.04 * A
CASH = torch.tensor([0.4, 1.5], dtype=torch.float64)[:, None, None] + 1.02 * B[:, None] + KEPT


def later(b: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """A concave value of what is left, in utils."""
    return -6.0 / (0.6 + 0.06 * b + 0.07 * a) - 0.05 / (0.3 + b)


def expectations() -> tuple[torch.Tensor, torch.Tensor]:
    """m and q of `later` at the nodes, `[2, nB, nA]` each."""
    b, a = torch.meshgrid(B, A, indexing="ij")
    b, a = b.clone().requires_grad_(), a.clone().requires_grad_()
    W_b, W_a = torch.autograd.grad(later(b, a).sum(), [b, a])
    return (W_b ** (-1 / GAMMA)).expand(2, -1, -1), (W_a / W_b).expand(2, -1, -1)


@pytest.fixture(scope="module")
def choice() -> portfolio.Choice:
    return portfolio.choose(CASH, KEPT, *expectations(), (B, A), ADJUSTMENT, GAMMA)


def test_cash_is_used_up_and_assets_lie_on_their_grids(choice):
    torch.testing.assert_close(choice.c + choice.b_next + choice.a_next + choice.cost, CASH)
    torch.testing.assert_close(choice.cost, ADJUSTMENT.cost(choice.a_next, KEPT))
    assert choice.c.min() > 0
    for x, grid in ((choice.b_next, B), (choice.a_next, A)):
        assert x.min() >= grid[0]
        assert x.max() <= grid[-1]


@pytest.mark.parametrize("at", [(0, 0, 40), (0, 0, 90), (0, 10, 90), (1, 30, 5), (1, 60, 60), (0, 90, 120), (1, 0, 0)])
def test_it_is_the_best_choice_there_is(choice, at):
    """A maximisation by another program; at the limit of b, with withdrawals and with deposits."""
    cash, kept = float(CASH[at]), KEPT[at[-1]]

    def loss(x: np.ndarray) -> float:
        b, a = torch.as_tensor(x)
        c = cash - b - a - ADJUSTMENT.cost(a, kept)
        return 1e6 if c <= 0 else float(1 / c - later(b, a))

    start = [0.3 * float(CASH[at] - kept), float(kept)]
    options = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000}
    found = minimize(loss, start, method="Nelder-Mead", bounds=[(0, 8), (0, 30)], options=options)
    chosen = np.array([float(choice.b_next[at]), float(choice.a_next[at])])
    np.testing.assert_allclose(chosen, found.x, atol=1e-4 * (1 + found.x.max()))
    assert loss(chosen) - found.fun < 1e-6


def test_somebody_is_at_the_limit_and_withdraws_and_somebody_deposits(choice):
    at_limit, change = choice.b_next == 0, choice.a_next - KEPT
    assert (change[at_limit] < -0.01).any()
    assert (change[~at_limit] > 0.01).any()


def test_the_first_order_condition_of_the_illiquid_asset_holds_at_the_limit(choice):
    """Consumption is what W_a = u'(c) (1 + marginal) says, to 1e-4 of it: a larger error would add up over the years."""
    m, q = (x[:, :1] for x in expectations())
    at = [torch.as_tensor(np.interp(choice.a_next[:, 0], A, row)) for row in (m[0, 0], q[0, 0])]
    implied = at[0] * ((1 + ADJUSTMENT.marginal(choice.a_next[:, 0], KEPT)) / at[1]) ** (1 / GAMMA)
    here = (choice.b_next[:, 0] == 0) & (choice.a_next[:, 0] > 0.1)
    assert here.sum() > 50
    torch.testing.assert_close(choice.c[:, 0][here], implied[here], rtol=1e-4, atol=0)


def test_an_illiquid_asset_worth_as_much_as_the_liquid_one_is_left_alone():
    """Then it is the problem of one asset: q = 1, a' = x."""
    m, kept = expectations()[0][..., :20], torch.linspace(0, 20, 20, dtype=torch.float64)
    cash = CASH[..., :20] - KEPT[:20] + kept
    found = portfolio.choose(cash, kept, m, torch.ones_like(m), (B, kept), ADJUSTMENT, GAMMA)
    alone = household.savings((cash - kept).mT, (m + B[:, None]).mT, B).mT
    free = found.b_next > 0
    torch.testing.assert_close(found.a_next[free], kept.expand_as(cash)[free], atol=1e-12, rtol=0)
    torch.testing.assert_close(found.b_next, alone)


def test_the_derivatives_of_the_cost_are_its_derivatives():
    a, x = torch.tensor([[0.3, 2.0, 7.0], [0.5, 1.9, 8.0]], dtype=torch.float64).requires_grad_().unbind()
    in_a, in_x = torch.autograd.grad(ADJUSTMENT.cost(a, x).sum(), [a, x])
    torch.testing.assert_close(ADJUSTMENT.marginal(a, x), in_a)
    torch.testing.assert_close(ADJUSTMENT.value_kept(a, x), 1 - in_x)


def test_gradients_are_those_of_differences():
    """Between the kinks; batched, and state by state as least squares take them."""
    m, q = (x[:, ::12, ::16].contiguous() for x in expectations())
    grids, kept, cash = (B[::12], A[::16]), KEPT[::16], CASH[:, ::12, ::16] + 0.0123

    def parts(m: torch.Tensor, q: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        choice = portfolio.choose(cash, kept, m, q, grids, ADJUSTMENT, GAMMA)
        return torch.stack([choice.b_next, choice.a_next, choice.c])

    inputs = tuple(x.detach().clone().requires_grad_() for x in (m, q, kept))
    assert torch.autograd.gradcheck(parts, inputs, eps=1e-7, atol=1e-5, fast_mode=True)
    batch = torch.stack([m, 1.01 * m]), torch.stack([q, q]), torch.stack([kept, kept])
    torch.testing.assert_close(torch.func.vmap(parts)(*batch)[1], parts(1.01 * m, q, kept))
