"""Who the other processes of a run are, so that it can be said which of them is gone, and how it ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any

from deqn.errors import ProcessError
from deqn.processes.comm import Comm


class Peers:
    """Who the other processes are, so that it can be said which of them is gone."""

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._all: list[tuple[str, int]] = []

    def meet(self, comm: Comm) -> None:
        """Learns the host and the process id of every rank."""
        everyone = comm.gather((socket.gethostname(), os.getpid()))
        self._all = comm.first(lambda: everyone)

    @contextlib.contextmanager
    def noticed(self) -> Any:
        """Turns the failure of a shared operation into one that says which process is gone."""
        try:
            yield
        except RuntimeError as error:  # gloo's, NCCL's and Horovod's own errors are such
            raise ProcessError(f"{self._gone()} ({first_line(error)}).") from error

    def _gone(self) -> str:
        here = socket.gethostname()
        until = time.monotonic() + 0.3  # its connections close a little before it has ended
        while time.monotonic() < until:
            for rank, (host, pid) in enumerate(self._all):
                if host == here and rank != self._rank and (end := how_it_ended(pid)):
                    return f"rank {rank} of {len(self._all)} (process {pid} on {host}) {end}"
            time.sleep(0.001)
        return (
            f"a process of this run is gone, or what all of them do together has failed; rank {self._rank} of {len(self._all)} "
            "cannot go on"
        )


def how_it_ended(pid: int) -> str:
    """'was killed by SIGKILL', 'ended with status 1'; '' where the process runs, or nothing is known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return "has ended" if Path("/proc/self").exists() else ""
    except OSError:
        return ""
    if fields[0] not in "ZX":
        return ""
    status = int(fields[-1])  # as of waitpid(2); zero where this may not be read
    if status & 0x7F:
        return f"was killed by {signal.Signals(status & 0x7F).name}"
    return f"ended with status {status >> 8}"


def first_line(error: BaseException) -> str:
    """Of a message, what happened: without the place in gloo's sources and its advice."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return re.sub(r"^\[\S+\] ", "", lines[0].partition(". This is typically")[0].strip())
