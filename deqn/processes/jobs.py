"""Programs that run beside each other: started, looked after, and ended with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


class Job:
    """One Python program in a process of its own.

    Args:
        module: what is run.
        arguments: of its command line.
        output: file to which it writes; what it says of errors goes to the same name with `.err`.
    """

    def __init__(self, module: str, arguments: Sequence[str], output: Path) -> None:
        self.output, self._errors = output, output.with_suffix(".err")
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab") as out, self._errors.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip  # Ctrl-C is for the process that started it

    @property
    def code(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Asks it to end; it writes a checkpoint first."""
        if self.code is None:
            self._process.terminate()

    def close(self) -> str:
        """Waits for its end; what it said of errors."""
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        text = self._errors.read_text(encoding="utf-8", errors="replace").strip()
        if not text:
            self._errors.unlink(missing_ok=True)
        return text

    def last_line(self) -> str:
        """The last line that it has written."""
        with self.output.open("rb") as file:
            file.seek(max(0, self.output.stat().st_size - 4_096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def end_with_parent() -> None:
    """In the process of a job: it is asked to end as soon as the process that started it is gone, however that ended."""

    def wait() -> None:
        os.read(0, 1)  # nothing is ever written: it is the end of the pipe
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
