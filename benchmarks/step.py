"""Times a gradient step and a simulated period; prints a table. The histogram transport has its own: transport.py.

    python benchmarks/step.py                    the shipped models as they are configured
    python benchmarks/step.py --compile          also compiled: speed, seconds to compile, steps until it has paid
    python benchmarks/step.py --threads 2        with more CPU threads
    python benchmarks/step.py --from DIR --models dice      models of a folder of the TensorFlow library

Where definitions are shared (`deqn/economy/sharing.py`), they are also timed computed anew for each equation.

`floor` is the share of a step that its matrix products would take at this machine's rate for products of 512 x 512.
Each figure is the best of several rounds, in turn for the variants that are compared, since shared machines are noisy:
read ratios, not times. Times of one CPU thread are processor time. An episode is its simulated periods and its gradient steps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

import deqn
from deqn.economy.probe import probe
from deqn.training.cpu import configure_cpu
from deqn.training.trainer import Trainer

MODELS = ("bm1972", "brock_mirman", "krusell_smith")


def best(functions: dict[str, Callable[[], object]], rounds: int = 7, seconds: float = 0.3) -> dict[str, float]:
    """Milliseconds a call of each function: the best round, the functions taking turns."""
    one_thread = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    clock = time.process_time if one_thread else time.perf_counter
    times = dict.fromkeys(functions, float("inf"))
    repeats = {}
    for name, function in functions.items():
        function()
        began = time.perf_counter()
        function()
        repeats[name] = max(1, int(seconds / (time.perf_counter() - began)))
    for _ in range(rounds):
        for name, function in functions.items():
            began = clock()
            for _ in range(repeats[name]):
                function()
            synchronize()
            times[name] = min(times[name], 1e3 * (clock() - began) / repeats[name])
    return times


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of this device in products of matrices of 512 x 512."""
    a = torch.rand(512, 512, dtype=dtype, device=device)
    return 2 * 512**3 / (1e-3 * best({"": lambda: a @ a})[""])


def products(trainer: Trainer, states: torch.Tensor) -> float:
    """Floating-point operations in the matrix products of one step: what no way of writing the step avoids."""
    with FlopCounterMode(display=False) as counter:
        trainer.step(states)
    return counter.get_total_flops()


def trainer_of(
    name: str, overrides: list[str], library: str | None, stacked: bool = True, shared: bool = True
) -> Trainer:
    model = deqn.load_model(name, overrides, library=library)
    probe(model)
    model.sharing.on &= shared
    if not stacked:
        model.expectations.stacked_step = model.expectations.stacked_function = False
    trainer = Trainer(model)
    model.network.train()
    return trainer


def time_model(name: str, arguments: argparse.Namespace, table: Table) -> None:
    library = arguments.library
    overrides = [f"run.threads={arguments.threads}", f"device={arguments.device}"]
    variants = {
        "as shipped": trainer_of(name, overrides, library),
        "one node at a time": trainer_of(name, overrides, library, stacked=False),
    }
    if variants["as shipped"].model.sharing.on:
        variants["definitions anew"] = trainer_of(name, overrides, library, shared=False)
    compile_seconds = 0.0
    if arguments.compile:
        compiled = trainer_of(name, [*overrides, "run.compile=true"], library)
        states = compiled.model.initial_states(compiled.config.run.N_minibatch_size)
        with compiled.model.context():
            began = time.perf_counter()
            compiled.step(states)
            compiled.simulated_step(compiled.model.initial_states(compiled.config.run.N_sim_batch))
            compile_seconds = time.perf_counter() - began
        variants["compiled"] = compiled
    first = variants["as shipped"]
    states = first.model.initial_states(first.config.run.N_minibatch_size)
    start = first.model.initial_states(first.config.run.N_sim_batch)
    with first.model.context():
        steps = best({v: lambda t=t: t.step(states) for v, t in variants.items()})
        periods = best({v: lambda t=t: t.simulated_step(start) for v, t in variants.items()})
        floor = 1e3 * products(first, states) / matrix_rate(states.device, states.dtype)
    for variant in variants:
        note = ""
        if variant == "compiled":
            saved = (steps["as shipped"] - steps["compiled"]) / 1e3
            note = f"compiled in {compile_seconds:.0f} s; " + (
                f"pays after {compile_seconds / saved:,.0f} steps" if saved > 0 else "never pays"
            )
        ratio = f"{steps['as shipped'] / steps[variant]:.2f}"
        share = f"{100 * floor / steps[variant]:.0f} %"
        run, n = first.config.run, first.config.steps_per_episode
        episode = f"{(n * steps[variant] + run.N_episode_length * periods[variant]) / 1e3:.2f}"
        times = (f"{steps[variant]:.3f}", f"{1e3 / steps[variant]:,.0f}", ratio, share, f"{periods[variant]:.3f}")
        cells = (*times, episode, note)
        table.add_row(name, variant, *cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--from", dest="library")
    parser.add_argument("--models", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    configure_cpu(arguments.threads)
    table = Table(title=f"{arguments.threads} threads, {arguments.device}", title_justify="left", show_edge=False)
    for heading in ("model", "variant", "ms a step", "steps/s", "speed", "floor", "ms a period", "s an episode", ""):
        table.add_column(heading, no_wrap=True)
    for name in arguments.models:
        time_model(name, arguments, table)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
