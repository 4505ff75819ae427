"""`import Definitions` in a file of a model folder: the functions of Definitions.py, cut to their bounds."""

from collections.abc import Callable

from torch import Tensor

def __getattr__(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """`Definitions.C(state, policy_state)`; `Definitions.C_RAW(state, policy_state)` is not cut."""
