"""How large residuals are on many states: by equation, by entry of an equation, and for the mass of agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deqn.economy.model import Model

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_ONE = 1e-3  # how far a histogram's sum may be from one


def accuracy(model: Model, states: Tensor, residuals: Mapping[str, Tensor]) -> pd.DataFrame:
    """Absolute residuals at states `[n, n_states]`: a row an equation, and one for all of them; see `Run.accuracy`.

    An equation with a shape has two more rows: its entry with the largest mean, and, where a state of the same shape is a
    histogram (no entry negative, the sum one), the residuals weighted by its mass.

    Args:
        residuals: by equation `[n, *shape]`.
    """
    sizes = {name: r.abs().double() for name, r in residuals.items()}
    rows: dict[str, dict[str, float]] = {}
    for name, size in sizes.items():
        _add(rows, name, size)
        if size.ndim > 1 and size[0].numel() > 1:
            entries = size.flatten(1)
            worst = int(entries.nanmean(0).nan_to_num(-1.0).argmax())
            _add(rows, f"{name}{_index(size, worst)}, largest", entries[:, worst])
            for column in model.state_columns:
                mass = column.raw(states).reshape(len(states), -1).double() if column.shape == size.shape[1:] else None
                if mass is not None and bool((mass >= 0).all()) and bool(((mass.sum(1) - 1).abs() < _ONE).all()):
                    _add(rows, f"{name}, weighted by {column.name}", size, mass)
    if len(sizes) > 1:
        _add(rows, "all", torch.cat([size.flatten() for size in sizes.values()]))
    return _data_frame(rows)


def accuracy_by_entry(residuals: Mapping[str, Tensor]) -> pd.DataFrame:
    """The same figures with a row for each entry of each equation: `euler[0]`, `euler[1]`, ...

    Args:
        residuals: by equation `[n, *shape]`.
    """
    rows: dict[str, dict[str, float]] = {}
    for name, residual in residuals.items():
        entries = residual.abs().double().reshape(len(residual), -1)
        for i in range(entries.shape[1]):
            _add(rows, f"{name}{_index(residual, i)}", entries[:, i])
    return _data_frame(rows)


def accuracy_table(frame: pd.DataFrame, title: str = "Absolute Euler discrepancies on simulated states") -> Table:
    """`Run.accuracy` for a terminal of 80 columns: for each row its figures, and their log10 below them."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_edge=False)
    figures = ["mean", *_QUANTILES, "max"]
    for heading in (*frame.index.names, "", *figures):
        table.add_column(str(heading), no_wrap=heading in figures)
    for index, row in frame.iterrows():
        labels = [str(label) for label in (index if isinstance(index, tuple) else (index,))]
        table.add_row(*labels, "", *(f"{row[name]:.1e}" for name in figures))
        table.add_row(*[""] * len(labels), "log10", *(f"{row[f'log10 {name}']:.2f}" for name in figures))
    return table


def _index(values: Tensor, entry: int) -> str:
    """`[2,3]` of an entry of `[n, *shape]`; nothing for a number."""
    if values.ndim == 1:
        return ""
    return str([int(i) for i in torch.unravel_index(torch.tensor(entry), values.shape[1:])]).replace(" ", "")


def _add(rows: dict[str, dict[str, float]], name: str, sizes: Tensor, mass: Tensor | None = None) -> None:
    """What is not finite is left out, and counted in the row's name."""
    every = sizes.flatten()
    finite = torch.isfinite(every)
    lost = int((~finite).sum())
    weights = None if mass is None else mass.flatten()[finite]
    rows[f"{name} ({lost} of {len(every)} not finite)" if lost else name] = _summary(every[finite], weights)


def _summary(values: Tensor, weights: Tensor | None) -> dict[str, float]:
    """Mean, quantiles and maximum of absolute residuals `[n]`, and their logarithms; weighted, of those that weigh anything."""
    if weights is not None:
        values, weights = values[weights > 0], weights[weights > 0]
    if not len(values):
        values, weights = values.new_full([1], torch.nan), None
    ordered, order = values.sort()
    if weights is None:
        places = {label: min(int(q * len(ordered)), len(ordered) - 1) for label, q in _QUANTILES.items()}
        share = torch.full_like(values, 1 / len(values))
    else:
        share = weights / weights.sum()
        reached = share[order].cumsum(0)
        places = {label: min(int(torch.searchsorted(reached, q)), len(ordered) - 1) for label, q in _QUANTILES.items()}
    row = {"mean": float(share @ values)} if weights is not None else {"mean": float(values.mean())}
    row |= {label: float(ordered[place]) for label, place in places.items()} | {"max": float(ordered[-1])}
    logs = {f"log10 {label}": _log10(row[label]) for label in (*_QUANTILES, "max")}
    return row | {"log10 mean": float(share @ values.clamp(min=1e-16).log10())} | logs


def _log10(x: float) -> float:
    return float(torch.tensor(max(x, 1e-16), dtype=torch.float64).log10())


def _data_frame(rows: dict[str, dict[str, float]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("equation")
