"""What the launcher's variables say: which process of how many this is, where they meet, whether it was started again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deqn.errors import ConfigError


@dataclass(frozen=True)
class Launch:
    """What the launcher's variables say of this process."""

    launcher: str
    size: int
    rank: int
    local_rank: int


# launcher, and its variables for the number of processes, which of them this is, and which of those on this machine
_VARIABLES = (
    ("horovodrun", "HOROVOD_SIZE", "HOROVOD_RANK", "HOROVOD_LOCAL_RANK"),
    ("torchrun", "WORLD_SIZE", "RANK", "LOCAL_RANK"),
    ("mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ("mpirun", "PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"),
    ("srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"),
)


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """The launch of several processes that this one belongs to; None where it is alone.

    Raises:
        ConfigError: when there are several, but not which of them this is.
    """
    for launcher, size, rank, local_rank in _VARIABLES:
        n = _number(environment, size)
        if n is None or n < 2 or (size == "PMI_SIZE" and _is_of_srun(environment)):
            continue
        _refuse_torchrun_in_each_task(environment, size, n)
        this = _number(environment, rank)
        if this is None:
            raise ConfigError(
                f"{size}={n}, but {rank} is not set: {launcher} starts {n} processes that do not know which of them they are. "
                f"Start them with {launcher}, or unset {size} where it is left over."
            )
        if this >= n:
            raise ConfigError(
                f"{rank}={this}, but {size}={n}: expected a number from 0 to {n - 1}, another one for each process."
            )
        return Launch(launcher, n, this, _number(environment, local_rank) or 0)
    return None


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise ConfigError(
            f"{name}={text}: expected a whole number that is not negative. A launcher sets it; unset it otherwise."
        )
    return int(text)


def _refuse_torchrun_in_each_task(environment: Mapping[str, str], size: str, n: int) -> None:
    if size.startswith("SLURM") and environment.get("WORLD_SIZE") == "1":
        raise ConfigError(
            f"srun has started {n} tasks, and in each of them torchrun has started a process of its own ({size}={n}, "
            "WORLD_SIZE=1). Join them with torchrun --nnodes and --rdzv-endpoint (scripts/slurm.sh), or leave torchrun out."
        )


def _is_of_srun(environment: Mapping[str, str]) -> bool:
    """`srun --mpi=pmi2` sets the variables of MPICH's launcher too, without the rank on this machine."""
    pairs = (("PMI_SIZE", "SLURM_STEP_NUM_TASKS"), ("PMI_RANK", "SLURM_PROCID"))
    return all(environment.get(one) == environment.get(other) for one, other in pairs)


def command(environment: Mapping[str, str] = os.environ) -> str:
    """What starts as many processes as these on one machine: `torchrun --nproc-per-node 4`, `mpirun -np 4 python`."""
    launch = launched(environment)
    if launch is None:
        return "python"
    options = {"torchrun": "--nproc-per-node", "srun": "-n"}
    python = "" if launch.launcher == "torchrun" else " python"
    return f"{launch.launcher} {options.get(launch.launcher, '-np')} {launch.size}{python}"


def refuse_one_of_many_tasks(environment: Mapping[str, str]) -> None:
    """SLURM has given several tasks to a job (sbatch, salloc), and no launcher has started them.

    Raises:
        ConfigError: with the command that does.
    """
    tasks = environment.get("SLURM_NTASKS", "")
    if tasks.isdigit() and int(tasks) > 1 and not any(environment.get(size) for _, size, *_ in _VARIABLES):
        raise ConfigError(
            f"SLURM_NTASKS={tasks}: this job has {tasks} tasks, but one process was started, outside of srun. Start it with "
            f"srun python run_deepnet.py ..., or torchrun --nproc-per-node {tasks} run_deepnet.py ... (docs/howto/cluster.md); "
            "to train with one process, ask for one task, or set SLURM_NTASKS=1."
        )


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is alone or the first of several: what one process does is then done once."""
    launch = launched(environment)
    return launch is None or launch.rank == 0


def set_meeting_point(launch: Launch, environment: Mapping[str, str]) -> None:
    """MASTER_ADDR and MASTER_PORT for processes on one machine, from what they have in common.

    Raises:
        ConfigError: when the processes are on several machines, and nothing says where to meet.
    """
    local = {
        "mpirun": environment.get("OMPI_COMM_WORLD_LOCAL_SIZE", environment.get("MPI_LOCALNRANKS", "")),
        "srun": str(launch.size) if environment.get("SLURM_STEP_NUM_NODES", environment.get("SLURM_NNODES")) == "1" else "",
    }[launch.launcher]  # fmt: skip
    if "MASTER_ADDR" not in environment:
        if local != str(launch.size):
            raise ConfigError(
                f"{launch.launcher} has started {launch.size} processes on several machines, and neither Horovod with MPI nor a "
                "place to meet is there. Set MASTER_ADDR to the name of the first machine and MASTER_PORT to a free port, "
                "the same for all (docs/howto/cluster.md), or use torchrun or horovodrun."
            )
        os.environ["MASTER_ADDR"] = "127.0.0.1"
    if "MASTER_PORT" not in environment:
        names = ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "SLURM_JOB_ID", "SLURM_STEP_ID")
        job = " ".join(environment.get(name, "") for name in names)
        os.environ["MASTER_PORT"] = str(20_000 + int(hashlib.sha256(job.encode()).hexdigest(), 16) % 10_000)


def may_be_restarted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torchrun starts processes again after a failure (`--max-restarts`).

    Its count of restarts is that of one machine, and some restarts are not counted: it does not tell a first start.
    """
    return environment.get("TORCHELASTIC_MAX_RESTARTS", "0") not in ("", "0")


@dataclass(frozen=True)
class FolderNote:
    """Which run folder the processes of before had taken, when torchrun starts others: its name may hold the time of the start.

    Args:
        job: tells the runs apart that one torchrun starts, those of a sweep.
    """

    job: str

    @property
    def _path(self) -> Path:
        torchrun = os.getppid()
        job = f"{os.environ.get('TORCHELASTIC_RUN_ID', '')} {_began(torchrun)} {self.job}"
        name = f"deqn-{os.getuid()}-{torchrun}-{hashlib.sha256(job.encode()).hexdigest()[:16]}"
        return Path(tempfile.gettempdir()) / name

    def read(self) -> Path | None:
        """The folder of an earlier start; None where this is the first one that takes a folder, or the only one."""
        if not may_be_restarted() or not self._path.is_file():
            return None
        return Path(self._path.read_text(encoding="utf-8"))

    def write(self, run_dir: Path) -> None:
        """Keeps the folder for the next start; to be called once it is taken. Removes what other torchruns have left."""
        if not may_be_restarted():
            return
        for note in self._path.parent.glob(f"deqn-{os.getuid()}-*-*"):
            torchrun = note.name.split("-")[2]
            if torchrun.isdecimal() and _began(os.getpid()) and not _began(int(torchrun)):
                note.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a full disk there is no reason not to train; hydra.run.dir does as well
            self._path.write_text(str(run_dir), encoding="utf-8")


def _began(pid: int) -> str:
    """When a process began, so that another one with its number is not taken for it; '' where that is not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
