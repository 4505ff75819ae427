"""`deqn info <model>`: what is solved, how, and what a solution can be held against."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from deqn.configuration.compose import Composed, compose
from deqn.configuration.schema import Config
from deqn.configuration.words import about_constants, about_variables
from deqn.economy import calibration
from deqn.economy.catalogue import entries
from deqn.economy.model import Model
from deqn.economy.probe import probe
from deqn.errors import DEQNError
from deqn.training.terminal import (
    escape,
    optimizers,
    show_header,
    show_model,
    steady_state_lines,
    steps_of_an_episode,
    terminal,
)  # fmt: skip


def main() -> None:
    """Prints what `sys.argv` asks for; ends the process."""
    parser = argparse.ArgumentParser(
        prog=sys.argv[0], description="What a model is, and how its default run solves it."
    )
    parser.add_argument("model", help="name of the model, as in model=<name>")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as behind deqn train")
    parser.add_argument("--config-dir", help="a folder with YAML files of your own")
    parser.add_argument("--from", dest="library", metavar="DIR", help="a folder of the TensorFlow library")
    arguments = parser.parse_intermixed_args()
    name = arguments.model.removeprefix("model=")
    try:
        composed = compose([f"model={name}", *arguments.overrides], arguments.config_dir, library=arguments.library)
        show(name, composed, arguments.config_dir, arguments.library)
    except DEQNError as error:
        print(error.report, file=sys.stderr)
        sys.exit(error.exit_code)


def show(name: str, composed: Composed, config_dir: str | None, library: str | None = None) -> None:
    """Prints the model behind a configuration; it is linked and tried, and nothing is written."""
    config = composed.config
    model = Model(config)
    report = probe(model)
    report.notes[:0] = composed.notes
    calibration.keep(model.calibrated, model.folder, config.constants)
    console = terminal()
    show_header(console, model)
    about = config.about
    if about is not None and about.title:
        console.print(escape(about.title))
    if about is not None and about.known_answer:
        console.print(f"known answer: {escape(about.known_answer)}")
    console.print(f"folder: {escape(str(model.folder))}")
    for file in ("Definitions", "Dynamics", "Equations"):
        text = model.linker.link(file).__doc__
        if text:
            console.print(f"{file}.py: {escape(' '.join(text.split()))}")
    show_model(console, model, report)
    _show_words(console, config)
    if model.calibration:
        file = "Calibration.py" if model.linker.has("Calibration") else "Variables.py"
        console.print(f"from {file}: {escape(', '.join(_shape(*item) for item in model.calibration.items()))}")
    for line in steady_state_lines(model):
        console.print(escape(line))
    run = config.run
    console.print(f"optimizer: {optimizers(config)}")
    console.print(
        f"default run: {run.N_episodes} episodes of {run.N_sim_batch} trajectories x {run.N_episode_length} periods, "
        f"{steps_of_an_episode(config)}"
        + (f"; about {about.minutes:g} minutes on two cores" if about is not None and about.minutes else "")
    )
    presets = next(
        (entry.presets for entry in entries(config_dir, config.MODELS_DIR, library) if entry.name == name), ()
    )
    console.print(f"presets: {', '.join(presets)}")


def _show_words(console: Console, config: Config) -> None:
    """What variables and constants are, and the values of these."""
    about = about_constants(config)
    if about_variables(config) or about:
        table = Table(show_edge=False, pad_edge=False)
        for heading in ("name", "value", "what it is"):
            table.add_column(heading)
        for name, words in about_variables(config).items():
            table.add_row(escape(name), "", escape(words))
        for name, value in config.constants.items():
            table.add_row(escape(name), escape(str(value)), escape(about.get(name, "")))
        console.print(table)
    else:
        values = ", ".join(f"{name} = {value}" for name, value in config.constants.items())
        console.print(f"constants: {escape(values) or 'none'}")


def _shape(name: str, value: Any) -> str:
    shape = getattr(value, "shape", ())
    return f"{name} [{', '.join(map(str, shape))}]" if shape else f"{name} = {float(value):.6g}"
