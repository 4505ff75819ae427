"""Networks that begin at a known policy and see the economy through a few numbers: `net.type` anchored and individual.

Their outputs are zero at the start, and policies what output zero gives: `around` of the YAML file. With the stationary policy
there, training of an economy of many agents begins at the economy without aggregate risk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deqn.configuration.net_schema import Net
from deqn.economy.columns import Column
from deqn.economy.dense import Dense
from deqn.economy.network import dense_network
from deqn.economy.seen import Aggregates, Nothing, Seen, agents, grids, near, seen
from deqn.errors import ConfigError, suggestion

_KNOTS = 24  # of an agent's assets


class Inputs(nn.Module):
    """What is seen of the economy: states `[*batch, n_states]` to the aggregates, and to them with what is seen beside them."""

    def __init__(self, economy: Economy, seed: int) -> None:
        super().__init__()
        self.aggregates, self.further, self.distribution = (
            economy.aggregates(),
            economy.further(seed),
            economy.distribution,
        )
        self.size: int = self.aggregates.size + self.further.size

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        first = self.aggregates(states)
        if not self.further.size:
            return first, first
        assert self.distribution is not None  # the schema has seen to it
        return first, torch.cat([first, self.further(self.distribution(states))], dim=-1)


class Anchored(nn.Module):
    """A linear map of the aggregates plus layers of aggregates and what is seen of the distribution; both zero at the start.

    Maps states `[*batch, n_states]` to `[*batch, n_outputs]`.
    """

    def __init__(
        self, net: Net, n_outputs: int, seed: int, economy: Economy, own: Callable[[str], Any] | None = None
    ) -> None:
        super().__init__()
        self.inputs = Inputs(economy, seed)
        self.linear = nn.Linear(self.inputs.aggregates.size, n_outputs, bias=False, device="cpu")
        self.network = dense_network(net, self.inputs.size, n_outputs, seed, own)
        nn.init.zeros_(self.linear.weight)
        _zero_last(self.network)

    def forward(self, states: Tensor) -> Tensor:
        first, inputs = self.inputs(states)
        return self.linear(first) + self.network(inputs)


class Individual(nn.Module):
    """Policies as functions of an agent's own state and of the economy, evaluated at every node of the distribution.

    Those of the distribution's shape are sums of products: a network of the agent's own state gives functions of it, and a
    network of the economy their weights, beside which the aggregates themselves weigh functions of their own. So a step
    evaluates the one at all nodes once, and the other in all states once. All other policies come from `Anchored`. The number of
    parameters does not depend on the number of nodes.

    Maps states `[*batch, n_states]` to `[*batch, n_policies]`.

    Args:
        columns: of the policies, in the order of the outputs.

    Source: the branch and the trunk of Lu, Jin, Pang, Zhang and Karniadakis (2021), Learning nonlinear operators via DeepONet,
    Nature Machine Intelligence 3, 218-229.
    """

    nodes: Tensor

    def __init__(
        self, net: Net, columns: Sequence[Column], seed: int, economy: Economy, own: Callable[[str], Any] | None = None
    ) -> None:
        super().__init__()
        assert economy.column is not None  # the schema has seen to it
        shape = economy.column.shape
        self.sizes, self.of_agents = [c.size for c in columns], [c.shape == shape for c in columns]
        if not any(self.of_agents):
            raise ConfigError(
                f"net.type = 'individual': no policy has the shape {[*shape]} of state {economy.column.name!r}; take anchored."
            )
        self.inputs = Inputs(economy, seed)
        hidden = [layer.hidden for layer in net.layers if layer.hidden is not None]
        self.n_weights = hidden[-1].units if hidden else self.inputs.size
        own_state = [agents(shape[0], economy.grids()), near(shape[0], economy.grids(), _KNOTS)]
        self.register_buffer("nodes", torch.cat(own_state, dim=-1), persistent=False)
        n_functions = sum(self.of_agents) * (self.n_weights + self.inputs.aggregates.size)
        self.functions = dense_network(net, self.nodes.shape[-1], n_functions, seed, own)
        self.weights = dense_network(net, self.inputs.size, self.n_weights, seed + 1, own)
        _zero_last(self.functions)
        n_others = sum(size for size, of in zip(self.sizes, self.of_agents, strict=True) if not of)
        self.others = Anchored(net, n_others, seed, economy, own) if n_others else None

    def forward(self, states: Tensor) -> Tensor:
        first, inputs = self.inputs(states)
        weights = torch.cat([self.weights(inputs), first], dim=-1)  # [*batch, m]
        functions = self.functions(self.nodes).unflatten(-1, (-1, weights.shape[-1]))  # [nodes, policies of agents, m]
        y = torch.einsum("...m,npm->...pn", weights, functions)
        by_agents = iter(y.unbind(-2))
        if self.others is None:
            return torch.cat(list(by_agents), dim=-1)
        sizes = [size for size, of in zip(self.sizes, self.of_agents, strict=True) if not of]
        others = iter(self.others(states).split(sizes, dim=-1))
        return torch.cat([next(by_agents if of else others) for of in self.of_agents], dim=-1)


class Economy:
    """What both networks need to know of a model.

    Args:
        net: its configuration.
        columns: of its states.
        definitions: by name, functions of state and policy; those that are numbers and need no policy can be seen.
        constants: by name, those of Calibration.py too.
        dtype: of the states.
    """

    def __init__(
        self,
        net: Net,
        columns: Sequence[Column],
        definitions: Mapping[str, Callable[..., Tensor]],
        constants: Mapping[str, Any],
        dtype: torch.dtype,
    ) -> None:
        self.net, self.constants, self.dtype = net, constants, dtype
        self.accessors: dict[str, Callable[[Tensor], Tensor]] = {
            name: _without_policy(function) for name, function in definitions.items()
        }
        self.accessors |= {column.name: column.bounded for column in columns if not column.shape}
        self.column: Column | None = None
        self.distribution: Callable[[Tensor], Tensor] | None = None
        if net.distribution is not None:
            self.column = self._histogram(net.distribution.state, columns)
            self.distribution = self.column.bounded

    def aggregates(self) -> Aggregates:
        return Aggregates(self.net.aggregates, self.accessors, self.constants)

    def further(self, seed: int) -> Seen:
        """What is seen of the distribution beside the aggregates."""
        if self.net.distribution is None or self.column is None:
            return Nothing()
        return seen(self.net.distribution, self.column.shape, self.constants, self.dtype, seed)

    def grids(self) -> list[Tensor]:
        assert self.net.distribution is not None
        assert self.column is not None
        return grids(self.net.distribution, self.column.shape, self.constants, self.dtype)

    def _histogram(self, name: str, columns: Sequence[Column]) -> Column:
        by_name = {column.name: column for column in columns}
        if name not in by_name:
            raise ConfigError(f"net.distribution.state: there is no state {name!r}.{suggestion(name, list(by_name))}")
        if len(by_name[name].shape) < 2:
            raise ConfigError(
                f"net.distribution.state = {name!r} has the shape {[*by_name[name].shape]}, expected "
                "that of a histogram, [nE, nA]."
            )
        return by_name[name]


def _without_policy(function: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda states: function(states, None)


def _zero_last(layers: Dense) -> None:
    """The weights of the last dense layer; its bias is zero from the start."""
    last = [layer for layer in layers if isinstance(layer, nn.Linear)][-1]
    nn.init.zeros_(last.weight)
