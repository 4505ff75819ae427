"""What is printed is lost where the disk of a redirected output is full; the run goes on."""

from __future__ import annotations

import errno
import sys
import threading
from typing import Any, TextIO

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class Output:
    """A text stream that drops what does not fit on the disk."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._unless_full(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._unless_full(error)

    @staticmethod
    def _unless_full(error: OSError) -> None:
        if error.errno not in FULL_DISK:
            raise error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def survive_full_disk() -> None:
    """Standard output and error of this process lose text rather than end a run; threads that write files end silently."""
    sys.stdout, sys.stderr = Output(sys.stdout), Output(sys.stderr)
    shown = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not (isinstance(failure.exc_value, OSError) and failure.exc_value.errno in FULL_DISK):
            shown(failure)

    threading.excepthook = hook  # TensorBoard's; the next one that it is given to write is refused, and that is said
