"""A long path of an economy with a histogram of households, simulated once for all that is measured along it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from deqn.analysis.heterogeneous.agent import Household
from deqn.analysis.heterogeneous.economy import Economy, Stretch, array
from deqn.analysis.heterogeneous.statistics import percentile, wealth_moments
from deqn.numerics import histogram

PERIODS, BURN_IN, SEED = 10_000, 1_000, 20_101
KEPT_EVERY = 10  # periods from one state that is kept to the next
ASSETS = 43.0  # of the household in the first period, as in Den Haan (2010); mean wealth where the grid has no 43
INEQUALITY = ("gini", "top_10", "top_1")


class Path:
    """The economy from an initial state on, and one household in it.

    Args:
        economy: under its policy.
        periods, burn_in: `PERIODS` and `BURN_IN` if not given. The first `burn_in` periods do not count.

    Attributes:
        shocks: `[burn_in + T]`, the node of the aggregate shock in each period.
        series: by name `[T]`: K (`Economy.summary`), consumption C, at_limit, mass and mass_at_top of the histogram, and the
            definitions that are numbers.
        wealth: by name, of each row e `[T, nE, ...]`: moments (five), p5 and p10.
        household: the series of `Household`, `[T]`.
        states: `[T / KEPT_EVERY, n_states]`; inequality: by name `[T / KEPT_EVERY]`, empty where assets may be negative.
    """

    def __init__(self, economy: Economy, periods: int | None = None, burn_in: int | None = None) -> None:
        self.economy = economy
        self.periods = PERIODS if periods is None else periods
        self.burn_in = BURN_IN if burn_in is None else burn_in
        model, grid = economy.model, economy.a_grid
        draws = np.random.default_rng(SEED).random(self.burn_in + self.periods + 1)
        with model.context(), torch.no_grad():
            inside = grid[0] < ASSETS < grid[-1]
            assets = ASSETS if inside else float(economy.wealth(economy.start)[0])
            own_draws = np.random.default_rng([SEED, 1]).random(self.periods + 1)
            household = Household(economy, assets, economy.nE - 1, own_draws)
            shocks, parts, wealth, kept = [], [], [], []
            for stretch in economy.path(draws, self.burn_in):
                shocks.append(stretch.shocks[:-1])
                if stretch.start < 0:
                    continue
                parts.append(self._series(stretch))
                wealth.append(self._wealth(stretch))
                kept.append(stretch.now[-stretch.start % KEPT_EVERY :: KEPT_EVERY])
                household.live(stretch)
            self.shocks, self.states = np.concatenate(shocks), torch.cat(kept)
            self.series, self.wealth = _joined(parts), _joined(wealth)
            self.household = household.series
            self.inequality = inequality(economy.distribution(self.states), torch.as_tensor(grid))

    @property
    def counted(self) -> np.ndarray:
        """The shocks of the periods that count: `[T]`."""
        return self.shocks[self.burn_in :]

    def _series(self, stretch: Stretch) -> dict[str, np.ndarray]:
        economy, now = self.economy, stretch.now
        found = {}
        for name in economy.model.definition_bounds:
            value = array(torch.as_tensor(getattr(economy.Definitions, name)(now, stretch.policies)))
            if value.ndim < 2:
                found[name] = np.broadcast_to(value, len(now))
        masses = array(economy.distribution(now))
        c, _ = economy.households(now, stretch.policies)
        return found | {
            "K": economy.summary(now), "C": (masses * c).sum((-2, -1)), "at_limit": masses[..., 0].sum(-1),
            "mass": masses.sum((-2, -1)), "mass_at_top": masses[..., -1].sum(-1),
        }  # fmt: skip

    def _wealth(self, stretch: Stretch) -> dict[str, np.ndarray]:
        masses, grid = array(self.economy.distribution(stretch.now)), self.economy.a_grid
        return {"moments": wealth_moments(masses, grid), "p5": percentile(masses, grid, 0.05),
                "p10": percentile(masses, grid, 0.10)}  # fmt: skip


def inequality(masses: Tensor, grid: Tensor) -> dict[str, np.ndarray]:
    """`INEQUALITY` of masses `[n, nE, nA]`; empty where assets may be negative."""
    if float(grid[0]) < 0:
        return {}
    masses, grid = masses.double().cpu(), grid.double().cpu()
    values = [histogram.gini(masses, grid), *(histogram.top_share(masses, grid, top) for top in (0.1, 0.01))]
    return {name: array(value) for name, value in zip(INEQUALITY, values, strict=True)}


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
