"""The verdict's estimate of how far policies are from a solution, beside their distance to the known answer.

python benchmarks/policy_correction.py                        four models after their smoke preset
python benchmarks/policy_correction.py --models rbc nk_zlb

Means over simulated states, relative to the mean size of the variable.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import deqn
from deqn.analysis.correction import policy_correction, relative_sizes
from deqn.economy.known_answer import known_answer


def measure(name: str) -> None:
    model = deqn.load_model(name, ["preset=smoke"])
    deqn.Trainer(model).fit(quiet=True)
    run = deqn.Run(model, Path())
    states = run.cloud()
    change = policy_correction(model, states)
    if change is not None:
        for policy, size in relative_sizes(model, states, change).items():
            print(f"{name}: {policy} estimate {size:.1e}")
    _, known = known_answer(model, states)
    for variable, error in run.policy_errors(states).items():
        print(f"{name}: {variable} distance {float(error.mean() / known[variable].abs().mean()):.1e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["brock_mirman", "analytic", "ramsey", "rbc_labor"])
    for name in parser.parse_args().models:
        measure(name)


if __name__ == "__main__":
    main()
