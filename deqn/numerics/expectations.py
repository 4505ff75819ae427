"""Conditional expectations over next period's shocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deqn.numerics.draws import KINDS, Draws
from deqn.numerics.rng import Rng

Function = Callable[[Tensor, Tensor], Any]
Expectation = Callable[[Function], Tensor]


class Expectations:
    """`E_t_gen` of one Model.

    Args:
        dynamics: the linked Dynamics.py.
        policy: states -> policies.
        kind: `run.expectation_type`: the nodes of Dynamics.py, or draws.
        draws: number of draws.
        rng: the generator of the model's files, which `antithetic` and `quasi_random` need.

    Attributes:
        drawn: whether expectations are means over draws, not over the nodes of Dynamics.py.
        stacked_step: call `total_step_spec_shock` once, with the indices of all nodes, instead of once a node.
        stacked_function: evaluate the function under the expectation once, on all nodes, instead of once a node.
            Both are off until the Model's probe has seen that they give the same numbers.
        all_nodes: whether `total_step_spec_shock` is being called with the indices of all nodes.
    """

    def __init__(
        self, dynamics: Any, policy: Callable[[Tensor], Tensor], kind: str, draws: int, rng: Rng | None = None
    ) -> None:  # fmt: skip
        self.dynamics = dynamics
        self.policy = policy
        self.kind = kind
        self.draws = draws
        self.drawn = kind in KINDS
        self._draw = Draws(kind, rng or Rng(0))
        self.stacked_step = False
        self.stacked_function = False
        self.all_nodes = False

    def probabilities(self, state: Tensor, policy_state: Tensor) -> Tensor:
        """Probability of each node: `[nodes, *batch]`, or `[nodes, 1, ..., 1]` when it does not depend on the state."""
        batch = state.ndim - 1
        if self.drawn:
            return state.new_full((self.draws, *[1] * batch), 1.0 / self.draws)
        probs = self.dynamics.shock_probs
        if callable(probs):
            return probs(state, policy_state).movedim(-1, 0)
        probs = torch.as_tensor(probs, dtype=state.dtype, device=state.device)
        return probs.reshape(-1, *[1] * batch)

    def next_states(self, state: Tensor, policy_state: Tensor, nodes: int) -> Tensor:
        """Next period's state at each node: `[*batch, n_states]` -> `[nodes, *batch, n_states]`."""
        if self.drawn:
            random_step = self.dynamics.total_step_random
            return torch.stack(self._draw(lambda: random_step(state, policy_state), nodes, state.shape[:-1]))
        step = self.dynamics.total_step_spec_shock
        if self.stacked_step:
            index = torch.arange(nodes, device=state.device).reshape(nodes, *[1] * (state.ndim - 1))
            self.all_nodes = True
            try:
                return step(state, policy_state, index).expand(nodes, *state.shape)
            finally:
                self.all_nodes = False
        return torch.stack([step(state, policy_state, i) for i in range(nodes)])

    def E_t_gen(self, state: Tensor, policy_state: Tensor) -> Expectation:
        """The operator E_t given today's state and policy.

        The network is called once, on all nodes stacked; reuse the operator for each expectation of the model.

        Args:
            state: `[*batch, n_states]`.
            policy_state: `[*batch, n_policies]`.

        Returns:
            E_t; `E_t(f)` is the sum over nodes of probability times `f(next_states, next_policies)`: `[*batch, ...]`.
        """
        batch = state.ndim - 1
        probs = self.probabilities(state, policy_state)
        nodes = probs.shape[0]
        states = self.next_states(state, policy_state, nodes)
        policies = self.policy(states)

        def tensor(value: Any, leading: int) -> Tensor:
            """A tensor with the dimensions [*leading, *batch, ...]; a constant is spread over the batch."""
            value = torch.as_tensor(value, dtype=state.dtype, device=state.device)
            if value.ndim < leading + batch:
                value = torch.broadcast_tensors(value, state[..., 0])[0].expand(*[1] * leading, *state.shape[:-1])
            return value

        def E_t(evalFun: Function) -> Tensor:
            if not callable(evalFun):
                raise TypeError(
                    f"E_t takes a function of next period's state and policy, E_t(lambda s, p: ...); it got a "
                    f"{type(evalFun).__name__}."
                )
            if self.stacked_function:
                values = tensor(evalFun(states, policies), 1)
            else:
                values = torch.stack([tensor(evalFun(states[i], policies[i]), 0) for i in range(nodes)])
            extra = values.ndim - 1 - batch
            return (probs.reshape(*probs.shape, *[1] * extra) * values).sum(0)

        return E_t
