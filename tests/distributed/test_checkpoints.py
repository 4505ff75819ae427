"""A damaged checkpoint and two processes: they fall back together, or are refused together."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import TINY, assert_same, contents
from tests.distributed.launches import Launch, last, launch

RUN = [*TINY, "run.N_episodes=3", "++net.layers.1.hidden.dropout_rate=0.1", "hydra.run.dir=run"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Run folder of two processes that nothing happened to."""
    cwd = tmp_path_factory.mktemp("whole")
    launch("srun", 2, cwd, *RUN)
    return cwd / "run"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def another_kind(path: Path) -> None:
    """A file of the right form whose generator is none."""
    torch.save({**torch.load(path, weights_only=True), "rng": 3}, path)


def one_bit(path: Path) -> None:
    """One that no checksum covers: the largest tensor is marked as a folder, of which PyTorch would read nothing."""
    with zipfile.ZipFile(path) as file:
        tensor = max(file.infolist(), key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    content[content.rindex(tensor.filename.encode()) - 46 + 38] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, another_kind, one_bit])
def test_both_fall_back_together_and_end_as_if_nothing_had_happened(tmp_path, whole, damage: Callable[[Path], None]):
    shutil.copytree(whole, tmp_path / "run")
    damage(tmp_path / "run" / "ckpt" / "ckpt-3.pt")
    resumed = launch("srun", 2, tmp_path, *RUN, "STARTING_POINT=LATEST")
    said = " ".join(resumed.out.split())
    assert said.count("Falling back to the one before it.") == 1
    assert said.count("Resumed from ckpt-2: 2 episodes") == 1
    assert resumed.err.strip() == ""
    end = last(tmp_path / "run")
    assert len(end["others"]) == 1
    assert_same(end, last(whole))


def test_a_named_one_is_refused_on_both_with_one_message(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "run")
    cut(tmp_path / "run" / "ckpt" / "ckpt-3.pt")
    before = contents(tmp_path / "run")
    with Launch("srun", 2, tmp_path, *RUN, "STARTING_POINT=ckpt-3") as refused:
        assert refused.wait() == [2, 2], refused.text
    assert refused.text.count("CheckpointError: ") == 1
    assert "ckpt-3.pt is damaged" in refused.err
    assert "Traceback" not in refused.text
    assert contents(tmp_path / "run") == before
