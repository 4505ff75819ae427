"""`kill -9` at random moments, the writing of a checkpoint included: nothing is lost."""

from __future__ import annotations

import os

import pytest

from tests.distributed.fifty_kills import kill_and_resume

KILLS = int(os.environ.get("DEQN_KILLS", "2"))  # fifty: python -m tests.distributed.fifty_kills


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_never_was(processes, tmp_path):
    killed = kill_and_resume(tmp_path, processes, KILLS)
    assert killed.kills == KILLS
    assert killed.seconds < 30
