"""deqn/processes/programs.py."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

import pytest

from deqn.processes.programs import from_here, to_type


@pytest.fixture
def environment(tmp_path, monkeypatch) -> Path:
    """Folder of an environment's programs below the working directory; PATH leads elsewhere."""
    folder, elsewhere = tmp_path / ".venv" / "bin", tmp_path / "usr" / "bin"
    for place in (folder, elsewhere):
        place.mkdir(parents=True)
        (place / "python").symlink_to(sys.executable)
    for program in ("tensorboard", "torchrun", "deqn"):
        (folder / program).write_text("#!/bin/sh\n")
        (folder / program).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(elsewhere))
    monkeypatch.chdir(tmp_path)
    return folder


LINES = {
    "python post_process.py": ".venv/bin/python post_process.py",
    "python -m deqn post": ".venv/bin/python -m deqn post",
    "tensorboard --logdir runs": ".venv/bin/tensorboard --logdir runs",
    "deqn post": ".venv/bin/deqn post",
    "torchrun --nproc-per-node 2 run.py": ".venv/bin/torchrun --nproc-per-node 2 run.py",
    "srun -n 2 python run.py": "srun -n 2 .venv/bin/python run.py",
}


@pytest.mark.parametrize("line", LINES)
def test_where_path_leads_elsewhere_a_program_has_its_path(environment, line):
    assert to_type(line) == LINES[line]


@pytest.mark.parametrize("line", LINES)
def test_in_an_activated_environment_a_program_has_its_name(environment, monkeypatch, line):
    monkeypatch.setenv("PATH", str(environment), prepend=":")
    assert to_type(line) == line


def test_from_another_folder_the_path_is_whole_and_quoted(environment, monkeypatch):
    (environment.parent / "of mine").mkdir()
    own = environment.parent / "of mine" / "python"
    own.symlink_to(environment / "python")
    monkeypatch.chdir(environment)
    monkeypatch.setattr(sys, "executable", str(own))
    assert shlex.split(to_type("python x")) == [str(own), "x"]


@pytest.mark.parametrize("name", ["tensorboard", "torchrun", "deqn"])
def test_a_program_that_is_nowhere_is_started_as_a_module_that_is_there(environment, name):
    (environment / name).unlink()
    python, option, module = to_type(name).split()
    assert (python, option) == (".venv/bin/python", "-m")
    assert importlib.util.find_spec(module) is not None


def test_another_python_in_the_same_folder_is_not_taken(environment, monkeypatch):
    monkeypatch.setenv("PATH", str(environment), prepend=":")
    (environment / "python3.12").write_text("#!/bin/sh\n")
    (environment / "python3.12").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(environment / "python3.12"))
    assert to_type("python x") == "python3.12 x"


def test_a_path_outside_the_working_directory_is_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert from_here(tmp_path / "a") == "a"
    assert from_here(tmp_path.parent / "a") == str(tmp_path.parent / "a")
