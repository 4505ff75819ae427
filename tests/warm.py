"""A `python` that has imported the library already: each start of an entry point saves two seconds of imports.

`python()` gives the path of a program that is called as Python is. What it starts is a process of its own, forked from one that
has only imported: with its own standard streams, environment, folder, signals and exit status. Another module, and what changes
how Python starts (another PYTHONPATH), goes to the real Python. Not for tests of what an import costs or brings.
"""

from __future__ import annotations

import array
import atexit
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import types
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_IMPORTED = (
    "deqn.commands.train", "deqn.commands.post", "deqn.commands.sweep", "deqn.analysis.run",
    "deqn.analysis.figures", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "torch._dynamo",
    "torch.distributed.run", "torch.distributed.elastic.agent.server.api",
    "tensorboard.summary.writer.event_file_writer", "optuna", "pandas", "scipy.optimize", "scipy.stats", "jinja2",
)  # fmt: skip
_PROGRAM = """#!{python} -IS
import array, os, signal, socket, sys

def real():
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])

changed = any(k.startswith("PYTHON") and v != {inherited!r}.get(k) for k, v in os.environ.items())
typed = sys.argv[1:3]
known = typed[:1] == ["-c"] or typed[:1] == ["-m"] and typed[1].startswith(("deqn", "torch.distributed.run"))
if changed or not (known or typed and typed[0].endswith((".py", "/horovodrun"))):
    real()
server = socket.socket(socket.AF_UNIX)
try:
    server.connect({address!r})
except OSError:
    real()
words = [os.getcwd(), str(len(sys.argv) - 1), *sys.argv[1:], *(f"{{k}}={{v}}" for k, v in os.environ.items())]
said = "\\0".join(words).encode("utf-8", "surrogateescape")
streams = array.array("i", [0, 1, 2])
server.sendmsg([len(said).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
server.sendall(said)
pid = int.from_bytes(server.recv(8, socket.MSG_WAITALL), "big")
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(pid, number))
answer = server.recv(8, socket.MSG_WAITALL)
if len(answer) < 8:
    sys.exit("tests/warm.py has ended while this program ran")
status = os.waitstatus_to_exitcode(int.from_bytes(answer, "big"))
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@cache
def python() -> str:
    """Path of the program; the process that it forks from ends with this one. Python itself where forks are not safe."""
    if sys.platform != "linux":
        return sys.executable
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address, program = folder / "socket", folder / "python"
    inherited = {key: value for key, value in os.environ.items() if key.startswith("PYTHON")} | {
        "PYTHONPATH": str(ROOT)
    }
    program.write_text(
        _PROGRAM.format(python=sys.executable, inherited=inherited, address=str(address)), encoding="utf-8"
    )
    program.chmod(0o755)
    # its standard input closes with this process
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__)), str(address)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | inherited | {"OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    _kept.append(server)
    return str(program)


_kept: list[subprocess.Popen] = []


def _serve(address: str) -> list[str]:
    """Forks until standard input closes; returns in each fork, with its arguments."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    print("ready", flush=True)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([0, listening, *running.values()], [], [], 0.01 if running else None)
        if 0 in ready:  # the tests have ended
            for pid in running:
                os.kill(pid, signal.SIGKILL)
            os._exit(0)
        if listening in ready:
            client, _ = listening.accept()
            size, rights, _, _ = client.recvmsg(8, socket.CMSG_SPACE(3 * array.array("i").itemsize))
            if not rights:  # killed before it has said what it wants
                client.close()
                continue
            streams = array.array("i", rights[0][2])
            said = client.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
            pid = os.fork()
            if pid == 0:
                for stream in (listening, client, *running.values()):
                    stream.close()
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                    os.close(stream)
                return said.decode("utf-8", "surrogateescape").split("\0")
            for stream in streams:
                os.close(stream)
            running[pid] = client
            with suppress(OSError):  # killed meanwhile: seen below
                client.sendall(pid.to_bytes(8, "big"))
        for pid, client in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended and client in ready:  # whoever waited for it was killed
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
            elif not ended:
                continue
            else:
                with suppress(OSError):
                    client.sendall(status.to_bytes(8, "big"))
            client.close()
            del running[pid]


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    for name in _IMPORTED:
        __import__(name)
    words = _serve(sys.argv[1])
    end = 2 + int(words[1])
    os.chdir(words[0])
    os.environ.clear()
    os.environ.update(word.split("=", 1) for word in words[end:])
    typed = words[2:end]
    sys.executable = os.path.join(os.path.dirname(sys.argv[1]), "python")
    tempfile.tempdir = None  # TMPDIR may be another one now
    if typed[0] == "-m":
        sys.argv = typed[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(typed[1], run_name="__main__", alter_sys=True)
    elif typed[0] == "-c":
        sys.argv = ["-c", *typed[2:]]
        sys.path[0] = ""
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(typed[1], vars(sys.modules["__main__"]))
    else:
        sys.argv = typed
        sys.path[0] = str(Path(typed[0]).resolve().parent)
        runpy.run_path(typed[0], run_name="__main__")
