"""What a run was stays in its folder, however it is driven later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.conftest import TINY, contents


@pytest.fixture
def run(tmp_path, finished_run) -> Path:
    """A finished run of three episodes in the working directory."""
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


def record(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


def configuration(run: Path) -> dict:
    return yaml.safe_load((run / ".hydra" / "config.yaml").read_text())


def test_a_start_with_nothing_left_to_train_only_adds_itself_to_the_record(run, answer):
    before, files = record(run), contents(run / ".hydra")
    done = answer("STARTING_POINT=LATEST", "seed=3", "constants.beta=0.5", USE_CONFIG_FROM_RUN_DIR="run")
    assert done.code == 0, done.err
    assert "nothing is left to train" in done.out
    after = record(run)
    starts = after.pop("starts")
    assert starts[:-1] == before.pop("starts")
    assert after == before
    assert (starts[-1]["from"], starts[-1]["to"], starts[-1]["ended"]) == (3, 3, "finished")
    assert contents(run / ".hydra") == files


def test_a_start_with_nothing_left_to_train_leaves_an_interrupted_run_interrupted(run, answer):
    (run / "run.json").write_text(json.dumps(record(run) | {"status": "interrupted", "N_episodes": 9}))
    done = answer("STARTING_POINT=LATEST", "run.N_episodes=2", USE_CONFIG_FROM_RUN_DIR="run")
    assert "nothing is left to train" in done.out
    assert (record(run)["status"], record(run)["N_episodes"]) == ("interrupted", 9)


def test_a_start_with_nothing_left_to_train_sets_no_checkpoint_aside(run, answer):
    files = contents(run / "ckpt")
    done = answer("STARTING_POINT=ckpt-2", "run.N_episodes=2", USE_CONFIG_FROM_RUN_DIR="run")
    assert done.code == 0, done.err
    assert contents(run / "ckpt") == files


def test_the_record_of_a_run_says_how_it_was_driven_and_how_accurate_it_is(run, answer):
    first = record(run)
    assert (first["processes"], first["engine"], first["seed"]) == (1, "one process", 0)
    assert 0.002 < first["learning_rate"] < 0.003  # of the schedule
    assert all(0 < row["mean"] <= row["max"] for row in first["accuracy"].values())
    assert answer("STARTING_POINT=LATEST", "run.N_episodes=5", "seed=3", USE_CONFIG_FROM_RUN_DIR="run").code == 0
    after = record(run)
    assert [(start["from"], start["to"], start["ended"]) for start in after["starts"]] == [
        (0, 3, "finished"),
        (3, 5, "finished"),
    ]
    assert {"started", "command", "host", "pid", "processes", "engine", "device"} <= after["starts"][1].keys()
    assert after["starts"][1]["changed"] == ["seed 0 -> 3"]
    assert after["seed"] == 0
    assert after["seconds"] == pytest.approx(sum(start["seconds"] for start in after["starts"]))


def test_the_starting_point_of_one_start_is_not_that_of_later_commands(run, answer):
    assert answer("STARTING_POINT=ckpt-2", "run.N_episodes=4", USE_CONFIG_FROM_RUN_DIR="run").code == 0
    assert configuration(run)["STARTING_POINT"] == "NEW"
    again = answer("run.N_episodes=6", USE_CONFIG_FROM_RUN_DIR="run")
    assert again.code == 2
    assert "would be started over" in again.err


@pytest.mark.parametrize("kept", ["LATEST", "ckpt-2"])
def test_a_starting_point_that_an_older_run_folder_has_kept_is_not_taken(run, answer, kept):
    file = run / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("STARTING_POINT: NEW", f"STARTING_POINT: {kept}"))
    assert configuration(run)["STARTING_POINT"] == kept
    assert "checkpoint of episode 3" in answer(script="post_process.py", USE_CONFIG_FROM_RUN_DIR="run").out
    assert answer("run.N_episodes=6", USE_CONFIG_FROM_RUN_DIR="run").code == 2


def test_post_processing_says_that_the_checkpoint_was_trained_with_other_constants(run, answer):
    """The run's own files may say something else by then: those of a start that was killed before its first checkpoint."""
    for file in (run / ".hydra" / "config.yaml", run / "run.json"):
        file.write_text(file.read_text().replace("beta: 0.96", "beta: 0.5").replace('"beta": 0.96', '"beta": 0.5'))
    assert record(run)["configuration"]["constants"]["beta"] == 0.5
    done = answer(script="post_process.py", USE_CONFIG_FROM_RUN_DIR="run")
    assert "trained with other constants (constants.beta 0.96 -> 0.5)" in " ".join(done.out.split()), done.out


def test_a_run_started_over_begins_a_new_history(run, answer):
    assert answer(*TINY, "run.N_episodes=3", "STARTING_POINT=NEW", "hydra.run.dir=run").code == 0
    assert [start["from"] for start in record(run)["starts"]] == [0]
