"""deqn/economy/new.py and `python -m deqn new`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import deqn
from deqn.economy.new import new_model
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer


def test_the_template_links_probes_and_trains(tmp_path):
    new_model("mymodel", ["k", "z"], ["s", "l"], tmp_path)
    model = deqn.load_model("mymodel", ["run.N_episodes=3"], tmp_path / "config")
    report = probe(model)
    assert set(report.equations) == {"eq_s", "eq_l"}
    assert not report.notes
    assert Trainer(model).fit().episode == 3


def test_nothing_is_overwritten(tmp_path):
    new_model("mymodel", ["k"], ["s"], tmp_path)
    edited = tmp_path / "models" / "mymodel" / "Equations.py"
    edited.write_text("mine")
    with pytest.raises(deqn.ConfigError, match="would be overwritten"):
        new_model("mymodel", ["k"], ["s"], tmp_path)
    assert edited.read_text() == "mine"


@pytest.mark.parametrize(
    ("states", "policies"), [(["k", "k"], ["s"]), (["1k"], ["s"]), (["k"], ["update"]), ([""], ["s"])]
)
def test_names_that_python_cannot_read_are_refused_before_anything_is_written(tmp_path, states, policies):
    with pytest.raises(deqn.ConfigError, match="problem"):
        new_model("mymodel", states, policies, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_to_type_next(tmp_path):
    command = [
        sys.executable,
        "-m",
        "deqn",
        "new",
        "mine",
        "--states",
        "k, z",
        "--policies",
        "s",
        "--into",
        str(tmp_path),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # the environment is activated
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PATH": path})
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("next: ")]
    assert line == f"next: python -m deqn check --config-dir {tmp_path / 'config'} model=mine"
    assert (tmp_path / "config" / "variables" / "mine.yaml").is_file()


def test_the_file_that_is_made_names_the_folder_with_the_model(tmp_path, monkeypatch):
    (tmp_path / "mine it's").mkdir()
    monkeypatch.chdir(tmp_path / "mine it's")
    new_model("mymodel", ["k"], ["s"], Path())
    monkeypatch.chdir(tmp_path)
    model = deqn.load_model("mymodel", [], "mine it's/config")
    assert model.folder == tmp_path / "mine it's" / "models" / "mymodel"
