"""What every process of a run would say is said once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from deqn.errors import ConfigError, DEQNError
from deqn.processes.launch import launched


@contextlib.contextmanager
def on_all_processes() -> Iterator[None]:
    """Where a mistake is seen by every process of a run, so that one of them is enough to say so."""
    try:
        yield
    except DEQNError as error:
        error.shared = error.on_each_machine = True
        raise


def show(error: DEQNError, where: str = "") -> bool:
    """Prints an error; one that all processes raise is printed by the first. Whether this process printed it.

    Args:
        where: in which job of a sweep.
    """
    report = f"{where}: {error.report}" if where else error.report
    try:
        launch = launched()
    except ConfigError:  # that this launch is wrong is what the error says
        launch = None
    if launch is None or launch.rank == 0:
        print(report, file=sys.stderr)
    elif not error.shared or (error.on_each_machine and launch.local_rank == 0):
        print(f"rank {launch.rank}: {report}", file=sys.stderr)
    else:
        return False
    return True
