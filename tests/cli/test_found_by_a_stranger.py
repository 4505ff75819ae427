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
    [(b"layers: [", "net/bad.yaml"), (b"layers: []\nlayers: []\n", "stands here a second time"), (b"\xff\xfe\xfa", "")],
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


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("net=null", "expected the name of a file of config/net/."),
        ("run=null", "expected the name of a file of config/run/."),
        ("constants=[0.3]", "expected the name of a file of config/constants/."),
        ("optimizer={optimizer: Adam, learning_rate: 0.1}", "or set single keys: optimizer.optimizer=... optimizer.learn"),
        (f"net={'x' * 300}", "No net configuration"),
    ],
)  # fmt: skip
def test_a_group_that_is_no_file_is_refused(command, override, fragment):
    done = command("model=bm1972", override, "--check")
    assert done.returncode == 2
    assert fragment in done.stderr
    assert "Traceback" not in done.stderr


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


@pytest.mark.parametrize("text", ["", "def closing_lines(run):\n    return []\n", "def draw_cycle(state):\n    pass\n"])
def test_each_function_of_hooks_is_optional(answer, tmp_path, text):
    models = own_model(tmp_path / "models", Hooks=text)
    assert answer("model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={models}", "--check").code == 0


def test_a_misspelt_hook_is_refused_with_the_name_that_was_meant(answer, tmp_path):
    models = own_model(tmp_path / "models", Hooks="def cycle_hok(state, i):\n    pass\n")
    done = answer("model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={models}", "--check")
    assert done.code == 2
    assert "cycle_hok is never called. Did you mean cycle_hook?" in done.err


def test_files_that_a_mac_leaves_in_a_model_folder_are_not_looked_at(answer, tmp_path):
    models = own_model(tmp_path / "models")
    for name in ("._Equations.py", "._Net.py", ".DS_Store"):
        (models / "mine" / name).write_bytes(b"\x00\x05\x16\x07\xff")
    (models / "._mine").write_bytes(b"\x00\x05\x16\x07\xff")
    assert answer("model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={models}", "hydra.run.dir=run", *TINY[1:],
                  "run.N_episodes=1").code == 0  # fmt: skip


def test_letters_that_look_alike_are_one_name_in_the_yaml_files_and_in_the_model(answer, tmp_path):
    """The micro sign of a keyboard, U+00B5; Python reads it as U+03BC."""
    from tests.conftest import shipped

    models = own_model(
        tmp_path / "models",
        Equations=shipped("brock_mirman", "Equations").replace("Parameters.beta", "Parameters.\u00b5"),
        Dynamics=shipped("brock_mirman", "Dynamics").replace("State.z", "State.\u03d5").replace('"z"', '"\u03d5"'),
        Definitions=shipped("brock_mirman", "Definitions").replace("State.z", "State.\u03d5"),
    )
    done = answer("model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={models}", "+constants.\u00b5=0.9", "--check",
                  "variables.states.1.name='\u03d5'")  # fmt: skip
    assert done.code == 0, done.err
