"""What one sees of a run: the terminal, TensorBoard, the error file."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from torch import Tensor

from deqn.configuration.optimizers import scales
from deqn.configuration.schema import Config
from deqn.disk.output import FULL_DISK
from deqn.disk.run_folder import MEASURED, RunFolder
from deqn.economy.model import Model
from deqn.economy.probe import Report
from deqn.errors import count
from deqn.processes.comm import Comm
from deqn.processes.programs import to_type
from deqn.training.cell import Cell
from deqn.training.progress import own_numbers
from deqn.training.record import Record
from deqn.training.terminal import (
    command_line,
    duration,
    escape,
    euler_error,
    in_jupyter,
    show_header,
    show_model,
    show_settings,
    steps_of_an_episode,
    terminal,
)
from deqn.training.tracker import Tracking
from deqn.training.writer import LazyWriter

_HISTOGRAMS = 50  # histograms of states, policies and definitions a run
_BINS = 50  # of a histogram
_BAR = 30  # characters of the progress bar, where there is room


class Monitor:
    """Shows and records a run; one process of a run has it.

    Args:
        model: the model that is trained.
        folder: the run folder.
        console: the terminal; tests give their own.
        comm: the processes of the run.
        tracking: a class of the user's own that is told, too.

    Attributes:
        loss: of the last epoch, a mean per state; None before the first.
        seconds_between_lines: where the terminal cannot redraw a line.
        stays: whether the last line of progress stays on the terminal.
    """

    seconds_between_lines = 5.0
    stays = True

    def __init__(
        self, model: Model, folder: RunFolder, console: Console | None = None, comm: Comm | None = None,
        tracking: Tracking | None = None,
    ) -> None:  # fmt: skip
        self.model, self.folder, self.config = model, folder, model.config
        self.comm = comm or Comm()
        self.console = console or terminal()
        self.writer = LazyWriter(str(folder.path))
        self._progress: Progress | None = None
        self._cell: Cell | None = None
        self._bar = BarColumn(bar_width=_BAR)
        self._task: Any = None
        self._began = self._last_line = time.perf_counter()
        self._first_episode: int | None = None
        self._training_seconds = 0.0
        self._skipped: set[str] = set()
        self.loss: float | None = None
        model.set_run(LOG_DIR=str(folder.path), summary=self.writer)
        self.tracking = tracking or Tracking()

    # -- before ---------------------------------------------------------------------------------------------------

    def start(self, report: Report, seconds: float | None = None) -> None:
        """The header, the table of the model, and how long it should take."""
        show_header(self.console, self.model)
        run = self.config.run
        if self.comm.size > 1:
            n, settings, seed = self.comm.size, self.config.in_phase(0).optimizer, self.config.seed
            rate = f"{settings.learning_rate:g}"
            if scales(settings):
                rate += f" x {n} = {n * settings.learning_rate:g}"
            self.console.print(
                f"{n} processes ({self.comm.engine}), learning rate {rate}, seeds {seed} to {seed + n - 1}, minibatch "
                f"{n} x {run.N_minibatch_size}"
            )
        show_settings(self.console, self.model)
        show_model(self.console, self.model, report)
        self.console.print(
            f"{count(run.N_episodes, 'episode')} of {count(run.N_sim_batch, 'trajectory', 'trajectories')} x "
            f"{count(run.N_episode_length, 'period')}, {steps_of_an_episode(self.config)}\n"
            f"run folder: {escape(str(self.folder.path))}\n"
            "shown below: the loss is a mean per state; of the equation that fits worst, log10 of the median |residual|"
        )
        if seconds is not None:
            self.console.print(f"should take about {duration(seconds)} on this machine")
        phases = [self.config.in_phase(i) for i in range(self.config.n_phases)]
        pieces = phases[0].pieces
        if len(pieces) > 1:
            held = pieces[0] * run.N_sim_batch
            self.console.print(
                f"{len(pieces)} pieces an episode: {held:,} states are held at a time, and every epoch simulates them"
            )
        for phase in phases:
            self._remark_on_minibatches(phase)
        planned = sum(phase.N_episodes or 0 for phase in self.config.optimizer.phases[:-1])
        if planned >= run.N_episodes and len(phases) > 1:
            self.message(f"the phases before the last have {planned} episodes, and the run has {run.N_episodes}: the last "
                         "phase may never begin. Give more run.N_episodes.")  # fmt: skip

    def _remark_on_minibatches(self, phase: Config) -> None:
        size = phase.run.N_minibatch_size
        leftover = phase.states_per_episode - phase.steps_per_epoch * size
        if leftover:
            self.message(f"{leftover} of {phase.states_per_episode} states an episode are left out: N_minibatch_size "
                         f"{size} does not divide them.")  # fmt: skip
        if phase.run.sorted_within_batch and any(periods % size for periods in phase.pieces):
            length = "N_episode_length" if len(phase.pieces) == 1 else "a piece"
            self.message(f"sorted_within_batch: minibatches cross trajectories, since the length of {length} is no multiple of "
                         "N_minibatch_size.")  # fmt: skip

    def __enter__(self) -> Monitor:
        if in_jupyter() and self.console.file is sys.stdout:
            self._cell = Cell()
        elif self.console.is_terminal:
            self._progress = Progress(
                self._bar,
                TextColumn("{task.description}", markup=False),
                console=self.console,
                transient=not self.stays,
            )
            self._progress.start()
            self._task = self._progress.add_task("", total=self.config.run.N_episodes)
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._on_full_disk("TensorBoard", self.writer.close)

    # -- during ---------------------------------------------------------------------------------------------------

    def message(self, text: str) -> None:
        """A remark to the user."""
        self.console.print(f"[yellow]note[/yellow] {escape(text)}")

    def episode(self, record: Record, state: Tensor) -> None:
        """One episode has ended: error file, TensorBoard, hook, progress."""
        if self._first_episode is None:
            self._first_episode = record.episode - 1
        self._training_seconds += record.seconds
        self.loss = record.epochs[-1][0]
        self._on_full_disk("the error file", self._error_file, record)
        if record.measured:
            self._on_full_disk(MEASURED, self._measured, record)
        self._on_full_disk("TensorBoard", self._tensorboard, record, state)
        self._on_full_disk("cycle_hook", self._hook, record, state)
        self._tell(self.tracking.episode(record))
        self._show_progress(record, state)

    def _tell(self, remark: str) -> None:
        if remark:
            self.message(remark)

    def _on_full_disk(self, what: str, function: Callable[..., None], *arguments: Any) -> None:
        """Calls the function; on a full disk says so once and lets training go on: only checkpoints are worth its end."""
        try:
            function(*arguments)
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            if what not in self._skipped:
                self._skipped.add(what)
                free = shutil.disk_usage(self.folder.path).free
                self.message(f"{what} cannot be written: {error.strerror} ({free:,} bytes free). Training goes on.")

    def _hook(self, record: Record, state: Tensor) -> None:
        if self.model.cycle_hook is not None:
            self.model.set_run(gradient_steps=record.step)
            try:
                with torch.no_grad():
                    self.model.cycle_hook(state, record.episode - 1 + self.config.run.hook_counts_from)
            except OSError as error:
                if error.errno in FULL_DISK:
                    raise
                raise self.model.failed("cycle_hook(state, i)", error) from error
            except Exception as error:
                raise self.model.failed("cycle_hook(state, i)", error) from error

    def _error_file(self, record: Record) -> None:
        """One line an epoch, as in the TensorFlow library; what it calls MAE is a root mean square and is named so."""
        with (self.folder.path / self.config.error_filename).open("a", encoding="utf-8") as file:
            for mse, net in record.epochs:
                file.write(
                    f"MSE:            {mse:.8g}  RMSE:            {_root(mse):.8g}  "
                    f"MSE_no_penalty: {net:.8g}  RMSE_no_penalty: {_root(net):.8g}\n"
                )

    def _measured(self, record: Record) -> None:
        rows = [f"{episode},{mean:.8g},{largest:.8g}" for episode, mean, largest in record.measured]
        self.folder.write_whole(MEASURED, "\n".join(["episode,mean_residual,max_residual", *rows]) + "\n")

    def _tensorboard(self, record: Record, state: Tensor) -> None:
        """Losses, deviations and penalties a state, at the gradient step that the episode has reached."""
        means = record.scalars
        for name, mean in means.items():
            self.writer.add_scalar(name, mean, record.step)
        self.writer.add_scalar("log10_loss", _log10(means["loss"]), record.step)
        for name in record.residuals:
            self.writer.add_scalar(f"log10_{name}", _log10(means[f"dev_{name}"]) / 2, record.step)  # of the root
        self.writer.add_scalar("episode", record.episode, record.step)
        self.writer.add_scalar("learning_rate", record.learning_rate, record.step)
        self.writer.add_scalar("steps_per_second", record.n_steps / record.seconds, record.step)
        every = max(1, self.config.run.N_episodes // _HISTOGRAMS)
        if record.episode % every and record.episode != self.config.run.N_episodes:
            return
        model = self.model
        with torch.no_grad():
            policies = model.policy(state)
            for kind, columns, x in (
                ("State", model.state_columns, state),
                ("PolicyState", model.policy_columns, policies),
            ):
                for column in columns:
                    self._histogram(column.name, getattr(getattr(model, kind), column.name)(x), record)
            for name in model.definition_bounds:
                value = torch.as_tensor(getattr(model.Definitions, name)(state, policies))
                self._histogram(name, value, record)

    def _histogram(self, name: str, values: Tensor, record: Record) -> None:
        """A histogram of the values that are finite, with bins over their own range."""
        values = values[torch.isfinite(values)]
        if values.numel():
            low, high = float(values.min()), float(values.max())
            half = 0.0 if low < high else 1e-6 * max(abs(low), 1.0)
            bins = torch.linspace(low - half, high + half, _BINS + 1 if low < high else 2, dtype=torch.float64)
            self.writer.add_histogram(f"hist_{name}", values, record.step, bins=bins.numpy())
        elif name not in self._skipped:
            self._skipped.add(name)
            self.message(f"{name} is not finite in any state of episode {record.episode}: it has no histogram.")

    def _show_progress(self, record: Record, state: Tensor) -> None:
        now, total = time.perf_counter(), self.config.run.N_episodes
        done = max(1, record.episode - (self._first_episode or 0))  # less than none after a rollback
        eta = int((now - self._began) / done * (total - record.episode))
        if self._progress is not None:
            line = ", ".join(self._line(record, eta, state))
            room = self.console.width - len(line) - 2
            self._bar.bar_width = max(3, min(_BAR, room))
            self._progress.update(self._task, completed=record.episode, description=line)
        elif self._cell is not None:
            if record.episode == total or now - self._last_line > self._cell.seconds_between:
                self._last_line = now
                self._cell.show(record.episode / total, " | ".join(self._line(record, eta, state)))
        elif (record.episode == total and self.stays) or now - self._last_line > self.seconds_between_lines:
            self._last_line = now
            self.console.print("ep " + " | ".join(self._line(record, eta, state)), markup=False)

    def _line(self, record: Record, eta: int, state: Tensor) -> list[str]:
        """The parts of a line of progress; a model's own numbers are the last ones."""
        loss = record.epochs[-1][0]
        median = max(float(residual.abs().median()) for residual in record.residuals.values())
        return [
            f"{record.episode}/{self.config.run.N_episodes} loss {loss:.1e}",
            euler_error(median),
            f"{record.n_steps / record.seconds:.0f} steps/s",
            f"eta {eta // 60}:{eta % 60:02d}",
            *own_numbers(self.model, state),
        ]

    def write_status(self, status: str, episode: int, step: int, **values: Any) -> None:
        """How the start ended, into run.json."""
        values |= {} if self.loss is None else {"loss": self.loss}
        self._on_full_disk("run.json", partial(self.folder.end, status, episode, step, self.elapsed, **values))

    def write_results(self, **results: Any) -> None:
        """What was found after training, into run.json."""
        self._on_full_disk("run.json", partial(self.folder.conclude, **results))

    def end_tracking(self, status: str, **results: Any) -> None:
        """Tells the user's own class how the start ended."""
        self._tell(self.tracking.end(status, results))

    # -- after ----------------------------------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    def close(self, accuracy: Table, lines: list[str], verdict: list[str], ok: bool) -> None:
        """The closing summary with the verdict and the next commands."""
        self.console.print()
        self.console.print(accuracy, markup=False)
        for line in lines:
            self.console.print(line, markup=False)
        for line in verdict:
            self.console.print(escape(line) if ok else f"[bold red]warning[/bold red] {escape(line)}")
        self.console.print(f"trained for {self.elapsed:.1f} s; run folder: {self.folder.path}", markup=False)
        figures = sorted((self.folder.path / "figures").glob("*.png"))
        if figures:
            self.console.print(f"figures: {figures[0].parent} ({len(figures)})", markup=False)
        self.console.print("next:")
        self.console.print(f"  {to_type(f'tensorboard --logdir {shlex.quote(str(self.folder.path))}')}", markup=False)
        self.console.print(f"  {command_line(self.folder, 'post')}", markup=False)


def _root(x: float) -> float:
    """nan for a product of two draws that is negative."""
    return math.sqrt(x) if x >= 0 else math.nan


def _log10(x: float) -> float:
    """-inf for zero, nan for what is negative."""
    return float(torch.tensor(x, dtype=torch.float64).log10())
