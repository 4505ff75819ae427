"""report.html: one file that needs nothing else, with what post-processing has found."""

from __future__ import annotations

import html
import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest

import deqn
from deqn.analysis import figures
from deqn.analysis.report import write_report


class Reader(HTMLParser):
    """Headings, table cells and everything that a page asks for elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.headings, self.cells, self.asks, self.open = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.asks += [value for name, value in attributes if name in ("src", "href")]
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


@pytest.fixture
def run(finished_run, tmp_path) -> deqn.Run:
    shutil.copytree(finished_run, tmp_path / "run")
    run = deqn.load_run(tmp_path / "run")
    run.output = tmp_path / "post"
    run.output.mkdir()
    run.accuracy(run.cloud()).to_csv(run.output / "euler_discrepancies.csv")
    figures.loss_history(run, run.output / "loss.png")
    figure, _ = figures.new()
    figures.save(figure, run.output / "my_own.png")
    return run


def read(file) -> tuple[str, Reader]:
    text, reader = file.read_text(encoding="utf-8"), Reader()
    reader.feed(text)
    return text, reader


def test_the_page_has_what_was_solved_how_and_how_right(run):
    text, page = read(write_report(run, ["it rests < here & there >"]))
    assert page.headings == [
        "What was solved", "How", "Verdict", "Accuracy", "The economy", "Further figures", "What is not proven",
    ]  # fmt: skip
    assert {"K", "z", "s", "K_next", "euler", "alpha", "0.36", "1 s"} - {*page.cells} <= {"1 s"}
    assert f"{run.accuracy(run.cloud()).loc['euler', 'mean']:.4g}" in page.cells
    assert html.escape("it rests < here & there >") in text
    assert "my own" in text


def test_it_asks_for_nothing_from_elsewhere(run):
    text, page = read(write_report(run, []))
    images = [ask for ask in page.asks if not ask.startswith("#")]
    assert len(images) == 2
    assert all(image.startswith("data:image/png;base64,") for image in images)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    assert "{{" not in text


def test_a_long_table_says_what_is_left_out(run):
    pd.DataFrame({"mean": range(100)}, index=[f"x{i}" for i in range(100)]).to_csv(run.output / "moments.csv")
    text, page = read(write_report(run, []))
    assert "(the first 60 of 100 rows of moments.csv)" in text
    assert "x59" in page.cells
    assert "x60" not in page.cells


def test_what_speaks_against_a_solution_is_there(run):
    text, _ = read(write_report(run, []))
    assert "The equations do not hold" in text  # three short episodes
    assert 'class="finding"' in text
