"""How right the models of the catalogue are, trained as shipped and by first-order steps, and by perturbation.

python benchmarks/catalogue.py                          each model, both ways, three seeds
python benchmarks/catalogue.py --models analytic        one model
python benchmarks/catalogue.py --ways shipped           one way
python benchmarks/catalogue.py --ways linear 'second order'     the linear and the second-order solution, which take no training
python benchmarks/catalogue.py --figures                draws docs/figures/<model>.png of the first seed, trained as shipped

Measured on 10,000 ergodic states: 100 trajectories, every tenth of 1,000 periods, after 200 that are left out; on initial
states where there are no shocks. Errors are distances to the known answer, relative to the mean size of the variable; the one
that is farthest counts.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import deqn
from deqn.economy.catalogue import entries
from deqn.economy.known_answer import known_answer
from deqn.economy.linear import NoLinearSolution, linear_solution
from deqn.economy.second_order import second_order_solution
from deqn.economy.steady_state import replaced_policy

FIRST_ORDER = [
    "optimizer=brock_mirman", "optimizer.schedule_kwargs.decay_steps=10000", "run.keras_precision=float32",
    "run.N_minibatch_size=128", "run.N_epochs_per_episode=2",
]  # fmt: skip
STEPS = 10_000  # of first order
WAYS = {"first order": FIRST_ORDER, "shipped": []}
RULES = {"linear": linear_solution, "second order": second_order_solution}
# four have benchmarks of their own; the last has no shocks
OTHERS = ("krusell_smith", "krusell_smith_1998", "olg_lifecycle", "dice", "bm1972")
FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"
COLOURS = ["#3b6fb6", "#d1793b", "#4d9a6a", "#8a5fa8", "#b64a5a", "#7a6a55"]


def relative_errors(run: deqn.Run, states: Tensor) -> dict[str, Tensor]:
    """|x - x*| / mean |x*| at states `[n, n_states]`: by variable `[n, ...]`."""
    _, known = known_answer(run.model, states)
    return {name: error / known[name].abs().mean() for name, error in run.policy_errors(states).items()}


def ergodic(run: deqn.Run) -> Tensor:
    """`[10000, n_states]`; initial states of an economy without shocks, which comes to rest."""
    nodes = getattr(run.model.linker.link("Dynamics"), "shock_values", None)
    if nodes is not None and len(nodes) == 1:
        with run.model.context():
            return run.model.initial_states(10_000)
    return run.simulate(batch=100, length=1200)[200::10].flatten(0, 1)


def train(name: str, overrides: list[str]) -> tuple[deqn.Run, float]:
    """The trained model, and seconds of processor time."""
    model = deqn.load_model(name, overrides)
    if overrides[: len(FIRST_ORDER)] == FIRST_ORDER:
        model = deqn.load_model(
            name, [*overrides, f"run.N_episodes={math.ceil(STEPS / model.config.steps_per_episode)}"]
        )
    trainer = deqn.Trainer(model)
    began = time.process_time()
    trainer.fit(quiet=True)
    return deqn.Run(trainer.model, Path()), time.process_time() - began


def measure(name: str, overrides: list[str], figure: bool = False) -> list[float]:
    """Seconds of processor time of training, mean and largest |residual|, mean and largest error of the policy."""
    run, seconds = train(name, overrides)
    states = ergodic(run)
    if figure:
        draw(run, states)
    return report(run, states, seconds, [name, *overrides])


def perturbed(name: str, way: str, overrides: list[str]) -> list[float]:
    """The same of a rule of `RULES` in place of the network, on states that are simulated with it.

    Raises:
        NoLinearSolution: where there is none.
    """
    model = deqn.load_model(name, ["run.keras_precision=float64", *overrides])
    began = time.process_time()
    rule = RULES[way](model)
    seconds = time.process_time() - began
    with model.context():
        start = model.initial_states(100)
    with replaced_policy(model, rule.policies):
        run = deqn.Run(model, Path(), start)
        return report(run, ergodic(run), seconds, [name, way, *overrides])


def report(run: deqn.Run, states: Tensor, seconds: float, what: list[str]) -> list[float]:
    residual = torch.cat([values.flatten() for values in run.residuals(states).values()]).abs()
    errors = relative_errors(run, states).values()
    means, largest = max(float(x.mean()) for x in errors), max(float(x.max()) for x in errors)
    found = [seconds, float(residual.mean()), float(residual.max()), means, largest]
    print(*what, *(f"{x:.2g}" for x in found), flush=True)
    return found


def draw(run: deqn.Run, states: Tensor) -> None:
    """Network and known answer against the first state that is a number, else an entry, and their distance, on 2,000 states."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    states = states[:: len(states) // 2000]
    model = run.model
    kind, known = known_answer(model, states)
    values, policies = run.definitions(states), run.policies(states)
    values |= {column.name: column.bounded(policies) for column in model.policy_columns}
    shown = list(known)[:3]
    figure, axes = pyplot.subplots(1, len(shown) + 1, figsize=(3.4 * (len(shown) + 1), 3.4), dpi=150, squeeze=False)
    state = next((column for column in model.state_columns if not column.shape), model.state_columns[0])
    x, label = states[:, state.start], state.labels[0]
    for axis, name in zip(axes[0], shown, strict=False):
        lines = zip(values[name].reshape(len(x), -1).T, known[name].reshape(len(x), -1).T, strict=True)
        for i, (ours, theirs) in enumerate(lines):
            colour = COLOURS[i % len(COLOURS)]
            axis.plot(x, ours, ".", markersize=4, alpha=0.5, color=colour, label="network" if i == 0 else None)
            axis.plot(x, theirs, "k.", markersize=0.8, label=kind if i == 0 else None)
        axis.set(xlabel=label, title=name)
        axis.legend(frameon=False, fontsize=8, markerscale=2)
    for (name, error), colour in zip(relative_errors(run, states).items(), COLOURS * 9, strict=False):
        error = error.reshape(len(x), -1).amax(1)
        axes[0, -1].semilogy(x, error.clamp(min=1e-12), ".", markersize=2, color=colour, label=name)
    axes[0, -1].set(xlabel=label, title="relative distance")
    axes[0, -1].legend(frameon=False, fontsize=8, markerscale=4)
    for axis in axes[0]:
        axis.locator_params(axis="x", nbins=4)
    figure.tight_layout()
    figure.savefig(FIGURES / f"{model.name}.png", facecolor="white")


def add_rule(table: Table, name: str, way: str, overrides: list[str]) -> None:
    try:
        seconds, *rest = perturbed(name, way, overrides)
    except NoLinearSolution as reason:
        print(f"{name}: no {way} solution: {reason}", flush=True)
    else:
        table.add_row(f"{name}, {way} solution", "", f"{seconds:.1f}", *(f"{x:.1e}" for x in rest))


def main() -> None:
    models = [entry.name for entry in entries() if entry.known_answer and entry.name not in OTHERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--ways", nargs="+", choices=[*WAYS, *RULES], default=[*WAYS, *RULES])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("overrides", nargs="*", help="keys of the configuration")
    options = parser.parse_args()
    table = Table(title=f"median and worst of seeds {options.seeds}", show_edge=False)
    for heading in ("", "", "seconds", "mean |residual|", "max |residual|", "mean error", "max error"):
        table.add_column(heading)
    for name in options.models:
        for way in options.ways:
            if way in RULES:
                add_rule(table, name, way, [*options.overrides, f"seed={options.seeds[0]}"])
                continue
            overrides = [*WAYS[way], *options.overrides]
            drawn = options.figures and way == "shipped"
            figures = torch.tensor(
                [measure(name, [*overrides, f"seed={s}"], drawn and s == options.seeds[0]) for s in options.seeds]
            )
            for what, row in (("median", figures.median(0).values), ("worst", figures.amax(0))):
                seconds, *rest = row.tolist()
                table.add_row(f"{name}, {way}", what, f"{seconds:.0f}", *(f"{x:.1e}" for x in rest))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
