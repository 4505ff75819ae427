"""Milliseconds an episode of first-order training: stochastic Brock-Mirman, 1,000 x 30 states, 60 Adam steps, five nodes, relu.

python benchmarks/first_order.py                    eager and compiled, three networks; a row for each
python benchmarks/first_order.py --before ../before another checkout too, in turn with this one, and the ratio of the two

A figure is the difference of a long and a short run over its episodes: whole processes, one thread, checkpoints rare. Processor
time is counted, since others may use the machine; the least of several rounds.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = {"2 x 50": (2, 50), "2 x 100": (2, 100), "3 x 128": (3, 128)}
SHORT, LONG = 3, 18  # episodes


def layers(hidden: tuple[int, int]) -> str:
    """The setting of some hidden layers with as many units each."""
    entries = [f"{{hidden: {{units: {hidden[1]}, activation: relu}}}}"] * hidden[0]
    return f"net.layers=[{','.join([*entries, '{output: {activation: linear, init_scale: 0.1}}'])}]"


def seconds(root: Path, hidden: tuple[int, int], episodes: int, compiled: bool, settings: list[str]) -> float:
    """Processor time of one run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, str(root / "run_deepnet.py"), "model=brock_mirman", "run.N_sim_batch=1000",
            "run.N_episode_length=30", "run.N_minibatch_size=500", f"run.N_episodes={episodes}", "CHECKPOINT_INTERVAL=100000",
            layers(hidden), f"run.compile={str(compiled).lower()}", f"hydra.run.dir={folder}/run", *settings,
        ]  # fmt: skip
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--ways", nargs="*", default=["eager", "compiled"], choices=["eager", "compiled"])
    parser.add_argument("settings", nargs="*", help="more settings for all runs")
    arguments = parser.parse_args()
    roots = [*([arguments.before.resolve()] if arguments.before else []), ROOT]
    print(
        f"| network | | {'before [ms] | ' if arguments.before else ''}ms an episode | {'speed |' if arguments.before else ''}"
    )
    for network in arguments.networks:
        for way in arguments.ways:
            compiled = way == "compiled"
            least: dict[tuple[Path, int], float] = {}
            for i in range(arguments.rounds + compiled):  # the first compiled round fills the cache
                for episodes in (SHORT, LONG):
                    for root in roots:
                        taken = seconds(root, NETWORKS[network], episodes, compiled, arguments.settings)
                        if i >= compiled:
                            least[root, episodes] = min(taken, least.get((root, episodes), taken))
            times = [1e3 * (least[root, LONG] - least[root, SHORT]) / (LONG - SHORT) for root in roots]
            cells = [network, way, *(f"{t:.0f}" for t in times)]
            cells += [f"{times[0] / times[1]:.2f}"] if arguments.before else []
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
