"""docs/tutorials/households.md: its examples give what it says."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.docs.blocks import ROOT, Block, blocks, python

PAGE = ROOT / "docs" / "tutorials" / "households.md"
BLOCKS = blocks(PAGE)
EXAMPLES = [(a, b) for a, b in pairwise(BLOCKS) if (a.language, b.language) == ("python", "output")]


def test_every_example_has_its_output():
    assert len(EXAMPLES) == sum(block.language == "python" for block in BLOCKS) > 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_prints_what_the_page_says(example: tuple[Block, Block], tmp_path):
    code, output = example
    result = python(code.text, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == output.text


def test_the_equations_are_those_of_the_model():
    (block,) = [block for block in BLOCKS if block.language == "text"]
    written = (ROOT / "models" / "krusell_smith" / "Equations.py").read_text(encoding="utf-8")
    lines = [line for line in block.text.splitlines() if line]
    assert all(line in written for line in lines)
