"""`deqn post --script my.py runs/first`: a user's script, written for the TensorFlow library, on a run of this one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deqn.analysis.run import Run, rebuild
from deqn.analysis.script import Script
from deqn.commands import entry
from deqn.configuration.compose import compose
from deqn.configuration.overrides import RUN_DIR_VARIABLE
from deqn.errors import ConfigError
from deqn.training.terminal import escape, terminal


def taken_from(argv: list[str]) -> Path | None:
    """The script of `--script my.py`, or of `script=my.py`, which is taken out of a command line; None where there is none."""
    for i, argument in enumerate(argv):
        if argument == "--script" and i + 1 < len(argv):
            del argv[i]
            return Path(argv.pop(i))
        for mark in ("--script=", "script=", "+script="):
            if argument.startswith(mark):
                return Path(argv.pop(i).removeprefix(mark))
    return None


def run(file: Path) -> int:
    """Runs the script with what is left of `sys.argv`.

    The run is that of `hydra.run.dir=`, or of the environment, which the script itself may set before it imports Parameters.

    Raises:
        ConfigError: where there is no such script, or no run is named.
    """
    if not file.is_file():
        raise ConfigError(f"{file}: there is no such script.")
    overrides = sys.argv[1:]

    def load() -> Run:
        run_dir = os.environ.get(RUN_DIR_VARIABLE) or entry.run_in(overrides)
        if run_dir is None:
            raise ConfigError(
                f"{file.name} imports Parameters, and no run is named. Name its folder, the one that holds .hydra/ and ckpt/: "
                f"deqn post --script {file} runs/first"
            )
        composed = compose(overrides, run_dir=run_dir)
        point = composed.config.STARTING_POINT
        found = rebuild(composed, "LATEST" if point == "NEW" else point)
        found.model.Globals.__dict__["POST_PROCESSING"] = False  # until the script sets it
        found.model.set_run(LOG_DIR=str(composed.run_dir))
        console = terminal()
        console.print(
            f"[bold]deqn[/bold] {escape(found.model.name)}: {escape(file.name)} on {escape(str(found.path))}, checkpoint of "
            f"episode {found.episode}"
        )
        for note in found.notes:
            console.print(f"[yellow]note[/yellow] {escape(note)}")
        return found

    script, before = Script(file, overrides, load), os.environ.get(RUN_DIR_VARIABLE)
    named = before or entry.run_in(overrides)
    try:
        if named:
            os.environ[RUN_DIR_VARIABLE] = named  # a script may read it
            script.start()
        script()
    finally:
        os.environ.pop(RUN_DIR_VARIABLE, None)
        if before is not None:
            os.environ[RUN_DIR_VARIABLE] = before
    return 0
