"""Figures that every model gets from post-processing."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from deqn.configuration.words import units
from deqn.economy.known_answer import known_answer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from deqn.analysis.trained import Trained
    from deqn.economy.linear import LinearSolution

_Item = TypeVar("_Item")
_PATHS, _PATH_PERIODS = 5, 200  # trajectories drawn
_ZERO = 1e-12  # a residual below it is none: its logarithm would be a bar far away from all others
_PANELS = 24  # axes of a figure at most: more are neither read nor drawn in seconds
_IN_A_ROW = 6
_DPI = 130
_LABEL = 18  # letters of a line at the side of a panel
_MARGIN = 0.1  # inches around what is drawn


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG, and as PDF beside it, and frees it; returns the path that was given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(_DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not once a file
    box = figure.get_tightbbox().padded(_MARGIN)
    for file in {path, path.with_suffix(".pdf")}:
        figure.savefig(file, dpi=_DPI, bbox_inches=box)
    if "matplotlib.pyplot" in sys.modules:  # which keeps the figures that it has made
        sys.modules["matplotlib.pyplot"].close(figure)
    return path


def new(rows: int = 1, columns: int = 1, height: float = 3.2, width: float = 4.6) -> tuple[Figure, list]:
    """A figure drawn without a screen, and its axes in one list; pyplot, and how it shows figures, stay as they are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.grid(True, alpha=0.3)
    return figure, list(axes.flat)


def _panels(n: int, in_a_row: int, left_out: str, height: float = 3.2, width: float = 4.6) -> tuple[Figure, list]:
    """A figure of `n` axes in rows; its title says what is left out."""
    columns = min(n, in_a_row)
    figure, axes = new(rows=-(-n // columns), columns=columns, height=height, width=width)
    for axis in axes[n:]:
        axis.remove()
    if left_out:
        figure.suptitle(left_out, fontsize="medium")  # a single panel is narrow
    return figure, axes[:n]


def panels(
    items: Sequence[_Item], in_a_row: int, noun: str, title: str = "", height: float = 3.2, width: float = 4.6
) -> tuple[Figure, list, Sequence[_Item]]:
    """A figure with an axis for each item, as many as are readable; the title says what is left out. And the items drawn."""
    shown = items[:_PANELS]
    headline = "\n".join(filter(None, [title, _left_out(len(shown), len(items), noun)]))
    figure, axes = _panels(len(shown), in_a_row, headline, height, width)
    return figure, axes, shown


def _left_out(shown: int, total: int, noun: str) -> str:
    """'24 of 400 states', or nothing where all are shown."""
    return f"{shown} of {total} {noun}" if shown < total else ""


def _with_unit(name: str, unit: Mapping[str, str]) -> str:
    """`K [goods]`, in lines that are short enough for the side of a panel."""
    return textwrap.fill(f"{name} [{unit[name]}]", _LABEL) if name in unit else name


def loss_history(run: Trained, path: Path) -> Path | None:
    """Root mean square of the residuals by epoch, from the error file."""
    losses = run.losses()
    if losses.empty:
        return None
    roots = losses.clip(lower=0) ** 0.5  # a product of two draws may be negative
    figure, (axis,) = new()
    axis.semilogy(roots.index, roots["loss"], label="with penalties")
    axis.semilogy(roots.index, roots["net_loss"], "--", label="without penalties")
    axis.set(title="Training", xlabel="epoch", ylabel="root mean square residual")
    axis.legend()
    return save(figure, path)


def euler_discrepancies(residuals: dict[str, Tensor], path: Path, described: str = "") -> Path:
    """Distribution of log10 |residual|, an axis an equation; what has no logarithm to show is counted in its title.

    Args:
        residuals: by equation, `[n, ...]`.
        described: the states that they are of, for the title.
    """
    shown = list(residuals.items())[:_PANELS]
    title = "\n".join(filter(None, [described, _left_out(len(shown), len(residuals), "equations")]))
    figure, axes = _panels(len(shown), _IN_A_ROW, title)
    for axis, (name, values) in zip(axes, shown, strict=True):
        sizes = values.abs().flatten()
        drawn = sizes[torch.isfinite(sizes) & (sizes >= _ZERO)]
        axis.hist(drawn.log10().cpu().numpy(), bins=60)
        notes = [
            f"not drawn: {100 * n / len(sizes):.2g} % of them, {why}"
            for n, why in (
                (int((sizes < _ZERO).sum()), f"below {_ZERO:g} (zero up to rounding)"),
                (int((~torch.isfinite(sizes)).sum()), "not finite"),
            )
            if n
        ]
        axis.set_title("\n".join([f"Euler discrepancies: {name}", *notes]), fontsize="medium")
        axis.set(xlabel="log10 |residual|", ylabel=f"number, of {len(sizes):,}")
    return save(figure, path)


def paths(run: Trained, path: Path) -> Path | None:
    """Trajectories of the states and definitions that are numbers, over consecutive periods."""
    states = run.simulate(batch=_PATHS, length=_PATH_PERIODS)
    series = {column.name: column.raw(states) for column in run.model.state_columns if not column.shape}
    for name, values in run.definitions(states.flatten(0, 1)).items():
        if values.ndim == 1:
            series[name] = values.view(states.shape[:2])
    shown = list(series.items())[:_PANELS]
    if not shown:
        return None
    start = "newly drawn states" if run.sample.redrawn else "where training ended"
    title = f"{_PATHS} trajectories from {start}"
    left_out = _left_out(len(shown), len(series), "variables")
    in_a_row = -(-len(shown) // 8)
    figure, axes = _panels(len(shown), in_a_row, ", ".join(filter(None, [title, left_out])), 1.7, 7.0)
    length, unit = _until_rest([values for _, values in shown]), units(run.config)
    for axis, (name, values) in zip(axes, shown, strict=True):
        axis.plot(values[:length].cpu().numpy(), linewidth=0.8)
        axis.set_ylabel(_with_unit(name, unit))
        _not_closer_than_rounding(axis, values)
    for axis in axes[-in_a_row:]:
        axis.set_xlabel("period")
    return save(figure, path)


def _until_rest(series: list[Tensor]) -> int:
    """Periods worth drawing of `[periods, trajectories]`: twice as many as pass until nothing moves any more."""
    moving = 0
    for values in series:
        span = float(values.max() - values.min())
        away = ((values - values[-1]).abs() > 0.01 * span + 1e-5 * values.abs()).any(-1)
        moving = max(moving, int(away.nonzero().max()) + 1 if bool(away.any()) else 0)
    return min(len(series[0]), max(2 * moving, 10))


def _not_closer_than_rounding(axis: Any, values: Tensor) -> None:
    """A series that is constant but for rounding is drawn as a level line; the axis shows its level, not an offset."""
    low, high = float(values.min()), float(values.max())
    least = 1e-4 * max(abs(low), abs(high))
    if 0 <= high - low < least:
        axis.set_ylim((low + high) / 2 - least, (low + high) / 2 + least)
    axis.ticklabel_format(axis="y", useOffset=False)


def policies(
    run: Trained, states: Tensor, path: Path, described: str = "", linear: LinearSolution | None = None
) -> Path | None:
    """Policies that are numbers against each state that is one, beside the known answer where the model has one.

    A function of a single state is drawn as a line over the range of the states; else there is a dot for each of 2,000.

    Args:
        states: `[n, n_states]`.
        described: what they are, for the title.
        linear: a linear solution to draw beside them, cut to the bounds.
    """
    columns = [column for column in run.model.state_columns if not column.shape]
    outputs = [column for column in run.model.policy_columns if not column.shape]
    if not columns or not outputs:
        return None
    sample = states[torch.linspace(0, len(states) - 1, min(len(states), 2000)).long()]
    first = columns[0].raw(sample)
    line = sample.shape[-1] == 1 and not run.model.is_discrete(columns[0], first)
    if line:
        sample = torch.linspace(float(first.min()), float(first.max()), 1001).to(sample).unsqueeze(-1)
    values, (kind, known), unit = run.policies(sample), known_answer(run.model, sample), units(run.config)
    first_order = None if linear is None else linear.policies(sample)
    shown = columns[: max(_IN_A_ROW, _PANELS // len(outputs))]
    drawn = outputs[: _PANELS // len(shown)]
    left_out = (_left_out(len(drawn), len(outputs), "policies"), _left_out(len(shown), len(columns), "states"))
    where = f"range of {described}" if line and described else described
    title = "\n".join(filter(None, [where, ", ".join(filter(None, left_out))]))
    pairs = [(output, column) for output in drawn for column in shown]
    figure, axes = _panels(len(pairs), min(len(shown), _IN_A_ROW), title)
    for axis, (output, column) in zip(axes, pairs, strict=True):
        x, y = column.raw(sample).cpu(), output.bounded(values).cpu()
        axis.plot(x, y, "-" if line else ".", markersize=2, label="network")
        if first_order is not None:
            rule = output.bounded(first_order).cpu()
            axis.plot(x, rule, ":" if line else ".", color="tab:orange", markersize=1, label="linear solution")
        if output.name in known:
            axis.plot(x, known[output.name].cpu(), "k--" if line else "k.", markersize=1, label=kind)
        if len(axis.lines) > 1:
            axis.legend(markerscale=4)
        axis.set(xlabel=_with_unit(column.name, unit), ylabel=_with_unit(output.name, unit))
        axis.ticklabel_format(axis="y", useOffset=False)
    return save(figure, path)
