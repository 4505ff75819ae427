"""SIGINT, SIGTERM and SIGUSR1: the first one asks training to end after the present step, the second ends it at once."""

from __future__ import annotations

import signal
import time
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")  # SLURM sends the last one before its time limit; Windows has none
_PASSED_ON = 3.0  # seconds in which a launcher passes a signal on


class Signals:
    """Takes the signals while it is entered; outside the main thread they are the caller's business.

    Args:
        passed_on: whether the first signal may come twice: from the system, and from a launcher that passes it on.

    Attributes:
        received: number of the first signal, if any.
    """

    def __init__(self, passed_on: bool = False) -> None:
        self.received: int | None = None
        self._passed_on = passed_on
        self._first = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        numbers = [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]
        try:
            self._before = {number: signal.signal(number, self._handle) for number in numbers}
        except ValueError:  # not in the main thread
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: Any) -> None:
        if self.received is None:
            self.received, self._first = number, time.monotonic()
        elif not self._passed_on or time.monotonic() - self._first > _PASSED_ON:
            raise KeyboardInterrupt
