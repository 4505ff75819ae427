"""Pages of help, and what Ctrl-C says before training and the second time."""

from __future__ import annotations

import json

import pytest

from tests.conftest import TINY, contents, own_model

CTRL_C = "import os, signal, time\n\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_of_training_is_our_own_and_imports_nothing_slow(command, tmp_path, option):
    for name in ("torch", "hydra", "pydantic", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)\n")
    done = command("model=bm1972", option, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    for fragment in (
        "python run_deepnet.py [options]", "preset=smoke", "--check", "--strict", "--config-dir", "MODELS_DIR=",
        "constants.beta=", "USE_CONFIG_FROM_RUN_DIR=", "docs/reference/configuration.md", "deqn list",
        "--hydra-help", "deqn --help",
    ):  # fmt: skip
        assert fragment in done.stdout
    assert "preset/" not in done.stdout
    assert all(len(line) < 120 for line in done.stdout.splitlines())


def test_the_help_of_post_processing_has_its_own_keys(command):
    done = command("--help", script="post_process.py")
    assert done.returncode == 0, done.stderr
    for fragment in (
        "python post_process.py",
        "N_simulated_batch_size",
        "N_simulated_episode_length",
        "STARTING_POINT",
    ):
        assert fragment in done.stdout
    assert "preset" not in done.stdout


def test_the_help_of_hydra_is_still_there(command):
    done = command("--hydra-help")
    assert done.returncode == 0, done.stderr
    assert "Hydra" in done.stdout


def test_an_option_that_is_not_there_is_answered_in_two_lines(command):
    done = command("--chekc")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2
    assert "--help tells more" in done.stderr


@pytest.mark.parametrize("script", ["run_deepnet.py", "post_process.py"])
def test_ctrl_c_while_packages_are_imported_is_one_line(command, tmp_path, script):
    (tmp_path / "torch.py").write_text(CTRL_C)
    done = command("model=bm1972", script=script, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (130, "stopped before anything was done\n")


def test_ctrl_c_during_a_calibration_is_one_line(command, tmp_path):
    models = own_model(tmp_path / "models", Calibration=CTRL_C)
    before = contents(tmp_path)
    done = command("model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={models}", "hydra.run.dir=run")
    assert (done.returncode, done.stderr) == (130, "stopped before training: there is no run folder yet\n")
    assert contents(tmp_path) == before


def test_ctrl_c_before_a_resumed_run_goes_on_names_its_newest_checkpoint(command, tmp_path):
    models = own_model(tmp_path / "models")
    mine = [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}", "run.N_episodes=2", "hydra.run.dir=run"]
    assert command(*mine).returncode == 0
    (models / "mine" / "Hooks.py").write_text(CTRL_C)
    done = command(*mine, "STARTING_POINT=LATEST", "run.N_episodes=3")
    assert (done.returncode, done.stderr) == (130, f"stopped; the newest checkpoint of {tmp_path}/run is ckpt-2\n")


def test_a_second_ctrl_c_ends_at_once_and_the_record_says_interrupted(command, tmp_path):
    twice = (
        "import os, signal\n\n\ndef cycle_hook(state, i):\n    if i == 2:\n"
        "        for _ in range(2):\n            os.kill(os.getpid(), signal.SIGINT)\n"
    )
    models = own_model(tmp_path / "models", Hooks=twice)
    done = command(
        *TINY,
        "MODEL_NAME=mine",
        f"MODELS_DIR={models}",
        "run.N_episodes=9",
        "hydra.run.dir=run",
        "CHECKPOINT_INTERVAL=4",
    )
    assert (done.returncode, done.stderr) == (130, f"stopped; {tmp_path}/run has no checkpoint yet\n")
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert (record["status"], record["starts"][-1]["ended"], record["starts"][-1]["to"]) == (
        "interrupted",
        "interrupted",
        2,
    )
