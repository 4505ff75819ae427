"""How accurate the network is on fresh states while it is trained: for the best checkpoint, and for an earlier end."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from deqn.disk.checkpoint import BEST
from deqn.economy.model import Model
from deqn.errors import count
from deqn.processes.comm import Comm
from deqn.training import simulate
from deqn.training.record import Record
from deqn.training.train_state import TrainState

_SEED = 20_221_107  # of all runs, so that they can be compared; training draws from the run's own
_KEPT = 10  # periods of a trajectory


class FreshStates:
    """The residuals on states that training does not see.

    Starts and shocks are the same at each measurement and in each run of a model; the economy moves from them under the present
    network. Only the first process measures.
    """

    def __init__(self, model: Model, comm: Comm) -> None:
        self._model, self._comm, self._settings = model, comm, model.config.run.accuracy

    def after_episode(self, state: TrainState, record: Record) -> None:
        """Measures where it is due, and notes the mean and the largest |residual| in the state and in the episode's record.

        They are over all equations, and infinite where one is no number. After the last episode it is always measured.
        """
        every = self._settings.every
        if every is None or (state.episode % every and state.episode != self._model.config.run.N_episodes):
            return
        mean, largest = self._comm.first(lambda: self._residuals(state))
        state.measured.append((state.episode, mean, largest))
        record.measured = [*state.measured]
        record.scalars |= {"fresh_mean_residual": mean, "fresh_max_residual": largest}

    def is_best(self, state: TrainState, kept: int | None) -> bool:
        """Whether the network was just measured and is the one to keep.

        Args:
            kept: the episode of the one that is kept; where it was not measured on this path, it was lost or is of another one.
        """
        measured = {episode: mean for episode, mean, _ in state.measured}
        mean = measured.get(state.episode, math.inf)
        return math.isfinite(mean) and (kept not in measured or mean < measured[kept])

    def is_over(self, state: TrainState) -> bool:
        """Whether nothing was gained for as long as `run.accuracy.patience` allows."""
        patience = self._settings.patience
        return patience is not None and self._without_gain(state) >= patience

    def _without_gain(self, state: TrainState) -> int:
        """How many measurements there are since the last one that was a gain."""
        best, since = math.inf, 0
        for _, mean, _ in state.measured:
            gain = mean < (1 - self._settings.min_gain) * best
            best, since = (mean, 0) if gain else (best, since + 1)
        return since

    def closing_lines(self, state: TrainState, kept: int | None) -> list[str]:
        """Why training ends early, if it does, and which network is kept as the best one."""
        measured, lines = {episode: mean for episode, mean, _ in state.measured}, []
        if self.is_over(state):
            n = count(self._without_gain(state), "measurement")
            lines.append(
                f"training ends after episode {state.episode}: in {n} the mean |residual| on fresh states has not fallen by "
                f"{100 * self._settings.min_gain:g} %."
            )
        if kept in measured and kept != state.episode:
            now = f", {measured[state.episode]:.1e} in the last one" if state.episode in measured else ""
            lines.append(
                f"most accurate on fresh states: the network after episode {kept} (mean |residual| {measured[kept]:.1e}{now}). "
                f"STARTING_POINT={BEST} takes it."
            )
        return lines

    def _residuals(self, state: TrainState) -> tuple[float, float]:
        model, total, largest, n = self._model, 0.0, 0.0, 0
        with state.untouched_generators(), torch.no_grad():
            model.rng.seed(_SEED)
            for states in self._states().split(model.config.run.N_minibatch_size):
                for residual in model.equations(states, model.policy(states)).values():
                    size = residual.abs().double()
                    total, n = total + float(size.sum()), n + size.numel()
                    largest = max(largest, float(size.max().nan_to_num(math.inf)))
        mean = total / n
        return (mean, largest) if math.isfinite(mean) and math.isfinite(largest) else (math.inf, math.inf)

    def _states(self) -> Tensor:
        """`[about N_states, n_states]`: those of the last `_KEPT` of evenly spaced periods, or of whole episodes."""
        model, config = self._model, self._model.config
        whole = config.redraw or not config.stationary
        kept = config.run.N_episode_length if whole else min(_KEPT, self._settings.N_periods)
        every = 1 if whole else self._settings.N_periods // kept

        def step(states: Tensor) -> Tensor:
            for _ in range(every):
                states = model.step(states)
            return states

        start = model.initial_states(-(-self._settings.N_states // kept))
        return simulate.episode(step, start if whole else step(start), kept)[0].flatten(0, 1)
