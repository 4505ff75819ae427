"""docs/explanation/verdict.md lists what the verdict can find, with its thresholds, and its example runs."""

from __future__ import annotations

import ast
import re
import shutil

from deqn.analysis import verdict
from tests.docs.blocks import ROOT, blocks, python

PAGE = ROOT / "docs" / "explanation" / "verdict.md"


def test_every_finding_has_a_row():
    tree = ast.parse((ROOT / "deqn" / "analysis" / "verdict.py").read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "Finding"]
    kinds = {call.args[0].value for call in calls}
    rows = set(re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert kinds == rows
    assert len(kinds) > 5


def test_the_thresholds_are_those_of_the_program():
    text = PAGE.read_text(encoding="utf-8")
    for words in (
        f"above {verdict.LARGE_RESIDUAL:g}", f"above {verdict.SMALL_RESIDUAL:g}", f"{verdict.PERIODS:,} periods",
        f"more than {100 * verdict.OUTSIDE:.0f} % of the states lie outside",
        f"more than {100 * verdict.AT_BOUND:.0f} % of the states",
        f"by more than {100 * (1 - verdict.STILL_FALLING):.0f} %",
        f"by more than {100 * verdict.CORRECTION:.0f} % of its mean size",
    ):  # fmt: skip
        assert words in text, words
    assert (verdict.FACTOR, verdict.DRIFT) == (2.0, 0.25)  # "twice", "a quarter"


def test_the_example_runs(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "runs" / "first")
    (block,) = [block for block in blocks(PAGE) if block.language == "python"]
    result = python(block.text, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("False The equations do not hold")
