"""Where bounds bind and how large residuals are, on several clouds of states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deqn.economy.bounds import shown
from deqn.economy.rehearsal import starting_states
from deqn.training import simulate

if TYPE_CHECKING:
    from rich.table import Table

    from deqn.analysis.run import Run
    from deqn.economy.bounds import Bound

_STATES, _PERIODS = 64, 20  # of the clouds of `--check`


def clouds(run: Run) -> dict[str, Tensor]:
    """Three clouds of states of a model that may be untrained, each `[n, n_states]`."""
    model = run.model
    with model.context(), torch.no_grad():
        initial = starting_states(model, _STATES)
        moved = simulate.episode(model.step, initial, _PERIODS + 1)[0][-1]
    return {"initial states": initial, f"after {_PERIODS} periods": moved, "wider box": run.wider_box(initial)}


def binding(run: Run, states: Tensor) -> dict[str, float]:
    """For each bound of states, policies and definitions, the share of values beyond it, before they are cut.

    Args:
        states: `[n, n_states]`.
    """
    model = run.model
    policies = run.policies(states)
    raw: list[tuple[str, Tensor, Bound]] = [(f"state {c.name}", c.raw(states), c.bound) for c in model.state_columns]
    raw += [(f"policy {c.name}", c.raw(policies), c.bound) for c in model.policy_columns]
    with model.context(), torch.no_grad():
        for name, bound in model.definition_bounds.items():
            if bound.lower is not None or bound.upper is not None:
                value = torch.as_tensor(getattr(model.Definitions, f"{name}_RAW")(states, policies))
                raw.append((f"definition {name}", value, bound))
    shares = {}
    for name, values, bound in raw:
        if bound.lower is not None:
            shares[f"{name} below {shown(bound.lower)}"] = float((values < bound.lower).double().mean())
        if bound.upper is not None:
            shares[f"{name} above {shown(bound.upper)}"] = float((values > bound.upper).double().mean())
    return shares


def checkup_table(run: Run) -> Table:
    """Median and largest residual of each equation, and how often each bound binds, on each of `clouds`."""
    from rich.markup import escape
    from rich.table import Table

    groups = clouds(run)
    table = Table(title="Untrained network: |residual| median / max; share of states beyond a bound", title_justify="left",
                  show_edge=False)  # fmt: skip
    for heading in ("", *groups):
        table.add_column(heading)
    residuals = {name: run.residuals(states) for name, states in groups.items()}
    for equation in next(iter(residuals.values())):
        cells = []
        for values in residuals.values():
            flat = values[equation].abs().flatten()
            good = flat[torch.isfinite(flat)]
            lost = len(flat) - len(good)
            cells.append(f"{good.median():.1e} / {good.max():.1e}" if len(good) else "")
            cells[-1] += f" ({lost} of {len(flat)} not finite)" if lost else ""
        table.add_row(escape(f"equation {equation}"), *cells)
    bounds = {name: binding(run, states) for name, states in groups.items()}
    for bound in next(iter(bounds.values())):
        table.add_row(escape(bound), *(f"{100 * shares[bound]:.0f} %" for shares in bounds.values()))
    return table
