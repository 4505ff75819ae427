"""How a model and a run are written on the terminal."""

from __future__ import annotations

import math
import re
import shlex
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape as escape  # for everything that a user has named
from rich.table import Table

from deqn.configuration.schema import Config, Phase, Step
from deqn.disk.run_folder import RunFolder, versions
from deqn.economy.bounds import shown
from deqn.economy.linear import NoLinearSolution, linear_solution
from deqn.economy.model import Model
from deqn.economy.probe import Report
from deqn.economy.steady_state import LARGEST, steady_state
from deqn.errors import count
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.processes.programs import from_here, to_type


def duration(seconds: float) -> str:
    """'12 s', '4 min', '1.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def in_jupyter() -> bool:
    """Whether this is a notebook, which can redraw what it has shown."""
    return Console().is_jupyter


def terminal() -> Console:
    """The terminal, a file of 120 columns, or a notebook: text that its cell holds in one piece."""
    if in_jupyter():
        return Console(highlight=False, emoji=False, width=110, force_jupyter=False, force_terminal=False)
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, emoji=False, width=120)


_SILENT = 1.0  # seconds of a calibration without a word
_SCRIPTS = {"train": "run_deepnet.py", "post": "post_process.py"}


def command_line(folder: RunFolder, command: str, python: str = "python") -> str:
    """What one types here to go on with a run: `deqn post hydra.run.dir=...`, or with the scripts of a checkout.

    Args:
        command: train or post.
        python: what starts a script, of several processes their launcher.
    """
    program, _, own = sys.argv[0].rpartition(" ")  # `deqn train`, or the path of a script
    script = Path(sys.argv[0]).with_name(_SCRIPTS[command])
    if not program.endswith("deqn") and not script.is_file():  # a notebook, or a program of the user's
        start = f"deqn {command}"
    elif not own or not program.endswith("deqn"):
        start = f"{python} {shlex.quote(from_here(script))}"
    elif python == "python":
        start = f"{program} {command}"
    else:
        start = f"{python} -m deqn {command}"
    path = from_here(folder.path)
    plain = re.fullmatch(r"[\w./-]+", path) is not None
    directory = f"hydra.run.dir={path}" if plain else shlex.quote(f'hydra.run.dir="{path}"')
    return f"{to_type(start)} {directory}" + (" STARTING_POINT=LATEST" if command == "train" else "")


def show_header(console: Console, model: Model) -> None:
    """Versions, device, seed."""
    shown = ", ".join(f"{name} {version}" for name, version in versions().items())
    config = model.config
    n_parameters = sum(p.numel() for p in model.network.parameters())
    device = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else "cpu"
    console.print(f"[bold]deqn[/bold] {escape(model.name)} | {shown}")
    console.print(
        f"device {escape(device)} ({count(config.run.threads, 'thread')}), {config.run.keras_precision}, seed {config.seed}, "
        f"{n_parameters:,} parameters"
    )


def show_settings(console: Console, model: Model) -> None:
    """Constants, what the calibration found, network and optimizer."""
    config = model.config
    found = {name: float(value) for name, value in model.calibration.items() if np.ndim(value) == 0}
    layers = []
    for layer in config.net.layers:
        if layer.hidden is not None:
            layers.append(f"{layer.hidden.units} {layer.hidden.activation}")
        elif layer.output is not None:
            layers.append(f"{model.n_policies} {layer.output.activation}")
    own = "Net.py, " if model.linker.has("Net") else ""
    lines = {
        "constants": ", ".join(f"{name} {_number(value)}" for name, value in config.constants.items()),
        "calibrated": ", ".join(f"{name} {value:.6g}" for name, value in found.items()),
        "network": f"{own}{count(model.n_states, 'state')} -> " + " -> ".join(layers),
        "optimizer": optimizers(config),
    }
    for name, line in lines.items():
        if line:
            console.print(f"{name}: {line}", markup=False)


def optimizers(config: Config) -> str:
    """The optimizer, or those of all phases."""
    steps: Sequence[Step] = config.optimizer.phases or [config.optimizer]
    return ", then ".join(_optimizer(step) for step in steps)


def _optimizer(step: Step) -> str:
    """'Adam, learning rate 0.001, CosineDecay, for 20 episodes'."""
    least_squares = step.optimizer == LevenbergMarquardt.__name__
    parts = [
        step.optimizer,
        None if least_squares else f"learning rate {step.learning_rate:g}",
        step.learning_rate_schedule,
    ]
    if isinstance(step, Phase) and step.N_episodes is not None:
        parts.append(f"for {count(step.N_episodes, 'episode')}")
    if isinstance(step, Phase) and step.until_loss is not None:
        parts.append(f"until the loss is below {step.until_loss:g}")
    return ", ".join(part for part in parts if part)


def steps_of_an_episode(config: Config) -> str:
    """'10 gradient steps each on 128 states', of each phase where there are phases."""
    lines = []
    for i in range(config.n_phases):
        phase = config.in_phase(i)
        kind = "step of least squares" if phase.optimizer.optimizer == LevenbergMarquardt.__name__ else "gradient step"
        kinds = kind.replace("step", "steps", 1)
        lines.append(
            f"{count(phase.steps_per_episode, kind, kinds)} each on {count(phase.run.N_minibatch_size, 'state')}"
        )
    return ", then ".join(dict.fromkeys(lines))


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@contextmanager
def tell_of_calibration(console: Console, folder: Path) -> Iterator[None]:
    """While a model is linked: says after a second that its Calibration.py is at work, and at the end how long it took."""
    if not (folder / "Calibration.py").is_file():
        yield
        return
    said = threading.Event()

    def say() -> None:
        said.set()
        console.print(f"{folder.name}/Calibration.py is at work ...", markup=False)

    began, timer = time.perf_counter(), threading.Timer(_SILENT, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if said.is_set():
        console.print(f"{folder.name}/Calibration.py: done after {time.perf_counter() - began:.1f} s")


def show_model(console: Console, model: Model, report: Report) -> None:
    """Table of states, policies, definitions, equations and shocks."""
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("", "name", "shape", "bounds", "at the start"):
        table.add_column(heading)
    for kind, columns in (("state", model.state_columns), ("policy", model.policy_columns)):
        for column, variable in zip(columns, getattr(model.config.variables, _PLURAL[kind]), strict=True):
            start = ""
            if kind == "state":
                start = f"{variable.init.distribution}({_arguments(variable.init.kwargs)})" if variable.init else "1"
            elif variable.activation:
                start = f"activation {variable.activation}"
            table.add_row(kind, escape(column.name), _shape(column.shape), bounds_in_words(column.bound), escape(start))
    for name, bound in model.definition_bounds.items():
        table.add_row("definition", escape(name), "", bounds_in_words(bound), "")
    for name, (shape, median) in report.equations.items():
        table.add_row("equation", escape(name), _shape(shape), "", f"median residual {median:.2e}")
    kind = model.config.run.expectation_type
    drawn = model.expectations.drawn
    nodes = count(report.nodes, "draw" if drawn else "node")
    table.add_row("shocks", kind, nodes, "", "" if drawn else "probabilities add up to 1")
    console.print(table)
    for line in model.linker.anew:
        console.print(f"built on {escape(line)} of {escape(model.folder.name)}", markup=True)
    for note in (*model.calibrated.notes, *report.notes):
        console.print(f"note: {escape(note)}")


def steady_state_lines(model: Model) -> list[str]:
    """'steady state: K = 0.19, z = 0; s = 0.346 (largest residual 1e-07)', or that none was found; and the roots around it."""
    entries = model.n_states + model.n_policies
    if entries > LARGEST:
        return [f"steady state: not looked for, in a model with {entries:,} entries of states and policies"]
    found = steady_state(model)
    if found is None:
        return ["steady state: none was found that all starts agree on"]
    states, policies = (
        ", ".join(f"{c.name} = {float(c.raw(x)) + 0.0:.5g}" if not c.shape else f"{c.name} [...]" for c in columns)
        for columns, x in ((model.state_columns, found.state), (model.policy_columns, found.policy))
    )
    try:
        around = str(linear_solution(model, found))
    except NoLinearSolution as reason:
        around = f"no linear solution: {reason}"
    return [
        f"steady state (no shocks): {states}; {policies} (largest residual {found.residual:.0e})",
        f"around it: {around}",
    ]


_PLURAL = {"state": "states", "policy": "policies"}


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _arguments(kwargs: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in kwargs.items())


def bounds_in_words(bound: Any) -> str:
    if bound.lower is None and bound.upper is None:
        return ""
    low, high = ("" if b is None else shown(b) for b in (bound.lower, bound.upper))
    return escape(f"{low} .. {high}")


def euler_error(x: float) -> str:
    """'log10 Euler error -3.4' for 4e-4; zero has no logarithm: in float32, residuals at rest can vanish."""
    return "Euler error 0" if x == 0 else f"log10 Euler error {math.log10(x):.1f}"
