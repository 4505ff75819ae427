"""report.html: one file that needs nothing else, with what post-processing has found."""

from __future__ import annotations

import html
import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
from PIL import Image

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
    assert f"{run.accuracy(run.cloud()).loc['euler', 'mean']:.1e}" in page.cells
    assert html.escape("it rests < here & there >") in text
    assert "my own, drawn by the model&#39;s own post-processing" in text
    assert "log10 mean" in text
    assert "log10 p95" not in text  # the log of a column that is there


def test_units_have_a_column_of_their_own(run):
    _, page = read(write_report(run, []))
    for name, unit, words in (("K", "goods", "capital"), ("beta", "1/period", "discount factor")):
        row = page.cells[page.cells.index(name) :][:5]
        assert {unit, words} <= {*row}


def test_standard_errors_stand_behind_what_they_are_of(run):
    pd.DataFrame(
        {"mean": [1.23456, 2.0], "mean error": [0.0321, float("nan")], "max": [3.0, 4.0]}, index=["K", "z"]
    ).to_csv(run.output / "moments.csv")
    text, page = read(write_report(run, []))
    assert [page.cells[page.cells.index("1.235 (0.03)") + i] for i in (0, 1, 3, 4)] == ["1.235 (0.03)", "3", "2", "4"]
    assert "mean error" not in text


def test_definitions_without_words_say_what_their_docstring_says(run, monkeypatch):
    monkeypatch.setattr("deqn.analysis.report.about_variables", lambda config: {})
    own = run.model.linker.link("Definitions")
    own.K_next.__doc__ = "Capital [goods], of `s` and Y: `[*batch]`. Next period's."
    _, page = read(write_report(run, []))
    assert page.cells[page.cells.index("K_next") + 1] != ""
    assert "Capital [goods], of `s` and Y" in page.cells
    own.K_next.__doc__ = "Capital: [*batch]."
    assert "Capital" in read(write_report(run, []))[1].cells


def test_pages_of_other_methods_become_tables(run):
    (run.output / "accuracy.md").write_text(
        "# Accuracy\n\n10 periods.\n\n## path of K\n\nOf `K` & C.\n\n|  | max \\|d log K\\| [%] | mean |\n|---|---:|---:|\n"
        "| own grid | 0.1 |  |\n\n## not proven\n\nThat it is unique.\n",
        encoding="utf-8",
    )
    text, page = read(write_report(run, []))
    assert page.headings[4:6] == ["Beside another method", "Further figures"]
    assert page.cells[page.cells.index("own grid") :][:2] == ["own grid", "0.1"]
    assert "<th>max |d log K| [%]</th>" in text
    assert "<h3>Path of K</h3>" in text
    assert "Of <code>K</code> &amp; C." in text
    assert "That it is unique." in text


def test_the_distance_to_the_known_answer_is_said_once(run):
    (line,) = run.policy_error_lines()
    text, _ = read(write_report(run, [line, "it rests"]))
    assert text.count(html.escape(line, quote=False)) == 1
    assert "<li>it rests</li>" in text


def test_a_figure_has_its_width_in_pixels(run):
    text, _ = read(write_report(run, []))
    pixels = [image.width for image in map(Image.open, (run.output / "loss.png", run.output / "my_own.png"))]
    assert re.findall(r"--pixels: (\d+)px", text) == [str(n) for n in pixels]


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
