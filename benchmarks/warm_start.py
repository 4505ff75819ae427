"""What each warm start gains: residuals before the first step, and steps until they are small.

python benchmarks/warm_start.py                         two models, all starts, three seeds; about ten minutes on one core
python benchmarks/warm_start.py --models rbc_labor --seeds 0

Steps are taken on minibatches of 128 states, 20 after each simulation of 20 periods of 128 trajectories; residuals are the mean
absolute ones on 100 x 100 states that are simulated for the purpose, looked at after each simulation.
"""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import deqn
from deqn.training.record import Record

RUN = ["run.N_sim_batch=128", "run.N_episode_length=20", "run.N_minibatch_size=128", "run.N_epochs_per_episode=1"]
MODELS = {"brock_mirman": ["constants.delta=0.1"], "rbc_labor": []}
STARTS = {"brock_mirman": ("none", "guess", "steady_state", "linear"), "rbc_labor": ("none", "steady_state", "linear")}
ADAM = ["optimizer=brock_mirman", "run.keras_precision=float32"]
WAYS = {"Adam": (ADAM, 400), "least squares": (["optimizer=levenberg_marquardt"], 10)}
GOALS = (1e-4, 1e-6)


class Steps:
    """A watcher: after how many steps the mean absolute residual is first below each goal."""

    def __init__(self, trainer: deqn.Trainer) -> None:
        self.trainer, self.reached = trainer, dict.fromkeys(GOALS, math.inf)

    def episode(self, record: Record, state: Tensor) -> None:
        found = residual(self.trainer.model)
        for goal in GOALS:
            if found < goal:
                self.reached[goal] = min(self.reached[goal], record.step)

    def message(self, text: str) -> None:
        """Remarks are not measured."""


def residual(model: deqn.Model) -> float:
    run = deqn.Run(model, Path())
    states = run.simulate(batch=100, length=100).flatten(0, 1)
    return float(torch.cat([values.flatten() for values in run.residuals(states).values()]).abs().mean())


def measure(name: str, start: str, seed: int) -> list[float]:
    """Residual before the first step, Adam's steps to the first goal, those of least squares to each."""
    found: list[float] = []
    for overrides, episodes in WAYS.values():
        settings = [*MODELS[name], *RUN, *overrides, f"net.warm_start={start}", f"seed={seed}"]
        nothing = deqn.load_model(
            name, [*settings, "run.N_episodes=1", "optimizer=bm1972", "optimizer.learning_rate=1e-12"]
        )
        deqn.Trainer(nothing).fit(quiet=True)
        trainer = deqn.Trainer(deqn.load_model(name, [*settings, f"run.N_episodes={episodes}"]))
        trainer.watcher = steps = Steps(trainer)
        with contextlib.suppress(
            deqn.TrainingError
        ):  # a random start may end in one: the goals behind it are not reached
            trainer.fit()
        found += [residual(nothing), *steps.reached.values()]
    return [found[0], found[1], found[4], found[5]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    table = Table(title=f"worst of seeds {options.seeds}", show_edge=False)
    for heading in ("model", "warm start", "at the start", "Adam to 1e-4", "least squares to 1e-4", "to 1e-6"):
        table.add_column(heading)
    for name in options.models:
        for start in STARTS[name]:
            worst = torch.tensor([measure(name, start, seed) for seed in options.seeds]).amax(0).tolist()
            steps = ["-" if math.isinf(x) else f"{x:.0f}" for x in worst[1:]]
            table.add_row(name, start, f"{worst[0]:.1e}", *steps)
            print(name, start, f"{worst[0]:.1e}", *steps, flush=True)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
