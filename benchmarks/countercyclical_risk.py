"""The figure of `countercyclical_risk`: two networks, beside solutions whose households forecast one moment and two.

    python benchmarks/countercyclical_risk.py --figure docs/figures/countercyclical_risk.png
    python benchmarks/countercyclical_risk.py --keep runs/accuracy --figure risk.png     takes runs that are there

One network sees K, the other learned moments beside it. Both are trained with seed 0 as in benchmarks/krusell_smith_accuracy.py;
its runs in the folder of --keep are taken. All four economies have the same nodes and 10,000 quarters of common shocks. Drawn are
the 600 in which the two solutions are farthest apart, and the errors of their laws of motion.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path as File

import numpy as np
import torch
from krusell_smith_accuracy import train

import deqn
from deqn import figures
from deqn.analysis.heterogeneous.economy import Economy
from deqn.analysis.heterogeneous.path import Path

SHOWN, OF_LAWS = 600, 3_000  # quarters
SEES = {"nothing": "network, K only", "learned": "network, learned moments"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=File, help="folder for the runs (default: a temporary one)")
    parser.add_argument("--figure", type=File, required=True, help="the PNG to write")
    parser.add_argument("overrides", nargs="*", help="further arguments for run_deepnet.py")
    arguments = parser.parse_intermixed_args()
    arguments.model, arguments.processes = "countercyclical_risk", 1
    log_K = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or File(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for sees, name in SEES.items():
            run = deqn.load_run(train(folder, "default", sees, 0, arguments))
            run.output = run.path.with_name(f"{run.path.name}-report")
            run.output.mkdir(exist_ok=True)
            with run.model.context(), torch.no_grad():
                path = Path(Economy(run))
                log_K[name] = np.log(path.series["K"])
        with run.model.context(), torch.no_grad():
            references = run.from_post_process("references")(run)
        laws = {}
        for name, key in (("K only", "own grid"), ("two moments", "two moments")):
            solution, module = references[key].solution, references[key].module
            along = references[key].simulate(path.shocks)
            K, *at = (along[x][path.burn_in :] for x in ("K", "u", "v") if x in along)
            log_K[f"reference, {name}"] = np.log(K)
            at = [*at, solution] if at else [np.log(K / solution["K_ss"])]
            laws[name] = module.den_haan_errors(solution["law"], path.counted, *at)
    draw(log_K, laws, arguments.figure)


def draw(log_K: dict[str, np.ndarray], laws: dict[str, np.ndarray], file: File) -> None:
    """Three panels: log K, its distance from the solution with two moments, errors of the laws of motion iterated alone [%]."""
    best = "reference, two moments"
    apart = np.abs(log_K["reference, K only"] - log_K[best])
    begin = min(max(int(apart.argmax()) - SHOWN // 2, 0), len(apart) - SHOWN)
    shown = slice(begin, begin + SHOWN)
    figure, (top, middle, bottom) = figures.new(rows=3, width=8.0, height=2.3)
    styles = {best: "k", "reference, K only": "C3--", "network, K only": "C0", "network, learned moments": "C2"}
    for name, style in styles.items():
        top.plot(log_K[name][shown], style, linewidth=1, label=name)
        if name != best:
            middle.plot(100 * (log_K[name] - log_K[best])[shown], style, linewidth=1, label=name)
    middle.axhline(0, color="black", linewidth=0.8)
    for (name, errors), style in zip(laws.items(), ("C3", "k"), strict=True):
        bottom.plot(errors[:OF_LAWS], style, linewidth=0.8, label=f"{name}: {errors.mean():.3f} % on average")
    top.set(title=f"log K on common shocks, {SHOWN} of {len(apart):,} quarters", ylabel="log K")
    middle.set(title="Distance from the reference with two moments", ylabel="d log K [%]")
    bottom.set(
        title="Error of the laws of motion iterated alone (Den Haan, 2010)", xlabel="quarter", ylabel="|d log K| [%]"
    )
    for axis in (top, middle, bottom):
        axis.legend(fontsize="small")
    figures.save(figure, file)


if __name__ == "__main__":
    main()
