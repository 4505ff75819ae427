"""Wealth distributions as histograms on a grid, moved forward without simulation noise.

The method is the non-stochastic simulation of Young (2010), "Solving the incomplete markets
model with aggregate uncertainty using the Krusell-Smith algorithm and non-stochastic
simulations", Journal of Economic Dynamics and Control 34(1), 36-41: the mass at every grid node
is sent to the two nodes that bracket the policy, in proportions that preserve the mean.

Layout everywhere: ``[*batch, nE, nA]``, idiosyncratic productivity ``e`` first, assets ``a`` last; with two assets,
``[*batch, nE, nB, nA]``, whose sum over an axis is the histogram of the other asset.
The asset grid, shared by the whole batch, is a strictly increasing ``[nA]`` tensor, in which points are
searched, or a `Grid` made of it once, which locates them faster. All functions are pure, run on any
device and floating dtype, broadcast over the leading dimensions, are differentiable, hold no loop over the
data, and compile with ``fullgraph=True``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Masses below this are set to zero by `move_productivity`. Mass that leaks geometrically up an unvisited
# tail would otherwise end in denormal numbers, on which CPUs are several times slower. What is
# dropped is bounded by nE * nA * 1e-30 a period: far below one rounding of the total mass in
# float64, even summed over millions of periods.
NEGLIGIBLE_MASS = 1e-30

# Up to so many productivities, `move_productivity` is compiled as a sum that is fused with what surrounds it; a
# product of matrices beyond.
UNROLLED = 16


# --------------------------------------------------------------------------- the grid


@dataclass(frozen=True, eq=False)
class Grid:
    """A strictly increasing grid that locates points fast; made once per model.

    Most grids of the literature are uniform in a known function of assets, so that the segment of a
    point is that function, scaled and rounded down, where a search among 400 nodes takes most of a
    `transport`. The kinds below are recognised from the nodes; in any other grid points are searched.
    With y = node - low and i = 0 .. nA - 1:

    - ``power``: y proportional to i ** p, any p > 0 (uniform: p = 1)
    - ``log``: log(y + c) linear in i, as sequence-jacobian's ``agrid``
    - ``loglog``: log(1 + log(1 + y)) linear in i, as sequence-jacobian's ``asset_grid``

    The nodes themselves stay what they are. A point within a rounding of a node may be given the
    segment on the node's other side, whose line has the same value there.

    Args:
        nodes: ``[nA]``, at least two.

    Raises:
        ValueError: the nodes are not one strictly increasing row of finite numbers.
    """

    nodes: Tensor
    steps: Tensor = field(init=False, repr=False)  # [nA] to the next node, infinite at the last
    low: float = field(init=False)
    high: float = field(init=False)
    kind: str = field(init=False)
    parameter: float = field(init=False)  # p or c
    slope: float = field(init=False, repr=False)  # of the node's number in the function of assets

    def __post_init__(self) -> None:
        nodes = self.nodes.detach()
        if nodes.ndim != 1 or len(nodes) < 2 or not nodes.isfinite().all() or not (nodes.diff() > 0).all():
            raise ValueError(
                f"a grid of shape {list(nodes.shape)}: expected one strictly increasing row of finite nodes{_where(nodes)}"
            )
        kind, parameter, slope = _recognise(nodes)
        values: dict[str, object] = {
            "nodes": nodes,
            "steps": _steps(nodes),
            "low": nodes[0].item(),
            "high": nodes[-1].item(),
        }
        values |= {"kind": kind, "parameter": parameter, "slope": slope}
        for name, value in values.items():
            object.__setattr__(self, name, value)  # frozen

    def __len__(self) -> int:
        return len(self.nodes)

    def locate(self, x: Tensor) -> Tensor:
        """Number of the segment that holds each point: int64, the shape of x, which lies in ``[low, high]``."""
        if self.kind == "search":
            return _search(x, self.nodes)
        # The last clamp also keeps what is not a number inside the grid.
        number = _straighten(x.detach(), self.low, self.kind, self.parameter).mul_(self.slope)
        return number.long().clamp_min_(0).clamp_max_(len(self) - 2)  # torch.func knows no clamp_


def _straighten(x: Tensor, low: float, kind: str, parameter: float) -> Tensor:
    """The function of assets in which a grid of this kind is uniform, zero at ``low``. In place on its own copy."""
    y = x - low
    if kind == "log":
        return y.mul_(1 / parameter).log1p_()
    if kind == "loglog":
        return y.log1p_().log1p_()
    if parameter == 1:
        return y
    return y.sqrt_() if parameter == 2 else y.log_().mul_(1 / parameter).exp_()  # twice as fast as pow


def _where(nodes: Tensor) -> str:
    """Where a row does not increase, and what helps if it is rounding."""
    if nodes.ndim != 1 or len(nodes) < 2 or not nodes.isfinite().all():
        return ""
    i = int((nodes.diff() <= 0).nonzero()[0])
    text = f"; nodes {i} and {i + 1} are {nodes[i].item():.9g} and {nodes[i + 1].item():.9g}"
    close = nodes[i] == nodes[i + 1] and nodes.dtype == torch.float32
    return text + (": take fewer nodes or a smaller power there, or run.keras_precision=float64" if close else "")


def _recognise(nodes: Tensor) -> tuple[str, float, float]:
    """Kind, parameter and slope of a grid."""
    exact = nodes.double().cpu()
    n, low = len(nodes), exact[0].item()
    half = (n - 1) // 2
    y1, y2 = ((exact[i] - low).item() for i in (max(half, 1), max(2 * half, 1)))
    candidates = [("power", 1.0), ("loglog", 0.0)]
    if half > 0:
        power = math.log2(y2 / y1)
        candidates.append(("power", round(power) if abs(power - round(power)) < 1e-4 else power))
        if y2 > 2 * y1 * (1 + 1e-6):
            candidates.append(("log", y1**2 / (y2 - 2 * y1)))
    for kind, parameter in candidates:
        straight = _straighten(exact, low, kind, parameter)
        slope = (n - 1) / straight[-1].item()
        # Nodes in float32 are not quite those that the formula gives.
        if (straight * slope - torch.arange(n, device=exact.device)).abs().max() < 1e-3:
            return kind, parameter, slope
    return "search", 0.0, 0.0


def _search(x: Tensor, nodes: Tensor) -> Tensor:
    lower = torch.bucketize(x.detach().contiguous(), nodes, right=True).sub_(1)
    return lower.clamp_min_(0).clamp_max_(len(nodes) - 2)


def _nodes(grid: Tensor | Grid) -> Tensor:
    return grid.nodes if isinstance(grid, Grid) else grid


def _steps(grid: Tensor | Grid) -> Tensor:
    """From each node to the next, ``[nA]``; infinite at the last, where nothing goes further up."""
    return grid.steps if isinstance(grid, Grid) else F.pad(grid.diff(), (0, 1), value=torch.inf)


def _inside(x: Tensor, grid: Tensor | Grid) -> Tensor:
    """Points moved to the nearest end of the grid where they lie outside."""
    return x.clamp(grid.low, grid.high) if isinstance(grid, Grid) else x.clamp(grid[0], grid[-1])


def _locate(x: Tensor, grid: Tensor | Grid) -> Tensor:
    return grid.locate(x) if isinstance(grid, Grid) else _search(x, grid)


def _take(table: Tensor, index: Tensor) -> Tensor:
    """``table[index]`` for one row: index_select is the fastest of its kind in eager mode, gather when compiled."""
    if torch.compiler.is_compiling():
        return table.expand(*index.shape[:-1], -1).gather(-1, index) if index.ndim else table[index]
    return table.index_select(0, index.reshape(-1)).view(index.shape)


# --------------------------------------------------------------------------- lotteries on a grid


def lottery_weights(policy: Tensor, grid: Tensor | Grid, clip: bool = True) -> tuple[Tensor, Tensor]:
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
    inside = _inside(policy, grid)
    lower = _locate(inside, grid)
    left, step = _take(_nodes(grid), lower), _take(_steps(grid), lower)
    if not clip:
        return lower, (policy - left) / step
    return lower, ((inside - left) / step).clamp(0, 1)


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


def interpolate(x: Tensor, grid: Tensor | Grid, values: Tensor, clip: bool = True) -> Tensor:
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


def interpolate_all(x: Tensor, grid: Tensor | Grid, values: Tensor, clip: bool = True) -> Tensor:
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


def transport(histogram: Tensor, policy: Tensor, grid: Tensor | Grid, transition: Tensor) -> Tensor:
    """Next period's distribution: assets move by the policy's lottery, then productivity by ``transition``.

    Total mass is conserved up to rounding and no entry is negative for a nonnegative input. Nothing is
    renormalised. Masses below `NEGLIGIBLE_MASS` are dropped.

    Args:
        histogram: ``[*batch, nE, nA]``, nonnegative masses.
        policy: ``[*batch, nE, nA]``, next assets chosen at each node; clipped to the grid.
        grid: ``[nA]``.
        transition: ``[nE, nE]`` or ``[*batch, nE, nE]``, probabilities from row to column.

    Returns:
        ``[*batch, nE, nA]``. Gradients flow to the histogram, the policy and the transition.
    """
    return move_productivity(move_assets(histogram, policy, grid), transition)


def move_assets(histogram: Tensor, policy: Tensor, grid: Tensor | Grid) -> Tensor:
    """The distribution over assets chosen, at the productivity of today: Young's lottery.

    Each segment's mass and the assets that it holds above its lower node are summed first; then the
    segment's sum is split between its two nodes, which is the lottery of all its households at once.
    What one node loses the other gains, so that mass is conserved up to the rounding of sums.

    Args:
        histogram: ``[*batch, nE, nA]``, nonnegative masses.
        policy: ``[*batch, nE, nA]``, next assets chosen at each node; clipped to the grid.
        grid: ``[nA]``.

    Returns:
        ``[*batch, nE, nA]``. Gradients flow to the histogram and, unless clipped, to the policy.
    """
    inside = _inside(policy, grid)
    lower = _locate(inside, grid)
    above = _take(_nodes(grid), lower).neg_().add_(inside)  # in place: what fits into the cache decides the speed
    histogram, above, lower = torch.broadcast_tensors(histogram, above, lower)
    moved: Tensor = _Lottery.apply(histogram, above, lower, _steps(grid))
    return moved


class _Lottery(torch.autograd.Function):
    """From masses, assets above the lower node and segment to masses at the nodes, all ``[*batch, nE, nA]``.

    By hand since the backward pass is two gathers: where a household's mass goes has the slope of the incoming
    gradient on its segment, which is a quantity of the nodes.
    """

    @staticmethod
    def forward(histogram: Tensor, above: Tensor, lower: Tensor, steps: Tensor) -> Tensor:
        mass = torch.zeros_like(histogram).scatter_add_(-1, lower, histogram)
        upper = torch.zeros_like(histogram).scatter_add_(-1, lower, histogram * above).div_(steps).clamp_(min=0)
        torch.minimum(upper, mass, out=upper)  # sums of rounded numbers may leave the segment
        mass.sub_(upper)
        mass[..., 1:].add_(upper[..., :-1])
        return mass

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """One more leading dimension of all but the steps: least squares take derivatives state by state."""
        *histograms, steps = inputs
        leading = [
            x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
            for x, dim in zip(histograms, in_dims, strict=False)
        ]
        return _Lottery.apply(*leading, steps), 0

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        histogram, above, lower, steps = ctx.saved_tensors
        slope = gradient.diff().div_(steps[:-1]).gather(-1, lower)
        to_histogram = gradient.gather(-1, lower).addcmul_(above, slope) if ctx.needs_input_grad[0] else None
        return to_histogram, histogram * slope, None, None


def transport_two(
    histogram: Tensor, policies: tuple[Tensor, Tensor], grids: tuple[Tensor | Grid, Tensor | Grid], transition: Tensor
) -> Tensor:
    """`transport` of a distribution over two assets: both move by their lotteries, then productivity by ``transition``.

    Args:
        histogram: ``[*batch, nE, nB, nA]``, nonnegative masses.
        policies: next b and next a chosen at each node, each ``[*batch, nE, nB, nA]``; clipped to their grids.
        grids: of b ``[nB]`` and of a ``[nA]``.
        transition: ``[nE, nE]`` or ``[*batch, nE, nE]``, probabilities from row to column.

    Returns:
        ``[*batch, nE, nB, nA]``. Gradients flow to the histogram, the policies and the transition.
    """
    moved = move_two_assets(histogram, policies, grids)
    return move_productivity(moved.flatten(-2), transition).unflatten(-1, moved.shape[-2:])


def move_two_assets(
    histogram: Tensor, policies: tuple[Tensor, Tensor], grids: tuple[Tensor | Grid, Tensor | Grid]
) -> Tensor:
    """The distribution over both assets chosen, at the productivity of today.

    Young's lottery in two dimensions: mass goes to the four corners of the cell that holds the policies, with the
    weights of bilinear interpolation, which preserve the mass and the means of both assets.

    Args:
        histogram: ``[*batch, nE, nB, nA]``, nonnegative masses.
        policies: next b and next a chosen at each node, each ``[*batch, nE, nB, nA]``; clipped to their grids.
        grids: of b ``[nB]`` and of a ``[nA]``.

    Returns:
        ``[*batch, nE, nB, nA]``. Gradients flow to the histogram and, unless clipped, to the policies.
    """
    (row, weight_b), (column, weight_a) = (lottery_weights(p, g) for p, g in zip(policies, grids, strict=True))
    n_a = len(grids[1])
    histogram, row, column, weight_b, weight_a = torch.broadcast_tensors(histogram, row, column, weight_b, weight_a)
    corner = (row * n_a + column).flatten(-2)
    # What one node loses the other gains, so that mass is conserved up to the rounding of sums.
    above = histogram * weight_b
    below = histogram - above
    below_right, above_right = below * weight_a, above * weight_a
    moved = torch.zeros_like(below_right).flatten(-2)
    for shift, mass in (
        (0, below - below_right),
        (1, below_right),
        (n_a, above - above_right),
        (n_a + 1, above_right),
    ):
        moved = moved.scatter_add_(-1, corner + shift, mass.flatten(-2))
    return moved.unflatten(-1, histogram.shape[-2:])


def move_productivity(histogram: Tensor, transition: Tensor) -> Tensor:
    """The distribution after productivity has moved by ``transition``; masses below `NEGLIGIBLE_MASS` are dropped.

    Written as a flow, ``h + (off' - diag(outflow)) h`` with ``off`` the off-diagonal of ``transition``: rows of a
    float32 transition matrix sum to one only up to about 6e-8, which in the plain product ``transition' h`` would
    compound over a long simulation.

    Args:
        histogram: ``[*batch, nE, nA]``.
        transition: ``[nE, nE]`` or ``[*batch, nE, nE]``, probabilities from row to column. Leading dimensions
            broadcast: ``[*nodes, *batch, nE, nE]`` gives one distribution a node.

    Returns:
        ``[*batch, nE, nA]``. Gradients flow to both.
    """
    off = transition - torch.diag_embed(transition.diagonal(dim1=-2, dim2=-1))
    generator = off.mT - torch.diag_embed(off.sum(-1))
    n_e = transition.shape[-1]
    if torch.compiler.is_compiling() and n_e <= UNROLLED:
        moved = histogram
        for e in range(n_e):
            moved = moved + generator[..., e, None] * histogram[..., e, None, :]
        return F.threshold(moved, NEGLIGIBLE_MASS, 0.0)
    batch = torch.broadcast_shapes(generator.shape[:-2], histogram.shape[:-2])
    # Of one shape, it is one batched product; otherwise matmul copies the histogram where the transition has a gradient.
    moved = (generator.expand(*batch, n_e, n_e) @ histogram).add_(histogram)
    return F.threshold(moved, NEGLIGIBLE_MASS, 0.0, inplace=True)


# --------------------------------------------------------------------------- moments


def aggregate(histogram: Tensor, values: Tensor | Grid) -> Tensor:
    """Sum of ``values`` under the distribution: ``[*batch]``.

    Args:
        histogram: ``[*batch, nE, nA]``.
        values: anything that broadcasts to it: ``[nA]``, ``[nE, 1]``, ``[*batch, nE, nA]``; or a `Grid`, for assets.
    """
    values = _nodes(values)
    if values.ndim == 1:
        return histogram.sum(-2) @ values
    return (histogram * values).sum(dim=(-2, -1))


def gini(histogram: Tensor, grid: Tensor | Grid) -> Tensor:
    """Gini coefficient of nonnegative wealth on the nodes of ``grid``: ``[*batch]``.

    Args:
        histogram: ``[*batch, nE, nA]``, total mass one.
        grid: ``[nA]``.
    """
    mass = histogram.sum(-2)
    wealth = mass * _nodes(grid)
    cumulative = wealth.cumsum(-1)
    # One less twice the area below the Lorenz curve, which is piecewise linear.
    return 1 - (mass * (2 * cumulative - wealth)).sum(-1) / cumulative[..., -1]


def top_share(histogram: Tensor, grid: Tensor | Grid, fraction: float) -> Tensor:
    """Share of total wealth held by the richest ``fraction`` of the population: ``[*batch]``.

    The node that straddles the quantile counts with the part of its mass that lies above it.

    Args:
        histogram: ``[*batch, nE, nA]``, total mass one.
        grid: ``[nA]``.
        fraction: between zero and one.
    """
    mass, nodes = histogram.sum(-2), _nodes(grid)
    richer = mass.flip(-1).cumsum(-1).flip(-1) - mass
    counted = torch.minimum(mass, (fraction - richer).clamp_min(0))
    return (counted * nodes).sum(-1) / (mass * nodes).sum(-1)
