"""Progress of `Trainer.fit()` from Python: a line every few seconds; and a model's own numbers in any such line."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from deqn.economy.model import Model
from deqn.errors import count
from deqn.training.record import Record
from deqn.training.terminal import duration

_SECONDS_BETWEEN_LINES = 5.0


def own_numbers(model: Model, state: Tensor) -> list[str]:
    """What `progress(state)` of the model's Hooks.py gives at states `[batch, n_states]`, ready to print: 'mean K 33.13'."""
    if model.progress is None:
        return []
    try:
        with model.context(), torch.no_grad():
            return [f"{name} {float(value):.4g}" for name, value in model.progress(state).items()]
    except Exception as error:
        raise model.failed("progress(state)", error) from error


class Progress:
    """A `Watcher` that prints episode, loss, the time that is left and the model's own numbers.

    Args:
        model: the model that is trained.
        done: episodes that are trained already.
    """

    def __init__(self, model: Model, done: int) -> None:
        self._model, self._first, self._total = model, done, model.config.run.N_episodes
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
        line = [f"episode {record.episode}/{self._total} loss {record.epochs[-1][0]:.2e}", when]
        print(" | ".join([*line, *own_numbers(self._model, state)]), flush=True)
