"""What training does where it cannot go on: it goes back, or says what to try."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deqn.configuration.schema import Config
from deqn.errors import TrainingError, shared
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.processes.comm import Comm
from deqn.training.least_squares import Stuck
from deqn.training.saving import Saver
from deqn.training.train_state import Rollbacks, TrainState

_RETURNS = 3  # from least squares to a first-order phase


class GoingBack:
    """Puts a state of training back to an earlier one.

    Args:
        say: shows a remark to the user.

    Attributes:
        beginning: the payload from before the first episode of this start, where training may go back.
    """

    def __init__(
        self, config: Config, state: TrainState, saver: Saver, comm: Comm, say: Callable[[str], None]
    ) -> None:  # fmt: skip
        self._config, self._state, self._saver, self._comm, self._say = config, state, saver, comm, say
        self.beginning: dict[str, Any] | None = None

    def back_to_gradients(self, good: dict[str, Any], error: Stuck) -> dict[str, Any]:
        """Takes a first-order phase once more where least squares find no way on; the payload of that moment.

        Raises:
            TrainingError: where there is no such phase, or it has been tried often enough.
        """
        state, phases = self._state, self._config.optimizer.phases
        earlier = [
            i for i in range(min(state.phase, len(phases))) if phases[i].optimizer != LevenbergMarquardt.__name__
        ]
        if not earlier or state.returns >= _RETURNS:
            raise self.advise(error, good["episode"]) from error
        state.restore(good)
        state.returns += 1
        state.enter(earlier[-1])
        self._say(f"{error}.\n  Phase {earlier[-1] + 1} ({phases[earlier[-1]].optimizer}) is taken once more.")
        return self._saver.payload()

    def may_roll_back(self, error: TrainingError) -> bool:
        everywhere = error.shared or self._comm.size == 1
        config = self._config
        return config.on_nonfinite == "rollback" and everywhere and self._state.rollbacks.n < config.rollback_limit

    def roll_back(self, good: dict[str, Any], error: TrainingError) -> dict[str, Any]:
        """Goes back to the last good episode and on with a smaller learning rate; the payload of that moment.

        A network can be past saving episodes before a number overflows: as long as training does not get beyond the episode
        that failed before, it goes back twice as far each time.
        """
        before, failed = self._state.rollbacks, good["episode"] + 1
        target = good
        if failed <= before.failed:
            far = 2 * (before.failed - before.target)
            target = self._saver.up_to(before.failed - far) or self.beginning or good
        rollbacks = Rollbacks(
            before.n + 1, before.factor * self._config.rollback_factor, max(failed, before.failed), target["episode"]
        )
        self._state.roll_back(target, rollbacks)
        self._saver.set_aside()
        payload = self._saver.payload()
        self._saver.save(payload, again=True)  # what is resumed after a kill is on this path
        rate = float(self._state.optimizer.param_groups[0]["lr"])
        self._say(
            f"{error}\n  Back to the end of episode {self._state.episode}, and on with learning rate {rate:.3g} (rollback "
            f"{rollbacks.n} of {self._config.rollback_limit})."
        )
        return payload

    def advise(self, error: TrainingError, episode: int) -> TrainingError:
        kept = (
            f"Kept ckpt-{episode}." if self._saver.checkpoints is not None else f"The last good episode is {episode}."
        )
        if self._state.rollbacks.n:
            kept += f" Going back {self._state.rollbacks.n} times did not help."
        advice = TrainingError(
            f"{error}\n  {kept} Try: a smaller optimizer.learning_rate, optimizer.clipvalue, or bounds in the YAML on what "
            "must stay positive."
        )
        return shared(advice) if error.shared else advice
