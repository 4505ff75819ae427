"""`deqn post`, `python post_process.py`: simulates a run's policy, writes tables and figures."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from pathlib import Path

import pandas as pd

from deqn.analysis import economy, figures
from deqn.analysis.accuracy import accuracy, accuracy_table
from deqn.analysis.checkup import binding
from deqn.analysis.heterogeneous import post as heterogeneous
from deqn.analysis.report import write_report
from deqn.analysis.run import link_into, rebuild
from deqn.commands import entry, script
from deqn.configuration.compose import Composed
from deqn.configuration.overrides import RUN_DIR_VARIABLE
from deqn.economy.linear import NoLinearSolution, linear_solution
from deqn.errors import ConfigError
from deqn.processes import launch
from deqn.training.terminal import escape, terminal

_LOG10 = (
    "`log10 mean` is the mean of log10 |residual|, not the logarithm of `mean`; the other `log10` columns are the logarithms of "
    "those without (docs/explanation/verdict.md)."
)


def main() -> None:
    """Post-processes the run that `sys.argv` or the environment names, or runs a script on it; ends the process."""
    sys.argv[1:] = [_named(argument) for argument in sys.argv[1:]]
    file = script.taken_from(sys.argv)
    if file is not None:
        entry.finish(partial(script.run, file))
    entry.run(post_process, run_dir=entry.run_in(sys.argv[1:]))


def _named(argument: str) -> str:
    """The folder of a run stands for `hydra.run.dir=` that folder."""
    return f"hydra.run.dir={argument}" if (Path(argument) / ".hydra").is_dir() else argument


def post_process(composed: Composed) -> int:
    """Simulates the run's policy, writes tables and figures, runs the model's own PostProcess.py: one process does."""
    if not launch.is_first():
        return 0
    if composed.source is None:
        raise ConfigError(
            "post-processing needs a run: hydra.run.dir=<run folder>, the one that holds .hydra/ and ckpt/. (As in the "
            f"TensorFlow library, {RUN_DIR_VARIABLE}=<run folder> may stand in front of the command.)"
        )
    console = terminal()
    starting_point = composed.config.STARTING_POINT
    run = rebuild(composed, "LATEST" if starting_point == "NEW" else starting_point)
    run.output = _new_folder(composed.run_dir / "post")
    console.print(
        f"[bold]deqn[/bold] {escape(run.model.name)}: configuration of {escape(str(run.path))}, checkpoint of episode "
        f"{run.episode}"
    )
    for note in run.notes:
        console.print(f"[yellow]note[/yellow] {escape(note)}")

    cloud, name = run.cloud(), run.sample.name
    described = f"{name}: {run.sample}"
    console.print(f"simulated {described}", markup=False)
    for table_name, frame in run.frames(cloud).items():
        file = run.output / f"{table_name}.csv"
        frame.to_csv(file, index=False, float_format="%.9g")
        link_into(composed.run_dir, file)

    table = pd.concat({name: run.accuracy(cloud), "wider box": run.accuracy(run.wider_box(cloud))}, names=["states"])
    table.to_csv(run.output / "euler_discrepancies.csv")
    by_entry = run.accuracy_by_entry(cloud)
    if any("[" in name for name in by_entry.index):  # an equation has a shape
        by_entry.to_csv(run.output / "euler_discrepancies_by_entry.csv")
    page = [f"Absolute Euler discrepancies, {described}\n", _markdown(table), *run.policy_error_lines(), _LOG10, ""]
    (run.output / "euler_discrepancies.md").write_text("\n".join(page), encoding="utf-8")
    console.print(accuracy_table(table, "Absolute Euler discrepancies"), markup=False)
    unit_free = run.unit_free(cloud)
    if unit_free:
        table = accuracy(run.model, cloud, unit_free)
        table.to_csv(run.output / "euler_discrepancies_unit_free.csv")
        console.print(accuracy_table(table, "The same without a unit, as Equations.py says"), markup=False)
    for bound, share in binding(run, cloud).items():
        console.print(f"{name}: {bound} in {100 * share:.2g} % of the states", markup=False)
    console.print("A small residual is necessary, not sufficient: it bounds no error of the policy or of its level.")

    try:
        linear = linear_solution(run.model, near=cloud.mean(0, keepdim=True))
        console.print(f"linear solution, drawn in policies.png: {linear}", markup=False)
    except NoLinearSolution as reason:
        linear = None
        console.print(f"no linear solution is drawn: {reason}", markup=False)
    drawn = [
        figures.loss_history(run, run.output / "loss.png"),
        figures.euler_discrepancies(run.residuals(cloud), run.output / "euler_discrepancies.png", described),
        figures.paths(run, run.output / "paths.png"),
        figures.policies(run, cloud, run.output / "policies.png", described, linear),
    ]
    said = []
    for line in economy.post_process(run, linear):
        console.print(line, markup=False)
        said.append(line)
    run.post_process()
    for line in [*heterogeneous.post_process(run), *run.closing_lines()]:
        console.print(line, markup=False)
        said.append(line)
    report = write_report(run, said)
    n_figures = len({*filter(None, drawn), *run.output.glob("*.png")})
    console.print(
        f"tables and {n_figures} figures: {run.output}; the simulated_*.csv also in {composed.run_dir}", markup=False
    )
    console.print(f"all on one page: {report}", markup=False)
    return 0


def _new_folder(parent: Path) -> Path:
    """`<parent>/<date>_<time>`, with a number where another post-processing took that name."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for number in range(1, 1000):
        folder = parent / (stamp if number == 1 else f"{stamp}_{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ConfigError(f"{folder} cannot be made: {error.strerror}. Give another hydra.run.dir.") from error
        return folder
    raise ConfigError(f"{parent}: too many post-processings in one second.")


def _markdown(table: pd.DataFrame) -> str:
    """The accuracy table for a paper's appendix."""
    flat = table.reset_index()
    lines = [" | ".join(map(str, flat.columns)), " | ".join("---" for _ in flat.columns)]
    for _, row in flat.iterrows():
        lines.append(" | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row))
    return "".join(f"| {line} |\n" for line in lines)
