"""What the launcher's variables say: which process of how many this is, where they meet, whether it was started again."""

from __future__ import annotations

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
        processes = environment.get(size, "")
        if not processes.isdigit() or int(processes) < 2:
            continue
        if size == "PMI_SIZE" and _is_of_srun(environment):
            continue
        if not environment.get(rank, "").isdigit():
            raise ConfigError(
                f"{size}={processes}, but {rank} is not set: {launcher} starts {processes} processes that do not know which "
                f"of them they are. Start them with {launcher}, or unset {size} where it is left over."
            )
        return Launch(launcher, int(processes), int(environment[rank]), int(environment.get(local_rank, 0)))
    return None


def _is_of_srun(environment: Mapping[str, str]) -> bool:
    """`srun --mpi=pmi2` sets the variables of MPICH's launcher too, without the rank on this machine."""
    pairs = (("PMI_SIZE", "SLURM_STEP_NUM_TASKS"), ("PMI_RANK", "SLURM_PROCID"))
    return all(environment.get(one) == environment.get(other) for one, other in pairs)


def refuse_one_of_many_tasks(environment: Mapping[str, str]) -> None:
    """SLURM has given several tasks to a job (sbatch, salloc), and no launcher has started them.

    Raises:
        ConfigError: with the command that does.
    """
    tasks = environment.get("SLURM_NTASKS", "")
    if tasks.isdigit() and int(tasks) > 1 and not any(environment.get(size) for _, size, *_ in _VARIABLES):
        raise ConfigError(
            f"SLURM_NTASKS={tasks}: this job has {tasks} tasks, but one process was started, outside of srun. Start it with "
            f"srun python run_deepnet.py ..., or torchrun --nproc-per-node {tasks} run_deepnet.py ... (docs/cluster.md); to "
            "train with one process, ask for one task, or set SLURM_NTASKS=1."
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
                "the same for all (docs/cluster.md), or use torchrun or horovodrun."
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


def first_folder(run_dir: Path, job: str, environment: Mapping[str, str] = os.environ) -> tuple[Path, bool]:
    """The run folder of the first start of this job under the same torchrun, since its name may hold the time of the start.

    Args:
        job: tells the runs apart that one torchrun starts, those of a sweep.

    Returns:
        The folder, and whether there was a start before this one.
    """
    if not may_be_restarted(environment):
        return run_dir, False
    names = f"{environment.get('TORCHELASTIC_RUN_ID', '')} {os.getppid()} {_began(os.getppid())} {job}"
    note = Path(tempfile.gettempdir()) / f"deqn-{os.getuid()}-{hashlib.sha256(names.encode()).hexdigest()[:16]}"
    if note.is_file():
        return Path(note.read_text(encoding="utf-8")), True
    note.write_text(str(run_dir), encoding="utf-8")
    return run_dir, False


def _began(pid: int) -> str:
    """When a process began, so that another one with its number is not taken for it; '' where that is not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
