"""What the Dockerfiles name is there, and an image gets all that the installation needs."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch

import pytest

from tests.conftest import ROOT

DOCKERFILES = ["Dockerfile", "Dockerfile.cuda"]
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def is_left_out(path: str) -> bool:
    parts = path.split("/")
    folders = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return any(
        fnmatch(place, pattern.removeprefix("**/"))
        for pattern in IGNORED
        for place in (parts if pattern.startswith("**/") else folders)
    )


@pytest.mark.parametrize("name", DOCKERFILES)
def test_paths_extras_and_options_exist_and_are_copied(name):
    text = (ROOT / name).read_text()
    paths = re.findall(r"/deqn/([\w./-]+)", text)
    assert "constraints.txt" in paths
    for path in paths:
        assert (ROOT / path).is_file()
        assert not is_left_out(path)
    (extras,) = re.findall(r'"/deqn\[(.+?)\]"', text)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {*extras.split(",")} <= known.keys()
    for option in re.findall(r"install_horovod\.sh (--\w+)", text):
        assert f"{option})" in (ROOT / "scripts/install_horovod.sh").read_text()


def test_what_the_wheel_is_built_from_is_copied():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    project = settings["project"]
    needed = [
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    ]
    for path in needed:
        assert (ROOT / path).exists()
        assert not is_left_out(path)
    assert is_left_out("models/bm1972/__pycache__/Dynamics.pyc")


def test_the_page_builds_what_is_there():
    page = (ROOT / "docs" / "howto" / "containers.md").read_text()
    assert "docker build -t deqn ." in page
    assert {*re.findall(r"docker build -f (\S+)", page)} == {"Dockerfile.cuda"}
    arguments = {*re.findall(r"--build-arg (\w+)=", page)}
    assert arguments == {
        name for file in DOCKERFILES for name in re.findall(r"^ARG (\w+)", (ROOT / file).read_text(), re.M)
    }
