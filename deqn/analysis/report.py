"""One page about a run, in one file that opens anywhere: what was solved, how, how right it is, what the economy does."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from deqn import __version__
from deqn.analysis.run import Run
from deqn.configuration.words import about_constants, about_variables, words_and_unit
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
    "households": "Savings beside the 45-degree line, consumption and wealth of households, by their idiosyncratic state e.",
    "aggregates": "Mean wealth of one economy over a long path, and the cycle in its last periods.",
    "aggregate_responses": "Responses of the aggregates to one step of the aggregate shock, per 1 % of it, from each node.",
    "euler_errors_by_wealth": "Residuals of households on simulated states by wealth, for each idiosyncratic state e.",
    "accuracy": "Mean wealth on common shocks under the network and under the solution by another method, and their distance.",
}
_LIMITS = (
    "A small residual is necessary, not sufficient: it bounds no error of the policy or of its level. Other equilibria, other "
    "starting points and states that the simulation does not visit were not looked at."
)
_ROWS = 60  # of a table: more are in the CSV files
_LOGS = ("log10 p50", "log10 p95", "log10 p99", "log10 max")
_RESIDUAL = "{:.1e}"
_CODE = re.compile(r"`([^`]+)`")
_SHAPE = re.compile(r"[:,]? `?\[\*?batch[^\]]*\]`?")  # at the end of a docstring, which programmers need


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
    width: int = 0  # of a figure, in pixels


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
    errors = run.policy_error_lines()
    sections = [
        Section("What was solved", list(_solved(run))),
        Section("How", list(_how(run, record))),
        Section("Verdict", list(_verdict(run, record))),
        Section("Accuracy", list(_accuracy(run, errors))),
        Section("The economy", list(_economy(run, [line for line in lines if line not in errors]))),
        Section("Households", list(_households(run))),
        Section("Beside another method", list(_other_method(run))),
        Section("Tests of the literature", list(_markdown(run, "den_haan_judd_juillard"))),
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
    environment.filters["code"] = _code
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
    about, rows = about_variables(config), []
    for kind, columns in (("state", model.state_columns), ("policy", model.policy_columns)):
        for column in columns:
            words, unit = words_and_unit(about.get(column.name, ""))
            rows.append((kind, column.name, words, unit, _shape(column.shape), bounds_in_words(column.bound)))
    own = model.linker.link("Definitions")
    for name, bound in model.definition_bounds.items():
        words, unit = words_and_unit(about.get(name) or _first_sentence(getattr(own, name, None)))
        rows.append(("definition", name, words, unit, "", bounds_in_words(bound)))
    rows += [
        ("equation", name, "", "", _shape(tuple(value.shape[1:])), "")
        for name, value in run.residuals(run.cloud()[:2]).items()
    ]
    head = ("", "name", "what it is", "unit", "shape", "bounds")
    yield Part("table", caption="Variables and equations", **_without_empty(head, rows))
    constants = []
    for name, value in config.constants.items():
        words, unit = words_and_unit(about_constants(config).get(name, ""))
        constants.append((name, f"{value:.10g}" if isinstance(value, float) else str(value), unit, words))
    yield Part("table", caption="Constants", **_without_empty(("name", "value", "unit", "what it is"), constants))


def _first_sentence(function: object) -> str:
    """What the docstring of a definition says, without the shape at its end."""
    text = " ".join((getattr(function, "__doc__", None) or "").split())
    return _SHAPE.sub("", text.partition(". ")[0]).rstrip(".")


def _without_empty(head: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Head and rows of a table without the columns in which nothing stands."""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    return {"head": [head[i] for i in kept], "rows": [[row[i] for i in kept] for row in rows]}


def _code(text: str) -> Markup:
    """HTML in which `what stands in backticks` is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


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
        run,
        "policy_drift",
        "Change of policies from one checkpoint to the next, relative to their mean size",
        _RESIDUAL,
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


def _accuracy(run: Run, errors: Sequence[str]) -> Iterator[Part]:
    yield from _table(run, "euler_discrepancies", "Absolute residuals: means, percentiles, the largest", _RESIDUAL)
    yield from _table(
        run, "euler_discrepancies_unit_free", "The same without a unit, as the model's Equations.py says", _RESIDUAL
    )
    yield from _figure(run, "euler_discrepancies")
    yield from _table(run, "euler_discrepancies_other_nodes", "With other expectations", _RESIDUAL)
    yield from _table(
        run, "den_haan_marcet", "Test of Den Haan and Marcet: percent of the statistics beyond either 5 % point"
    )
    if errors:
        yield Part("list", lines=errors)
    yield from _figure(run, "policies")


def _economy(run: Run, lines: Sequence[str]) -> Iterator[Part]:
    if lines:
        yield Part("list", lines=lines)
    yield from _table(run, "moments", "Moments, with standard errors in brackets")
    yield from _table(run, "correlations", "Correlations", "{:.2f}")
    for file in sorted(run.output.glob("impulse_responses*.png")):
        yield from _figure(run, file.stem)
    yield from _figure(run, "paths")


def _households(run: Run) -> Iterator[Part]:
    yield from _figure(run, "households")
    yield from _figure(run, "euler_errors_by_wealth")
    yield from _figure(run, "aggregates")
    if not (run.output / "accuracy.md").is_file():  # which has these moments beside those of other methods
        yield from _table(run, "aggregate_moments", "Moments of one economy over a long path")
    yield from _figure(run, "aggregate_responses")


def _other_method(run: Run) -> Iterator[Part]:
    yield from _figure(run, "accuracy")
    yield from _markdown(run, "accuracy")


def _markdown(run: Run, name: str) -> Iterator[Part]:
    """The sections of a page that post-processing has written in Markdown: of each, a table and what is said of it."""
    file = run.output / f"{name}.md"
    if not file.is_file():
        return
    for section in file.read_text(encoding="utf-8").split("\n## "):
        heading, *lines = section.splitlines()
        table = [_cells(line) for line in lines if line.startswith("|") and not line.startswith("|---")]
        said = " ".join(line for line in lines if line and not line.startswith("|"))
        if table:
            yield Part("table", said, caption=heading[:1].upper() + heading[1:], head=table[0], rows=table[1:])
        elif said:
            yield Part("text", said, "quiet")


def _cells(line: str) -> list[str]:
    """Of a row of a table in Markdown, in which | within a cell stands as \\|."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _further(run: Run) -> Iterator[Part]:
    for file in sorted(run.output.glob("*.png")):
        if file.stem not in _FIGURES and not file.stem.startswith("impulse_responses"):
            yield from _figure(run, file.stem)


def _figure(run: Run, name: str) -> Iterator[Part]:
    file = run.output / f"{name}.png"
    if file.is_file():
        own = f"{name.replace('_', ' ')}, drawn by the model's own post-processing"
        caption = _FIGURES.get(name) or _FIGURES.get(name.rstrip("_0123456789")) or own
        data = file.read_bytes()
        width = int.from_bytes(data[16:20], "big")  # the PNG's header has it there
        yield Part("figure", caption=caption, data=base64.b64encode(data).decode(), width=width)


def _table(run: Run, name: str, caption: str, form: str = "{:.4g}") -> Iterator[Part]:
    """A table that post-processing has written: standard errors stand behind what they are of, some logs are left out.

    Args:
        form: of numbers. Logs have two decimals.
    """
    file = run.output / f"{name}.csv"
    if not file.is_file():
        return
    table = pd.read_csv(file)
    table = table.drop(columns=[name for name in table if name in _LOGS])
    if table.empty:
        return
    shown = {
        str(name): [_cell(value, "{:.2f}" if str(name).startswith("log10") else form) for value in values]
        for name, values in table.head(_ROWS).items()
    }
    for name in [name for name in shown if f"{name} error" in shown]:
        errors = [_cell(value, "{:.1g}") for value in table[f"{name} error"].head(_ROWS)]
        shown[name] = [f"{cell} ({error})" if error else cell for cell, error in zip(shown[name], errors, strict=True)]
        del shown[f"{name} error"]
    if len(table) > _ROWS:
        caption += f" (the first {_ROWS} of {len(table)} rows of {file.name})"
    head = ["" if name.startswith("Unnamed") else name for name in shown]
    yield Part("table", caption=caption, head=head, rows=list(zip(*shown.values(), strict=True)))


def _cell(value: object, form: str) -> str:
    if isinstance(value, float):
        return "" if value != value else form.format(value)
    return str(value)
