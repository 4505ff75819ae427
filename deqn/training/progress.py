"""Progress of `Trainer.fit()` from Python: a line every few seconds."""

from __future__ import annotations

import time

from torch import Tensor

from deqn.errors import count
from deqn.training.record import Record
from deqn.training.terminal import duration

_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """A `Watcher` that prints episode, loss and the time that is left.

    Args:
        done, total: episodes that are trained already, and at the end.
    """

    def __init__(self, done: int, total: int) -> None:
        self._first, self._total = done, total
        self._began = self._last = time.perf_counter()

    def message(self, text: str) -> None:
        print(f"note {text}", flush=True)

    def episode(self, record: Record, state: Tensor) -> None:
        now = time.perf_counter()
        if record.episode < self._total and now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        spent = now - self._began
        left = (
            spent / max(1, record.episode - self._first) * (self._total - record.episode)
        )  # a rollback may go below the first
        when = (
            f"{duration(left)} left" if left else f"{count(self._total - self._first, 'episode')} in {duration(spent)}"
        )
        print(f"episode {record.episode}/{self._total} loss {record.epochs[-1][0]:.2e} | {when}", flush=True)
