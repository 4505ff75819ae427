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


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG and frees it."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, bbox_inches="tight")
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
    figure, axes = new(columns=len(residuals))
    for axis, (name, values) in zip(axes, residuals.items(), strict=True):
        axis.hist(values.abs().flatten().clamp(min=1e-12).log10().cpu().numpy(), bins=60)
        axis.set(title=f"Euler discrepancies: {name}", xlabel="log10 |residual|", ylabel="number")
    return save(figure, path)


def paths(run: Run, states: Tensor, path: Path) -> Path | None:
    """Simulated trajectories of the states that are numbers; `states` is `[time, batch, n_states]`."""
    columns = [column for column in run.model.state_columns if not column.shape]
    if not columns or len(states) < 2:
        return None
    figure, axes = new(rows=len(columns), width=7.0, height=2.4)
    for axis, column in zip(axes, columns, strict=True):
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
    figure, axes = new(rows=len(outputs), columns=len(columns))
    for i, output in enumerate(outputs):
        for j, column in enumerate(columns):
            axis = axes[i * len(columns) + j]
            axis.plot(column.raw(sample).cpu(), output.bounded(values).cpu(), ".", markersize=2)
            axis.set(xlabel=column.name, ylabel=output.name, title=f"{output.name} on the simulated states")
    return save(figure, path)
