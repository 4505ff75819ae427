"""Damaged and foreign checkpoints, and folders that are held or were left: refused with the reason, or passed over aloud."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import deqn
from deqn.disk import checkpoint
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.run_folder import RunFolder
from deqn.errors import CheckpointError
from tests.conftest import ROOT, TINY, assert_same, contents, plain_environment
from tests.distributed.launches import last, last_episode

RUN = [*TINY, "run.N_episodes=3", "hydra.run.dir=run"]


@pytest.fixture
def run_copy(tmp_path, finished_run) -> Path:
    """A finished run of three episodes that a test may spoil, in the working directory."""
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def another_model(tmp_path_factory) -> Path:
    """A checkpoint of bm1972."""
    run = tmp_path_factory.mktemp("another")
    deqn.Trainer(deqn.load_model("bm1972", ["run.N_episodes=1"]), RunFolder(run)).fit()
    return run / "ckpt" / "ckpt-1.pt"


# -- damage -----------------------------------------------------------------------------------------------------------


class Code:
    """An object that leaves a file behind when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return open, (str(self.mark), "w")


def cut(length: int) -> Callable[[Path], object]:
    """Keeps so many bytes; a negative number leaves out so many."""
    return lambda path: path.write_bytes(path.read_bytes()[:length])


def zeros(path: Path) -> None:
    """As after a crash of the machine: the length is there, the content is not."""
    path.write_bytes(bytes(path.stat().st_size))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "mine.txt").write_text("mine")


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/notes.txt", "mine")


def replaced(**changes: object) -> Callable[[Path], object]:
    """A whole file of the right form with other entries."""
    return lambda path: torch.save({**torch.load(path, weights_only=True), **changes}, path)


def header(**changes: object) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        payload = torch.load(path, weights_only=True)
        torch.save({**payload, "header": {**payload["header"], **changes}}, path)

    return change


def not_a_number(path: Path) -> None:
    payload = torch.load(path, weights_only=True)
    next(iter(payload["policy"].values())).fill_(float("nan"))
    torch.save(payload, path)


# what happens to ckpt-3.pt, and the reason that is given
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "emptied": (cut(0), "the file is empty"),
    "one byte left": (cut(1), "is damaged"),
    "half of it": (cut(10_000), "is damaged"),
    "one byte short": (cut(-1), "is damaged"),
    "zeros": (zeros, "is damaged"),
    "a text": (lambda path: path.write_text("not a checkpoint"), "is damaged: File is not a zip file"),
    "a zip file": (archive, "is damaged"),
    "a folder": (folder, "it is a folder"),
    "a list": (lambda path: torch.save([1, 2], path), "it has no header"),
    "parameters": (lambda path: torch.save({"w": torch.zeros(3)}, path), "it has no header"),
    "a network": (lambda path: torch.save(torch.nn.Linear(2, 2), path), "it holds objects, which are never loaded"),
    "code": (lambda path: torch.save(Code(path.with_name("ran")), path), "it holds objects, which are never loaded"),
    "code in a pickle": (lambda path: path.write_bytes(pickle.dumps(Code(path.with_name("ran")))), "is damaged"),
    "another format": (header(format=99), "has format 99; this program reads 1"),
    "a header of something else": (header(states=None), "states missing or of another kind"),
    "a text for the network": (replaced(policy="mine"), "policy missing or of another kind"),
    "a number for the generator": (replaced(rng=3), "rng missing or of another kind"),
    "a number for the other processes": (replaced(others=3), "others missing or of another kind"),
    "nothing for the states": (replaced(starting_state=None), "starting_state missing or of another kind"),
    "not a number": (not_a_number, "is not finite"),
}


def refused(answer, run: Path, name: str, reason: str) -> None:
    """A named checkpoint: one message with the reason, status 2, and nothing is changed."""
    before = contents(run)
    result = answer(*RUN, f"STARTING_POINT={name}")
    assert result.code == 2, result.out + result.err
    assert result.err.startswith("CheckpointError: ")
    assert result.err.count("Error: ") == 1
    assert f"{name}.pt" in result.err
    assert reason in result.err
    assert "Traceback" not in result.err
    assert contents(run) == before


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=DAMAGE.keys())
def test_it_is_refused_when_named_and_passed_over_by_latest(answer, run_copy, finished_run, damage, reason):
    """After which the run ends with the parameters of one that nothing happened to."""
    damage(run_copy / "ckpt" / "ckpt-3.pt")
    refused(answer, run_copy, "ckpt-3", reason)
    result = answer(*RUN, "STARTING_POINT=LATEST")
    said = " ".join(result.out.split())
    assert result.code == 0, result.err
    assert result.err == ""
    assert reason in said
    assert "Falling back to the one before it. note Resumed from ckpt-2: 2 episodes" in said
    assert_same(last(run_copy), last(finished_run))
    assert not (run_copy / "ckpt" / "ran").exists()


def test_a_checkpoint_of_another_model_is_refused_when_named_and_passed_over_by_latest(
    answer, run_copy, finished_run, another_model
):
    shutil.copy(another_model, run_copy / "ckpt" / "ckpt-3.pt")
    before = contents(run_copy)
    named = answer(*RUN, "STARTING_POINT=ckpt-3")
    assert named.code == 2
    assert "ckpt-3 was trained with model bm1972" in named.err
    assert "this run has model brock_mirman" in named.err
    assert "Traceback" not in named.err
    assert contents(run_copy) == before
    latest = answer(*RUN, "STARTING_POINT=LATEST")
    assert latest.code == 0, latest.err
    assert "ckpt-3 was trained with model bm1972" in " ".join(latest.out.split())
    assert "Resumed from ckpt-2" in latest.out
    assert_same(last(run_copy), last(finished_run))


def test_latest_passes_over_several_and_names_each(answer, run_copy, finished_run):
    cut(0)(run_copy / "ckpt" / "ckpt-3.pt")
    cut(-1)(run_copy / "ckpt" / "ckpt-2.pt")
    result = answer(*RUN, "STARTING_POINT=LATEST")
    assert result.code == 0, result.err
    for words in ("ckpt-3.pt is damaged", "ckpt-2.pt is damaged", "Resumed from ckpt-1"):
        assert words in " ".join(result.out.split())
    assert_same(last(run_copy), last(finished_run))


def test_where_no_checkpoint_is_whole_latest_is_refused_and_nothing_is_changed(answer, run_copy):
    for name in ("ckpt-1", "ckpt-2", "ckpt-3"):
        cut(1000)(run_copy / "ckpt" / f"{name}.pt")
    before = contents(run_copy)
    result = answer(*RUN, "STARTING_POINT=LATEST")
    assert result.code == 2
    assert "every checkpoint in" in result.err
    assert "STARTING_POINT=NEW" in result.err
    assert contents(run_copy) == before


def test_a_folder_with_the_name_of_an_old_checkpoint_stays_and_stops_nothing(answer, run_copy):
    """Neither where old checkpoints are removed, nor where a second one is set aside, nor where the run is started over."""
    folder(run_copy / "ckpt" / "ckpt-1.pt")
    longer = answer(*RUN, "run.N_episodes=5", "MAX_TO_KEEP_NUMBER=2", "STARTING_POINT=LATEST")
    assert longer.code == 0, longer.err
    assert Checkpoints(run_copy).names() == ["ckpt-1", "ckpt-4", "ckpt-5"]
    for _ in range(2):
        folder(run_copy / "ckpt" / "ckpt-5.pt")
        assert answer(*RUN, "run.N_episodes=5", "STARTING_POINT=LATEST").code == 0
    over = answer(*RUN, "STARTING_POINT=NEW")
    assert over.code == 0, over.err
    assert len(list((run_copy / "ckpt").rglob("mine.txt"))) == 3


# -- bits -------------------------------------------------------------------------------------------------------------


def flipped(content: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def attempt(checkpoints: Checkpoints, content: bytes, whole: dict) -> str:
    """'refused' by one of our errors, or 'same': anything else fails."""
    checkpoints.path("ckpt-3").write_bytes(content)
    try:
        payload, _, _ = checkpoints.load("ckpt-3")
    except CheckpointError:
        return "refused"
    assert_same(payload, whole)
    return "same"


def test_a_flipped_bit_anywhere_is_refused_or_changes_no_number(run_copy):
    """At the start, at the end, at sixty random places, and in the whole directory entry of a tensor."""
    checkpoints = Checkpoints(run_copy, required=checkpoint.PAYLOAD)
    whole, _, _ = checkpoints.load("ckpt-3")
    path = checkpoints.path("ckpt-3")
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        tensor = max(file.infolist(), key=lambda entry: entry.file_size)
    entry = content.rindex(tensor.filename.encode()) - 46  # of the directory at the end of the file
    assert content[entry : entry + 4] == b"PK\x01\x02"
    chance = random.Random(0)
    places = [*range(40), *range(len(content) - 22, len(content)), *chance.sample(range(len(content)), 60)]
    outcomes = [attempt(checkpoints, flipped(content, place, chance.randrange(8)), whole) for place in places]
    for place in range(entry, entry + 46 + len(tensor.filename)):
        outcomes += [attempt(checkpoints, flipped(content, place, bit), whole) for bit in range(8)]
    assert outcomes.count("refused") > 100
    inside = tensor.header_offset + 200  # a number of the tensor
    assert attempt(checkpoints, flipped(content, inside, 0), whole) == "refused"


def test_a_tensor_that_a_flipped_bit_marks_as_a_folder_is_refused(run_copy):
    """No checksum covers that bit; PyTorch reads nothing of such an entry, and the tensor holds whatever memory held."""
    checkpoints = Checkpoints(run_copy, required=checkpoint.PAYLOAD)
    whole, _, _ = checkpoints.load("ckpt-3")
    path = checkpoints.path("ckpt-3")
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        places = [content.rindex(entry.filename.encode()) - 46 + 38 for entry in file.infolist()]
    assert {attempt(checkpoints, flipped(content, place, 4), whole) for place in places} == {"refused"}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
def test_a_run_with_a_flipped_bit_ends_as_if_it_were_not(answer, run_copy, finished_run, share):
    """LATEST passes the checkpoint over, or reads what was written; a named one is refused, or goes on from what was written."""
    path = run_copy / "ckpt" / "ckpt-3.pt"
    content = path.read_bytes()
    path.write_bytes(flipped(content, int(share * (len(content) - 1)), random.Random(share).randrange(8)))
    before = contents(run_copy)
    named = answer(*RUN, "STARTING_POINT=ckpt-3")
    assert "Traceback" not in named.err
    if named.code != 0:
        assert named.code == 2
        assert "ckpt-3.pt" in named.err
        assert contents(run_copy) == before
    latest = answer(*RUN, "STARTING_POINT=LATEST")
    assert latest.code == 0, latest.err
    assert ("Falling back" in latest.out) == (named.code == 2)
    assert_same(last(run_copy), last(finished_run))


# -- who holds the folder ---------------------------------------------------------------------------------------------


def test_a_second_start_names_the_first_and_takes_over_once_that_is_killed(answer, tmp_path):
    """The lock of the killed process lies there still, and so does its run.json."""
    run = tmp_path / "run"
    first = subprocess.Popen(
        [sys.executable, ROOT / "run_deepnet.py", *RUN, "run.N_episodes=1000000"],
        cwd=tmp_path, env=plain_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while last_episode(run) < 3:
            assert first.poll() is None
            time.sleep(0.05)
        for point in ("NEW", "LATEST"):
            second = answer(*RUN, "run.N_episodes=1000000", f"STARTING_POINT={point}")
            assert second.code == 2
            assert f"{run} is in use by process {first.pid} on {socket.gethostname()} (started 20" in second.err
            assert second.err.count("Error: ") == 1
            assert "Traceback" not in second.err
            assert json.loads((run / "run.json").read_text())["pid"] == first.pid
            assert first.poll() is None
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert (run / "run.lock").exists()
    assert json.loads((run / "run.json").read_text())["status"] == "running"
    episode = last_episode(run)
    third = answer(*RUN, f"run.N_episodes={episode + 2}", "STARTING_POINT=LATEST")
    assert third.code == 0, third.err
    assert f"Resumed from ckpt-{episode}:" in third.out
    after = json.loads((run / "run.json").read_text())
    assert (after["status"], after["pid"]) == ("finished", os.getpid())
    assert not (run / "run.lock").exists()


@pytest.mark.parametrize("point", ["NEW", "LATEST"])
def test_a_lock_that_is_left_of_a_process_that_is_gone_holds_nobody_up(answer, run_copy, finished_run, point):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = json.loads((run_copy / "run.json").read_text()) | {"status": "running", "pid": gone.pid}
    (run_copy / "run.json").write_text(json.dumps(left))
    (run_copy / "run.lock").write_text(f"{gone.pid}\n{socket.gethostname()}\n")
    (run_copy / "ckpt" / "ckpt-3.pt").unlink()
    (run_copy / "ckpt" / "ckpt-3.tmp").write_bytes(b"what it was writing")
    result = answer(*RUN, f"STARTING_POINT={point}")
    assert result.code == 0, result.err
    assert ("Resumed from ckpt-2" in result.out) == (point == "LATEST")
    after = json.loads((run_copy / "run.json").read_text())
    assert (after["status"], after["pid"]) == ("finished", os.getpid())
    assert not (run_copy / "run.lock").exists()
    assert_same(last(run_copy), last(finished_run))
