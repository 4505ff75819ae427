"""Runs of one economy side by side: policies at common states, paths on common shocks, residuals, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deqn.analysis.trained import Trained
from deqn.analysis.variables import policies_by_name, variables
from deqn.disk.run_folder import RunFolder
from deqn.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

STATES = 2_000  # of each run
PATHS, PERIODS = 20, 200
SEED = 20_240_101
_LEAST = 1e-12


@dataclass(frozen=True)
class Comparison:
    """What differs from the first run.

    Attributes:
        runs: a row a run: episodes, seconds, seed, mean and largest |residual| on its own states, what is known of it.
        differences: a row for each later run and variable: `policies` and definitions at the states of all runs, mean and
            largest difference relative to the variable's mean size; `path`, the largest difference along common shocks, in the
            same unit.
    """

    runs: pd.DataFrame
    differences: pd.DataFrame

    @property
    def largest(self) -> float:
        """Largest mean difference of any variable."""
        return float(self.differences["mean"].max()) if len(self.differences) else 0.0


def compare(runs: Sequence[Trained], names: Sequence[str]) -> Comparison:
    """Holds every run against the first.

    Args:
        runs: at least two, with the same states.
        names: what they are called.

    Raises:
        ConfigError: where the states are not the same.

    Example:
        compare([deqn.load_run("runs/first"), deqn.load_run("runs/second")], ["first", "second"]).differences
    """
    import pandas as pd

    first = runs[0]
    for run, name in zip(runs[1:], names[1:], strict=True):
        own, others = _states(first), _states(run)
        if own != others:
            raise ConfigError(
                f"{names[0]} has the states {_listed(own)}, {name} has {_listed(others)}: runs of one economy can be compared."
            )
    common = torch.cat([_some(run).double().cpu() for run in runs])
    values = [_values(run, common.to(run.starting_state)) for run in runs]
    paths = [_path(run, first.starting_state) for run in runs]
    rows = []
    for i in range(1, len(runs)):
        for name, x in values[0].items():
            y = values[i].get(name)
            if y is None or y.shape != x.shape:
                continue
            size = x.abs().mean().clamp(min=_LEAST)
            away = (y - x).abs() / size
            row = {"run": names[i], "variable": name, "mean": float(away.mean()), "largest": float(away.max())}
            if name in paths[0] and name in paths[i]:
                row["path"] = float((paths[i][name] - paths[0][name]).abs().max() / size)
            rows.append(row)
    table = pd.DataFrame([_about(run) for run in runs], index=pd.Index(names, name="run"))
    return Comparison(table, pd.DataFrame(rows, columns=["run", "variable", "mean", "largest", "path"]))


def _states(run: Trained) -> dict[str, tuple[int, ...]]:
    return {column.name: column.shape for column in run.model.state_columns}


def _listed(states: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name}{list(shape) if shape else ''}" for name, shape in states.items())


def _some(run: Trained) -> Tensor:
    cloud = run.cloud()
    return cloud[torch.linspace(0, len(cloud) - 1, min(STATES, len(cloud)), device=cloud.device).long()]


def _values(run: Trained, states: Tensor) -> dict[str, Tensor]:
    """Policies and definitions, float64, on the CPU: by name `[n, *shape]`."""
    found = policies_by_name(run, states) | run.definitions(states)
    return {name: value.double().cpu() for name, value in found.items()}


def _path(run: Trained, start: Tensor) -> dict[str, Tensor]:
    """Variables that are numbers, `[periods, trajectories]`, from common states with common shocks."""
    model = run.model
    generator = model.rng.get_state()
    states = start[torch.arange(PATHS) % len(start)].to(run.starting_state)
    found: dict[str, list[Tensor]] = {}
    try:
        model.rng.seed(SEED)
        for _ in range(PERIODS):
            states = model.step(states)
            for (_, name), value in variables(run, states).items():
                found.setdefault(name, []).append(value.double().cpu())
    finally:
        model.rng.set_state(generator)
    return {name: torch.stack(values) for name, values in found.items()}


def _about(run: Trained) -> dict[str, object]:
    """A row of the table of runs."""
    record = RunFolder(run.path).read()
    verdict = record.get("verdict") or {}
    residuals = torch.cat([value.abs().flatten() for value in run.residuals(_some(run)).values()])
    return {
        "episodes": run.episode, "seconds": record.get("seconds"), "seed": run.config.seed,
        "mean residual": float(residuals.mean()), "largest residual": float(residuals.max()),
        "verdict": "ok" if verdict.get("ok") else "findings" if verdict else "unknown",
    }  # fmt: skip
