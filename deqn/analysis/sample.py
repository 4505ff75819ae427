"""On which simulated states a run is measured: how many, how far apart, and what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deqn.economy.model import Model

_PERIODS = 1_000  # of the ergodic cloud: a state that forgets a tenth of itself in ten periods is drawn a hundred times
_STATES = 10_000
_ENTRIES = 2_000_000  # of states and policies, which the tables hold
_KEPT = 10  # periods of each trajectory at least


@dataclass(frozen=True)
class Sample:
    """The size of a simulation.

    Attributes:
        batch: trajectories.
        length: periods of each trajectory that are kept.
        every: periods from one that is kept to the next.
        redrawn: whether the trajectories start from the distributions of the YAML file, and not where training ended.
        box_share: of the states of training, `run.box_share`; of these states, none.
    """

    batch: int
    length: int
    every: int
    redrawn: bool
    box_share: float = 0.0

    @property
    def name(self) -> str:
        """What the states are: newly drawn ones are no ergodic cloud."""
        if not self.redrawn:
            return "ergodic cloud"
        return "initial states" if self.length == 1 else "from initial states"

    def __str__(self) -> str:
        """'9,984 states of 128 trajectories x 1,002 periods, one in 13 kept'."""
        if self.length == 1:
            return f"{self.batch:,} states"
        trajectories = "trajectory" if self.batch == 1 else "trajectories"
        kept = f", one in {self.every} kept" if self.every > 1 else ""
        periods = f"{self.length * self.every:,} periods"
        box = (
            f"; none from the box, where training drew {100 * self.box_share:g} % of each minibatch"
            if self.box_share
            else ""
        )
        return f"{self.batch * self.length:,} states of {self.batch:,} {trajectories} x {periods}{kept}{box}"


def sample(model: Model, batch: int | None = None, length: int | None = None) -> Sample:
    """The sample of a given size, and otherwise of that of `N_simulated_batch_size` and `N_simulated_episode_length`.

    Where neither says how many periods, it has about 10,000 states (fewer of states with many entries). If each episode draws
    new states, these are such episodes. If not, they are evenly spaced over at least 1,000 periods after training, so that the
    tails of the ergodic distribution are there.
    """
    settings, redrawn = model.config, model.config.redraw
    batch = batch or settings.N_simulated_batch_size
    length = length or settings.N_simulated_episode_length
    trajectories, share = settings.run.N_sim_batch, settings.run.box_share
    if length is not None:
        return Sample(batch or trajectories, length, 1, redrawn, share)
    n = min(_STATES, max(_ENTRIES // (model.n_states + model.n_policies), 100))
    if redrawn:
        length = settings.run.N_episode_length
        return Sample(batch or max(trajectories, n // length), length, 1, redrawn, share)
    batch = batch or min(trajectories, n // _KEPT)
    length = max(n // batch, 1)
    return Sample(batch, length, -(-_PERIODS // length), redrawn, share)
