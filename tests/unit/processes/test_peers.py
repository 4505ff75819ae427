"""deqn/processes/peers.py: how a process ended. That the others say so: tests/distributed."""

from __future__ import annotations

import os
import subprocess
import sys

from deqn.processes.peers import how_it_ended


def test_how_a_process_ended_is_known_until_it_is_collected():
    process = subprocess.Popen([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert how_it_ended(process.pid) == "was killed by SIGKILL"
    process.wait()
    assert how_it_ended(process.pid) == "has ended"
    assert how_it_ended(os.getpid()) == ""
