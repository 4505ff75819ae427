"""The tests by which the literature judges solutions of economies with heterogeneous households, for any of them.

Patterns: the tables of Den Haan (2010), Comparison of solutions to the incomplete markets model with aggregate uncertainty,
Journal of Economic Dynamics and Control 34(1), 4-27, with shocks of our own; the Bellman error of Han, Yang and E (2021),
DeepHAM, arXiv:2112.14377. What each row is: docs/heterogeneous_agents.md.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deqn.analysis.heterogeneous import markdown
from deqn.analysis.heterogeneous.agent import Household
from deqn.analysis.heterogeneous.bellman import bellman_errors
from deqn.analysis.heterogeneous.economy import Economy, NotOffered, array
from deqn.analysis.heterogeneous.statistics import (
    autocorrelation,
    correlation,
    forecast,
    percentile,
    quantiles,
    wealth_moments,
)
from deqn.analysis.run import Run
from deqn.errors import ModelError, suggestion

PERIODS, BURN_IN, SEED = 10_000, 1_000, 20_101
ASSETS = 43.0  # of the household in the first period, as in Den Haan (2010); mean wealth where the grid has no 43
_EVERY = 10  # periods between the states for the Bellman error
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


def literature(
    run: Run, policies: Mapping[str, Callable[[Tensor], Tensor]], periods: int = 0, burn_in: int = -1
) -> Report:
    """Measures, writes den_haan_judd_juillard.json, .md and shocks.csv into `run.output`; returns the measures.

    Args:
        policies: by name of the column, states `[n, n_states]` -> policies `[n, n_policies]`.
        periods, burn_in: `PERIODS` and `BURN_IN` if not given.

    Raises:
        NotOffered: where the folder lacks what is needed, or the economy is of another kind.
    """
    periods, burn_in = periods or PERIODS, BURN_IN if burn_in < 0 else burn_in
    draws, own_draws = (np.random.default_rng([SEED, i]).random(burn_in * (i == 0) + periods + 1) for i in (0, 1))
    report: Report = {}
    for name, policy in policies.items():
        with run.model.context(), torch.no_grad():
            column = _Column(Economy(run, policy), draws, own_draws, burn_in)
            measured = column.measured()
        for section, rows in measured.items():
            for row, value in rows.items():
                report.setdefault(section, {}).setdefault(row, {})[name] = value
        if name == next(iter(policies)):
            column.save_shocks(run.output / "shocks.csv")
    _add_published(report, [run.path / "published.csv", run.model.folder / "published.csv"])
    about = {"periods": periods, "left out before": burn_in, "seed": SEED}
    (run.output / "den_haan_judd_juillard.json").write_text(
        json.dumps({"shocks": about} | report, indent=1), encoding="utf-8"
    )
    head = (
        f"# The tests of the literature\n\n{periods:,} periods after {burn_in:,} that do not count; seed of the shocks {SEED}, "
        "all of them in shocks.csv.\n"
    )
    parts = [f"\n## {section}\n\n{_NOTES[section]}\n\n{markdown.table(rows)}" for section, rows in report.items()]
    (run.output / "den_haan_judd_juillard.md").write_text(head + "".join(parts), encoding="utf-8")
    return report


class _Column:
    """The measures of one policy, along one path.

    Args:
        draws: of the aggregate shock, `[burn_in + T + 1]`; own_draws: of the household, `[T + 1]`.
    """

    def __init__(self, economy: Economy, draws: np.ndarray, own_draws: np.ndarray, burn_in: int) -> None:
        self.economy, grid = economy, economy.a_grid
        self.notes: list[str] = []
        household: Household | None = None
        parts: dict[str, list[np.ndarray]] = {name: [] for name in ("shock", "K", "C", "Y", "moments", "p5", "p10")}
        kept = []
        for stretch in economy.path(draws, burn_in):
            now = stretch.now
            masses, K = array(economy.distribution(now)), economy.wealth(now)
            c, _ = economy.households(now, stretch.policies)
            found = {
                "shock": stretch.shocks[:-1], "K": K, "C": (masses * c).sum((-2, -1)),
                "moments": wealth_moments(masses, grid), "p5": percentile(masses, grid, 0.05),
                "p10": percentile(masses, grid, 0.10),
            }  # fmt: skip
            if "Y" in economy.model.definition_bounds:
                found["Y"] = array(economy.Definitions.Y(now, stretch.policies))
            for name, values in found.items():
                parts[name].append(values)
            kept.append(now[-stretch.start % _EVERY :: _EVERY])
            if household is None:
                assets = ASSETS if grid[0] < ASSETS < grid[-1] else float(K[0])
                household = Household(economy, assets, economy.nE - 1, own_draws)
            household.live(stretch)
        self.series = {name: np.concatenate(values) for name, values in parts.items() if values}
        self.states = torch.cat(kept)
        assert household is not None  # a path has periods
        self.household = household.series

    def measured(self) -> dict[str, dict[str, float]]:
        """Section: row: value."""
        found = {
            "wealth": self._wealth(),
            "one household": self._household(),
            "Euler equation of one household": self._euler(),
        }
        if (self.series["K"] > 0).all():
            found["law of motion"] = forecast(self.series["K"], self.series["shock"])
        try:
            found["Bellman equation"] = bellman_errors(self.economy, self.states, self.series["shock"][::_EVERY])
        except NotOffered as reason:
            print(f"no Bellman error: {reason}")
        return found

    def _wealth(self) -> dict[str, float]:
        series, middle = self.series, (self.series["shock"].max() + self.series["shock"].min()) / 2
        kinds = {"all": slice(None), "bad": series["shock"] < middle, "good": series["shock"] > middle}
        rows: dict[str, float] = {}
        for e, label in enumerate(self.economy.labels):
            for kind, when in kinds.items():
                values = series["moments"][when, e].mean(0)
                rows |= {f"{name}, {label}, {kind} periods": float(v) for name, v in zip(_MOMENTS, values, strict=True)}
                for key, name in (("p5", "5th percentile"), ("p10", "10th percentile")):
                    rows[f"{name}, {label}, {kind} periods"] = float(series[key][when, e].mean())
        return rows

    def _household(self) -> dict[str, float]:
        c, a = self.household["c"], self.household["a"]
        growth = np.diff(np.log(c))
        rows = {
            f"correlation of c with {name}": correlation(c, self.series[name]) for name in "CYK" if name in self.series
        }
        rows["correlation of c with a"] = correlation(c, a)
        for name, x in (("c", c), ("a", a), ("growth of c", growth)):
            rows |= {f"autocorrelation of {name}, lag {lag}": autocorrelation(x, lag) for lag in (1, 2, 3)}
        for name, x in (("c", c), ("a", a), ("growth of c", growth)):
            rows |= {f"mean of {name}": float(x.mean()), f"standard deviation of {name}": float(x.std())}
        return rows

    def _euler(self) -> dict[str, float]:
        h = self.household
        errors = {
            "dynamic, c": np.abs(h["c_other"] / h["c"] - 1),
            "dynamic, a": np.abs(h["a_other"] - h["a"]) / np.abs(h["a"]).mean(),
            "static, c": np.abs(h["c_implied"] / h["c"] - 1),
        }
        found = {name: quantiles(100 * error) for name, error in errors.items()}
        return {
            f"{name}, {text}": x[key]
            for name, x in found.items()
            for text, key in (("mean", "mean"), ("largest", "max"))
        }

    def save_shocks(self, path: Path) -> None:
        """The node of the aggregate shock and the household's e in each period."""
        rows = np.stack([np.arange(len(self.series["shock"])), self.series["shock"], self.household["e"]], -1)
        np.savetxt(path, rows, fmt="%d", delimiter=",", header="period,aggregate,individual", comments="")


def _add_published(report: Report, files: list[Path]) -> None:
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
