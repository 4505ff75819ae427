"""Conditional expectations over next period's shocks, and the nodes to take them on.

Sources: Stroud (1971), Approximate Calculation of Multiple Integrals, Prentice-Hall; Judd (1998), Numerical Methods in
Economics, MIT Press, chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Function = Callable[[Tensor, Tensor], Any]
Expectation = Callable[[Function], Tensor]
Scales = float | Sequence[float] | np.ndarray | Tensor


def _scales(scale_list: Scales) -> list[float]:
    """Standard deviations as numbers: of one shock, of a list of shocks, or of an array or a tensor of them."""
    values = scale_list.tolist() if isinstance(scale_list, (np.ndarray, Tensor)) else scale_list
    numbers = list(values) if isinstance(values, Sequence) else [values]
    if any(isinstance(number, Sequence) for number in numbers):
        raise ValueError(
            f"scale_list: expected one standard deviation for each shock, [d], got {scale_list}. Of a covariance matrix take "
            "the standard deviations of independent shocks, and multiply the nodes by its Cholesky factor."
        )
    return [float(number) for number in numbers]


def monomial_rule(scale_list: Scales) -> tuple[Tensor, Tensor]:
    """Degree-3 monomial rule for independent normal shocks with mean zero (Stroud, 1971; Judd, 1998, eq. 7.5.11).

    Args:
        scale_list: standard deviation of each of the d shocks: numbers, an array or a tensor `[d]` (one number for one shock).

    Returns:
        shock_values `[2 d, d]` and shock_probs `[2 d]`.

    Example:
        >>> values, probs = monomial_rule([0.1, 0.2])
        >>> values.shape, float(probs.sum())
        (torch.Size([4, 2]), 1.0)
    """
    scales = _scales(scale_list)
    d = len(scales)
    nodes = torch.diag(torch.tensor(scales, dtype=torch.get_default_dtype())) * (d**0.5)
    return torch.cat([nodes, -nodes]), torch.full([2 * d], 1.0 / (2 * d), dtype=nodes.dtype)


def gauss_hermite(scale_list: Scales, n_nodes: int = 5) -> tuple[Tensor, Tensor]:
    """Product Gauss-Hermite rule for independent normal shocks with mean zero (Judd, 1998, section 7.2).

    Args:
        scale_list: standard deviation of each of the d shocks: numbers, an array or a tensor `[d]` (one number for one shock).
        n_nodes: nodes of each shock.

    Returns:
        shock_values `[n_nodes**d, d]` and shock_probs `[n_nodes**d]`.

    Example:
        >>> values, probs = gauss_hermite(0.1, 3)
        >>> values.shape, round(float((probs * values[:, 0] ** 2).sum()), 6)
        (torch.Size([3, 1]), 0.01)
    """
    scales = _scales(scale_list)
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    weights = weights / weights.sum()
    grids = np.meshgrid(*(scale * nodes for scale in scales), indexing="ij")
    values = np.stack([grid.ravel() for grid in grids], axis=-1)
    products = np.meshgrid(*(weights for _ in scales), indexing="ij")
    probs = np.prod([product.ravel() for product in products], axis=0)
    dtype = torch.get_default_dtype()
    return torch.tensor(values, dtype=dtype), torch.tensor(probs, dtype=dtype)


class Expectations:
    """`E_t_gen` of one Model.

    Args:
        dynamics: the linked Dynamics.py.
        policy: states -> policies.
        kind: `product` and `monomial` use the nodes of Dynamics.py, `pseudo_random` draws.
        draws: number of draws of `pseudo_random`.

    Attributes:
        stacked_step: call `total_step_spec_shock` once, with the indices of all nodes, instead of once a node.
        stacked_function: evaluate the function under the expectation once, on all nodes, instead of once a node.
            Both are off until the Model's probe has seen that they give the same numbers.
        all_nodes: whether `total_step_spec_shock` is being called with the indices of all nodes.
    """

    def __init__(self, dynamics: Any, policy: Callable[[Tensor], Tensor], kind: str, draws: int) -> None:
        self.dynamics = dynamics
        self.policy = policy
        self.kind = kind
        self.draws = draws
        self.stacked_step = False
        self.stacked_function = False
        self.all_nodes = False

    def probabilities(self, state: Tensor, policy_state: Tensor) -> Tensor:
        """Probability of each node: `[nodes, *batch]`, or `[nodes, 1, ..., 1]` when it does not depend on the state."""
        batch = state.ndim - 1
        if self.kind == "pseudo_random":
            return state.new_full((self.draws, *[1] * batch), 1.0 / self.draws)
        probs = self.dynamics.shock_probs
        if callable(probs):
            return probs(state, policy_state).movedim(-1, 0)
        probs = torch.as_tensor(probs, dtype=state.dtype, device=state.device)
        return probs.reshape(-1, *[1] * batch)

    def next_states(self, state: Tensor, policy_state: Tensor, nodes: int) -> Tensor:
        """Next period's state at each node: `[*batch, n_states]` -> `[nodes, *batch, n_states]`."""
        if self.kind == "pseudo_random":
            return torch.stack([self.dynamics.total_step_random(state, policy_state) for _ in range(nodes)])
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
