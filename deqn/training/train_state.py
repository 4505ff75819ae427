"""What training changes, and a checkpoint holds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from deqn.disk.checkpoint import snapshot
from deqn.numerics.rng import Rng
from deqn.training.replay import Replay
from deqn.training.reweighting import Weights

# entries of an optimizer's group that schedules move: they come from the checkpoint, all others from today's configuration
_RATES = {"lr", "initial_lr", "max_lr", "min_lr"}
_MOMENTUM = {"betas", "momentum", "base_momentum", "max_momentum"}  # only where a schedule cycles it

# what each process of a run has of its own
PART_OF_RANK = ("rng", "torch_rng", "cuda_rng", "starting_state", "replay")


@dataclass(frozen=True)
class Rollbacks:
    """What `on_nonfinite: rollback` has done to a run.

    Attributes:
        n: how often training went back.
        factor: what the learning rate is multiplied by since.
        failed: the latest episode in which a number was not finite.
        target: the episode after which training went on last.
    """

    n: int = 0
    factor: float = 1.0
    failed: int = 0
    target: int = 0


@dataclass(frozen=True)
class Driver:
    """What moves the parameters in one phase of training.

    Attributes:
        learning_rate: that of the configuration, at the start.
    """

    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler | None
    learning_rate: float


class TrainState:
    """Exactly what a checkpoint holds; nothing else in a run is mutable.

    Args:
        policy: the network.
        drivers: makes what moves its parameters in the i-th phase.
        starting_state: where the next episode begins, `[N_sim_batch, n_states]`.

    Attributes:
        episode, step: how many have been taken.
        phase, phase_began: which phase training is in, and after which episode it began.
        returns: how often least squares found no way on and gradients were taken again.
        weights: of the equations, where they are not all 1.
        measured: (episode, mean, largest |residual|) on fresh states, of each measurement.
        replay: states of earlier episodes.
    """

    weights: Weights | None = None
    replay: Replay

    @property
    def loss_weights(self) -> Tensor | None:
        """Weights of the equations, `[n_equations]`; None where all are 1."""
        return None if self.weights is None else self.weights.tensor

    def __init__(
        self, policy: torch.nn.Module, drivers: Callable[[int], Driver], rng: Rng, starting_state: Tensor
    ) -> None:  # fmt: skip
        self.policy, self.rng, self.starting_state, self._drivers = policy, rng, starting_state, drivers
        self.episode = self.step = self.returns = 0
        self.rollbacks = Rollbacks()
        self.measured: list[tuple[int, float, float]] = []
        self._enter(0, 0)

    def _enter(self, phase: int, began: int) -> None:
        driver = self._drivers(phase)
        self.phase, self.phase_began = phase, began
        self.optimizer, self.schedule, self.learning_rate = driver.optimizer, driver.schedule, driver.learning_rate

    def enter(self, phase: int) -> None:
        """Begins a phase: its optimizer is new, its learning rate as small as rollbacks have made it."""
        self._enter(phase, self.episode)
        self._scale_learning_rate(self.rollbacks.factor)

    def after_step(self) -> None:
        """A step has been taken."""
        if self.schedule is not None and not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()
        self.step += 1

    def after_episode(self, loss: float) -> None:
        """An episode has ended, with this loss in all processes."""
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(loss)

    def payload(self) -> dict[str, Any]:
        """A copy as tensors and plain values."""
        return (
            snapshot(
                {
                    "policy": self.policy.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "schedule": _plain(self.schedule.state_dict()) if self.schedule else None,
                    "learning_rate": self.learning_rate,
                    "episode": self.episode,
                    "step": self.step,
                    "phase": self.phase,
                    "phase_began": self.phase_began,
                    "returns": self.returns,
                    "rollbacks": asdict(self.rollbacks),
                    "measured": self.measured,
                    "weights": self.weights.state_dict() if self.weights else None,
                }
            )
            | self.part_of_rank()
        )

    def part_of_rank(self) -> dict[str, Any]:
        """A copy of the generators and states of this process."""
        return snapshot(self.generators() | {"starting_state": self.starting_state, "replay": self.replay.states})

    def generators(self) -> dict[str, Any]:
        """Where the generators of this process are."""
        devices = [self.starting_state.device] if self.starting_state.is_cuda else []
        return {
            "rng": self.rng.get_state(),
            "torch_rng": torch.get_rng_state(),  # dropout draws from it
            "cuda_rng": [torch.cuda.get_rng_state(device) for device in devices],
        }

    @contextlib.contextmanager
    def untouched_generators(self) -> Iterator[None]:
        """What is drawn inside changes nothing outside."""
        before = self.generators()
        try:
            yield
        finally:
            self.set_generators(before)

    def set_generators(self, generators: dict[str, Any]) -> None:
        """Puts the generators of this process where they were."""
        self.rng.set_state(generators["rng"].cpu())
        torch.set_rng_state(generators["torch_rng"].cpu())
        if self.starting_state.is_cuda:
            for state in generators["cuda_rng"][:1]:
                torch.cuda.set_rng_state(state.cpu(), self.starting_state.device)

    def restore(self, payload: dict[str, Any]) -> None:
        """Takes everything from a checkpoint's payload."""
        self.policy.load_state_dict(payload["policy"])
        phase, began = payload.get("phase", 0), payload.get("phase_began", 0)
        if phase != self.phase:
            self._enter(phase, began)
        self.phase_began = began
        self._restore_optimizer(payload)
        self.set_generators(payload)
        self.starting_state.copy_(payload["starting_state"])
        self.replay.states = payload.get("replay", self.replay.states[:0]).to(self.starting_state)
        self.episode, self.step, self.returns = payload["episode"], payload["step"], payload.get("returns", 0)
        self.rollbacks = Rollbacks(**payload.get("rollbacks", {}))
        self.measured = [*payload.get("measured", [])]
        if self.weights is not None and payload.get("weights") is not None:
            self.weights.load_state_dict(payload["weights"])

    def roll_back(self, payload: dict[str, Any], rollbacks: Rollbacks) -> None:
        """Takes everything from a payload but the learning rate, which is smaller from now on."""
        self.restore(snapshot(payload))  # an optimizer goes on in the very tensors that it is given
        self._scale_learning_rate(rollbacks.factor / self.rollbacks.factor)
        self.rollbacks = rollbacks

    def _restore_optimizer(self, payload: dict[str, Any]) -> None:
        """Moments and schedule of the checkpoint, with the learning rate and options of today's configuration."""
        moved = {"params"} | _RATES
        if any("max_momentum" in group for group in self.optimizer.param_groups):
            moved |= _MOMENTUM
        options = [
            {key: value for key, value in group.items() if key not in moved} for group in self.optimizer.param_groups
        ]
        self.optimizer.load_state_dict(payload["optimizer"])
        for group, option in zip(self.optimizer.param_groups, options, strict=True):
            group.update(option)
        if self.schedule is not None and payload["schedule"] is not None:
            self.schedule.load_state_dict(snapshot(payload["schedule"]))
        self._scale_learning_rate(self.learning_rate / payload["learning_rate"])

    def _scale_learning_rate(self, ratio: float) -> None:
        """Multiplies the learning rate of now and of the rest of the schedule."""
        if ratio == 1.0:
            return
        for group in self.optimizer.param_groups:
            group.update({key: group[key] * ratio for key in _RATES if key in group})
        if self.schedule is not None:
            for name in ("base_lrs", "max_lrs", "min_lrs"):  # of most, of CyclicLR, of ReduceLROnPlateau
                if hasattr(self.schedule, name):
                    setattr(self.schedule, name, [rate * ratio for rate in getattr(self.schedule, name)])


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """Without functions: they are rebuilt from the configuration."""
    return {key: value for key, value in state.items() if not callable(value)}
