"""`import State` in a file of a model folder: accessors of the states and what belongs to their motion."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

def E_t_gen(states: Tensor, policies: Tensor) -> Callable[[Callable[[Tensor, Tensor], Any]], Tensor]:
    """The conditional expectation given today's state and policy: `E_t(lambda s, p: ...)`."""

def update(x: Tensor, name: str, value: Any) -> Tensor:
    """`x` with one variable replaced; `x` itself is unchanged."""

def update_dict(x: Tensor, values: Mapping[str, Any]) -> Tensor:
    """`x` with several variables replaced; `x` itself is unchanged."""

_Scales = float | Sequence[Any] | np.ndarray | Tensor

def monomial_rule(scale_list: _Scales, degree: int = 3, correlation: _Scales | None = None) -> tuple[Tensor, Tensor]:
    """shock_values [nodes, d] and shock_probs [nodes] for d normal shocks: 2 d nodes, for degree 5 2 d**2 + 1."""

def gauss_hermite(scale_list: _Scales, n_nodes: int = 5, correlation: _Scales | None = None) -> tuple[Tensor, Tensor]:
    """shock_values [n_nodes**d, d] and shock_probs [n_nodes**d] for d normal shocks."""

def __getattr__(name: str) -> Callable[[Tensor], Tensor]:
    """`State.K(x)`, cut to its bounds; `State.K_RAW(x)`, as it is."""
