"""The notebooks run from top to bottom, and what is shown of them is what they are."""

from __future__ import annotations

import importlib.util
import re
import subprocess

import nbformat
import pytest

from tests import warm
from tests.conftest import ROOT
from tests.docs.blocks import blocks

PAGE = ROOT / "docs" / "howto" / "notebooks.md"
spec = importlib.util.spec_from_file_location("make_notebooks", ROOT / "scripts" / "make_notebooks.py")
assert spec is not None
assert spec.loader is not None
make_notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_notebooks)
NAMES = make_notebooks.names()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name, tmp_path, monkeypatch):
    preset = [] if name == "03_your_own_model" else ["preset=smoke"]
    monkeypatch.setenv("DEQN_NOTEBOOK_OVERRIDES", " ".join([*preset, "run.N_episodes=2"]))
    notebook = make_notebooks.read(name)
    make_notebooks.run(notebook, tmp_path)
    assert all(
        cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and not cell.metadata.get("tags")
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_shown_notebook_is_that_of_the_source_with_its_outputs(name):
    shown = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    nbformat.validate(shown)
    assert [cell.source for cell in shown.cells] == [cell.source for cell in make_notebooks.read(name).cells]
    images = [out for cell in shown.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert images
    failed = [cell for cell in shown.cells if any(out.output_type == "error" for out in cell.get("outputs", []))]
    assert all("raises-exception" in cell.metadata.tags for cell in failed)


@pytest.mark.parametrize("name", NAMES)
def test_the_badge_and_the_first_cell_name_the_notebook_and_the_repository(name):
    text = (ROOT / "notebooks" / f"{name}.py").read_text(encoding="utf-8")
    (place,) = re.findall(r"colab\.research\.google\.com/github/(.+?)/blob/main/notebooks/(\w+)\.ipynb", text)
    assert place == (re.search(r'REPOSITORY = "(.+?)"', text)[1], name)
    assert "# Takes " in text


def test_the_page_of_the_notebooks_lists_them_all():
    assert re.findall(r"notebooks/(\w+)\.ipynb\)", PAGE.read_text(encoding="utf-8")) == NAMES


def test_the_program_on_the_page_trains_its_model(tmp_path):
    (program,) = [block for block in blocks(PAGE) if block.language == "python"]
    (tmp_path / program.file).write_text(program.text)
    done = subprocess.run([warm.python(), program.file], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "euler" in done.stdout.splitlines()[-2]
    assert (tmp_path / "island" / "models" / "island" / "Equations.py").is_file()
