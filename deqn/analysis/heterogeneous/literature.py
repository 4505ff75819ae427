"""The tests by which the literature judges solutions of economies with heterogeneous households, for any of them.

Patterns: the tables of Den Haan (2010), Comparison of solutions to the incomplete markets model with aggregate uncertainty,
Journal of Economic Dynamics and Control 34(1), 4-27, with shocks of our own; the Bellman error of Han, Yang and E (2021),
DeepHAM, arXiv:2112.14377. What each row is: docs/howto/heterogeneous_agents.md.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path as File

import numpy as np
import torch

from deqn.analysis.heterogeneous import markdown
from deqn.analysis.heterogeneous.bellman import bellman_errors
from deqn.analysis.heterogeneous.economy import NotOffered
from deqn.analysis.heterogeneous.path import KEPT_EVERY, SEED, Path
from deqn.analysis.heterogeneous.statistics import (
    autocorrelation,
    correlation,
    forecast,
    quantiles,
)
from deqn.analysis.run import Run
from deqn.errors import ModelError, suggestion

_MOMENTS = ("mean", "2nd moment", "3rd moment", "4th moment", "5th moment")

Report = dict[str, dict[str, dict[str, float]]]  # section: row: column: value

_NOTES = {  # what a section is, in a sentence
    "wealth": "By idiosyncratic state, averages over periods. Moments 2 to 5 are central, their signed j-th roots, in units of "
    "a. A period is bad if the node of the aggregate shock lies below the middle one, good if above.",
    "one household": "c and a of one household, C, Y and K of the economy.",
    "Euler equation of one household": "In %. Dynamic: two series with the same shocks, of which one takes consumption from the "
    "conditional expectation in every period; errors of a relative to the mean of |a|. Static: each period by itself.",
    "law of motion": "log K' on log K at each node of the shock, fitted to half of the path, iterated alone on the other.",
    "Bellman equation": "In utils, over households on the path.",
}


def literature(run: Run, paths: Mapping[str, Path]) -> Report:
    """Measures, writes den_haan_judd_juillard.json, .md and shocks.csv into `run.output`; returns the measures.

    Args:
        paths: by name of the column, of the economy under different policies, of the same length.
    """
    report: Report = {}
    for name, path in paths.items():
        with run.model.context(), torch.no_grad():
            measured = _measured(path)
        for section, rows in measured.items():
            for row, value in rows.items():
                report.setdefault(section, {}).setdefault(row, {})[name] = value
    _add_published(report, [folder / "published.csv" for folder in (run.path, run.model.folder)])
    first = next(iter(paths.values()))
    about = {"periods": first.periods, "left out before": first.burn_in, "seed": SEED}
    (run.output / "den_haan_judd_juillard.json").write_text(
        json.dumps({"shocks": about} | report, indent=1), encoding="utf-8"
    )
    head = (
        f"# The tests of the literature\n\n{first.periods:,} periods after {first.burn_in:,} that do not count; seed of the "
        f"shocks {SEED}, all of them in shocks.csv.\n"
    )
    parts = [f"\n## {section}\n\n{_NOTES[section]}\n\n{markdown.table(rows)}" for section, rows in report.items()]
    (run.output / "den_haan_judd_juillard.md").write_text(head + "".join(parts), encoding="utf-8")
    shocks = np.stack([np.arange(first.periods), first.counted, first.household["e"]], -1)
    np.savetxt(
        run.output / "shocks.csv", shocks, fmt="%d", delimiter=",", header="period,aggregate,individual", comments=""
    )
    return report


def _measured(path: Path) -> dict[str, dict[str, float]]:
    """Section: row: value."""
    found = {
        "wealth": _wealth(path),
        "one household": _household(path),
        "Euler equation of one household": _euler(path),
    }
    if (path.series["K"] > 0).all():
        found["law of motion"] = forecast(path.series["K"], path.counted)
    try:
        found["Bellman equation"] = bellman_errors(path.economy, path.states, path.counted[::KEPT_EVERY])
    except NotOffered as reason:
        print(f"no Bellman error: {reason}")
    return found


def _wealth(path: Path) -> dict[str, float]:
    shock, wealth = path.counted, path.wealth
    middle = (shock.max() + shock.min()) / 2
    kinds = {"all": shock >= 0, "bad": shock < middle, "good": shock > middle}
    rows: dict[str, float] = {}
    for e, label in enumerate(path.economy.labels):
        for kind, when in kinds.items():
            values = wealth["moments"][when, e].mean(0)
            rows |= {f"{name}, {label}, {kind} periods": float(v) for name, v in zip(_MOMENTS, values, strict=True)}
            for key, name in (("p5", "5th percentile"), ("p10", "10th percentile")):
                rows[f"{name}, {label}, {kind} periods"] = float(wealth[key][when, e].mean())
    return rows


def _household(path: Path) -> dict[str, float]:
    c, a = path.household["c"], path.household["a"]
    growth = np.diff(np.log(c))
    rows = {f"correlation of c with {name}": correlation(c, path.series[name]) for name in "CYK" if name in path.series}
    rows["correlation of c with a"] = correlation(c, a)
    for name, x in (("c", c), ("a", a), ("growth of c", growth)):
        rows |= {f"autocorrelation of {name}, lag {lag}": autocorrelation(x, lag) for lag in (1, 2, 3)}
    for name, x in (("c", c), ("a", a), ("growth of c", growth)):
        rows |= {f"mean of {name}": float(x.mean()), f"standard deviation of {name}": float(x.std())}
    return rows


def _euler(path: Path) -> dict[str, float]:
    h = path.household
    errors = {
        "dynamic, c": np.abs(h["c_other"] / h["c"] - 1),
        "dynamic, a": np.abs(h["a_other"] - h["a"]) / np.abs(h["a"]).mean(),
        "static, c": np.abs(h["c_implied"] / h["c"] - 1),
    }
    found = {name: quantiles(100 * error) for name, error in errors.items()}
    return {
        f"{name}, {text}": x[key] for name, x in found.items() for text, key in (("mean", "mean"), ("largest", "max"))
    }


def _add_published(report: Report, files: list[File]) -> None:
    """Adds columns that were typed in by hand: a CSV with `section`, `row` and a column for each source."""
    for file in files:
        if not file.is_file():
            continue
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        if rows and not {"section", "row"} <= rows[0].keys():
            raise ModelError(
                f"{file}: expected the columns section, row, and one for each source; got {', '.join(rows[0])}."
            )
        problems = []
        for number, row in enumerate(rows, start=2):
            section, name = row.pop("section"), row.pop("row")
            known = report.get(section, {})
            if name not in known:
                names = list(known) if known else list(report)
                problems.append(
                    f"line {number}: no row {name!r} in {section!r}.{suggestion(name if known else section, names)}"
                )
                continue
            known[name] |= {column: float(value) for column, value in row.items() if value}
        if problems:
            raise ModelError(f"{file} has rows that the report has not:", problems)
