"""Times a gradient step, a simulated period and the histogram transport; prints a table.

    python benchmarks/step.py                    the shipped models as they are configured
    python benchmarks/step.py --compile          also compiled: speed, seconds to compile, steps until it has paid
    python benchmarks/step.py --threads 2        with more CPU threads

Each figure is the best of several rounds, in turn for the variants that are compared, since shared machines are noisy:
read ratios, not times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

import deqn
from deqn import histogram
from deqn.cpu import configure_cpu
from deqn.trainer import Trainer

MODELS = ("bm1972", "brock_mirman", "krusell_smith")


def best(functions: dict[str, Callable[[], object]], rounds: int = 7, seconds: float = 0.3) -> dict[str, float]:
    """Milliseconds a call of each function: the best round, the functions taking turns."""
    times = dict.fromkeys(functions, float("inf"))
    repeats = {}
    for name, function in functions.items():
        function()
        began = time.perf_counter()
        function()
        repeats[name] = max(1, int(seconds / (time.perf_counter() - began)))
    for _ in range(rounds):
        for name, function in functions.items():
            began = time.perf_counter()
            for _ in range(repeats[name]):
                function()
            synchronize()
            times[name] = min(times[name], 1e3 * (time.perf_counter() - began) / repeats[name])
    return times


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def trainer_of(name: str, overrides: list[str], stacked: bool = True) -> Trainer:
    model = deqn.load_model(name, overrides)
    model.probe()
    if not stacked:
        model.expectations.stacked_step = model.expectations.stacked_function = False
    trainer = Trainer(model)
    model.network.train()
    return trainer


def time_model(name: str, arguments: argparse.Namespace, table: Table) -> None:
    overrides = [f"run.threads={arguments.threads}", f"device={arguments.device}"]
    variants = {
        "as shipped": trainer_of(name, overrides),
        "one node at a time": trainer_of(name, overrides, stacked=False),
    }
    compile_seconds = 0.0
    if arguments.compile:
        compiled = trainer_of(name, [*overrides, "run.compile=true"])
        states = compiled.model.initial_states(compiled.config.run.N_minibatch_size)
        with compiled.model.context():
            began = time.perf_counter()
            compiled.step(states)
            compiled._step(compiled.model.initial_states(compiled.config.run.N_sim_batch))
            compile_seconds = time.perf_counter() - began
        variants["compiled"] = compiled
    first = variants["as shipped"]
    states = first.model.initial_states(first.config.run.N_minibatch_size)
    start = first.model.initial_states(first.config.run.N_sim_batch)
    with first.model.context():
        steps = best({v: lambda t=t: t.step(states) for v, t in variants.items()})
        periods = best({v: lambda t=t: t._step(start) for v, t in variants.items()})
    for variant in variants:
        note = ""
        if variant == "compiled":
            saved = (steps["as shipped"] - steps["compiled"]) / 1e3
            note = f"compiled in {compile_seconds:.0f} s; " + (
                f"pays after {compile_seconds / saved:,.0f} steps" if saved > 0 else "never pays"
            )
        ratio = f"{steps['as shipped'] / steps[variant]:.2f}"
        table.add_row(name, variant, f"{steps[variant]:.3f}", ratio, f"{periods[variant]:.3f}", note)


def time_transport(device: torch.device) -> Table:
    table = Table(title="Histogram transport", title_justify="left", show_edge=False)
    for heading in ("economies x nE x nA", "type", "ms", "ns an entry"):
        table.add_column(heading, no_wrap=True)
    for shape in ((1, 3, 400), (64, 3, 400), (512, 3, 400), (64, 7, 2000)):
        for dtype in (torch.float32, torch.float64):
            grid = 250 * torch.linspace(0, 1, shape[-1], dtype=dtype, device=device) ** 2
            mass = torch.rand(shape, dtype=dtype, device=device)
            mass /= mass.sum((-2, -1), keepdim=True)
            policy = 0.97 * grid + 0.5 * torch.rand(shape, dtype=dtype, device=device)
            transition = torch.softmax(torch.randn(shape[1], shape[1], dtype=dtype, device=device), -1)
            run = {"": lambda m=mass, p=policy, g=grid, t=transition: histogram.transport(m, p, g, t)}
            ms = best(run, rounds=5, seconds=0.1)[""]
            entries = shape[0] * shape[1] * shape[2]
            table.add_row(" x ".join(map(str, shape)), str(dtype)[6:], f"{ms:.3f}", f"{1e6 * ms / entries:.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--models", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    configure_cpu(arguments.threads)
    table = Table(title=f"{arguments.threads} threads, {arguments.device}", title_justify="left", show_edge=False)
    for heading in ("model", "variant", "ms a step", "speed", "ms a period", ""):
        table.add_column(heading, no_wrap=True)
    for name in arguments.models:
        time_model(name, arguments, table)
    console = Console(width=130)
    console.print(table)
    console.print(time_transport(torch.device(arguments.device)))


if __name__ == "__main__":
    main()
