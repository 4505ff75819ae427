"""The study of a sweep: which trials there are and what they found, in SQLite, by Optuna.

Nothing in it depends on time: killed and started again, a sweep goes on as it would have done.

Source: Akiba, Sano, Yanase, Ohta and Koyama (2019), "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from deqn.configuration.space import Space
from deqn.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FILE = "study.db"
_NAME = "deqn"
_SEED = "seed"
_PRUNED = "pruned"  # user attribute: after which episode
_BEFORE_PRUNING = 5  # trials that are trained to their end


class Trial:
    """One job of the study.

    Attributes:
        number: from 0.
        overrides: key -> value, as one types it.
    """

    def __init__(self, study: Study, trial: Any) -> None:
        self._study, self._trial = study, trial
        self.number: int = trial.number
        self.overrides: dict[str, str] = study.point_of(trial)
        self._reported = {*study.frozen(self.number).intermediate_values}
        if self._reported:  # it may have been killed between the two
            self._prune(max(self._reported))

    @property
    def pruned(self) -> int | None:
        """After which episode it was given up."""
        return self._trial.user_attrs.get(_PRUNED)

    def report(self, episode: int, residual: float) -> None:
        """Notes the accuracy after an episode, and whether the trial is given up there."""
        if self.pruned is not None or episode in self._reported:
            return
        self._reported.add(episode)
        self._trial.report(residual, episode)
        self._prune(episode)

    def _prune(self, episode: int) -> None:
        if self._study.prune and self.pruned is None and self._study.is_behind(self.number, episode):
            self._trial.set_user_attr(_PRUNED, episode)

    def tell(self, residual: float | None) -> None:
        """Ends it: with the mean |residual| that it reached, or None where it failed."""
        states = self._study.optuna.trial.TrialState
        if self.pruned is not None:
            self._study.study.tell(self._trial, state=states.PRUNED)
        elif residual is None or not math.isfinite(residual):
            self._study.study.tell(self._trial, state=states.FAIL)
        else:
            self._study.study.tell(self._trial, residual)


class Study:
    """The trials of a sweep.

    Args:
        folder: that of the sweep.
        space: what is swept.
        draws: combinations drawn from the space, each with every seed; None: all combinations are trained.
        prune: whether trials are given up that are less accurate than the median of those before.
        episodes: of a run; in the first fifth of them nothing is given up.
        together: trials of a round. Where trials depend on those before, those are the earlier rounds.

    Attributes:
        n_trials: in all.
    """

    def __init__(
        self, folder: Path, space: Space, draws: int | None = None, prune: bool = False, episodes: int = 1,
        together: int = 1,
    ) -> None:  # fmt: skip
        self.optuna = optuna = _optuna()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self.space, self.prune, self._together = space, prune, together
        self._seeds = [] if draws is None else [*space.choices.get(_SEED, [])]
        self._points = space.grid() if draws is None else []
        self.n_trials = len(self._points) if draws is None else draws * max(1, len(self._seeds))
        self._in_rounds = prune or draws is not None
        self._spared = episodes // 5
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{folder / FILE}")
            self.study = optuna.create_study(
                storage=storage, study_name=_NAME, direction="minimize", load_if_exists=True
            )
        except Exception as error:  # SQLAlchemy's, of a file that is no database
            raise CheckpointError(f"{folder / FILE} cannot be read: {' '.join(str(error).split())[:200]}") from error

    def frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def is_behind(self, number: int, episode: int) -> bool:
        """Whether the best that a trial has reached is worse than the median of the others after the same episode.

        Optuna's MedianPruner, but the others are completed trials of earlier rounds: who is faster in a round decides nothing.
        """
        own = self.frozen(number).intermediate_values
        first = number // self._together * self._together
        complete = self.optuna.trial.TrialState.COMPLETE
        before = [t for t in self.study.get_trials(deepcopy=False) if t.number < first and t.state == complete]
        others = [t.intermediate_values[episode] for t in before if episode in t.intermediate_values]
        if len(before) < _BEFORE_PRUNING or episode < self._spared or not others:
            return False
        return min(value for at, value in own.items() if at <= episode) > median(others)

    def point_of(self, trial: Any) -> dict[str, str]:
        """Key -> value of a trial, as one types it; what it does not have yet is drawn."""
        for key, values in self.space.choices.items():
            trial.suggest_categorical(key, [*values])
        for key, interval in self.space.intervals.items():
            if interval.whole:
                trial.suggest_int(key, int(interval.low), int(interval.high), log=interval.log)
            else:
                trial.suggest_float(key, interval.low, interval.high, log=interval.log)
        return self.written(trial.params)

    def ended(self) -> list[tuple[int, dict[str, str], int | None, bool]]:
        """The trials that have ended: number, key -> value, after which episode they were pruned, whether they were completed."""
        states = self.optuna.trial.TrialState
        return [
            (t.number, self.written(t.params), t.user_attrs.get(_PRUNED), t.state == states.COMPLETE)
            for t in self.study.get_trials(deepcopy=False)
            if t.state.is_finished()
        ]

    def written(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Key -> value as one types it, in the order of the space."""
        intervals = self.space.intervals
        return {
            key: intervals[key].text(params[key]) if key in intervals else params[key]
            for key in (*self.space.choices, *intervals)
        }

    def next(self) -> list[Trial]:
        """The trials that are trained next, beside each other: those that were interrupted, then new ones; none at the end."""
        trials = self.study.get_trials(deepcopy=False)
        states = self.optuna.trial.TrialState
        open_ones = [trial.number for trial in trials if trial.state in (states.RUNNING, states.WAITING)]
        if not self._in_rounds:
            wanted: Sequence[int] = [*open_ones, *range(len(trials), self.n_trials)]
        else:
            first = open_ones[0] if open_ones else len(trials)
            end = min(first // self._together * self._together + self._together, self.n_trials)
            wanted = [*open_ones, *range(len(trials), end)]
        return [self._trial(number) for number in wanted]

    def _trial(self, number: int) -> Trial:
        """The trial of a number, made if it is not there.

        The generator of each is its own, so that it matters not what was drawn before.
        """
        states = self.optuna.trial.TrialState
        self.study.sampler = self.optuna.samplers.TPESampler(seed=number)
        trials = self.study.get_trials(deepcopy=False)
        if number == len(trials):
            self.study.enqueue_trial(self._given(number))
        frozen = self.frozen(number)
        trial = (
            self.study.ask()
            if frozen.state == states.WAITING
            else self.optuna.trial.Trial(self.study, frozen._trial_id)
        )
        return Trial(self, trial)

    def _given(self, number: int) -> dict[str, Any]:
        """What of a new trial is not drawn: all of a grid's point; the seed, and with the second seed all that the first had."""
        if self._points:
            return self._points[number]
        if not self._seeds:
            return {}
        first, seed = number - number % len(self._seeds), self._seeds[number % len(self._seeds)]
        return (self.frozen(first).params if first < number else {}) | {_SEED: seed}


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("deqn sweep needs Optuna: pip install 'deqn[sweep]', or pip install 'optuna>=4'.") from error
    return optuna
