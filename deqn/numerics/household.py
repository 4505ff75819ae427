"""Savings problems on the nodes of a grid: choices between two limits, and the Euler equation that they leave.

The equation is the discrete one of the endogenous grid method, Carroll (2006), The method of endogenous gridpoints for solving
dynamic stochastic optimization problems, Economics Letters 91(3), 312-320: the expectation is taken at savings on the nodes, then
inverted to the consumption today that it implies, and then interpolated at the savings chosen. The method's own solution on a
grid therefore has no residual here, whatever the grid.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from deqn.numerics import histogram
from deqn.numerics.complementarity import between


class Choice(NamedTuple):
    """What agents at every node do, each `[*batch, nE, nA]`.

    Attributes:
        desired: the savings that they want.
        a_next: those that they have, between the limits.
        c: consumption.
    """

    desired: Tensor
    a_next: Tensor
    c: Tensor


def choose(cash: Tensor, wanted: Tensor, low: Any, high: Any) -> Choice:
    """Consumption and savings of who wants to consume `wanted` of `cash` and may hold `low` to `high`.

    Args:
        cash, wanted: `[*batch, nE, nA]`.
        low, high: limits of savings, numbers or what broadcasts to it.
    """
    desired = cash - wanted
    a_next = desired.clamp(low, high)
    # cash - a_next, without the rounding of float32 that the cash of the rich would leave in their consumption
    return Choice(desired, a_next, wanted + (desired - a_next))


def savings(cash: Tensor, needed: Tensor, grid: Tensor | histogram.Grid) -> Tensor:
    """Savings of who has `cash`, where saving what node j is takes `needed[..., j]`: the step of endogenous gridpoints.

    Linear between the nodes. Who has less than the first node takes saves the first node, the borrowing limit; who has more
    than the last one takes saves the last node.

    Args:
        cash: `[*batch, nE, n]`.
        needed: `[*batch, nE, nA]`, increasing in the last dimension: consumption that the Euler equation implies for who saves
            the node, and what the savings cost. Where it falls, as a network's may while it learns, a node takes as much as the
            one below.
        grid: the nodes `[nA]`.

    Returns:
        `[*batch, nE, n]`. Gradients flow to `cash` and `needed`.
    """
    nodes = grid.nodes if isinstance(grid, histogram.Grid) else grid
    return histogram.evaluate(nodes, *locate(cash, needed.cummax(-1).values))


def locate(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where each x lies among the nodes of its own row, for `histogram.evaluate`; beyond a row, at its end.

    Args:
        x: `[*batch, n]`.
        rows: `[*batch, m]`, not falling in the last dimension; among equal nodes, the last.

    Returns:
        The node below (int64) and the weight of the one above, each `[*batch, n]`. Gradients flow through the weight.
    """
    lower = torch.searchsorted(rows.detach().contiguous(), x.detach().contiguous(), right=True) - 1
    lower = lower.clamp(0, rows.shape[-1] - 2)
    left, right = rows.gather(-1, lower), rows.gather(-1, lower + 1)
    level = (
        right <= left
    )  # at an end of a row that is level there; a row that is not a number is not level, and stays seen
    weight = ((x - left) / torch.where(level, 1, right - left)).clamp(0, 1)
    return lower, torch.where(level, (x >= right).to(weight.dtype), weight)


def euler_residual(choice: Choice, implied: Tensor, grid: Tensor | histogram.Grid, low: Any, high: Any) -> Tensor:
    """How far consumption is from what the Euler equation implies, as a share of it; zero where a limit explains it.

    Distances from the limits are those of the desired savings, which pulls a policy beyond a limit back to it.

    Args:
        choice: of the agents, `[*batch, nE, nA]`.
        implied: `[*batch, nE, nA]`, the consumption today that the equation implies for who has e and saves what the node is.
        grid: the nodes `[nA]`.
        low, high: limits of savings.

    Returns:
        `[*batch, nE, nA]`.
    """
    gap = histogram.interpolate(choice.a_next, grid, implied) / choice.c - 1
    return between(gap, (choice.desired - low) / choice.c, (high - choice.desired) / choice.c)
