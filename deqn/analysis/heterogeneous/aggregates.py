"""The aggregates of a long path: tables of the series and of their moments, and a figure of the cycle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from deqn.analysis import figures
from deqn.analysis.heterogeneous.economy import Economy, array
from deqn.analysis.heterogeneous.path import Path
from deqn.analysis.heterogeneous.statistics import autocorrelation, correlation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 200  # periods of the path whose cycle is drawn
_REAL = ("K", "C", "Y", "I")  # quantities, of which logs are taken where they are positive
_INEQUALITY = {"gini": "Gini of wealth", "top_10": "share of the top 10 %", "top_1": "share of the top 1 %"}


def save(path: Path) -> str:
    """Writes aggregates.csv and .png, aggregate_moments.csv and euler_errors_by_wealth.png into the run's output; a line."""
    economy, output = path.economy, path.economy.run.output
    pd.DataFrame(path.series).to_csv(output / "aggregates.csv", index_label="period", float_format="%.9g")
    found = pd.Series(moments(path.series, path.inequality))
    found.to_csv(output / "aggregate_moments.csv", header=["value"], index_label="moment")
    figures.save(draw(path.series), output / "aggregates.png")
    errors = draw_errors_by_wealth(economy)
    if errors is not None:
        figures.save(errors, output / "euler_errors_by_wealth.png")
    return (
        f"one economy over {path.periods:,} periods after {path.burn_in:,} (aggregates.csv, .png, aggregate_moments.csv): mean K "
        f"{found['mean K']:.3f}"
    )


def moments(series: Mapping[str, np.ndarray], inequality: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Moments of the aggregates `[T]`, and means of what measures inequality."""
    real = {name: series[name] for name in _REAL if name in series}
    logs = {name: np.log(x) for name, x in real.items() if (x > 0).all()}
    result = {f"mean {name}": x.mean() for name, x in (real | ({"r": series["r"]} if "r" in series else {})).items()}
    result |= {f"std log {name}": x.std() for name, x in logs.items()}
    result |= {f"autocorrelation log {name}": autocorrelation(x) for name, x in logs.items()}
    if "Y" in real:
        result |= {
            f"correlation of {name} with Y": correlation(x, real["Y"]) for name, x in real.items() if name != "Y"
        }
    result["share at the borrowing limit"] = series["at_limit"].mean()
    result |= {text: inequality[name].mean() for name, text in _INEQUALITY.items() if name in inequality}
    if "mass" in series:
        result["largest |total mass - 1|"] = np.abs(series["mass"] - 1).max()
    if "mass_at_top" in series:
        result["largest mass at the last node"] = series["mass_at_top"].max()
    return {name: float(value) for name, value in result.items()}


def draw(series: Mapping[str, np.ndarray]) -> Figure:
    """Mean wealth over the whole path; and the cycle in its last periods, in per cent of the means over the whole."""
    figure, (top, bottom) = figures.new(rows=2, width=8.0, height=2.8)
    top.plot(series["K"], linewidth=0.8)
    top.set_title(f"K of one economy over {len(series['K']):,} periods: mean {series['K'].mean():.3f}")
    top.set(xlabel="period", ylabel="K [goods]")
    periods = range(max(0, len(series["K"]) - _SHOWN), len(series["K"]))
    for name in ("I", "Y", "C", "K"):
        if name in series and (series[name] > 0).all():
            distance = 100 * (series[name] / series[name].mean() - 1)
            bottom.plot(periods, distance[-_SHOWN:], linewidth=1.0, label=name)
    bottom.set(title=f"The last {len(periods)} of them", xlabel="period", ylabel="distance from the mean [%]")
    bottom.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def euler_residuals(economy: Economy, states: torch.Tensor) -> np.ndarray | None:
    """|residual| of the equation that has the histogram's shape, `[n, nE, nA]`; None where there is none."""
    shape = (economy.nE, economy.nA)
    return next((array(r.abs()) for r in economy.run.residuals(states).values() if r.shape[1:] == shape), None)


def draw_errors_by_wealth(economy: Economy) -> Figure | None:
    """Mean and largest Euler error over the simulated states, at each node; nothing where it is zero."""
    run = economy.run
    errors = euler_residuals(economy, run.cloud())
    if errors is None:
        return None
    figure, axes = figures.new(columns=economy.nE)
    figure.suptitle(f"Euler errors, {run.sample.name}: {run.sample}")
    for e, axis in enumerate(axes):
        for label, values, width in (("mean", errors[:, e].mean(0), 1.5), ("largest", errors[:, e].max(0), 0.8)):
            axis.semilogy(economy.a_grid, np.where(values > 0, values, np.nan), linewidth=width, label=label)
        axis.set(title=economy.labels[e], xlabel="assets a [goods]", ylabel="|residual|")
        axis.legend()
    return figure
