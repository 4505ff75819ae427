"""deqn/distributed.py: which launch this process belongs to. What processes do together: tests/distributed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from deqn import distributed, launch
from deqn.distributed import Comm, connect
from deqn.errors import ConfigError
from deqn.launch import launched

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


def test_how_a_process_ended_is_known_until_it_is_collected():
    process = subprocess.Popen([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert distributed._how_it_ended(process.pid) == "was killed by SIGKILL"
    process.wait()
    assert distributed._how_it_ended(process.pid) == "has ended"
    assert distributed._how_it_ended(os.getpid()) == ""


def test_a_restarted_run_keeps_the_folder_of_its_first_start(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    elastic = {"TORCHELASTIC_MAX_RESTARTS": "2", "TORCHELASTIC_RUN_ID": "x"}
    assert launch.first_folder(tmp_path / "12-00-00", "seed=1", elastic) == (tmp_path / "12-00-00", False)
    assert launch.first_folder(tmp_path / "12-00-03", "seed=2", elastic) == (tmp_path / "12-00-03", False)  # of a sweep
    assert launch.first_folder(tmp_path / "12-00-07", "seed=1", elastic) == (tmp_path / "12-00-00", True)
    assert launch.first_folder(tmp_path / "12-00-08", "seed=2", elastic) == (tmp_path / "12-00-03", True)
    assert launch.first_folder(tmp_path / "12-00-09", "seed=1", {}) == (tmp_path / "12-00-09", False)


def test_srun_with_pmi2_is_srun():
    """It sets the variables of MPICH's launcher too, without the rank on this machine."""
    found = launched(LAUNCHES["srun"] | {"PMI_SIZE": "4", "PMI_RANK": "3"})
    assert (found.launcher, found.local_rank) == ("srun", 1)
    assert (
        launched({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"} | LAUNCHES["mpirun (MPICH)"]).launcher == "mpirun"
    )
