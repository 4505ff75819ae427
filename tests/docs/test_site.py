"""The site has every page, every model a page with a figure, and what is made from the models is current."""

from __future__ import annotations

import re
import runpy

import pytest
import yaml

import deqn
from deqn.__main__ import COMMANDS
from tests.docs.blocks import ROOT, shell

DOCS = ROOT / "docs"
MODELS = sorted(folder.parent.name for folder in (ROOT / "models").glob("*/Equations.py"))
GALLERY = runpy.run_path(str(ROOT / "scripts" / "make_gallery.py"))


def _pages(nav) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [page for entry in (nav.values() if isinstance(nav, dict) else nav) for page in _pages(entry)]


def test_every_page_is_in_the_navigation():
    pages = _pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert len(pages) == len(set(pages))
    made = {"project/contributing.md", "project/measurements.md", "project/changes.md"}  # scripts/site_hooks.py
    assert set(pages) - made == {file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.md")}


def test_the_gallery_is_current():
    stale = [page.name for page, text in GALLERY["texts"]().items() if page.read_text(encoding="utf-8") != text]
    assert not stale, "run python scripts/make_gallery.py"


def test_every_model_is_in_the_gallery():
    assert sorted(" ".join(GALLERY["FAMILIES"].values()).split()) == MODELS


def test_the_python_page_has_every_public_name():
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    assert not [name for name in deqn.__all__ if name != "__version__" and f"`deqn.{name}`" not in text]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_command_line_page_has_every_option(command, tmp_path):
    page = (DOCS / "reference" / "command_line.md").read_text(encoding="utf-8")
    options = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", shell(f"deqn {command} --help", tmp_path).stdout)) - {"--help"}
    assert f"`deqn {command}" in page
    assert not {option for option in options if not re.search(rf"{option}(?![\w-])", page)}


def test_links_and_commands_for_agents_exist():
    text = (ROOT / "llms.txt").read_text(encoding="utf-8") + (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert not [link for link in re.findall(r"\]\(([^)#]+)", text) if not (ROOT / link).exists()]
    commands = set(re.findall(r"\bdeqn (\w+) (?=[\w-]+=|[A-Z]|runs/)", text))
    assert commands >= {"check", "train", "post", "new"}
    assert commands <= {file.stem for file in (ROOT / "deqn" / "commands").glob("*.py")}
    listed = set(re.findall(r"start\.py (\w+)", text))
    assert listed <= set(re.findall(r"start\.py (\w+)", (ROOT / "scripts" / "start.py").read_text(encoding="utf-8")))
