"""Moments of a simulated economy with their standard errors.

Standard errors are those of the delete-one jackknife over trajectories, which are independent of each other after the first
periods: whatever the serial correlation within them.

Source: Efron and Stein (1981), The jackknife estimate of variance, Annals of Statistics 9(3), 586-596.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from deqn.analysis.ergodic import ergodic_states
from deqn.analysis.variables import variables

if TYPE_CHECKING:
    import pandas as pd

    from deqn.analysis.trained import Trained

TRAJECTORIES, PERIODS = 200, 250
COLUMNS = ("mean", "std", "autocorrelation", "skewness")


def moments(
    run: Trained, trajectories: int = TRAJECTORIES, periods: int = PERIODS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Moments of all states, policies and definitions that are numbers, and their correlations.

    Args:
        trajectories, periods: of the simulation, after 200 periods that do not count.

    Returns:
        A row a variable: for each of `mean`, `std`, `autocorrelation` (with the period before) and `skewness` the estimate
        over all trajectories and, in `<name> error`, its standard error; `min`, `max`. And the table of correlations.

    Example:
        table, correlations = run.moments()
    """
    import pandas as pd

    model = run.model
    generator = model.rng.get_state()
    try:
        with model.context(), torch.no_grad():
            states = ergodic_states(run, trajectories)
            names, sums = [], None
            last = None
            for _ in range(periods):
                found = variables(run, states)
                names = [name for _, name in found]
                x = torch.stack(list(found.values()), -1).double().cpu().numpy()  # [trajectories, variables]
                if sums is None:
                    sums = _Sums(x)
                sums.add(x, last)
                last = x
                states = model.step(states)
    finally:
        model.rng.set_state(generator)
    if sums is None or not names:
        return pd.DataFrame(), pd.DataFrame()
    return sums.table(names), pd.DataFrame(sums.correlations(), names, names)


class _Sums:
    """Power sums of each trajectory, around its first value: levels that are large beside their changes lose no digits."""

    def __init__(self, first: np.ndarray) -> None:
        n, k = first.shape
        self.origin = first.mean(0)
        self.powers, self.lagged, self.products = np.zeros((3, n, k)), np.zeros((4, n, k)), np.zeros((k, k))
        self.least, self.most, self.periods = first.min(0), first.max(0), 0

    def add(self, x: np.ndarray, before: np.ndarray | None) -> None:
        self.least, self.most = np.minimum(self.least, x.min(0)), np.maximum(self.most, x.max(0))
        x = x - self.origin
        self.powers += np.stack([x, x**2, x**3])
        self.products += x.T @ x
        self.periods += 1
        if before is not None:
            y = before - self.origin
            self.lagged += np.stack([x * y, x, y, np.ones_like(x)])

    def _estimates(self, powers: np.ndarray, lagged: np.ndarray, n: float) -> np.ndarray:
        """`[len(COLUMNS), *, variables]` from sums over n numbers."""
        mean, square, cube = powers / n
        variance = (square - mean**2).clip(0)
        std = np.sqrt(variance)
        cross, now, then, pairs = lagged
        with np.errstate(divide="ignore", invalid="ignore"):
            auto = (cross / pairs - now / pairs * mean - then / pairs * mean + mean**2) / variance
            skewness = (cube - 3 * mean * square + 2 * mean**3) / std**3
        still = std <= 1e-12 * np.maximum(np.abs(self.origin), 1e-300)
        return np.stack([self.origin + mean, std, np.where(still, np.nan, auto), np.where(still, np.nan, skewness)])

    def table(self, names: list[str]) -> pd.DataFrame:
        import pandas as pd

        n = self.powers.shape[1]
        powers, lagged = self.powers.sum(1), self.lagged.sum(1)
        estimates = self._estimates(powers, lagged, n * self.periods)
        columns: dict[str, np.ndarray] = {}
        errors = np.full_like(estimates, np.nan)
        if n > 1:
            without = self._estimates(
                powers[:, None] - self.powers, lagged[:, None] - self.lagged, (n - 1) * self.periods
            )
            errors = np.sqrt((n - 1) / n * ((without - without.mean(1, keepdims=True)) ** 2).sum(1))
        for name, estimate, error in zip(COLUMNS, estimates, errors, strict=True):
            columns |= {name: estimate, f"{name} error": error}
        return pd.DataFrame(columns | {"min": self.least, "max": self.most}, index=pd.Index(names, name="variable"))

    def correlations(self) -> np.ndarray:
        n = self.powers.shape[1] * self.periods
        mean = self.powers[0].sum(0) / n
        covariance = self.products / n - np.outer(mean, mean)
        std = np.sqrt(covariance.diagonal().clip(0))
        with np.errstate(divide="ignore", invalid="ignore"):
            return covariance / np.outer(std, std)
