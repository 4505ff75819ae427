"""The built wheel, installed where there is no checkout, is a working program with its models."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, plain_environment

Deqn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, as a package index would have it."""
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = f"import os; os.chdir({str(ROOT)!r}); from hatchling.build import build_sdist; build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], check=True, capture_output=True)
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / source.name.removesuffix(".tar.gz")
    command = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder), str(unpacked)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def deqn(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Deqn:
    """Runs the installed `deqn`, or with `-c` its Python, in an empty folder.

    Its environment sees the packages of this one, but not the checkout.
    """
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    purelib = next(Path(p) for p in sys.path if p.endswith("site-packages"))
    own = next(environment.glob("**/site-packages"))
    # the packages that are there, without the editable install of the checkout: its .pth file is not read in a plain path
    (own / "shared.pth").write_text(str(purelib))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(environment)]
    subprocess.run([*pip, "install", "--no-deps", "--force-reinstall", "-q", str(wheel)], check=True)
    folder = tmp_path_factory.mktemp("empty")

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        activated = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        clean = {k: v for k, v in plain_environment(**activated, **variables).items() if k != "PYTHONPATH"}
        command = (
            [str(scripts / "python"), "-c", arguments[1]]
            if arguments[0] == "-c"
            else [str(scripts / "deqn"), *arguments]
        )
        return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=300)

    run.folder = folder  # type: ignore[attr-defined]
    return run


def passed(process: subprocess.CompletedProcess[str]) -> str:
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_the_wheel_holds_models_configuration_stubs_and_the_mark_of_types(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("models", "config", "typings"):
        expected = {
            f"deqn/_shipped/{path.relative_to(ROOT)}"
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert expected <= set(names), folder
    assert "deqn/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "models", "config", "benchmarks"))]


def test_the_installed_program_is_not_the_checkout(deqn):
    assert str(ROOT) not in passed(deqn("-c", "import deqn; print(deqn.__file__)"))


def test_the_models_are_listed_in_a_second_and_a_half(deqn):
    passed(deqn("list"))  # compiles its files
    began = time.perf_counter()
    lines = passed(deqn("list")).splitlines()
    assert time.perf_counter() - began < 1.5
    shipped = {folder.name for folder in (ROOT / "models").iterdir() if folder.is_dir()}
    assert {line.split()[0] for line in lines[1:]} >= shipped


def test_bm1972_trains_and_is_post_processed_with_the_printed_command(deqn):
    out = passed(deqn("train", "model=bm1972", "run.N_episodes=20"))
    (run,) = (deqn.folder / "runs" / "bm1972").glob("*/*")
    assert "(initial states): |s_t - exact| mean" in out
    (line,) = (line.strip() for line in out.splitlines() if "deqn post" in line)
    assert line == f"deqn post hydra.run.dir={run.relative_to(deqn.folder)}"
    passed(deqn(*line.split()[1:]))
    assert (run / "simulated_euler_discrepancies.csv").is_file()


@pytest.mark.slow
def test_krusell_smith_trains(deqn):
    out = passed(deqn("train", "model=krusell_smith", "preset=smoke", "hydra.run.dir=ks"))
    assert "capital on the simulated states: mean" in out


def test_a_model_of_ones_own_is_made_in_the_folder_one_is_in_and_tried_with_the_printed_command(deqn):
    out = passed(deqn("new", "mine", "--states", "k,z", "--policies", "s"))
    assert (deqn.folder / "models" / "mine" / "Equations.py").is_file()
    next_line = out.splitlines()[-1]
    assert next_line == "next: deqn check --config-dir config model=mine"
    assert "check passed" in passed(deqn(*next_line.removeprefix("next: deqn ").split()))
    assert "mine" in passed(deqn("list", "--config-dir", "config"))


def test_the_version_is_that_of_the_wheel(deqn, wheel):
    version = wheel.name.split("-")[1]
    assert passed(deqn("--version")) == f"deqn {version}\n"


def test_completion_offers_commands_then_hydras_words(deqn):
    assert "complete" in passed(deqn("-sc", "install=bash"))
    assert passed(deqn("-sc", "query=bash", COMP_LINE="deqn tr")).split() == ["train"]
    assert set(passed(deqn("-sc", "query=bash", COMP_LINE="deqn train model=krus")).split()) == {
        "model=krusell_smith", "model=krusell_smith_1998", "model=krusell_smith_beta",
    }  # fmt: skip
    line = "deqn train optimizer.learning_rate="
    assert passed(deqn("-sc", "query=bash", COMP_LINE=line)).strip() == "optimizer.learning_rate=0.001"
