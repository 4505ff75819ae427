"""Printing onto a full disk."""

from __future__ import annotations

import errno
import io
import sys
import threading
from pathlib import Path

import pytest

from deqn.disk.output import Output, survive_full_disk

FULL = "/dev/full"  # Linux: every write fails with "No space left on device"


@pytest.mark.skipif(not Path(FULL).exists(), reason="no device that is always full")
def test_what_does_not_fit_is_dropped():
    with open(FULL, "w") as stream:
        with pytest.raises(OSError, match="No space"):
            print("x" * 100_000, file=stream, flush=True)
        output = Output(stream)
        for _ in range(3):
            output.write("x" * 100_000)
            output.flush()


def test_other_errors_are_raised():
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Output(Broken()).write("x")


def test_it_is_the_stream_otherwise():
    stream = io.StringIO()
    output = Output(stream)
    assert output.write("text") == 4
    assert output.getvalue() == "text"
    assert not output.isatty()


def test_a_thread_that_finds_the_disk_full_ends_silently(monkeypatch, capsys):
    """TensorBoard writes in one."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    shown = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    survive_full_disk()

    def fail(error):
        raise error

    for error in (OSError(errno.ENOSPC, "No space left"), OSError(errno.EIO, "broken"), ValueError()):
        thread = threading.Thread(target=fail, args=(error,))
        thread.start()
        thread.join()
    assert [type(failure.exc_value) for failure in shown] == [OSError, ValueError]
