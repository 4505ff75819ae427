"""Figures that every model gets from post-processing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from deqn.analysis.run import Run

_PATHS = 5  # trajectories drawn
_PANELS = 24  # axes of a figure at most: more are neither read nor drawn in seconds
_IN_A_ROW = 6


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG, and as PDF beside it, and frees it; returns the path that was given."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    for file in {path, path.with_suffix(".pdf")}:
        figure.savefig(file, dpi=130, bbox_inches="tight")
    plt.close(figure)
    return path


def new(rows: int = 1, columns: int = 1, height: float = 3.2, width: float = 4.6) -> tuple[Figure, list]:
    """A figure drawn without a screen, and its axes in one list."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained"
    )
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
        figure.suptitle(left_out)
    return figure, axes[:n]


def _left_out(shown: int, total: int, noun: str) -> str:
    """'24 of 400 states', or nothing where all are shown."""
    return f"{shown} of {total} {noun}" if shown < total else ""


def loss_history(run: Run, path: Path) -> Path | None:
    """Root mean square of the residuals by epoch, from the error file."""
    file = run.path / run.config.error_filename
    if not file.is_file():
        return None
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("MSE:")]
    figure, (axis,) = new()
    axis.semilogy(range(1, len(rows) + 1), [float(row[3]) for row in rows], label="with penalties")
    axis.semilogy(range(1, len(rows) + 1), [float(row[7]) for row in rows], "--", label="without penalties")
    axis.set(title="Training", xlabel="epoch", ylabel="root mean square residual")
    axis.legend()
    return save(figure, path)


def euler_discrepancies(residuals: dict[str, Tensor], path: Path) -> Path:
    """Distribution of log10 |residual|, an axis an equation."""
    shown = list(residuals.items())[:_PANELS]
    figure, axes = _panels(len(shown), _IN_A_ROW, _left_out(len(shown), len(residuals), "equations"))
    for axis, (name, values) in zip(axes, shown, strict=True):
        sizes = values.abs().flatten()
        axis.hist(sizes.clamp(min=1e-12).log10().cpu().numpy(), bins=60)
        smaller = ", smaller ones counted at -12" if bool((sizes < 1e-12).any()) else ""
        axis.set(title=f"Euler discrepancies: {name}", xlabel=f"log10 |residual|{smaller}", ylabel="number")
    return save(figure, path)


def paths(run: Run, states: Tensor, path: Path) -> Path | None:
    """Simulated trajectories of the states that are numbers; `states` is `[time, batch, n_states]`."""
    columns = [column for column in run.model.state_columns if not column.shape]
    if not columns or len(states) < 2:
        return None
    shown = columns[:_PANELS]
    in_a_row = -(-len(shown) // 8)
    figure, axes = _panels(len(shown), in_a_row, _left_out(len(shown), len(columns), "states"), width=7.0, height=2.4)
    for axis, column in zip(axes, shown, strict=True):
        axis.plot(column.raw(states)[:, :_PATHS].cpu().numpy(), linewidth=0.8)
        axis.set(
            title=f"{column.name}, {min(_PATHS, states.shape[1])} trajectories", xlabel="period", ylabel=column.name
        )
    return save(figure, path)


def policies(run: Run, states: Tensor, path: Path) -> Path | None:
    """Policies against each state that is a number, on the simulated cloud `[n, n_states]`."""
    columns = [column for column in run.model.state_columns if not column.shape]
    outputs = [column for column in run.model.policy_columns if not column.shape]
    if not columns or not outputs:
        return None
    sample = states[torch.linspace(0, len(states) - 1, min(len(states), 2000)).long()]
    values = run.policies(sample)
    shown = columns[: max(_IN_A_ROW, _PANELS // len(outputs))]
    drawn = outputs[: _PANELS // len(shown)]
    left_out = (_left_out(len(drawn), len(outputs), "policies"), _left_out(len(shown), len(columns), "states"))
    pairs = [(output, column) for output in drawn for column in shown]
    figure, axes = _panels(len(pairs), min(len(shown), _IN_A_ROW), ", ".join(filter(None, left_out)))
    for axis, (output, column) in zip(axes, pairs, strict=True):
        axis.plot(column.raw(sample).cpu(), output.bounded(values).cpu(), ".", markersize=2)
        axis.set(xlabel=column.name, ylabel=output.name, title=f"{output.name} on the simulated states")
    return save(figure, path)
