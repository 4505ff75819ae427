"""deqn/training/saving.py: which generators and states a resumed run goes on from. Checkpoints themselves: test_checkpoint.py."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.run_folder import RunFolder
from deqn.errors import CheckpointError
from deqn.processes.comm import Comm
from tests.conftest import TINY, train


def resumed(folder, n: int, rank: int = 0, size: int = 1) -> tuple[deqn.Trainer, list[str]]:
    """A trainer with n trajectories that has read the checkpoint, as one of several processes."""

    class OneOfSeveral(Comm):
        def first(self, function):
            return function()

    model = deqn.Model(compose([*TINY, f"run.N_sim_batch={n}", "run.N_minibatch_size=8"]).config, None, rank)
    trainer = deqn.Trainer(model, RunFolder(folder), comm=OneOfSeveral(rank, size))
    return trainer, trainer.restore("LATEST")


@pytest.fixture
def states(tmp_path) -> torch.Tensor:
    """The states of a checkpoint of two processes with 16 trajectories each, in tmp_path/run."""
    train(tmp_path / "run", "run.N_episodes=1")
    checkpoints = Checkpoints(tmp_path / "run")
    payload, _, _ = checkpoints.load("LATEST")
    other = {name: payload[name] for name in ("torch_rng", "cuda_rng")}
    generator = torch.Generator().manual_seed(123)
    other |= {"rng": generator.get_state(), "starting_state": payload["starting_state"] + 1}
    checkpoints.save({**payload, "others": [other]}, 1)
    return torch.cat([payload["starting_state"], other["starting_state"]])


@pytest.mark.parametrize(("size", "n"), [(1, 32), (2, 16), (4, 8), (1, 8), (2, 4)])
def test_states_are_dealt_out_in_the_order_of_ranks(size, n, states, tmp_path):
    dealt = [resumed(tmp_path / "run", n, rank, size)[0].state.starting_state for rank in range(size)]
    assert torch.equal(torch.cat(dealt), states[: size * n])


def test_what_is_missing_is_drawn(states, tmp_path):
    trainer, lines = resumed(tmp_path / "run", 40)
    new = deqn.Model(compose([*TINY, "run.N_sim_batch=40"]).config).initial_states(40)
    assert torch.equal(trainer.state.starting_state, torch.cat([states, new[32:]]))
    (line,) = [line for line in lines if "was written by" in line]
    assert "by 2 processes with 32 trajectories, this run has 1 with 40" in line
    assert "32 trajectories go on, 8 begin anew" in line


def test_generators_are_those_of_the_rank_or_new(states, tmp_path):
    payload, _, _ = Checkpoints(tmp_path / "run").load("LATEST")
    for rank, expected in enumerate([payload["rng"], payload["others"][0]["rng"]]):
        assert torch.equal(resumed(tmp_path / "run", 16, rank, 3)[0].state.rng.get_state(), expected)
    third = deqn.Model(compose([*TINY, "run.N_sim_batch=16"]).config, None, 2)
    third.initial_states(16)
    assert torch.equal(resumed(tmp_path / "run", 16, 2, 3)[0].state.rng.get_state(), third.rng.get_state())


def test_the_same_sizes_are_not_worth_a_remark(states, tmp_path):
    assert not [line for line in resumed(tmp_path / "run", 16, 1, 2)[1] if "was written by" in line]


def test_a_folder_in_which_another_process_has_trained_on_is_refused(states, tmp_path):
    """Between the reading of the checkpoint and the taking of the folder: its later checkpoints would be set aside."""
    trainer, _ = resumed(tmp_path / "run", 16)
    trainer.saver.refuse_if_it_went_on()
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(checkpoints.load("LATEST")[0], 2)
    with pytest.raises(CheckpointError, match="another process has trained on there"):
        trainer.saver.refuse_if_it_went_on()
