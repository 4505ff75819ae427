"""Which process of how many this is."""

from __future__ import annotations

import os
from collections.abc import Mapping

from deqn.errors import ConfigError

# set by horovodrun, mpirun (Open MPI; MPICH, Intel MPI), torchrun, srun
_SIZES = ("HOROVOD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


def refuse_several_processes(environment: Mapping[str, str] = os.environ) -> None:
    """Stops a start by a launcher of several processes, which would be as many copies of one run in one folder.

    Raises:
        ConfigError: with the variable that says so.
    """
    for name in _SIZES:
        size = environment.get(name, "")
        if size.isdigit() and int(size) > 1:
            raise ConfigError(
                f"{name}={size}: training with several processes is not supported yet. Start one process "
                f"(python run_deepnet.py ...), or unset {name} where it is left over."
            )
