"""How much faster a gradient step is than in another checkout: two processes that take a few steps each in turn.

python benchmarks/in_turn.py ../before                    stochastic Brock-Mirman, minibatch 500, five nodes, relu; three networks
python benchmarks/in_turn.py ../before run.compile=true   with more settings for both
python benchmarks/in_turn.py ../before --models krusell_smith

Processor time; what slows the machine down for a while slows both. Milliseconds are medians, the speed is the median ratio of
neighbouring turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from first_order import NETWORKS, ROOT, layers

LARGE = ["run.N_sim_batch=1000", "run.N_episode_length=30", "run.N_minibatch_size=500"]


def worker(model_name: str, steps: int, settings: list[str]) -> None:
    """Takes some steps whenever it reads a line, and answers with the milliseconds of one."""
    import deqn
    from deqn.training.trainer import Trainer

    model = deqn.load_model(model_name, settings)
    trainer = Trainer(model)
    states = model.initial_states(model.config.run.N_minibatch_size)
    model.network.train()
    with model.context():
        for _ in sys.stdin:
            began = time.thread_time()
            for _ in range(steps):
                trainer.step(states)
            print(1e3 * (time.thread_time() - began) / steps, flush=True)


def in_turn(roots: list[Path], model: str, steps: int, turns: int, settings: list[str]) -> list[list[float]]:
    """Milliseconds a step, by checkout and turn."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--worker", model, "--steps", str(steps), str(root), *settings],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        )
        for root in roots
    ]  # fmt: skip
    times: list[list[float]] = [[] for _ in roots]
    for _ in range(turns):
        for process, found in zip(processes, times, strict=True):
            assert process.stdin is not None
            assert process.stdout is not None
            print("go", file=process.stdin, flush=True)
            found.append(float(process.stdout.readline()))
    for process in processes:
        process.communicate()
    return [found[3:] for found in times]  # the first ones compile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=10, help="of a turn")
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments, settings = parser.parse_known_args()
    if arguments.worker:
        worker(arguments.worker, arguments.steps, settings)
        return
    cases = {name: (name, settings) for name in arguments.models} or {
        name: ("brock_mirman", [*LARGE, layers(hidden), *settings]) for name, hidden in NETWORKS.items()
    }
    print("| network | before [ms] | ms a step | speed |")
    for name, (model, each) in cases.items():
        roots = [arguments.before.resolve(), ROOT]
        before, after = in_turn(roots, model, arguments.steps, arguments.turns + 3, each)
        speed = statistics.median(a / b for a, b in zip(before, after, strict=True))
        print(
            f"| {name} | {statistics.median(before):.2f} | {statistics.median(after):.2f} | {speed:.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
