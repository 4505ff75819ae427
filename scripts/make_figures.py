"""The figures of docs/figures/: the commands that draw each, and small files of them.

python scripts/make_figures.py                   prints the commands of all figures
python scripts/make_figures.py rbc dice          runs those of two, which trains the models; runs stay in runs/figures/
python scripts/make_figures.py --small           draws nothing; makes all files small

A file is made small by a palette of 128 colours. One that has a palette already stays as it is.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures"
# figure -> what is trained, and the file of its post/<date>/ that is the figure
RUNS = {
    "analytic": ("model=analytic", "savings.png"),
    "bm1972": ("model=bm1972", "policies.png"),
    "brock_mirman": ("model=brock_mirman", "policies.png"),
    "huggett": ("model=huggett", "economy.png"),
    "irbc_irreversible": ("model=irbc_irreversible", "impulse_responses.png"),
    "krusell_smith": ("model=krusell_smith", "economy.png"),
    "krusell_smith_1998": ("model=krusell_smith_1998", "economy.png"),
    "krusell_smith_beta": ("model=krusell_smith_beta seed=1", "economy.png"),
    "sudden_stop_calibrated": ("model=sudden_stop_calibrated", "policies.png"),
    "two_assets": ("model=two_assets", "economy.png"),
}
# figure -> the program that writes it
PROGRAMS = {
    "countercyclical_risk": "benchmarks/countercyclical_risk.py --figure docs/figures/countercyclical_risk.png",
    "deqn": "docs/figures/deqn.py",
    "dice": "benchmarks/dice.py --ways shipped --seeds 0 --figure",
    "hank": "benchmarks/hank.py --no-small-shocks --periods 2000 --figure docs/figures/hank.png",
    "olg_lifecycle": "benchmarks/olg_lifecycle.py --seeds 0 --figures",
} | {
    name: f"benchmarks/catalogue.py --models {name} --ways shipped --seeds 0 --figures"
    for name in (
        "asset_pricing", "consumption_savings", "irbc", "irbc_labor", "irbc_leisure", "nk_zlb", "ramsey",
        "ramsey_stoch", "rbc", "rbc_labor", "stochastic_growth", "stochastic_growth_pseudostates", "sudden_stop",
    )
}  # fmt: skip
COLOURS = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="figures to draw")
    parser.add_argument("--small", action="store_true", help="make all files small")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in RUNS | PROGRAMS]
    if unknown:
        parser.error(f"no commands for {', '.join(unknown)}. Known: {', '.join(sorted(RUNS | PROGRAMS))}.")
    for name in options.names:
        draw(name)
    if options.small:
        for file in sorted(FIGURES.glob("*.png")):
            make_small(file)
    if not (options.names or options.small):
        for name in sorted(RUNS | PROGRAMS):
            print(name, *commands(name), sep="\n    ")


def commands(name: str) -> list[str]:
    """What draws a figure, as it is typed in the repository's folder."""
    if name in PROGRAMS:
        return [f"python {PROGRAMS[name]}"]
    (trained, file), folder = RUNS[name], f"runs/figures/{name}"
    return [
        f"python -m deqn train {trained} hydra.run.dir={folder}",
        f"python -m deqn post {folder}",
        f"cp {folder}/post/*/{file} docs/figures/{name}.png",
    ]


def draw(name: str) -> None:
    figure = FIGURES / f"{name}.png"
    for command in commands(name):
        print(command, flush=True)
        program, *arguments = shlex.split(command)
        if program == "python":
            subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)
        else:
            shutil.copy(sorted(ROOT.glob(arguments[0]))[-1], figure)  # of the last post-processing
    figure.with_suffix(".pdf").unlink(missing_ok=True)  # which some programs write beside it
    make_small(figure)


def make_small(file: Path) -> None:
    """Gives a PNG a palette: the colours that cover those of the picture, then moved to the means of what they stand for."""
    with Image.open(file) as picture:
        if picture.mode == "P":
            return
        picture.load()
    options = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 2, "dither": Image.Dither.NONE}
    picture.convert("RGB").quantize(COLOURS, **options).save(file, optimize=True)


if __name__ == "__main__":
    main()
