"""What a network sees of the whole economy: aggregates by name, and numbers of the distribution of agents.

Each class below maps states or masses to `[*batch, size]` numbers of order one that are zero in the usual economy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deqn.configuration import net_schema
from deqn.economy.named_values import named_value
from deqn.errors import ConfigError, suggestion
from deqn.numerics.initial_weights import variance_scaling_


class Aggregates(nn.Module):
    """States and definitions of `net.aggregates`: `[*batch, n_states]` -> `[*batch, size]`.

    Args:
        given: `net.aggregates`.
        accessors: of scalar states and definitions by name, each maps states to `[*batch]`.
        constants: by name, those of Calibration.py too.

    Raises:
        ConfigError: where there is no such variable, or a number is wrong.
    """

    around: Tensor
    scale: Tensor

    def __init__(
        self,
        given: Mapping[str, net_schema.Aggregate],
        accessors: Mapping[str, Callable[[Tensor], Tensor]],
        constants: Mapping[str, Any],
    ) -> None:
        super().__init__()
        wrong = [name for name in given if name not in accessors]
        if wrong:
            raise ConfigError(
                f"net.aggregates.{wrong[0]}: there is no state or definition of this name that is a number."
                f"{suggestion(wrong[0], list(accessors))}"
            )
        self.size = len(given)
        self.parts = [(accessors[name], one.log) for name, one in given.items()]
        around, scale = torch.empty(2, self.size, dtype=torch.float64, device="cpu")
        for i, (name, one) in enumerate(given.items()):
            usual = float(one.log) if one.around is None else one.around
            around[i] = named_value(usual, (), constants, f"net.aggregates.{name}.around")
            scale[i] = positive(one.scale, constants, f"net.aggregates.{name}.scale")
            if one.log and around[i] <= 0:
                raise ConfigError(
                    f"net.aggregates.{name}.around = {usual!r}: expected what is above zero, for its log."
                )
        self.register_buffer("around", around, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, states: Tensor) -> Tensor:
        columns = [
            (value(states) / usual).log() if log else value(states) - usual
            for (value, log), usual in zip(self.parts, self.around.unbind(), strict=True)
        ]
        return torch.stack(columns, dim=-1) / self.scale


class Seen(nn.Module):
    """Numbers of a distribution `[*batch, nE, ...]`: `[*batch, size]`."""

    size: int


class Nothing(Seen):
    """Nothing but the aggregates, as in Krusell and Smith (1998)."""

    size = 0

    def forward(self, distribution: Tensor) -> Tensor:
        return distribution.flatten(-2)[..., :0]


class WealthMoments(Seen):
    """Moments of `wealth_moments`, as relative distances from the usual ones in units of `scale`."""

    SMALLEST = 0.1  # what a moment is divided by at least: a share of agents at the limit can be zero

    usual: Tensor
    unit: Tensor
    grid: Tensor

    def __init__(self, around: Tensor, grid: Tensor, scale: Tensor) -> None:
        super().__init__()
        usual = wealth_moments(around, grid)
        self.size = len(usual)
        self.register_buffer("grid", grid, persistent=False)
        self.register_buffer("usual", usual, persistent=False)
        self.register_buffer("unit", scale * usual.clamp_min(self.SMALLEST), persistent=False)

    def forward(self, distribution: Tensor) -> Tensor:
        return (wealth_moments(distribution, self.grid) - self.usual) / self.unit


def wealth_moments(distribution: Tensor, grid: Tensor) -> Tensor:
    """What a proportional change of all wealth x above the limit leaves as it is: `[*batch, nE + 3]`.

    Mean of x at each e over its mean m; E (x / m)^2; E (x / m)^(1/2); the share of agents at the limit.

    Args:
        distribution: `[*batch, nE, nA]`.
        grid: `[nA]`.
    """
    x, by_assets = grid - grid[0], distribution.sum(-2)
    mean = by_assets @ x
    by_e = distribution @ x / distribution.sum(-1).clamp_min(1e-6) / mean[..., None]
    others = torch.stack([by_assets @ x**2 / mean**2, by_assets @ x.sqrt() / mean.sqrt(), by_assets[..., 0]], dim=-1)
    return torch.cat([by_e, others], dim=-1)


class LearnedMoments(Seen):
    """Averages over agents of `n_moments` functions of their own state, which a network of `units` learns.

    Source: the generalised moments of Han, Yang and E (2021), "DeepHAM: a global solution method for heterogeneous agent models
    with aggregate shocks", arXiv:2112.14377.
    """

    usual: Tensor
    nodes: Tensor
    unit: Tensor

    def __init__(
        self, around: Tensor, grids: Sequence[Tensor], scale: Tensor, n_moments: int, units: int, seed: int
    ) -> None:
        super().__init__()
        self.size, self.dimensions = n_moments, around.ndim
        self.register_buffer("nodes", agents(around.shape[0], grids), persistent=False)
        self.register_buffer("usual", around.flatten(), persistent=False)
        self.register_buffer("unit", scale, persistent=False)
        hidden = nn.Linear(self.nodes.shape[-1], units, device="cpu")
        last = nn.Linear(units, n_moments, bias=False, device="cpu")  # a constant has one mean everywhere
        generator = torch.Generator().manual_seed(seed + 1)
        for layer in (hidden, last):
            variance_scaling_(layer.weight, 1.0, "fan_in", "truncated_normal", generator)
        nn.init.uniform_(hidden.bias, -1, 1, generator)  # kinks at different wealth
        self.function = nn.Sequential(hidden, nn.Tanh(), last)

    def forward(self, distribution: Tensor) -> Tensor:
        # the functions are evaluated once at the nodes, whatever the batch
        return (distribution.flatten(-self.dimensions) - self.usual) @ self.function(self.nodes) / self.unit


class WholeHistogram(Seen):
    """The share of agents with each e and no more assets than each node's, less the usual one, over `scale`."""

    usual: Tensor
    unit: Tensor

    def __init__(self, around: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.size, self.dimensions = around.numel(), around.ndim
        self.register_buffer("usual", self._cumulated(around), persistent=False)
        self.register_buffer("unit", scale, persistent=False)

    def forward(self, distribution: Tensor) -> Tensor:
        return ((self._cumulated(distribution) - self.usual) / self.unit).flatten(-self.dimensions)

    def _cumulated(self, masses: Tensor) -> Tensor:
        for axis in range(1, self.dimensions):
            masses = masses.cumsum(-axis)
        return masses


def agents(n_e: int, grids: Sequence[Tensor]) -> Tensor:
    """Own state of the agents at every node: log (1 + x) of their assets x above the limit, on [-2, 2], and e as an indicator.

    Args:
        grids: each `[n]`.

    Returns:
        `[nodes, len(grids) + n_e]`, in the order of a histogram `[n_e, *grids]`.
    """
    e, *assets = torch.meshgrid(torch.arange(n_e).to(grids[0]), *grids, indexing="ij")
    columns = [torch.log1p(x.flatten() - x.min()) for x in assets]
    indicator = nn.functional.one_hot(e.flatten().long(), n_e).to(e)
    return torch.cat([*((4 * x / x.max() - 2)[:, None] for x in columns), indicator], dim=-1)


def near(n_e: int, grids: Sequence[Tensor], knots: int) -> Tensor:
    """For each e, how near an agent's assets are to each of some knots: hat functions, which add up to one at the agent's e.

    A network of these learns a kink near a borrowing limit as fast as anything else; one of the assets themselves does not. Knots
    are denser near the limit: equidistant in log (1 + 2500 x / its largest value), for assets x above the limit.

    Args:
        grids: each `[n]`.

    Returns:
        `[nodes, len(grids) n_e knots]`, in the order of a histogram `[n_e, *grids]`.
    """
    e, *assets = torch.meshgrid(torch.arange(n_e).to(grids[0]), *grids, indexing="ij")
    indicator = nn.functional.one_hot(e.flatten().long(), n_e).to(e)
    place = torch.arange(knots).to(e)
    parts = []
    for x in assets:
        above = x.flatten() - x.min()
        u = torch.log1p(2500 * above / above.max())
        hats = (1 - (u[:, None] * (knots - 1) / u.max() - place).abs()).clamp_min(0)
        parts.append((indicator[:, :, None] * hats[:, None]).flatten(1))
    return torch.cat(parts, dim=-1)


def seen(
    given: net_schema.Distribution, shape: Sequence[int], constants: Mapping[str, Any], dtype: torch.dtype, seed: int
) -> Seen:
    """The module that `net.distribution.sees` asks for.

    Args:
        shape: of the distribution, `[nE, *grids]`.
        constants: by name, those of Calibration.py too.

    Raises:
        ConfigError: where a constant is missing or has another shape.
    """
    if given.sees == "nothing":
        return Nothing()
    nodes = grids(given, shape, constants, dtype)
    around = named_value(given.around, shape, constants, "net.distribution.around").to(dtype).contiguous()
    scale = positive(given.scale, constants, "net.distribution.scale")
    if given.sees == "moments":
        if len(nodes) > 1:
            raise ConfigError("net.distribution.sees = 'moments' has one kind of assets; take learned or histogram.")
        return WealthMoments(around, nodes[0], scale)
    if given.sees == "learned":
        return LearnedMoments(around, nodes, scale, given.n_moments, given.moment_units, seed)
    return WholeHistogram(around, scale)


def grids(
    given: net_schema.Distribution, shape: Sequence[int], constants: Mapping[str, Any], dtype: torch.dtype
) -> list[Tensor]:
    """The nodes of assets, each `[n]`.

    Raises:
        ConfigError: where they are not as many, or not as long, as the distribution's shape says.
    """
    if len(given.grids) != len(shape) - 1:
        raise ConfigError(
            f"net.distribution.grids has {len(given.grids)} names, expected {len(shape) - 1}: state {given.state!r} has the "
            f"shape {[*shape]}, and its first axis is no asset."
        )
    return [
        named_value(name, (n,), constants, f"net.distribution.grids[{i}]").to(dtype).contiguous()
        for i, (name, n) in enumerate(zip(given.grids, shape[1:], strict=True))
    ]


def positive(given: Any, constants: Mapping[str, Any], where: str) -> Tensor:
    """A number above zero, or the name of a constant that is one: `[]`."""
    value = named_value(given, (), constants, where)
    if not bool(value > 0):
        raise ConfigError(f"{where} = {given!r}: expected what is above zero, got {float(value):g}.")
    return value
