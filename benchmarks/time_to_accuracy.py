"""Seconds of training until the residuals on fresh simulated states are small, for each way to train, and how right it is then.

python benchmarks/time_to_accuracy.py                                  all small models, three ways, three seeds
python benchmarks/time_to_accuracy.py --models brock_mirman --seeds 0  one model, one seed

The clock is that of the training alone: after an episode it stands still while 100 x 100 states are simulated with seeds of
their own. The error is the distance to what the model is known by: a closed form, or the solution by another method.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from catalogue import FIRST_ORDER, consumption
from rich.console import Console
from rich.table import Table
from torch import Tensor

import deqn
from deqn.training.record import Record

GOALS = (1e-3, 1e-4, 1e-5, 1e-6)
LEAST_SQUARES = ["optimizer=levenberg_marquardt", "net.warm_start=steady_state"]
PHASES = ["optimizer=phases"]
WAYS: dict[tuple[str, str], list[str]] = {
    ("bm1972", "first order"): ["model=bm1972"],
    ("bm1972", "phases"): ["model=bm1972", *PHASES, "run.N_episodes=400", "optimizer.phases.0.N_episodes=360"],
    ("bm1972", "least squares"): ["model=bm1972", *LEAST_SQUARES, "run.N_episodes=40"],
    ("brock_mirman", "first order"): ["model=brock_mirman"],
    ("brock_mirman", "phases"): ["model=brock_mirman", *PHASES, "run.N_episodes=30"],
    ("brock_mirman", "least squares"): ["model=brock_mirman", *LEAST_SQUARES, "run.N_episodes=5"],
    ("delta = 0.1", "first order"): ["model=brock_mirman", "constants.delta=0.1"],
    ("delta = 0.1", "phases"): [
        "model=brock_mirman", "constants.delta=0.1", *PHASES, "run.N_episodes=30", "optimizer.phases.1.N_minibatch_size=256",
    ],
    ("delta = 0.1", "least squares"): [
        "model=brock_mirman", "constants.delta=0.1", *LEAST_SQUARES, "run.N_episodes=10", "run.N_minibatch_size=256",
    ],
    ("rbc_labor", "first order"): ["model=rbc_labor", *FIRST_ORDER],
    ("rbc_labor", "least squares"): ["model=rbc_labor"],
    ("analytic", "first order"): ["model=analytic", *FIRST_ORDER],
    ("analytic", "least squares"): ["model=analytic"],
}  # fmt: skip


class Clock:
    """A watcher: after each episode that counts, the mean absolute residual and the seconds of training so far."""

    def __init__(self, trainer: deqn.Trainer, every: int) -> None:
        self.trainer, self.every = trainer, every
        self.seconds = 0.0
        self.reached = dict.fromkeys(GOALS, math.inf)
        self.best = math.inf

    def episode(self, record: Record, state: Tensor) -> None:
        self.seconds += record.seconds
        if record.episode % self.every and record.episode < self.trainer.config.run.N_episodes:
            return
        run = deqn.Run(self.trainer.model, Path())
        states = run.simulate(batch=100, length=100).flatten(0, 1)
        residual = torch.cat([values.flatten() for values in run.residuals(states).values()]).abs().mean()
        self.best = float(residual)
        for goal in GOALS:
            if residual < goal:
                self.reached[goal] = min(self.reached[goal], self.seconds)

    def message(self, text: str) -> None:
        """Remarks are not measured."""


def measure(overrides: list[str]) -> list[float]:
    """Seconds to each goal (inf where it is not reached) and in all, the last mean |residual|, mean and largest known error."""
    name = overrides[0].removeprefix("model=")
    model = deqn.load_model(name, overrides[1:])
    trainer = deqn.Trainer(model)
    clock = Clock(trainer, max(1, model.config.run.N_episodes // 100))
    trainer.watcher = clock
    trainer.fit()
    run = deqn.Run(model, Path())
    states = run.simulate(batch=100, length=100).flatten(0, 1)
    errors = {"": consumption(run, states)} if name == "rbc_labor" else run.closed_form_errors(states)
    error = torch.cat([values.flatten() for values in errors.values()]) if errors else torch.tensor([math.nan])
    return [*clock.reached.values(), clock.seconds, clock.best, float(error.mean()), float(error.max())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = list(dict.fromkeys(model for model, _ in WAYS))
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    table = Table(title=f"worst of seeds {options.seeds}", show_edge=False)
    columns = (
        "model",
        "way",
        *(f"s to {goal:.0e}" for goal in GOALS),
        "s in all",
        "mean |residual|",
        "mean error",
        "max error",
    )
    for heading in columns:
        table.add_column(heading)
    for (model, way), overrides in WAYS.items():
        if model not in options.models:
            continue
        worst = torch.tensor([measure([*overrides, f"seed={seed}"]) for seed in options.seeds]).amax(0).tolist()
        seconds = ["-" if math.isinf(x) else f"{x:.1f}" for x in worst[:5]]
        figures = ["not known" if math.isnan(x) else f"{x:.1e}" for x in worst[5:]]
        table.add_row(model, way, *seconds, *figures)
        print(model, way, *seconds, *figures, flush=True)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
