"""The figures of the site are small, shown on a page, and drawn by a command that is written down."""

from __future__ import annotations

import re
import runpy

import numpy as np
import pytest
from PIL import Image

from tests.docs.blocks import ROOT

FIGURES = sorted((ROOT / "docs").rglob("*.png"))
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "make_figures.py"))
LARGEST = 150_000  # bytes


def test_no_figure_is_large():
    assert not [file.name for file in FIGURES if file.stat().st_size > LARGEST], (
        "python scripts/make_figures.py --small"
    )


def test_every_figure_is_on_a_page_and_every_figure_of_a_page_is_there():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    links = (
        (page, link) for page in pages for link in re.findall(r"!\[[^\]]*\]\((\S+\.png)\)", page.read_text("utf-8"))
    )
    assert {(page.parent / link).resolve() for page, link in links} == {file.resolve() for file in FIGURES}


def test_every_figure_has_its_commands():
    known = SCRIPT["RUNS"] | SCRIPT["PROGRAMS"]
    assert sorted(known) == [file.stem for file in FIGURES]
    programs = [command.split()[1] for name in SCRIPT["PROGRAMS"] for command in SCRIPT["commands"](name)]
    assert not [program for program in programs if not (ROOT / program).is_file()]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_small_figure_has_the_colours_of_the_large_one(tmp_path, seed):
    """Lines of four colours, each fading to white, as in a figure."""
    rng = np.random.default_rng(seed)
    colours, fading = rng.integers(0, 256, (4, 1, 3)), np.linspace(0, 1, 256)[:, None]
    pixels = (255 - fading * (255 - colours)).round().astype(np.uint8)
    file = tmp_path / "figure.png"
    Image.fromarray(pixels).resize((1024, 1024), Image.Resampling.NEAREST).save(file)
    SCRIPT["make_small"](file)
    with Image.open(file) as picture:
        assert picture.mode == "P"
        found = np.asarray(picture.convert("RGB").resize((256, 4), Image.Resampling.NEAREST))
    assert abs(found.astype(int) - pixels).max() < 12
    before = file.read_bytes()
    SCRIPT["make_small"](file)
    assert file.read_bytes() == before
