"""From a command line to an exit status: the configuration is composed, the task is done, a mistake is one message."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from deqn.configuration.compose import (
    Composed,
    Task,
    argument_parser,
    compose,
    first_lines,
)
from deqn.configuration.multirun import Sweep, through_hydra
from deqn.configuration.overrides import RUN_DIR_VARIABLE
from deqn.disk.checkpoint import Checkpoints
from deqn.economy.files import describe, where
from deqn.errors import ConfigError, DEQNError, ModelError
from deqn.processes.launch import is_first
from deqn.processes.once import on_all_processes, show

_SECONDS_TO_SAY = 5  # that the first process has to say a mistake which all have found


def finish(action: Callable[[], int], stopped: Callable[[], str] = lambda: "stopped") -> NoReturn:
    """Does something and ends the process: with its status, or with that of a mistake, which is shown in one message.

    Args:
        stopped: what is said after Ctrl-C.
    """
    try:
        code = action()
    except Exception as error:
        known = None if os.environ.get("HYDRA_FULL_ERROR") else explained(error)
        if known is None:
            raise
        if not show(known):
            time.sleep(_SECONDS_TO_SAY)  # a launcher ends all processes when one has ended
        sys.exit(known.exit_code)
    except KeyboardInterrupt:
        if is_first():
            print(stopped(), file=sys.stderr)
        sys.exit(130)
    sys.exit(code)


def run(
    task: Task, check: Task | None = None, run_dir: str | None = None, sweep: Callable[[], Sweep] | None = None
) -> None:
    """The command line of `sys.argv`: Hydra's own, and `--check` where there is a `check`.

    Exit status: 0 when the asked work was done, 1 for a crash, 2 for the user's mistake, 3 for a number that is not
    finite, 4 for a last checkpoint that could not be written, 5 when another process of the run is gone, 6 for a model that is
    not solved (`strict`), 130, 143 or 138 after SIGINT, SIGTERM or SIGUSR1.

    Args:
        run_dir: the run whose configuration is taken, where the environment names none.
        sweep: who trains the jobs of a sweep (`-m`).
    """
    parser = argument_parser()
    parser.usage = "%(prog)s [options] key=value ...; --help tells more"
    if check is not None:
        parser.add_argument("--check", action="store_true", help="validate, link and try the model; train nothing")
    parser.add_argument(
        "--strict", action="store_true", help="exit status 6 where the model is not solved (strict=true)"
    )
    parser.add_argument("--from", dest="library", metavar="DIR", help="a folder of the TensorFlow library, as it is")
    arguments = parser.parse_intermixed_args()  # options may stand between overrides
    if arguments.strict:
        arguments.overrides.append("strict=true")
    run_dir = os.environ.get(RUN_DIR_VARIABLE) or run_dir
    full = bool(os.environ.get("HYDRA_FULL_ERROR"))
    composed: Composed | None = None

    def action() -> int:
        nonlocal composed
        for_hydra = ("help", "hydra_help", "cfg", "multirun", "shell_completion", "info", "config_name", "config_path")
        if any(getattr(arguments, name, None) for name in for_hydra):
            with on_all_processes():
                if getattr(arguments, "check", False):
                    raise ConfigError("--check takes one configuration: leave out -m, --cfg and the like.")
                if arguments.multirun and sweep is None:
                    raise ConfigError("This command takes one configuration: leave out -m.")
                return through_hydra(task, arguments, run_dir, None if full else explained, sweep)
        with on_all_processes():
            composed = compose(arguments.overrides, arguments.config_dir, run_dir, library=arguments.library)
        return (check if check is not None and arguments.check else task)(composed) or 0

    finish(action, lambda: _stopped(composed))


def explained(error: Exception) -> DEQNError | None:
    """An error as one that the user can mend: what a model file has raised, too little memory; None for a crash."""
    if isinstance(error, DEQNError):
        return error
    if re.search(r"allocate memory|out of memory", f"{error}", re.IGNORECASE):
        return ConfigError(
            f"not enough memory: {first_lines(error, 1)} Make run.N_sim_batch, run.N_episode_length, "
            "run.N_minibatch_size or the layers of net smaller."
        )
    place = where(error, Path())
    if not place:
        return None
    return ModelError(f"{place}: {describe(error)}\n  HYDRA_FULL_ERROR=1 shows the whole traceback.")


def run_in(arguments: Sequence[str]) -> str | None:
    """The folder that `hydra.run.dir=` names last, if it holds a run."""
    values = [_value(argument) for argument in arguments if argument.startswith("hydra.run.dir=")]
    return values[-1] if values and (Path(values[-1]) / ".hydra" / "config.yaml").is_file() else None


def resumed_run(arguments: Sequence[str]) -> str | None:
    """The run that a command line resumes by its folder alone: it names a starting point, and no model nor file of a group."""
    points = [_value(argument) for argument in arguments if argument.startswith("STARTING_POINT=")]
    chosen = {argument.partition("=")[0] for argument in arguments} & _CHOICES
    return run_in(arguments) if points and points[-1] != "NEW" and not chosen else None


_CHOICES = {"model", "preset", "MODEL_NAME", "constants", "net", "optimizer", "run", "variables"}


def _value(argument: str) -> str:
    return argument.partition("=")[2].strip("\"'")


def _stopped(composed: Composed | None) -> str:
    """What Ctrl-C leaves, in one line: before training, and where a second one ends it at once."""
    if composed is None or not composed.run_dir.is_dir():
        return "stopped before training: there is no run folder yet"
    checkpoints = Checkpoints(composed.run_dir).names()
    if not checkpoints:
        return f"stopped; {composed.run_dir} has no checkpoint yet"
    return f"stopped; the newest checkpoint of {composed.run_dir} is {checkpoints[-1]}"
