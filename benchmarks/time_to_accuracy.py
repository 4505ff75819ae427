"""Seconds of training until the residuals on fresh simulated states are small, for each way to train, and how right it is then.

python benchmarks/time_to_accuracy.py                                  all models and ways, three seeds
python benchmarks/time_to_accuracy.py --models brock_mirman --seeds 0  one model, one seed
python benchmarks/time_to_accuracy.py --ways "in float32" compiled     what float64 costs, and what compiling gains

The clock is the processor time of the training alone: after an episode it stands still while states are simulated with seeds of
their own, 100 x 100 of them, or 100 x 10 of `krusell_smith`. A step's time is the mean after the first episode, the simulation
included. Least squares are in float64 whatever the network's type, unless it says otherwise. The error is the distance to what
the model is known by: a closed form, or the solution by another method.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from catalogue import FIRST_ORDER, relative_errors
from rich.console import Console
from rich.table import Table
from torch import Tensor

import deqn
from deqn.training.record import Record

GOALS = (1e-3, 1e-4, 1e-5, 1e-6)
LEAST_SQUARES = ["optimizer=levenberg_marquardt", "net.warm_start=steady_state"]
PHASES = ["optimizer=phases"]
KRUSELL_SMITH = ["model=krusell_smith", "preset=smoke", "run.keras_precision=float64"]
MODELS = ["bm1972", "brock_mirman", "delta = 0.1", "rbc_labor", "analytic", "krusell_smith"]
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
    ("krusell_smith", "first order"): [*KRUSELL_SMITH, "run.N_episodes=100", "optimizer.schedule_kwargs.decay_steps=3900"],
    ("krusell_smith", "least-squares finish"): [
        *KRUSELL_SMITH, "run.N_episodes=30",
        *PHASES, "optimizer.phases=[{optimizer: Adam, learning_rate: 0.001, optimizer_kwargs: {epsilon: 3.0e-14}, N_episodes: 25,"
        " learning_rate_schedule: CosineDecay, schedule_kwargs: {decay_steps: 900, alpha: 0.01, warmup_steps: 100,"
        " initial_factor: 0.01}}, {optimizer: LevenbergMarquardt, N_steps_per_episode: 4}]",
    ],
}  # fmt: skip
SINGLE, DOUBLE = "run.keras_precision=float32", "run.keras_precision=float64"  # of the network
VARIANTS = {
    "network in float32": (["analytic"], [SINGLE]),
    "in float32": (["bm1972", "delta = 0.1", "analytic"], [SINGLE, "+optimizer.optimizer_kwargs.float64=false"]),
    "all in float64": (["bm1972", "delta = 0.1"], [DOUBLE]),
    "compiled": (["delta = 0.1", "analytic"], ["run.compile=true"]),
}
for variant, (models, settings) in VARIANTS.items():
    WAYS |= {(model, variant): [*WAYS[model, "least squares"], *settings] for model in models}
WAYS = dict(sorted(WAYS.items(), key=lambda way: MODELS.index(way[0][0])))


class Clock:
    """A watcher: after each episode that counts, the mean absolute residual and the seconds of training so far."""

    def __init__(self, trainer: deqn.Trainer, every: int) -> None:
        self.trainer, self.every = trainer, every
        self.seconds = 0.0
        self.first = (0, 0.0)  # steps and seconds of the first episode
        self.began = time.process_time()
        self.reached = dict.fromkeys(GOALS, math.inf)
        self.best = math.inf

    def episode(self, record: Record, state: Tensor) -> None:
        self.seconds += time.process_time() - self.began
        if record.episode == 1:
            self.first = record.step, self.seconds
        self.look(record)
        self.began = time.process_time()

    def look(self, record: Record) -> None:
        if record.episode % self.every and record.episode < self.trainer.config.run.N_episodes:
            return
        run, states = fresh(self.trainer.model)
        residual = torch.cat([values.flatten() for values in run.residuals(states).values()]).abs().mean()
        self.best = float(residual)
        for goal in GOALS:
            if residual < goal:
                self.reached[goal] = min(self.reached[goal], self.seconds)

    def message(self, text: str) -> None:
        """Remarks are not measured."""


def fresh(model: deqn.Model) -> tuple[deqn.Run, Tensor]:
    run = deqn.Run(model, Path())
    return run, run.simulate(batch=100, length=10 if model.name == "krusell_smith" else 100).flatten(0, 1)


def measure(overrides: list[str]) -> list[float]:
    """Seconds to each goal (inf where it is not reached) and in all, milliseconds a step, the last mean |residual|, mean and
    largest known error."""
    name = overrides[0].removeprefix("model=")
    model = deqn.load_model(name, overrides[1:])
    trainer = deqn.Trainer(model)
    clock = Clock(trainer, max(1, model.config.run.N_episodes // 100))
    trainer.watcher = clock
    trainer.fit()
    run, states = fresh(model)
    errors = {"": relative_errors(run, states)["C"]} if name == "rbc_labor" else run.policy_errors(states)
    error = torch.cat([values.flatten() for values in errors.values()]) if errors else torch.tensor([math.nan])
    step = 1e3 * (clock.seconds - clock.first[1]) / (trainer.state.step - clock.first[0])
    return [*clock.reached.values(), clock.seconds, step, clock.best, float(error.mean()), float(error.max())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = list(dict.fromkeys(way for _, way in WAYS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--ways", nargs="+", choices=ways, default=ways)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    table = Table(title=f"worst of seeds {options.seeds}", show_edge=False)
    columns = (
        "model",
        "way",
        *(f"s to {goal:.0e}" for goal in GOALS),
        "s in all",
        "ms a step",
        "mean |residual|",
        "mean error",
        "max error",
    )
    for heading in columns:
        table.add_column(heading)
    for (model, way), overrides in WAYS.items():
        if model not in options.models or way not in options.ways:
            continue
        worst = torch.tensor([measure([*overrides, f"seed={seed}"]) for seed in options.seeds]).amax(0).tolist()
        seconds = ["-" if math.isinf(x) else f"{x:.1f}" for x in worst[:6]]
        figures = ["not known" if math.isnan(x) else f"{x:.1e}" for x in worst[6:]]
        table.add_row(model, way, *seconds, *figures)
        print(model, way, *seconds, *figures, flush=True)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
