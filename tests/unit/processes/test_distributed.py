"""deqn/processes/distributed.py: which launch this process belongs to. What processes do together: tests/distributed."""

from __future__ import annotations

import os

import pytest
import torch

from deqn.errors import ConfigError
from deqn.processes import distributed, launch
from deqn.processes.distributed import Comm, connect
from deqn.processes.launch import launched

LAUNCHES = {
    "horovodrun": {"HOROVOD_SIZE": "4", "HOROVOD_RANK": "3", "HOROVOD_LOCAL_RANK": "1"},
    "torchrun": {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"},
    "mpirun": {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_RANK": "1"},
    "mpirun (MPICH)": {"PMI_SIZE": "4", "PMI_RANK": "3", "MPI_LOCALRANKID": "1"},
    "srun": {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"},
}


@pytest.mark.parametrize("launcher", LAUNCHES)
def test_every_launcher_is_recognised(launcher):
    found = launched(LAUNCHES[launcher])
    assert (found.size, found.rank, found.local_rank) == (4, 3, 1)
    assert launcher.startswith(found.launcher)


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"HOROVOD_SIZE": ""}])
def test_one_process_is_no_launch(environment):
    assert launched(environment) is None
    assert connect(environment).size == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"RANK": "4"}, r"RANK=4, but WORLD_SIZE=4: expected a number from 0 to 3"),
        ({"RANK": "-1"}, r"RANK=-1: expected a whole number"),
        ({"LOCAL_RANK": "x"}, r"LOCAL_RANK=x: expected a whole number"),
        ({"WORLD_SIZE": "two"}, r"WORLD_SIZE=two: expected a whole number"),
    ],
)
def test_variables_that_are_no_numbers_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        launched(LAUNCHES["torchrun"] | wrong)


@pytest.mark.parametrize(
    ("place", "message"),
    [({}, "MASTER_ADDR is not set"), ({"MASTER_ADDR": "here"}, "MASTER_PORT is not set"),
     ({"MASTER_ADDR": "here", "MASTER_PORT": "x"}, "MASTER_PORT=x: expected the number")],
)  # fmt: skip
def test_processes_without_a_place_to_meet_are_refused(place, message, monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        connect(LAUNCHES["torchrun"])


def test_torchrun_in_each_task_of_srun_is_refused():
    with pytest.raises(ConfigError, match="srun has started 4 tasks, and in each of them torchrun"):
        launched(LAUNCHES["srun"] | {"WORLD_SIZE": "1", "RANK": "0"})


@pytest.mark.parametrize(
    ("launcher", "command"),
    [
        ("torchrun", "torchrun --nproc-per-node 4"),
        ("horovodrun", "horovodrun -np 4 python"),
        ("srun", "srun -n 4 python"),
    ],
)
def test_the_command_that_resumes_starts_as_many_processes(launcher, command):
    assert launch.command(LAUNCHES[launcher]) == command
    assert launch.command({}) == "python"


@pytest.mark.parametrize("launcher", LAUNCHES)
def test_several_processes_that_do_not_know_their_rank_are_refused(launcher):
    (size, _), *_ = LAUNCHES[launcher].items()
    with pytest.raises(ConfigError, match=f"{size}=4, but .* is not set"):
        launched({size: "4"})


def test_a_job_of_several_tasks_that_starts_one_process_is_refused():
    job = {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "7"}
    with pytest.raises(
        ConfigError, match=r"SLURM_NTASKS=4: this job has 4 tasks, but one process was started.*srun python"
    ):
        connect(job)


@pytest.mark.parametrize(
    "started",
    [{"SLURM_NTASKS": "1"}, {"SLURM_STEP_NUM_TASKS": "1"}, {"WORLD_SIZE": "1", "RANK": "0"}, {"HOROVOD_SIZE": "1"}],
)
def test_one_process_of_such_a_job_that_a_launcher_started_is_alone(started):
    assert connect({"SLURM_NTASKS": "4"} | started).size == 1


def test_what_one_process_does_is_done_by_the_first():
    assert launch.is_first({})
    assert launch.is_first({"SLURM_NTASKS": "4"})
    assert launch.is_first({"WORLD_SIZE": "4", "RANK": "0"})
    assert not launch.is_first({"WORLD_SIZE": "4", "RANK": "1"})


def test_torchrun_under_srun_is_torchrun():
    assert launched(LAUNCHES["srun"] | LAUNCHES["torchrun"]).launcher == "torchrun"


@pytest.mark.parametrize("launcher", ["mpirun", "srun"])
def test_processes_on_several_machines_need_a_place_to_meet(launcher):
    environment = LAUNCHES[launcher] | {"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "SLURM_NNODES": "2"}
    with pytest.raises(ConfigError, match=r"several machines.*MASTER_ADDR"):
        connect(environment)


def test_one_process_is_its_own_group():
    comm, x = Comm(), torch.tensor([1.0, 2.0])
    comm.mean_(x)
    assert x.tolist() == [1.0, 2.0]
    assert comm.gather({"a": x}) == [{"a": x}]
    assert comm.first(lambda: 7) == 7


def test_a_restarted_run_keeps_the_folder_of_its_first_start(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "2")
    first, second = launch.FolderNote("seed=1"), launch.FolderNote("seed=2")  # jobs of a sweep
    assert first.read() is None
    left = tmp_path / f"deqn-{os.getuid()}-{2**22 + 1}-0123"  # of a torchrun that is gone
    left.write_text("")
    first.write(tmp_path / "12-00-00")
    second.write(tmp_path / "12-00-03")
    assert not left.exists()
    assert launch.FolderNote("seed=1").read() == tmp_path / "12-00-00"
    assert launch.FolderNote("seed=2").read() == tmp_path / "12-00-03"
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "0")
    assert first.read() is None


def test_srun_with_pmi2_is_srun():
    """It sets the variables of MPICH's launcher too, without the rank on this machine."""
    found = launched(LAUNCHES["srun"] | {"PMI_SIZE": "4", "PMI_RANK": "3"})
    assert (found.launcher, found.local_rank) == ("srun", 1)
    assert (
        launched({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"} | LAUNCHES["mpirun (MPICH)"]).launcher == "mpirun"
    )


class OneOfTwo(Comm):
    """The second of two processes on a machine."""

    def __init__(self, engine: str) -> None:
        super().__init__(1, 2, 1, engine)

    def gather(self, value):
        return [[False, False], value]

    def first(self, function):
        return function()


@pytest.mark.parametrize(
    ("engine", "device", "n_gpus", "message"),
    [
        ("torch.distributed gloo and NCCL", "cuda:0", 2, "is one GPU for 2 processes. Give device=cuda"),
        (
            "torch.distributed gloo and NCCL",
            "cuda",
            1,
            r"more processes on a machine than GPUs \(1 GPU on the first one\)",
        ),
        ("torch.distributed gloo and NCCL", "auto", 1, "more processes on a machine than GPUs"),
        ("torch.distributed gloo and NCCL", "auto", 2, None),
        ("torch.distributed gloo and NCCL", "cpu", 1, None),
        ("horovod gloo", "cuda", 1, None),  # its sums go through the CPU
    ],
)
def test_every_process_has_a_gpu_of_its_own(engine, device, n_gpus, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    if message is None:
        distributed.refuse_shared_gpus(OneOfTwo(engine), device)
        return
    with pytest.raises(ConfigError, match=message):
        distributed.refuse_shared_gpus(OneOfTwo(engine), device)
