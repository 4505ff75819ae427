"""deqn/processes/signals.py."""

from __future__ import annotations

import signal

import pytest

from deqn.processes.signals import Signals


def test_the_first_signal_is_remembered_and_the_second_ends_at_once():
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_one_signal_that_a_launcher_passes_on_counts_once(monkeypatch):
    with Signals(passed_on=True) as signals:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr("deqn.processes.signals._PASSED_ON", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signals.received == signal.SIGTERM


@pytest.mark.parametrize("missing", [[], ["SIGUSR1"]])
def test_the_handlers_are_as_before_afterwards(missing, monkeypatch):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for name in missing:  # as on Windows
        monkeypatch.delattr(signal, name)
    with Signals():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
