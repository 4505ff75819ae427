"""What the trainer tells of an episode, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass
class Record:
    """Numbers of one episode for the monitor, gathered once at its end.

    Attributes:
        epochs: for each epoch, (mean loss, mean loss without penalties) per state.
        scalars: by TensorBoard name, mean per state over the episode's steps.
        residuals: of the last minibatch, by equation.
        seconds: time that the episode took.
    """

    episode: int
    step: int
    epochs: list[tuple[float, float]]
    scalars: dict[str, float]
    residuals: dict[str, Tensor]
    learning_rate: float
    n_steps: int
    seconds: float


class Watcher(Protocol):
    """What the trainer tells; `deqn.training.monitor.Monitor` and tests listen."""

    def episode(self, record: Record, state: Tensor) -> None: ...
    def message(self, text: str) -> None: ...
