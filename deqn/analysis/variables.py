"""All variables of a run that are numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from deqn.analysis.trained import Trained


def variables(run: Trained, states: Tensor) -> dict[tuple[str, str], Tensor]:
    """(`state`, `policy` or `definition`; name) -> values `[n]` at states `[n, n_states]`."""
    model, policies = run.model, run.policies(states)
    found = {("state", c.name): c.raw(states) for c in model.state_columns if not c.shape}
    found |= {("policy", c.name): c.bounded(policies) for c in model.policy_columns if not c.shape}
    found |= {("definition", name): x for name, x in run.definitions(states).items() if x.ndim == 1}
    return found


def policies_by_name(run: Trained, states: Tensor) -> dict[str, Tensor]:
    """All policies, `[n, *shape]`."""
    policies = run.policies(states)
    return {column.name: column.bounded(policies) for column in run.model.policy_columns}
