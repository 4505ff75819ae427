"""Mistakes and mishaps that a reader of the README ran into; each has one clear answer and loses nothing."""

from __future__ import annotations

import pytest

from deqn.disk.checkpoint import Checkpoints
from tests.conftest import TINY, own_model


def test_a_learning_rate_far_too_high_stops_with_the_last_good_checkpoint(command, tmp_path):
    done = command("model=bm1972", "optimizer.learning_rate=1.0", "run.N_episodes=50", "hydra.run.dir=run")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "Kept ckpt-" in done.stderr
    assert Checkpoints(tmp_path / "run").names()


def test_a_run_that_has_nothing_left_to_train_says_so(command):
    first = command(*TINY, "run.N_episodes=1", "hydra.run.dir=run")
    again = command(*TINY, "run.N_episodes=1", "STARTING_POINT=LATEST", "hydra.run.dir=run")
    assert first.returncode == again.returncode == 0
    assert "nothing is left to train" in again.stdout
    assert "nothing is left to train" not in first.stdout


def test_check_with_a_sweep_is_refused(command, tmp_path):
    done = command("-m", *TINY, "--check", "seed=1,2")
    assert done.returncode == 2
    assert "--check takes one configuration" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "fragment"),
    [(b"layers: [", "net/bad.yaml"), (b"layers: []\nlayers: []\n", "duplicate"), (b"\xff\xfe\xfa", "")],
    ids=["syntax", "duplicate key", "not UTF-8"],
)
def test_a_yaml_file_that_cannot_be_read_is_named(command, tmp_path, content, fragment):
    (tmp_path / "conf" / "net").mkdir(parents=True)
    (tmp_path / "conf" / "net" / "bad.yaml").write_bytes(content)
    done = command("--config-dir", "conf", "model=brock_mirman", "net=bad", "--check")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert fragment in done.stderr


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("def equations(state, policy_state):\n    pass\n", "equations() returns NoneType, expected a dictionary"),
        ("import sys\n\n\ndef equations(state, policy_state):\n    sys.exit(0)\n", "equations() failed: SystemExit"),
        ("import sys\n\nsys.exit(0)\n", "SystemExit"),
    ],
    ids=["no return", "exit when called", "exit at import"],
)
def test_equations_that_give_nothing_are_refused(command, tmp_path, text, fragment):
    models = own_model(tmp_path / "models", Equations=text)
    done = command("model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={models}", "--check")
    assert done.returncode == 2
    assert fragment in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("override", ["net=null", "run=null", "constants=null"])
def test_a_group_that_is_nothing_is_refused(command, override):
    done = command("model=bm1972", override, "--check")
    assert done.returncode == 2
    assert "expected the name of a file" in done.stderr


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("optimizer.optimizer_kwargs={beta_1: 2}", "beta"),
        ("STARTING_POINT=latest", "expected NEW, LATEST"),
        ("error_filename=run.json", "taken by the run folder"),
        ("run.N_sim_batch=100000000000", "not enough memory"),
        ("variables.states.0.init.kwargs={minval: 3, maxval: 1}", "minval = 3 is above maxval = 1"),
    ],
)
def test_a_value_that_would_fail_later_is_refused_now(command, tmp_path, override, fragment):
    done = command("model=bm1972", override, "hydra.run.dir=run", "--check")
    assert done.returncode == 2
    assert fragment in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_hook_with_another_signature_is_refused_at_once(command, tmp_path):
    models = own_model(tmp_path / "models", Hooks="def cycle_hook(state):\n    pass\n")
    done = command("model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={models}", "--check")
    assert done.returncode == 2
    assert "Hooks.py: expected cycle_hook(state, i)" in done.stderr


def test_a_run_folder_where_a_name_of_ours_is_taken_is_refused(command, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".hydra").write_text("a file")
    done = command(*TINY, "hydra.run.dir=run")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
