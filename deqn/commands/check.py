"""`deqn check`, `python run_deepnet.py --check`: links a model and tries it; trains and writes nothing."""

from __future__ import annotations

import tempfile

from deqn.analysis.checkup import checkup_table
from deqn.analysis.run import Run
from deqn.commands import entry
from deqn.configuration.compose import Composed
from deqn.economy import calibration
from deqn.economy.model import Model
from deqn.economy.probe import probe
from deqn.processes import launch
from deqn.training.shares import shares_table
from deqn.training.terminal import escape, show_header, show_model, steady_state_lines, terminal
from deqn.training.trainer import Trainer
from deqn.training.try_hooks import try_hooks


def main() -> None:
    """Tries the model that `sys.argv` names; ends the process."""
    entry.run(check)


def check(composed: Composed) -> int:
    """Links the model, tries it on seven states, and its hooks on copies; returns the exit status."""
    if not launch.is_first():
        return 0
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # of files that keep what Parameters.LOG_DIR is when they are first run
        return _check(composed, folder)


def _check(composed: Composed, log_dir: str) -> int:
    model = Model(composed.config, log_dir=log_dir)
    report = probe(model)
    report.notes[:0] = composed.notes
    trainer = Trainer(model)  # optimizer and schedule
    try_hooks(model)
    calibration.keep(model.calibrated, model.folder, composed.config.constants)
    console = terminal()
    show_header(console, model)
    show_model(console, model, report)
    for line in steady_state_lines(model):
        console.print(escape(line))
    console.print(checkup_table(Run(model, composed.run_dir)))
    console.print(shares_table(trainer))
    console.print("check passed: nothing was trained or written")
    return 0
