"""`--from DIR`: a TensorFlow library's folder, unmodified, from the command line."""

from __future__ import annotations

import pytest
import torch

from tests.conftest import contents
from tests.library import FILES, library, with_variables


@pytest.fixture
def trained(tmp_path, answer):
    """The folder, and a run of it that has ended."""
    folder = library(tmp_path / "lib")
    before = contents(folder)
    said = answer("--from", str(folder), "hydra.run.dir=run")
    assert said.code == 0, said.err
    after = contents(folder)
    return said, {path: text for path, text in after.items() if "__pycache__" not in path}, before


def test_a_folder_trains_as_it_is_and_stays_as_it_is(trained, tmp_path):
    said, after, before = trained
    assert after == before
    assert f"STARTING_POINT: LATEST, and there is nothing in {tmp_path / 'run'} to start from" in " ".join(
        said.out.split()
    )
    hooks = [line for line in said.out.splitlines() if line.startswith("hook")]
    assert hooks == ["hook 0", "hook 1", "hook 2", "hook 3"]


def test_latest_goes_on_where_there_is_a_checkpoint(trained, tmp_path, answer):
    said = answer("--from", str(tmp_path / "lib"), "hydra.run.dir=run", "run.N_episodes=5")
    assert said.code == 0
    assert "Resumed from ckpt-4" in said.out
    assert "starts new" not in said.out


def test_latest_that_is_typed_stays_an_error(tmp_path, answer):
    said = answer("--from", str(library(tmp_path / "lib")), "hydra.run.dir=run", "STARTING_POINT=LATEST")
    assert said.code == 2
    assert "no checkpoint" in said.err


def test_a_run_resumes_exactly_by_its_folder_alone(tmp_path, answer):
    folder = with_variables(tmp_path / "lib")
    assert answer("--from", str(folder), "hydra.run.dir=whole").code == 0
    assert answer("--from", str(folder), "hydra.run.dir=halves", "run.N_episodes=2").code == 0
    said = answer("hydra.run.dir=halves", "STARTING_POINT=LATEST", "run.N_episodes=4")
    assert said.code == 0, said.err
    whole, halves = (torch.load(tmp_path / name / "ckpt" / "ckpt-4.pt") for name in ("whole", "halves"))
    for name, tensor in whole["policy"].items():
        assert torch.equal(tensor, halves["policy"][name]), name
    assert torch.equal(whole["starting_state"], halves["starting_state"])


def test_a_run_is_post_processed_by_its_folder_alone(trained, answer):
    said = answer(
        "hydra.run.dir=run", "N_simulated_batch_size=2", "N_simulated_episode_length=3", script="post_process.py"
    )
    assert said.code == 0, said.err


def test_a_sweep_trains_the_folder(tmp_path, answer):
    said = answer(
        "-m", "--from", str(library(tmp_path / "lib")), "seed=1,2", "run.N_episodes=1", "hydra.sweep.dir=sweep"
    )
    assert said.code == 0, said.err
    assert "a sweep of 2 jobs: seed=1,2" in said.out
    assert "written_for: tensorflow" in (tmp_path / "sweep" / "1" / ".hydra" / "config.yaml").read_text()


def test_notes_are_shown_by_check(tmp_path, answer):
    folder = library(tmp_path / "lib", {"config/optimizer/growth.yaml": "learning_rate: 0.1\nmine: 3\n"})
    said = answer("--check", f"--from={folder}")
    assert said.code == 0, said.err
    assert "note: not read, as in the TensorFlow library: optimizer.mine." in said.out


HOOKS = """\
import os
import Parameters
os.mkdir(Parameters.LOG_DIR + "/plots")
with open(os.path.join(Parameters.LOG_DIR, "K.csv"), "w") as file:
    file.write("i,K\\n")

def cycle_hook(state, i):
    with open(Parameters.LOG_DIR + "/K.csv", "a") as file:
        file.write(f"{i},{state[:, 0].mean()}\\n")
"""


def test_files_may_write_into_the_run_folder_while_they_are_first_run(tmp_path, answer):
    folder = library(tmp_path / "lib", {"growth/Hooks.py": HOOKS})
    for typed in (["--check"], []):
        said = answer("--from", str(folder), "hydra.run.dir=runs/a", *typed)
        assert said.code == 0, said.err
    assert (tmp_path / "runs" / "a" / "K.csv").read_text().count("\n") == 5
    (folder / "growth" / "Equations.py").write_text("1 / 0\n")
    assert answer("--from", str(folder), "hydra.run.dir=other/b").code == 2
    assert not (tmp_path / "other").exists()


def test_strict_makes_an_error_of_a_note(tmp_path, answer):
    variables = FILES["config/variables/growth.yaml"] + "  - name: none\n"
    folder = library(tmp_path / "lib", {"config/variables/growth.yaml": variables})
    typed = ["check", "--from", str(folder)]
    assert answer(*typed, script="deqn/__main__.py").code == 0
    said = answer(*typed, "--strict", script="deqn/__main__.py")
    assert (said.code, "none(state, policy_state) is missing" in said.err) == (2, True)


SCRIPT = """\
import Parameters
from Graphs import run_episode
states = run_episode(Parameters.starting_state[None].tile([5, 1, 1]))
import os
assert os.environ["USE_CONFIG_FROM_RUN_DIR"] == "run"
open(Parameters.LOG_DIR + "/own.txt", "w").write(str(tuple(states.shape)))
"""


@pytest.mark.parametrize("how", ["script= and the variable", "--script and the folder", "the script sets the variable"])
def test_a_script_runs_on_a_run(trained, tmp_path, answer, how):
    own = 'import os\nos.environ["USE_CONFIG_FROM_RUN_DIR"] = "run"\n' if how.startswith("the script") else ""
    (tmp_path / "my_post_process.py").write_text(own + SCRIPT)
    arguments, environment = {
        "script=": (
            ["script=my_post_process.py", "STARTING_POINT=LATEST", "hydra.run.dir=run"], {"USE_CONFIG_FROM_RUN_DIR": "run"}
        ),
        "--script": (["--script", "my_post_process.py", "run"], {}),
        "the": (["--script", "my_post_process.py"], {}),
    }[how.split()[0]]  # fmt: skip
    said = answer(*arguments, script="post_process.py", **environment)
    assert said.code == 0, said.err
    assert (tmp_path / "run" / "own.txt").read_text() == "(5, 16, 2)"


def test_a_script_without_a_run_is_told_how_to_name_one(tmp_path, answer):
    (tmp_path / "my_post_process.py").write_text(SCRIPT)
    said = answer("--script", "my_post_process.py", script="post_process.py")
    assert said.code == 2
    assert "deqn post --script my_post_process.py runs/first" in said.err
    assert answer("--script", "none.py", script="post_process.py").err.startswith(
        "ConfigError: none.py: there is no such script"
    )
