"""One page about a run, in one file that opens anywhere: what was solved, how, how right it is, what the economy does."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from deqn import __version__
from deqn.analysis.run import Run
from deqn.disk.run_folder import RunFolder
from deqn.training.terminal import bounds_in_words, duration, optimizers

FILE = "report.html"
# figure -> caption; others follow with their names
_FIGURES = {
    "loss": "Root mean square of the residuals by epoch of training.",
    "euler_discrepancies": "Distribution of log10 |residual| on simulated states, by equation.",
    "policies": "Policies by each state, on simulated states, beside linear solution and known answer where there are any.",
    "paths": "Trajectories of states and definitions over consecutive periods.",
    "impulse_responses": "Responses to a shock, with two standard errors on either side.",
}
_LIMITS = (
    "A small residual is necessary, not sufficient: it bounds no error of the policy or of its level. Other equilibria, other "
    "starting points and states that the simulation does not visit were not looked at."
)
_ROWS = 60  # of a table: more are in the CSV files


@dataclass(frozen=True)
class Part:
    """A paragraph, a list, a table or a figure."""

    kind: str
    text: str = ""
    mark: str = ""
    lines: Sequence[str] = ()
    caption: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    data: str = ""


@dataclass(frozen=True)
class Section:
    """Parts under a heading."""

    heading: str
    parts: Sequence[Part]

    @property
    def anchor(self) -> str:
        return self.heading.lower().replace(" ", "-")


def write_report(run: Run, lines: Sequence[str]) -> Path:
    """Writes `run.output / report.html` from the tables and figures that post-processing has left there.

    Args:
        lines: what it has said, a sentence each.
    """
    about, record = run.config.about, RunFolder(run.path).read()
    title = about.title if about is not None and about.title else run.model.name
    title = title[:1].upper() + title[1:]
    sections = [
        Section("What was solved", list(_solved(run))),
        Section("How", list(_how(run, record))),
        Section("Verdict", list(_verdict(run, record))),
        Section("Accuracy", list(_accuracy(run))),
        Section("The economy", list(_economy(run, lines))),
        Section("Further figures", list(_further(run))),
        Section("What is not proven", [Part("text", _LIMITS), *([Part("list", lines=run.notes)] if run.notes else [])]),
    ]
    episode = f"checkpoint of episode {run.episode:,}"
    subtitle = (run.model.name, f"deqn {__version__}", run.path.name, episode, record.get("started", ""))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("report.html.jinja").render(
        title=title,
        subtitle=" · ".join(filter(None, subtitle)),
        sections=[section for section in sections if section.parts],
    )
    file = run.output / FILE
    temporary = file.with_suffix(".tmp")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, file)
    return file


def _solved(run: Run) -> Iterator[Part]:
    model, config = run.model, run.config
    if config.about is not None and config.about.known_answer:
        yield Part("text", f"Known answer: {config.about.known_answer}.")
    for file in ("Definitions", "Dynamics", "Equations"):
        text = model.linker.link(file).__doc__
        if text:
            yield Part("text", " ".join(text.split()), "quiet")
    rows = []
    for kind, columns in (("state", model.state_columns), ("policy", model.policy_columns)):
        for column in columns:
            rows.append((kind, column.name, _shape(column.shape), bounds_in_words(column.bound)))
    rows += [("definition", name, "", bounds_in_words(bound)) for name, bound in model.definition_bounds.items()]
    rows += [
        ("equation", name, _shape(tuple(value.shape[1:])), "") for name, value in run.residuals(run.cloud()[:2]).items()
    ]
    yield Part("table", caption="Variables and equations", head=("", "name", "shape", "bounds"), rows=rows)
    constants = [(name, str(value)) for name, value in config.constants.items()]
    yield Part("table", caption="Constants", head=("name", "value"), rows=constants)


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _how(run: Run, record: Mapping[str, Any]) -> Iterator[Part]:
    config, settings = run.config, run.config.run
    rows = [
        ("network", f"{sum(p.numel() for p in run.model.network.parameters()):,} parameters"),
        ("optimizer", optimizers(config)),
        (
            "training",
            f"{run.episode:,} episodes of {settings.N_sim_batch} trajectories x {settings.N_episode_length} periods",
        ),
        ("precision", settings.keras_precision),
        ("expectations", settings.expectation_type),
        ("seed", str(config.seed)),
    ]
    if isinstance(record.get("seconds"), int | float):
        rows.append(("time of training", duration(record["seconds"])))
    rows += [(name, str(record[name])) for name in ("processes", "device", "git") if name in record]
    rows += [(name, str(version)) for name, version in record.get("versions", {}).items()]
    if record.get("command"):
        rows.append(("command", " ".join(record["command"])))
    yield Part("table", rows=rows)
    yield from _figure(run, "loss")
    yield from _table(
        run, "policy_drift", "Change of policies from one checkpoint to the next, relative to their mean size"
    )


def _verdict(run: Run, record: Mapping[str, Any]) -> Iterator[Part]:
    verdict = record.get("verdict")
    if not verdict:
        yield Part("text", "The run has no verdict: its training has not ended.", "finding")
    elif verdict.get("ok"):
        yield Part("text", "Nothing was found that speaks against this solution.", "ok")
    else:
        for finding in verdict.get("findings", ()):
            yield Part("text", f"{finding['text']} Try: {finding['advice']}", "finding")


def _accuracy(run: Run) -> Iterator[Part]:
    yield from _table(run, "euler_discrepancies", "Absolute residuals of the equations")
    yield from _table(run, "euler_discrepancies_unit_free", "The same without a unit, as the model's Equations.py says")
    yield from _figure(run, "euler_discrepancies")
    yield from _table(run, "euler_discrepancies_other_nodes", "With other expectations")
    yield from _table(
        run, "den_haan_marcet", "Test of Den Haan and Marcet: percent of the statistics beyond either 5 % point"
    )
    errors = run.policy_error_lines()
    if errors:
        yield Part("list", lines=errors)
    yield from _figure(run, "policies")


def _economy(run: Run, lines: Sequence[str]) -> Iterator[Part]:
    if lines:
        yield Part("list", lines=lines)
    yield from _table(run, "moments", "Moments, with standard errors")
    yield from _table(run, "correlations", "Correlations")
    for file in sorted(run.output.glob("impulse_responses*.png")):
        yield from _figure(run, file.stem)
    yield from _figure(run, "paths")


def _further(run: Run) -> Iterator[Part]:
    for file in sorted(run.output.glob("*.png")):
        if file.stem not in _FIGURES and not file.stem.startswith("impulse_responses"):
            yield from _figure(run, file.stem)


def _figure(run: Run, name: str) -> Iterator[Part]:
    file = run.output / f"{name}.png"
    if file.is_file():
        caption = _FIGURES.get(name) or _FIGURES.get(name.rstrip("_0123456789")) or name.replace("_", " ")
        yield Part("figure", caption=caption, data=base64.b64encode(file.read_bytes()).decode())


def _table(run: Run, name: str, caption: str) -> Iterator[Part]:
    file = run.output / f"{name}.csv"
    if not file.is_file():
        return
    table = pd.read_csv(file)
    if table.empty:
        return
    rows = [[_cell(value) for value in row] for row in table.head(_ROWS).itertuples(index=False)]
    if len(table) > _ROWS:
        caption += f" (the first {_ROWS} of {len(table)} rows of {file.name})"
    head = ["" if str(column).startswith("Unnamed") else str(column) for column in table.columns]
    yield Part("table", caption=caption, head=head, rows=rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)
