"""How long a run should take on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from deqn.training import curriculum
from deqn.training.least_squares import LeastSquares
from deqn.training.trainer import Trainer

_START = 3.0  # seconds of what comes once: TensorBoard is imported, the verdict is found, the process ends
_FIGURES = 3.5  # seconds of those that a cycle_hook draws, which cannot be tried: five, after matplotlib is imported
_EPISODE = 0.005  # seconds of logs and a checkpoint
_UPDATE = 1.25  # a step with its update of the parameters, in units of the step without


def estimate_seconds(trainer: Trainer) -> float | None:
    """How long the run should take on this machine: one simulated period and one step are timed, and nothing is changed.

    None for a compiled run, whose time is mostly that of compiling, and for phases, which end when they end.
    """
    config, network = trainer.config.in_phase(0), trainer.model.network
    run = config.run
    if run.compile or config.n_phases < trainer.config.n_phases:
        return None
    states = trainer.state.starting_state
    batch = states[torch.arange(run.N_minibatch_size, device=states.device) % len(states)]
    parameters = [p for p in network.parameters() if p.requires_grad]
    network.eval()  # neither dropout's draws nor the statistics of batch normalisation are touched
    with trainer.model.context(), trainer.state.untouched_generators():
        period = _seconds(lambda: trainer.simulated_step(states), states.device)
        step = _UPDATE * _seconds(
            lambda: torch.autograd.grad(trainer.terms(trainer.model, batch).loss, parameters, allow_unused=True),
            states.device,
        )
        if isinstance(trainer.step_of_phase, LeastSquares):
            rehearse = trainer.step_of_phase.rehearse
            step += _seconds(lambda: rehearse(batch), states.device, repeats=1)
    left = run.N_episodes - trainer.state.episode
    if left <= 0:
        return 0.0
    whole = run.N_episodes * config.steps_per_episode
    shorter = curriculum.steps(config) / whole if whole else 1.0  # than the longest episodes, on average
    periods = run.N_episode_length * (run.N_epochs_per_episode if len(config.pieces) > 1 else 1)
    once = _START + (_FIGURES if _draws(trainer.model.cycle_hook) else 0.0)
    return once + left * (shorter * (periods * period + config.steps_per_episode * step) + _EPISODE)


def _draws(hook: Callable[..., Any] | None) -> bool:
    """Whether the file of a hook knows a module that draws."""
    known = (getattr(entry, "__name__", "") for entry in getattr(hook, "__globals__", {}).values())
    return any(str(name).startswith(("deqn.analysis.figures", "matplotlib")) for name in known)


def _seconds(function: Callable[[], object], device: torch.device, repeats: int = 3) -> float:
    """The median of a few calls, after one that warms up: other processes of the machine are there later too."""
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])
