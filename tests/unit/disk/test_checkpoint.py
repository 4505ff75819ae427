"""Checkpoints are written whole or not at all, and read only when they fit."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

import pytest
import torch

from deqn.disk import checkpoint
from deqn.disk.checkpoint import Checkpoints, not_finite, snapshot
from deqn.errors import CheckpointError
from tests.conftest import contents

HEADER = {"format": checkpoint.FORMAT}


@pytest.fixture
def three(tmp_path) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path)
    for episode in (2, 9, 10):
        checkpoints.save({"header": HEADER, "w": torch.full((1000,), float(episode))}, episode)
    return checkpoints


def test_names_are_in_the_order_of_episodes(three):
    assert three.names() == ["ckpt-2", "ckpt-9", "ckpt-10"]


def test_latest_is_the_newest(three):
    payload, name, warnings = three.load("LATEST")
    assert (payload["w"][0].item(), name, warnings) == (10.0, "ckpt-10", [])


@pytest.mark.parametrize("form", ["ckpt-9", "ckpt-9.pt", "{folder}/ckpt-9.pt", "{folder}/ckpt-9"])
def test_a_name_is_taken_in_any_form(three, form):
    assert three.load(form.format(folder=three.folder))[0]["w"][0].item() == 9.0


def test_a_checkpoint_of_another_folder_is_not_taken_for_one_of_this(three):
    with pytest.raises(CheckpointError, match="is not in this run folder"):
        three.load("somewhere/ckpt/ckpt-9.pt")


def test_latest_in_another_case_is_suggested(three):
    with pytest.raises(CheckpointError, match=r"Did you mean LATEST\?.*It has: ckpt-2"):
        three.load("latest")


def test_old_checkpoints_are_removed(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for episode in range(4):
        checkpoints.save({"header": HEADER}, episode)
    assert checkpoints.names() == ["ckpt-2", "ckpt-3"]


def flip(path):
    """One byte in the middle of the file turned around."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "one byte": flip,
    "a text": lambda path: path.write_text("not a checkpoint"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_checkpoint_is_refused_when_named(three, damage):
    damage(three.path("ckpt-10"))
    with pytest.raises(CheckpointError, match=r"ckpt-10\.pt is damaged"):
        three.load("ckpt-10")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_latest_falls_back_to_the_newest_whole_one_and_says_so(three, damage):
    damage(three.path("ckpt-10"))
    payload, name, warnings = three.load("LATEST")
    assert (payload["w"][0].item(), name) == (9.0, "ckpt-9")
    assert "ckpt-10.pt is damaged" in warnings[0]


def test_latest_of_damaged_checkpoints_only_is_refused(three):
    for name in three.names():
        three.path(name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"every checkpoint in .* is damaged"):
        three.load("LATEST")


def test_code_in_a_checkpoint_is_never_run(three, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "evil"), "w"))

    torch.save({"header": HEADER, "x": Evil()}, three.path("ckpt-10"))
    with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
        three.load("ckpt-10")
    assert not (tmp_path / "evil").exists()


def test_a_file_of_another_program_is_refused(three):
    torch.save({"weights": torch.zeros(3)}, three.path("ckpt-10"))
    with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
        three.load("ckpt-10")


def test_another_format_is_refused(three):
    torch.save({"header": {"format": 99}}, three.path("ckpt-10"))
    with pytest.raises(CheckpointError, match="format 99; this program reads 1"):
        three.load("ckpt-10")


def test_a_failed_write_leaves_the_earlier_file_and_no_rest(three, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        three.save({"header": HEADER, "w": torch.zeros(3)}, 10)
    assert three.load("ckpt-10")[0]["w"][0].item() == 10.0
    assert list(three.folder.glob("*.tmp")) == []


@pytest.mark.parametrize(("number", "written"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_cannot_flush_a_folder_keeps_the_checkpoint(three, monkeypatch, number, written):
    fsync = os.fsync

    def of_files_only(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, "no")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files_only)
    with contextlib.nullcontext() if written else pytest.raises(OSError, match="no"):
        three.save(three.load("ckpt-10")[0], 11)
    assert three.load("ckpt-11")[1] == "ckpt-11"


def test_numbers_that_are_not_finite_are_never_written(three):
    with pytest.raises(CheckpointError, match=r"optimizer\.0\.m is not finite"):
        three.save({"header": HEADER, "optimizer": [{"m": torch.tensor([1.0, float("inf")])}]}, 11)
    assert "ckpt-11" not in three.names()


def test_clear_removes_checkpoints_and_nothing_else(three):
    (three.folder / "ckpt-11.tmp").write_bytes(b"")
    (three.folder / "ckpt-12.pt.old").write_bytes(b"")
    (three.folder / "ckpt-mine.pt").write_text("mine")
    (three.folder / "ckpt-best.pt").write_bytes(b"")
    three.clear()
    assert [path.name for path in three.folder.iterdir()] == ["ckpt-mine.pt"]


def test_later_checkpoints_are_set_aside_by_name(three):
    assert three.set_aside(9) == ["ckpt-10"]
    assert three.names() == ["ckpt-2", "ckpt-9"]
    assert (three.folder / "ckpt-10.pt.old").is_file()


def test_what_a_killed_process_left_half_written_is_removed(three):
    before = contents(three.folder)
    (three.folder / "ckpt-11.tmp").write_bytes(b"half")
    assert three.set_aside(10) == []
    assert contents(three.folder) == before


def test_a_snapshot_does_not_follow_later_changes():
    tensor = torch.zeros(2)
    copy = snapshot({"a": [tensor, (tensor, 1)]})
    tensor.fill_(5)
    assert copy["a"][0].tolist() == [0, 0]
    assert copy["a"][1][0].tolist() == [0, 0]


def test_not_finite_names_the_path():
    assert not_finite({"a": {"b": [torch.zeros(1), torch.tensor(float("nan"))]}}) == "a.b.1"
    assert not_finite({"a": torch.tensor([1, 2]), "b": "text"}) == ""
