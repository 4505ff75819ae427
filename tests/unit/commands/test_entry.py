"""A mistake that all processes of a run have found is said by the first, whoever is faster."""

from __future__ import annotations

import time

import pytest

from deqn.commands import entry
from deqn.errors import ConfigError
from deqn.processes.once import on_all_processes


def mistake() -> int:
    with on_all_processes():
        raise ConfigError("run.N_episode is not a field of run.")


@pytest.mark.parametrize(("rank", "waits", "says"), [("0", 0, "ConfigError: run.N_episode"), ("1", 1, "")])
def test_who_does_not_say_it_gives_the_first_time_to(rank, waits, says, monkeypatch, capsys):
    """A launcher such as horovodrun ends all processes as soon as one has ended with an error."""
    for name, value in {"WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(SystemExit) as end:
        entry.finish(mistake)
    assert (end.value.code, len(slept)) == (2, waits)
    assert capsys.readouterr().err.startswith(says)
    assert all(seconds >= 5 for seconds in slept)
