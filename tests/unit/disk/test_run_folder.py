"""Who may write in a run folder, what stands there, what may be removed."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys

import pytest

from deqn.configuration.compose import compose
from deqn.disk.run_folder import RunFolder, changes, comparable, config_hash, provenance
from deqn.economy.calibration import save
from deqn.economy.files import files_hash
from deqn.errors import CheckpointError


def test_a_folder_is_held_by_one_at_a_time(tmp_path):
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    first.acquire()
    first.write(status="running", **provenance())
    with pytest.raises(CheckpointError, match=r"in use by process \d+ on .* \(started 20"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_nothing_is_made_before_it_is_taken(tmp_path):
    RunFolder(tmp_path / "run").read()
    assert not (tmp_path / "run").exists()


def test_the_process_that_holds_the_folder_is_waited_for_until_it_says_who_it_is(tmp_path, monkeypatch):
    """Not a run of before that was killed, nor nobody."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    first = RunFolder(tmp_path)
    first.acquire()
    first.write(status="running", host=socket.gethostname(), pid=gone.pid, started="before")
    monkeypatch.setattr("time.sleep", lambda _: first.write(pid=os.getpid(), started="now"))
    with pytest.raises(CheckpointError, match=rf"in use by process {os.getpid()} on .* \(started now\)"):
        RunFolder(tmp_path).acquire()


def test_a_folder_that_another_process_has_changed_in_the_meantime_is_given_back(tmp_path):
    def refuse():
        raise CheckpointError("it holds another run")

    with pytest.raises(CheckpointError, match="it holds another run"):
        RunFolder(tmp_path).acquire(refuse)
    RunFolder(tmp_path).acquire()


def test_the_lock_is_gone_after_the_run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.acquire()
    folder.release()
    assert list((tmp_path / "run").iterdir()) == []


def test_run_json_is_updated_not_replaced(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write(status="running", seed=1)
    folder.write(status="finished")
    assert folder.read() == {"status": "finished", "seed": 1}


def test_a_run_json_that_is_cut_reads_as_nothing(tmp_path):
    (tmp_path / "run.json").write_text('{"status": ')
    assert RunFolder(tmp_path).read() == {}


def test_a_finished_run_with_another_configuration_is_not_started_over(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write(status="finished", configuration=comparable(compose(["seed=1"]).config), versions={})
    with pytest.raises(CheckpointError, match=r"seed 1 -> 2.*STARTING_POINT=LATEST"):
        folder.refuse_to_start_over(compose(["seed=2"]).config, typed=True)
    folder.refuse_to_start_over(compose(["seed=1"]).config, typed=False)


def test_a_finished_run_is_started_over_with_more_episodes_only_when_that_was_typed(tmp_path):
    folder = RunFolder(tmp_path)
    config = compose(["run.N_episodes=3"]).config
    folder.write(status="finished", configuration=comparable(config), versions={}, N_episodes=2)
    with pytest.raises(CheckpointError, match=r"N_episodes 2 -> 3.*STARTING_POINT=LATEST"):
        folder.refuse_to_start_over(config, typed=False)
    folder.refuse_to_start_over(config, typed=True)


def test_files_with_our_names_that_are_not_ours_are_not_overwritten(tmp_path):
    (tmp_path / "error_file.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"holds error_file\.txt, which this program did not write"):
        RunFolder(tmp_path).refuse_to_start_over(compose().config, typed=True)
    RunFolder(tmp_path).clear()
    assert (tmp_path / "error_file.txt").read_text() == "mine"


def test_an_interrupted_run_may_be_started_over(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write(status="interrupted", configuration=comparable(compose(["seed=1"]).config), versions={})
    folder.refuse_to_start_over(compose(["seed=2"]).config, typed=False)


@pytest.mark.parametrize("override", ["run.N_episodes=5", "run.threads=2", "CHECKPOINT_INTERVAL=7", "device=cpu"])
def test_how_a_run_is_driven_does_not_make_it_another_run(override):
    assert config_hash(compose([override]).config) == config_hash(compose().config)


@pytest.mark.parametrize(
    "override", ["seed=5", "constants.beta=0.5", "optimizer.learning_rate=1", "run.N_sim_batch=65"]
)
def test_what_a_run_solves_makes_it_another_run(override):
    assert config_hash(compose([override]).config) != config_hash(compose().config)


def test_changes_name_the_key_and_both_values():
    assert changes({"a": [{"b": 1}], "c": 2}, {"a": [{"b": 3}], "c": 2, "d": 4}) == ["a[0].b 1 -> 3", "d None -> 4"]


def test_clear_removes_what_this_program_wrote_and_nothing_else(tmp_path):
    for name in ("error_file.txt", "calibration.npz", "events.out.tfevents.1.host.deqn"):
        (tmp_path / name).write_text("ours")
    for name in ("events.out.tfevents.1.host", "notes.txt", "run.py"):
        (tmp_path / name).write_text("theirs")
    folder = RunFolder(tmp_path)
    folder.write(status="finished", configuration={}, versions={}, error_filename="error_file.txt")
    folder.clear()
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["events.out.tfevents.1.host", "notes.txt", "run.json", "run.py"]


def test_the_hash_of_the_files_follows_their_content(tmp_path):
    (tmp_path / "Equations.py").write_text("a = 1")
    before = files_hash(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    assert files_hash(tmp_path) == before
    (tmp_path / "Equations.py").write_text("a = 2")
    assert files_hash(tmp_path) != before


def test_provenance_has_the_versions_that_results_depend_on():
    assert {"python", "torch", "numpy", "hydra-core"} <= set(provenance()["versions"])


def test_a_run_with_other_constants_does_not_use_the_calibration_of_its_folder(tmp_path):
    folder = RunFolder(tmp_path)
    save({"K_ss": 0.2}, folder.calibration_file)
    folder.write(configuration={"constants": {"beta": 0.96}})
    assert folder.calibration({"beta": 0.96})["K_ss"] == 0.2
    assert folder.calibration({"beta": 0.5}) is None


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_file_stands_for_one(tmp_path, monkeypatch, number):
    def flock(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    first = RunFolder(tmp_path / "run")
    first.acquire()
    assert "has no locks" in first.notes[0]
    first.write(status="running", **provenance())
    with pytest.raises(CheckpointError, match=rf"in use by process {os.getpid()} on .*remove .*run\.lock\.soft"):
        RunFolder(tmp_path / "run").acquire()
    first.release()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]
    RunFolder(tmp_path / "run").acquire()


def test_a_lock_file_that_a_killed_process_left_holds_nobody_up(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "run.lock.soft").write_text(f"{gone.pid}\n{socket.gethostname()}\n")
    folder = RunFolder(tmp_path)
    folder.acquire()
    folder.release()
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_was_killed_is_called_so_by_the_next(tmp_path):
    folder, what = RunFolder(tmp_path), {"configuration": {}, "versions": {}, "seed": 1}
    folder.begin(what, {"from": 0, "goal": 5}, new=True)
    folder.begin(what, {"from": 2, "goal": 5}, new=False)
    folder.end("finished", 5, 40, 1.5)
    assert [start["ended"] for start in folder.read()["starts"]] == ["killed", "finished"]


def test_a_run_killed_after_its_last_checkpoint_is_finished_by_the_next_start(tmp_path):
    folder, what = RunFolder(tmp_path), {"configuration": {"seed": 1}, "versions": {}, "seed": 1}
    folder.begin(what, {"from": 0, "goal": 5}, new=True)
    assert not folder.begin(what | {"configuration": {"seed": 2}}, {"from": 5, "goal": 5}, new=False)
    folder.end("finished", 5, 40, 0.1)
    folder.conclude(accuracy={})
    after = folder.read()
    assert (after["status"], after["episode"], after["configuration"], after["accuracy"]) == (
        "finished",
        5,
        {"seed": 1},
        {},
    )


@pytest.mark.parametrize("status", ["interrupted", "not finite", "running"])
def test_a_start_with_nothing_left_to_train_does_not_finish_a_run_that_had_more_before_it(tmp_path, status):
    folder, what = RunFolder(tmp_path), {"configuration": {}, "versions": {}, "N_episodes": 9}
    folder.begin(what, {"from": 0, "goal": 9}, new=True)
    if status != "running":  # else it was killed
        folder.end(status, 3, 24, 1.5)
    before = folder.read()
    assert not folder.begin(what | {"N_episodes": 2}, {"from": 3, "goal": 2}, new=False)
    folder.end("finished", 3, 24, 0.1)
    folder.conclude(accuracy={})
    after = folder.read()
    assert after["status"] == ("killed" if status == "running" else status)
    assert {**after, "status": 0, "starts": 0} == {**before, "status": 0, "starts": 0}
    assert [start["ended"] for start in after["starts"]] == [after["status"], "finished"]


def test_the_seconds_of_a_record_of_before_starts_were_listed_are_counted(tmp_path):
    folder, what = RunFolder(tmp_path), {"configuration": {}, "versions": {}, "seed": 1}
    folder.write(**what, status="finished", episode=3, seconds=2.0)
    folder.begin(what, {"from": 3, "goal": 5}, new=False)
    folder.end("finished", 5, 40, 1.5)
    assert folder.read()["seconds"] == 3.5


def test_a_folder_is_in_use_while_it_is_held(tmp_path):
    one, other = RunFolder(tmp_path), RunFolder(tmp_path)
    assert not other.in_use()
    one.acquire()
    assert other.in_use()
    one.release()
    assert not other.in_use()
    other.acquire()
    other.release()
