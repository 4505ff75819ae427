"""deqn/distributed.py."""

from __future__ import annotations

import pytest

from deqn.distributed import refuse_several_processes
from deqn.errors import ConfigError


@pytest.mark.parametrize("variable", ["HOROVOD_SIZE", "OMPI_COMM_WORLD_SIZE", "WORLD_SIZE"])
def test_a_launcher_of_several_processes_is_refused(variable):
    with pytest.raises(ConfigError, match=f"{variable}=4"):
        refuse_several_processes({variable: "4"})


def test_one_process_of_a_launcher_is_accepted():
    assert refuse_several_processes({"WORLD_SIZE": "1", "HOROVOD_SIZE": ""}) is None
