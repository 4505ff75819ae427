"""Generalised impulse responses of any run to any of its shocks, beside the linear ones where there are any.

A shock is what the law of motion draws: one normal draw of `total_step_random`, which is pushed by so many of its standard
deviations, or a node of the expectations, at which the economy is put. Whatever else happens is the same for the economy
with the shock and for its twin without it: all later draws, and the other draws of the first period.

Source: Koop, Pesaran and Potter (1996), Impulse response analysis in nonlinear multivariate models, Journal of Econometrics
74(1), 119-147.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from deqn.analysis import figures
from deqn.analysis.ergodic import ergodic_states, share_outside
from deqn.analysis.variables import variables
from deqn.economy.linear import LinearSolution, NoLinearSolution, linear_solution
from deqn.economy.model import Model
from deqn.errors import DEQNError
from deqn.numerics.rng import Source

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from deqn.analysis.trained import Trained

ECONOMIES = 500
PERIODS = 40
_SMALL = 1e-4  # standard deviations, of a derivative by differences in float64
_PERCENT = 100.0


class NoShock(DEQNError):
    """What was asked for is no shock of the model."""


@dataclass(frozen=True)
class Shock:
    """One of the numbers that `total_step_random` draws from a normal distribution.

    Attributes:
        draw: which of its draws, from 0.
        entry: which entry of the draw, where a trajectory gets more than one number.
        moves: the states that it moves at once.
    """

    draw: int
    entry: int
    moves: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"shock to {', '.join(self.moves[:3])}{', ...' if len(self.moves) > 3 else ''}"


class _Draws:
    """The draws of one period, one of which may be pushed.

    Args:
        own: shape, normal or uniform -> standard draws.
        shock, size: what is pushed, and by how many standard deviations.
        rows: of which trajectories.
    """

    def __init__(self, own: Source, shock: Shock | None = None, size: float = 1.0, rows: slice = slice(None)) -> None:
        self.own, self.shock, self.size, self.rows = own, shock, size, rows
        self.seen: list[tuple[tuple[int, ...], bool]] = []

    def __call__(self, shape: tuple[int, ...], normal: bool) -> Tensor:
        drawn = self.own(shape, normal)
        if self.shock is not None and len(self.seen) == self.shock.draw:
            drawn.reshape(len(drawn), -1)[self.rows, self.shock.entry] += self.size
        self.seen.append((shape, normal))
        return drawn


def shocks(model: Model) -> list[Shock]:
    """The normal draws of the law of motion, in their order; those that move nothing are left out."""
    before = model.rng.get_state()
    try:
        states = model.initial_states(3)
        at_step = model.rng.get_state()
        draws = _Draws(model.rng.own)
        with model.rng.drawing_from(draws):
            base = model.step(states)
        found = []
        for i, (shape, normal) in enumerate(draws.seen):
            entries = math.prod(shape[1:]) if normal and shape[:1] == (len(states),) else 0
            for entry in range(entries):
                shock = Shock(i, entry)
                model.rng.set_state(at_step)
                with model.rng.drawing_from(_Draws(model.rng.own, shock)):
                    moved = (model.step(states) != base).any(0)
                names = tuple(c.name for c in model.state_columns if bool(moved[c.start : c.stop].any()))
                if names:
                    found.append(replace(shock, moves=names))
        return found
    finally:
        model.rng.set_state(before)


def impulse_responses(
    run: Trained, shock: int | str | None = None, size: float = 1.0, node: int | None = None, periods: int = PERIODS,
    economies: int = ECONOMIES, start: Tensor | Sequence[float] | None = None,
    linear: LinearSolution | Literal["find"] | None = "find",
) -> pd.DataFrame:  # fmt: skip
    """Responses of all states, policies and definitions that are numbers to one shock in period 0.

    Args:
        shock: its place in `shocks(model)`, or the name of a state that it alone moves first; the first one by default.
        size: in standard deviations of the draw.
        node: instead of a draw, the node of `total_step_spec_shock` that leads to period 0.
        periods: last period.
        economies: pairs of economies, of which the mean is taken.
        start: the state before, `[n_states]`; by default states of the ergodic distribution.
        linear: the linear solution where it is known already; None to do without.

    Returns:
        A row for each variable and period: `variable`; `kind`, state, policy or definition; `unit`, '%' for what is positive in
        all economies and else 'level'; `period`; `response`, the mean difference, of logs times 100 or of levels; `error`, its
        standard error; `linear`, the response to first order from the steady state, where there is a linear solution; `outside`,
        the share of the shocked states that are beyond the range of the simulated ones, widened by a tenth on either side.

    Raises:
        NoShock: where the model has no such shock.

    Example:
        run.impulse_responses("z", size=-2.0)
    """
    model = run.model
    chosen = None if node is not None else _chosen(model, shock)
    generator = model.rng.get_state()
    try:
        with model.context(), torch.no_grad():
            cloud = ergodic_states(run, economies)
            if start is None:
                before = cloud
            else:
                before = torch.as_tensor(start).to(cloud).reshape(1, -1).expand(economies, -1)
                if before.shape != cloud.shape:
                    raise NoShock(
                        f"start has {before.shape[-1]} numbers; a state of {model.name} has {model.n_states}."
                    )
            paths = torch.stack(
                list(_paired(model, before, chosen, size, node, periods))
            )  # [periods + 1, 2 n, n_states]
            table = _differences(run, paths)
            outside = share_outside(model.state_columns, run.cloud(), paths[:, economies:]).cpu().numpy()
            table["outside"] = np.tile(outside, len(table) // (periods + 1))
    finally:
        model.rng.set_state(generator)
    if linear == "find":
        try:
            linear = linear_solution(model, near=cloud.mean(0, keepdim=True))
        except NoLinearSolution as reason:
            table.attrs["no linear solution"], linear = str(reason), None
    return table if linear is None else _beside_linear(model, table, chosen, size, node, linear)


def _chosen(model: Model, shock: int | str | None) -> Shock:
    known = shocks(model)
    if not known:
        raise NoShock(
            f"{model.name} draws no normal shocks from Parameters.rng. Give node=, a node of its expectations."
        )
    if isinstance(shock, str):
        fitting = [s for s in known if s.moves[:1] == (shock,)] or [s for s in known if shock in s.moves]
        if len(fitting) == 1:
            return fitting[0]
    elif -len(known) <= (shock or 0) < len(known):
        return known[shock or 0]
    listed = ", ".join(f"{i} ({', '.join(s.moves)})" for i, s in enumerate(known))
    raise NoShock(f"shock={shock!r}: the shocks of {model.name}, and the states that each moves, are {listed}.")


def _paired(
    model: Model, before: Tensor, shock: Shock | None, size: float, node: int | None, periods: int
) -> Iterator[Tensor]:  # fmt: skip
    """Economies `[2 n, n_states]` of each period, first those without the shock; draws are the same in both halves."""
    n, states = len(before), before.repeat(2, 1)

    def same(shape: tuple[int, ...], normal: bool) -> Tensor:
        if shape[:1] != (2 * n,):
            return model.rng.own(shape, normal)
        return model.rng.own((n, *shape[1:]), normal).repeat(2, *[1] * (len(shape) - 1))

    for period in range(periods + 1):
        with model.rng.drawing_from(_Draws(same, None if period else shock, size, slice(n, None))):
            following = model.step(states)
        if node is not None and not period:
            following = torch.cat([following[:n], at_node(model, states[n:], node)])
        states = following
        yield states


def at_node(model: Model, states: Tensor, node: int) -> Tensor:
    """Next period's states at one node of the expectations: `[n, n_states]` -> `[n, n_states]`.

    Raises:
        NoShock: where the model has no such node.
    """
    policies = model.policy(states)
    nodes = 0 if model.expectations.drawn else len(model.expectations.probabilities(states, policies))
    if not 0 <= node < nodes:
        has = f"has nodes 0 to {nodes - 1}" if nodes else "takes expectations over draws, and has no nodes"
        raise NoShock(f"node={node}: {model.name} {has}.")
    return model.expectations.dynamics.total_step_spec_shock(states, policies, node)


def _differences(run: Trained, paths: Tensor) -> pd.DataFrame:
    import pandas as pd

    periods, pairs = len(paths), paths.shape[1] // 2
    rows = []
    for (kind, name), values in variables(run, paths.flatten(0, 1)).items():
        x = values.double().cpu().numpy().reshape(periods, 2, pairs)
        in_logs = bool((x > 0).all())
        x = _PERCENT * np.log(x) if in_logs else x
        response = x[:, 1] - x[:, 0]
        error = response.std(-1, ddof=1) / pairs**0.5 if pairs > 1 else np.full(periods, np.nan)
        rows.append(pd.DataFrame({
            "variable": name, "kind": kind, "unit": "%" if in_logs else "level", "period": range(periods),
            "response": response.mean(-1), "error": error,
        }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


# -- to first order ----------------------------------------------------------------------------------------------------


def _beside_linear(
    model: Model, table: pd.DataFrame, shock: Shock | None, size: float, node: int | None, linear: LinearSolution
) -> pd.DataFrame:  # fmt: skip
    """The table with the column `linear`."""
    copy = model.linked_in_float64("cpu")
    with copy.context(), torch.no_grad():
        away = _first_step(copy, linear, shock, size, node)
        states = []
        for _ in range(int(table["period"].max()) + 1):
            states.append(away)
            away = linear.transition @ away
        found = _along(copy, linear, torch.stack(states))
    units = dict(zip(zip(table["kind"], table["variable"], strict=True), table["unit"], strict=True))
    table["linear"] = np.concatenate([
        _PERCENT * found[key][1] / found[key][0] if unit == "%" else found[key][1] for key, unit in units.items()
    ])  # fmt: skip
    return table


def _first_step(model: Model, linear: LinearSolution, shock: Shock | None, size: float, node: int | None) -> Tensor:
    """How far the state of period 0 is from the steady state, to first order in the shock: `[n_states]`."""
    state, policy = linear.state[None], linear.policy[None]
    if shock is None:
        assert node is not None
        probabilities = model.expectations.probabilities(state, policy)[:, 0]
        nodes = model.expectations.next_states(state, policy, len(probabilities))[:, 0]
        return nodes[node] - probabilities @ nodes

    def still(shape: tuple[int, ...], normal: bool) -> Tensor:
        return torch.full(shape, 0.0 if normal else 0.5, dtype=torch.float64)

    ends = []
    for push in (_SMALL, -_SMALL):
        with model.rng.drawing_from(_Draws(still, shock, push)):
            ends.append(model.expectations.dynamics.total_step_random(state, policy)[0])
    return size * (ends[0] - ends[1]) / (2 * _SMALL)


def _along(model: Model, linear: LinearSolution, away: Tensor) -> dict[tuple[str, str], tuple[float, np.ndarray]]:
    """(kind, name) -> value at rest and first-order change `[periods]`, for states `away` `[periods, n_states]` from rest."""
    scale = _SMALL / away.abs().max().clamp(min=_SMALL)
    found = {("state", c.name): (c, linear.state, away) for c in model.state_columns if not c.shape}
    found |= {
        ("policy", c.name): (c, linear.policy, away @ linear.slopes.T) for c in model.policy_columns if not c.shape
    }
    values = {key: (float(c.raw(rest)), c.raw(change).numpy()) for key, (c, rest, change) in found.items()}
    for name in model.definition_bounds:
        ends = []
        for side in (0.0, scale, -scale):
            states = linear.state + side * away
            ends.append(torch.as_tensor(getattr(model.Definitions, name)(states, linear.policies(states))))
        if ends[0].ndim > 1:
            continue
        ends = [end.expand(len(away)) for end in ends]
        values["definition", name] = (float(ends[0][0]), ((ends[1] - ends[2]) / (2 * scale)).numpy())
    return values


# -- figure ------------------------------------------------------------------------------------------------------------


def draw(table: pd.DataFrame, title: str, unit: Mapping[str, str] = MappingProxyType({})) -> Figure:
    """Mean responses with two standard errors on either side, the linear ones dashed; an axis a variable.

    Args:
        unit: of a variable, by its name, for responses in levels.
    """
    names = list(dict.fromkeys(zip(table["kind"], table["variable"], strict=True)))
    figure, axes, shown = figures.panels(names, 4, "variables", title, height=2.2, width=3.4)
    groups = dict(iter(table.groupby(["kind", "variable"], sort=False)))
    for axis, key in zip(axes, shown, strict=True):
        rows = groups[key]
        period, response, error = (rows[name].to_numpy() for name in ("period", "response", "error"))
        axis.axhline(0, color="grey", linewidth=0.6)
        axis.plot(period, response, label="network")
        axis.fill_between(period, response - 2 * error, response + 2 * error, alpha=0.2)
        if "linear" in rows:
            axis.plot(period, rows["linear"], "k--", linewidth=0.8, label="linear")
        axis.set(title=key[1], ylabel="percent" if rows["unit"].iloc[0] == "%" else unit.get(key[1], "level"))
        axis.set_xlabel("period")
    if "linear" in table:
        axes[0].legend(fontsize="small")
    return figure
