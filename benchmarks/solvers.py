"""Least squares with the Jacobian held or without it, by size: milliseconds a step, and seconds until residuals are small.

python benchmarks/solvers.py                                  the grid of docs/explanation/training.md, a row for each size
python benchmarks/solvers.py --cases "delta = 0.1" --units 64 --states 256

Each case starts from the policy of the steady state, with two hidden layers, and takes steps on one batch of simulated states
until the root mean square of its residuals is small, or the time is over. Processor time; a step is the median. The smaller of
primal and dual is the held form; its matrix takes residuals x parameters x the smaller of the two multiplications.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time

import torch
from torch import Tensor

import deqn
from deqn.training.least_squares import Residuals
from deqn.training.warm_start import warm_start

MODELS = {"delta = 0.1": ["brock_mirman", "constants.delta=0.1"], "analytic": ["analytic"]}
GOALS = (1e-4, 1e-5)  # root mean square of the residuals


def trainer_of(case: str, units: int, n: int, solver: str) -> deqn.Trainer:
    name, *settings = MODELS[case]
    settings += [
        "optimizer=levenberg_marquardt", f"+optimizer.optimizer_kwargs.solver={solver}", f"run.N_minibatch_size={n}",
        f"run.N_sim_batch={n}", "run.N_episode_length=2", "net.warm_start=steady_state",
        *(f"net.layers.{layer}.hidden.units={units}" for layer in (0, 1)),
    ]  # fmt: skip
    return deqn.Trainer(deqn.load_model(name, settings))


def sizes(trainer: deqn.Trainer, states: Tensor) -> tuple[int, int]:
    """Parameters, and residuals of a batch, penalties of bounds among them."""
    model = trainer.model.in_float64()
    with model.context(), torch.no_grad():
        residuals = Residuals(model)(states.double())
    return sum(p.numel() for p in model.network.parameters() if p.requires_grad), residuals.numel()


def measure(trainer: deqn.Trainer, states: Tensor, seconds: float) -> list[float]:
    """Milliseconds a step, and seconds to each goal (inf where it is not reached)."""
    model, n = trainer.model, len(states)
    trainer.step_of_phase.begin(torch.stack([states, model.step(states)]))
    reached, steps, spent = dict.fromkeys(GOALS, math.inf), [], 0.0
    while spent < seconds and math.isinf(reached[GOALS[-1]]):
        began = time.process_time()
        loss = float(trainer.step(states).loss) / n  # before the step
        for goal in GOALS:
            if loss < goal**2:
                reached[goal] = min(reached[goal], spent)
        steps.append(time.process_time() - began)
        spent += steps[-1]
    return [1e3 * statistics.median(steps[1:] or steps), *reached.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--units", type=int, nargs="+", default=[24, 64, 128, 256])
    parser.add_argument("--states", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--seconds", type=float, default=40.0, help="of processor time for each form")
    options = parser.parse_args()
    headings = ["ms a step", *(f"s to {goal:.0e}" for goal in GOALS)]
    both = " | ".join([*headings, *(f"not held: {heading}" for heading in headings)])
    print(f"| model | parameters | residuals | multiplications | {both} |")
    for case in options.models:
        for units in options.units:
            for n in options.states:
                cells: list[str] = []
                for form in ("held", "matrix_free"):
                    trainer = trainer_of(case, units, n, "matrix_free")
                    with trainer.model.context():
                        warm_start(trainer.model)
                        states = trainer.model.initial_states(n)
                        for _ in range(20):
                            states = trainer.model.step(states)
                        parameters, rows = sizes(trainer, states)
                        group = trainer.state.optimizer.param_groups[0]
                        if form == "held":
                            group["solver"] = "dual" if rows < parameters else "primal"
                            cells = [
                                case,
                                f"{parameters:,}",
                                f"{rows:,}",
                                f"{parameters * rows * min(parameters, rows):.1e}",
                            ]
                        found = measure(trainer, states, options.seconds)
                    cells += [f"{found[0]:.0f}", *("-" if math.isinf(x) else f"{x:.1f}" for x in found[1:])]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
