"""The tests of the literature on trained economies with a histogram of households; prints a Markdown table for each.

    python benchmarks/heterogeneous_agents.py                           the Krusell-Smith economies, default preset, seed 0
    python benchmarks/heterogeneous_agents.py --models krusell_smith --seeds 0 1 2
    python benchmarks/heterogeneous_agents.py --keep runs/literature run.threads=1   keeps the runs

A run that is in the folder of --keep is not trained again. The column of the reference needs JAX. What each row is:
docs/howto/heterogeneous_agents.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path as File

import deqn
from deqn.analysis.heterogeneous import markdown
from deqn.analysis.heterogeneous.economy import Economy
from deqn.analysis.heterogeneous.literature import literature
from deqn.analysis.heterogeneous.path import Path

ROOT = File(__file__).resolve().parent.parent
SECTIONS = ("Euler equation of one household", "law of motion", "Bellman equation")


def train(folder: File, model: str, arguments: argparse.Namespace, seed: int) -> File:
    """A run folder, trained by a process of its own."""
    run = folder / f"{model}-{arguments.preset}-{seed}"
    if run.is_dir() and json.loads((run / "run.json").read_text(encoding="utf-8")).get("status") == "finished":
        return run
    command = [
        sys.executable,
        str(ROOT / "run_deepnet.py"),
        f"model={model}",
        f"preset={arguments.preset}",
        f"seed={seed}",
    ]
    process = subprocess.run(
        [*command, f"hydra.run.dir={run}", *arguments.overrides],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\n{process.stdout}")
    return run


def measure(folder: File, with_reference: bool) -> dict[str, dict[str, dict[str, float]]]:
    """The report of one run; references lie beside the run folders, so that they are solved once."""
    run = deqn.load_run(folder)
    run.output = folder.with_name(f"{folder.name}-report")
    run.output.mkdir(exist_ok=True)
    make = run.from_post_process("references") if with_reference else None
    with run.model.context():
        references = make(run) if make else {}
    policies = {"network": None} | ({"reference": references["own grid"].policy} if references else {})
    return literature(run, {name: Path(Economy(run, policy)) for name, policy in policies.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["krusell_smith_1998", "krusell_smith"])
    parser.add_argument("--preset", default="default", help="smoke, teaching, default, production")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--keep", type=File, help="folder for the runs (default: a temporary one)")
    parser.add_argument("overrides", nargs="*", help="further arguments for run_deepnet.py")
    arguments = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or File(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for model in arguments.models:
            table: dict[str, dict[str, float | None]] = {}
            for seed in arguments.seeds:
                report = measure(train(folder, model, arguments, seed), with_reference=seed == arguments.seeds[0])
                for row, columns in (item for section in SECTIONS for item in report.get(section, {}).items()):
                    named = {name if name == "reference" else f"{name}, seed {seed}": x for name, x in columns.items()}
                    table[row] = table.get(row, {}) | named
            print(f"\n{model}\n\n{markdown.table(table)}", flush=True)


if __name__ == "__main__":
    main()
