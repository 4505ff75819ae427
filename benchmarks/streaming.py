"""One episode of ten million Krusell-Smith states that are never held together: memory and time.

    python benchmarks/streaming.py                                  1,000 economies x 10,000 periods of the shipped grid
    python benchmarks/streaming.py constants.nA=100                 a coarser one; any override can follow
    python benchmarks/streaming.py --periods 1000 run.N_states_held=null    held, to compare

Prints the size of the states, the most memory that the process had, and its minutes of processor time.
"""

from __future__ import annotations

import argparse
import resource
import time

from rich.console import Console

import deqn
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer

GB = 1e9


def peak() -> float:
    """Bytes; Linux counts in kilobytes."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--economies", type=int, default=1_000)
    parser.add_argument("--periods", type=int, default=10_000)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    console = Console(width=130)
    settings = [
        f"run.N_sim_batch={arguments.economies}", f"run.N_episode_length={arguments.periods}", "run.N_minibatch_size=250",
        "run.N_states_held=100_000", "run.N_episodes=1", "optimizer.learning_rate=1e-5",
    ]  # fmt: skip
    model = deqn.load_model("krusell_smith", [*settings, *arguments.overrides])
    probe(model)
    trainer = Trainer(model)
    config = model.config
    one = model.n_states * trainer.state.starting_state.element_size()
    total, held = config.states_per_episode, max(config.pieces) * config.run.N_sim_batch
    before = peak()
    console.print(
        f"{total:,} states of {one:,} bytes: {total * one / GB:.1f} GB; held at a time: {held:,} ({held * one / GB:.2f} GB), in "
        f"{len(config.pieces)} pieces; {config.steps_per_episode:,} gradient steps. Memory before the first: {before / GB:.2f} GB"
    )
    wall, processor, step, shown = time.perf_counter(), time.process_time(), trainer.step, time.perf_counter()

    def shows(states):  # type: ignore[no-untyped-def]
        nonlocal shown
        terms = step(states)
        if time.perf_counter() - shown > 60:
            shown = time.perf_counter()
            console.print(f"step {trainer.state.step:,}, at most {peak() / GB:.2f} GB")
        return terms

    trainer.step = shows  # type: ignore[method-assign]
    with model.context():
        record = trainer.episode()
    above, processor, wall = (
        (peak() - before) / (held * one),
        time.process_time() - processor,
        time.perf_counter() - wall,
    )
    console.print(
        f"at most {peak() / GB:.2f} GB of memory, {above:.2f} times the states held above it; {processor / 60:.1f} minutes "
        f"of processor time ({wall / 60:.1f} on the clock), {record.n_steps:,} steps, mean loss a state {record.epochs[0][0]:.2e}"
    )


if __name__ == "__main__":
    main()
