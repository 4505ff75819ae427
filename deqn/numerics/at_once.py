"""Expectations where Dynamics.py takes the step to all shock nodes by itself, as in the Keras version of the TensorFlow library.

There `total_step_spec_shock(state, policy)` returns (old state, old policy, next state, next policy). Each node of a state has a
row of its own, `[batch * nodes, n]`, the nodes of the first state first. `total_step_spec_probs(state, policy)` gives the
probability of each row, and the functions under E_t take all four.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deqn.numerics.expectations import Expectation, Expectations

_ON_NODES = ("product", "monomial", "gauss-hermite", "gauss_hermite")


def make_expectations(dynamics: Any, *arguments: Any) -> Expectations:
    """`E_t_gen` for a linked Dynamics.py; the other arguments are those of `Expectations`."""
    if not hasattr(dynamics, "total_step_spec_probs"):
        return Expectations(dynamics, *arguments)
    if _takes_all_nodes(dynamics):
        return AtOnce(dynamics, *arguments)
    return Expectations(_with_probs(dynamics), *arguments)


class AtOnce(Expectations):
    """`E_t_gen` over rows of all nodes.

    Args:
        module: the linked Dynamics.py.
        arguments: the others of `Expectations`.
    """

    def __init__(self, module: Any, *arguments: Any) -> None:
        self._module = module
        dynamics = types.SimpleNamespace(
            total_step_random=module.total_step_random,
            total_step_spec_shock=lambda state, policy_state, node: self._rows(state, policy_state)[2][:, node],
            shock_probs=lambda state, policy_state: self._probs(state, policy_state),
        )
        super().__init__(dynamics, *arguments)
        self._on_nodes = self.kind in _ON_NODES

    def _rows(self, state: Tensor, policy_state: Tensor) -> list[Tensor]:
        """Old and next states and policies: four of `[batch, nodes, n]`."""
        parts = self._module.total_step_spec_shock(state, policy_state)
        if not isinstance(parts, tuple) or len(parts) != 4:
            raise TypeError(
                "total_step_spec_shock(state, policy_state) must return (old state, old policy, next state, next policy) where "
                f"Dynamics.py has total_step_spec_probs; it returns a {type(parts).__name__}."
            )
        return [part.reshape(state.shape[0], -1, part.shape[-1]) for part in parts]

    def _probs(self, state: Tensor, policy_state: Tensor) -> Tensor:
        """Probability of each node: `[batch, nodes]`."""
        return self._module.total_step_spec_probs(state, policy_state).reshape(state.shape[0], -1).to(state.dtype)

    def probabilities(self, state: Tensor, policy_state: Tensor) -> Tensor:
        if not self._on_nodes or state.ndim == 2:
            return super().probabilities(state, policy_state)
        probs = super().probabilities(state.flatten(0, -2), policy_state.flatten(0, -2))
        return probs.unflatten(1, state.shape[:-1])

    def next_states(self, state: Tensor, policy_state: Tensor, nodes: int) -> Tensor:
        if not self._on_nodes:
            return super().next_states(state, policy_state, nodes)
        rows = self._rows(state.reshape(-1, state.shape[-1]), policy_state.reshape(-1, policy_state.shape[-1]))[2]
        return rows.movedim(1, 0).unflatten(1, state.shape[:-1])

    def E_t_gen(self, state: Tensor, policy_state: Tensor) -> Expectation:
        """The operator E_t; `E_t(f)` is the sum over nodes of probability times `f(state, policy, next state, next policy)`.

        Args:
            state: `[*batch, n_states]`.
            policy_state: `[*batch, n_policies]`.
        """
        if not self._on_nodes:
            return super().E_t_gen(state, policy_state)
        batch = state.shape[:-1]
        flat, flat_policy = state.reshape(-1, state.shape[-1]), policy_state.reshape(-1, policy_state.shape[-1])
        parts = self._module.total_step_spec_shock(flat, flat_policy)
        probs = self._probs(flat, flat_policy)
        if "next_states" in vars(self):  # replaced from outside: shocks are off
            ahead = self.next_states(flat, flat_policy, probs.shape[1]).movedim(0, 1).flatten(0, 1)
            parts = (*parts[:2], ahead, self.policy(ahead))

        def E_t(evalFun: Callable[..., Any]) -> Tensor:
            values = torch.as_tensor(evalFun(*parts), dtype=state.dtype, device=state.device)
            values = values.expand(probs.numel()) if values.ndim == 0 else values
            extra = values.shape[1:]
            values = values.reshape(*probs.shape, *extra)
            weights = probs.reshape(*probs.shape, *[1] * len(extra))
            return (weights * values).sum(1).reshape(*batch, *extra)

        return E_t


def _takes_all_nodes(module: Any) -> bool:
    """Whether the step of a Dynamics.py takes no index of a shock."""
    parameters = list(inspect.signature(module.total_step_spec_shock).parameters.values())
    return len([p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]) == 2


def _with_probs(module: Any) -> Any:
    """A Dynamics.py with an index of the shock whose probabilities depend on the state: `shock_probs` as we know it.

    `total_step_spec_probs(state, policy)` gives `[batch, nodes]`, or with a third argument `[batch]` of one node.
    """
    probs = module.total_step_spec_probs
    one_node = len(inspect.signature(probs).parameters) > 2
    nodes = len(getattr(module, "shock_probs", getattr(module, "shock_values", ())))

    def shock_probs(state: Tensor, policy_state: Tensor) -> Tensor:
        """`[batch, nodes]`."""
        if not one_node:
            return probs(state, policy_state).reshape(*state.shape[:-1], -1)
        each = [torch.as_tensor(probs(state, policy_state, i)) for i in range(nodes)]
        return torch.stack(torch.broadcast_tensors(*each, state[..., 0])[:-1], -1)

    return types.SimpleNamespace(**{**vars(module), "shock_probs": shock_probs})
