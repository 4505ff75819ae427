"""docs/howto/economy.md: its example runs, and the files that it lists are written."""

from __future__ import annotations

import re
import shutil

from tests.docs.blocks import ROOT, blocks, python

PAGE = ROOT / "docs" / "howto" / "economy.md"


def test_the_example_runs(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "runs" / "first")
    (block,) = [block for block in blocks(PAGE) if block.language == "python"]
    result = python(block.text, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "stochastic steady state: all 50 starts come to it" in result.stdout


def test_the_files_of_the_table_are_written(finished_run, tmp_path, answer):
    shutil.copytree(finished_run, tmp_path / "run")
    assert answer("hydra.run.dir=run", script="post_process.py").code == 0
    (folder,) = (tmp_path / "run" / "post").iterdir()
    rows = PAGE.read_text(encoding="utf-8").split("## What is written")[1].split("\n## ")[0]
    names = {
        name for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+\.csv)`", row)
    }
    assert len(names) == 7
    assert names <= {file.name for file in folder.iterdir()}
