"""Wealth distributions as histograms on a grid, moved forward without simulation noise.

The method is the non-stochastic simulation of Young (2010), "Solving the incomplete markets
model with aggregate uncertainty using the Krusell-Smith algorithm and non-stochastic
simulations", Journal of Economic Dynamics and Control 34(1), 36-41: the mass at every grid node
is sent to the two nodes that bracket the policy, in proportions that preserve the mean.

Layout everywhere: ``[*batch, nE, nA]``, idiosyncratic productivity ``e`` first, assets ``a`` last.
The asset grid is a strictly increasing ``[nA]`` tensor shared by the whole batch. All functions
are pure, run on any device and floating dtype, broadcast over the leading dimensions, are
differentiable, and hold no Python loop, so they compile with ``fullgraph=True``.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Masses below this are set to zero by `transport`. Mass that leaks geometrically up an unvisited
# tail would otherwise end in denormal numbers, on which CPUs are several times slower. What is
# dropped is bounded by nE * nA * 1e-30 a period: far below one rounding of the total mass in
# float64, even summed over millions of periods.
NEGLIGIBLE_MASS = 1e-30


# --------------------------------------------------------------------------- lotteries on a grid


def lottery_weights(policy: Tensor, grid: Tensor, clip: bool = True) -> tuple[Tensor, Tensor]:
    """Bracketing nodes of ``policy`` and the weight of the upper one.

    ``policy = (1 - weight_upper) * grid[lower] + weight_upper * grid[lower + 1]``, exactly so on a
    node. With ``clip`` (the default, and what `transport` needs) policies outside
    ``[grid[0], grid[-1]]`` are moved to the nearest end, hence ``0 <= weight_upper <= 1``. Without
    it the end segments are extended and the weights leave the unit interval.

    Args:
        policy: ``[*batch]``, any shape.
        grid: ``[nA]``, strictly increasing.
        clip: whether policies outside the grid are moved to its ends.

    Returns:
        ``lower`` (int64, ``[*batch]``, in ``0 .. nA - 2``) and ``weight_upper`` (``[*batch]``).
        Gradients flow through ``weight_upper``; they are zero where the policy was clipped.
    """
    if clip:
        policy = policy.clamp(grid[0], grid[-1])
    lower = torch.bucketize(policy.detach().contiguous(), grid, right=True) - 1
    lower = lower.clamp(0, grid.shape[-1] - 2)
    left, right = grid[lower], grid[lower + 1]
    return lower, (policy - left) / (right - left)


def evaluate(values: Tensor, lower: Tensor, weight_upper: Tensor) -> Tensor:
    """Linear interpolation of ``values`` at points already located by `lottery_weights`.

    Args:
        values: ``[*batch, nA]``, one row of nodal values per leading index.
        lower, weight_upper: ``[*batch, n]``, the points at which each row is read.

    Returns:
        ``[*batch, n]``; the leading dimensions of rows and points broadcast against each other.
    """
    rows = torch.broadcast_tensors(values[..., 0], lower[..., 0])[0].shape
    values = values.expand(*rows, values.shape[-1])
    lower = lower.expand(*rows, lower.shape[-1])
    return torch.lerp(values.gather(-1, lower), values.gather(-1, lower + 1), weight_upper.to(values.dtype))


def interpolate(x: Tensor, grid: Tensor, values: Tensor, clip: bool = True) -> Tensor:
    """Linear interpolation row by row: ``result[..., e, i] = values[..., e, :](x[..., e, i])``.

    Args:
        x: ``[*batch, nE, n]``.
        grid: ``[nA]``.
        values: ``[*batch, nE, nA]``; leading dimensions broadcast.
        clip: ``values`` constant outside the grid (default); ``False`` extrapolates linearly.

    Returns:
        ``[*batch, nE, n]``.
    """
    return evaluate(values, *lottery_weights(x, grid, clip))


def interpolate_all(x: Tensor, grid: Tensor, values: Tensor, clip: bool = True) -> Tensor:
    """Every row of ``values`` at every point: ``result[..., f, e, i] = values[..., f, :](x[..., e, i])``.

    This is what an expectation over next period's productivity ``f`` needs from policies chosen at
    today's ``e``. The points are located once, whatever the number of rows.

    Args:
        x: ``[*batch, nE, n]``.
        grid: ``[nA]``.
        values: ``[*batch, nF, nA]``; leading dimensions broadcast (put a singleton into ``x`` where
            ``values`` has one more, such as next period's aggregate state).
        clip: as in `interpolate`.

    Returns:
        ``[*batch, nF, nE, n]``.
    """
    lower, weight = (t.flatten(-2).unsqueeze(-2) for t in lottery_weights(x, grid, clip))
    return evaluate(values, lower, weight).unflatten(-1, x.shape[-2:])


# --------------------------------------------------------------------------- the law of motion


def transport(histogram: Tensor, policy: Tensor, grid: Tensor, transition: Tensor) -> Tensor:
    """Next period's distribution: assets move by the policy's lottery, then productivity by ``transition``.

    Total mass is conserved up to rounding and no entry is negative for a nonnegative input. Both
    moves are written as flows, what one node loses being what another gains: the lower leg is the
    mass less the upper leg, and productivity moves by ``h + (off' - diag(outflow)) h`` with ``off``
    the off-diagonal of ``transition``. Rows of a float32 transition matrix sum to one only up to
    about 6e-8, which in the plain product ``transition' h`` would compound over a long simulation.
    Nothing is renormalised.

    Args:
        histogram: ``[*batch, nE, nA]``, nonnegative masses.
        policy: ``[*batch, nE, nA]``, next assets chosen at each node; clipped to the grid.
        grid: ``[nA]``.
        transition: ``[nE, nE]`` or ``[*batch, nE, nE]``, probabilities from row to column.

    Returns:
        ``[*batch, nE, nA]``. Gradients flow to the histogram, the policy and the transition.
    """
    return move_productivity(move_assets(histogram, policy, grid), transition)


def move_assets(histogram: Tensor, policy: Tensor, grid: Tensor) -> Tensor:
    """The lottery of `transport`."""
    lower, weight_upper = lottery_weights(policy, grid)
    histogram, lower, weight_upper = torch.broadcast_tensors(histogram, lower, weight_upper)
    upper_leg = histogram * weight_upper
    return (
        torch.zeros_like(upper_leg).scatter_add(-1, lower, histogram - upper_leg).scatter_add(-1, lower + 1, upper_leg)
    )


def move_productivity(histogram: Tensor, transition: Tensor) -> Tensor:
    """The change of productivity of `transport`."""
    off = transition - torch.diag_embed(transition.diagonal(dim1=-2, dim2=-1))
    generator = off.mT - torch.diag_embed(off.sum(-1))
    moved = histogram + generator @ histogram
    return torch.where(moved > NEGLIGIBLE_MASS, moved, 0.0)


# --------------------------------------------------------------------------- moments


def aggregate(histogram: Tensor, values: Tensor) -> Tensor:
    """Sum of ``values`` under the distribution: ``[*batch]``.

    Args:
        histogram: ``[*batch, nE, nA]``.
        values: anything that broadcasts to it: ``[nA]``, ``[nE, 1]``, ``[*batch, nE, nA]``.
    """
    if values.ndim == 1:
        return histogram.sum(-2) @ values
    return (histogram * values).sum(dim=(-2, -1))


def gini(histogram: Tensor, grid: Tensor) -> Tensor:
    """Gini coefficient of nonnegative wealth on the nodes of ``grid``: ``[*batch]``.

    Args:
        histogram: ``[*batch, nE, nA]``, total mass one.
        grid: ``[nA]``.
    """
    mass = histogram.sum(-2)
    wealth = mass * grid
    cumulative = wealth.cumsum(-1)
    # One less twice the area below the Lorenz curve, which is piecewise linear.
    return 1 - (mass * (2 * cumulative - wealth)).sum(-1) / cumulative[..., -1]


def top_share(histogram: Tensor, grid: Tensor, fraction: float) -> Tensor:
    """Share of total wealth held by the richest ``fraction`` of the population: ``[*batch]``.

    The node that straddles the quantile counts with the part of its mass that lies above it.

    Args:
        histogram: ``[*batch, nE, nA]``, total mass one.
        grid: ``[nA]``.
        fraction: between zero and one.
    """
    mass = histogram.sum(-2)
    richer = mass.flip(-1).cumsum(-1).flip(-1) - mass
    counted = torch.minimum(mass, (fraction - richer).clamp_min(0))
    return (counted * grid).sum(-1) / (mass * grid).sum(-1)
