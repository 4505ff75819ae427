"""Errors that a user can mend: what, where, what was expected, how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar


class DEQNError(Exception):
    """Base of all errors with a message for the user; `exit_code` is the process's exit status."""

    exit_code = 2
    shared = False  # whether every process of the run raises it: one of them says so
    on_each_machine = False  # or, of those, one on each machine: what was typed there may differ

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        self.problems = list(problems)
        lines = [message, *(f" {i}. {problem}" for i, problem in enumerate(self.problems, start=1))]
        super().__init__("\n".join(lines))

    @property
    def report(self) -> str:
        """The text printed on the terminal: class name and message."""
        return f"{type(self).__name__}: {self}"

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows: a mistake of the user's needs no traceback."""
        return self.report.splitlines()


class ConfigError(DEQNError):
    """The configuration is wrong."""


class ModelError(DEQNError):
    """A file of the model folder is wrong."""


class CheckpointError(DEQNError):
    """A checkpoint or a run folder cannot be used."""


class TrainingError(DEQNError):
    """Training cannot go on: a number is not finite."""

    exit_code = 3


class SaveError(DEQNError):
    """Training ended, but its last checkpoint could not be written."""

    exit_code = 4


class ProcessError(DEQNError):
    """Another process of the run is gone."""

    exit_code = 5


class ElsewhereError(DEQNError):
    """The first process has failed, and says why; this one ends with the same exit status."""

    shared = True

    def __init__(self, exit_code: int) -> None:
        super().__init__("the first process has failed.")
        self.exit_code = exit_code


Raised = TypeVar("Raised", bound=DEQNError)


def shared(error: Raised) -> Raised:
    """Marks an error that every process raises."""
    error.shared = True
    return error


def count(n: int, noun: str, plural: str | None = None) -> str:
    """'1 problem', '2 problems'."""
    return f"{n} {noun}" if n == 1 else f"{n} {plural or noun + 's'}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """' Did you mean x?' for the nearest known name, or an empty string."""
    known = list(known)
    lowered = {k.lower(): k for k in reversed(known)}
    nearest = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)
    return f" Did you mean {lowered[nearest[0]]}?" if nearest else ""


def text_constants(message: str, constants: Mapping[str, Any]) -> list[str]:
    """A line for each constant that is a text, where this may be the reason of a failure.

    Args:
        message: what went wrong. A wrong type may come from a text, whatever is said of it: `tensor * "high"` complains of an
            index. Where the text itself is quoted, it is that one.
    """
    texts = {name: value for name, value in constants.items() if isinstance(value, str)}
    named = {name: value for name, value in texts.items() if repr(value) in message}
    if not named and not re.search(r"TypeError|\bstr(ing)?\b", message):
        return []
    return [f"constants.{name} = {value!r} is a text; was a number meant?" for name, value in (named or texts).items()]


def problems_of(check: Callable[[], object]) -> list[str]:
    """The message of a ConfigError that a check raises."""
    try:
        check()
    except ConfigError as error:
        return [str(error)]
    return []
