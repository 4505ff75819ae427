"""What the trainer tells of an episode, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from deqn.training.loss import LossTerms


@dataclass
class Record:
    """Numbers of one episode for the monitor, gathered once at its end.

    Attributes:
        epochs: for each epoch, (mean loss, mean loss without penalties) per state.
        scalars: by TensorBoard name, mean per state over the episode's steps.
        residuals: of the last minibatch, by equation.
        seconds: time that the episode took.
        measured: where it was measured after this episode, (episode, mean, largest |residual|) on fresh states up to now.
    """

    episode: int
    step: int
    epochs: list[tuple[float, float]]
    scalars: dict[str, float]
    residuals: dict[str, Tensor]
    learning_rate: float
    n_steps: int
    seconds: float
    measured: Sequence[tuple[int, float, float]] = field(default_factory=list)


def scalars(terms: LossTerms) -> dict[str, Tensor]:
    """What is summed up over the steps of an episode, by TensorBoard name."""
    found = {"loss": terms.loss, "net_loss": terms.net_loss}
    found |= {f"dev_{name}": deviation for name, deviation in terms.deviations.items()} | terms.penalties
    if terms.weights is not None:
        found |= {f"part_{name}": part for name, part in terms.parts.items()}
    return found


def shares(means: dict[str, float], terms: LossTerms) -> dict[str, float]:
    """`share_<equation>` and `share_penalties`: what each adds to the loss, of 1; from the means of an episode."""
    kind = "dev" if terms.weights is None else "part"
    weights = [1.0] * len(terms.parts) if terms.weights is None else terms.weights.tolist()
    added = {name: w * means[f"{kind}_{name}"] for name, w in zip(terms.parts, weights, strict=True)}
    if terms.penalties:
        added["penalties"] = sum(means[name] for name in terms.penalties)
    total = sum(added.values())
    return {f"share_{name}": value / total for name, value in added.items()} if total else {}


class Watcher(Protocol):
    """What the trainer tells; `deqn.training.monitor.Monitor` and tests listen."""

    def episode(self, record: Record, state: Tensor) -> None: ...
    def message(self, text: str) -> None: ...
