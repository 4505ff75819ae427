"""`deqn train`, `python run_deepnet.py`: one run, from configuration to closing summary."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from deqn.analysis.accuracy import accuracy_table
from deqn.analysis.run import Run
from deqn.analysis.verdict import judge
from deqn.commands import entry
from deqn.commands.check import check
from deqn.commands.multirun import Multirun
from deqn.configuration.compose import Composed, write_run_configuration
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.output import survive_full_disk
from deqn.disk.run_folder import RunFolder, changes, comparable, provenance
from deqn.economy import calibration
from deqn.economy.files import files_hash, model_folder
from deqn.economy.model import Model
from deqn.economy.probe import Report, probe
from deqn.errors import CheckpointError, ConfigError, DEQNError, TrainingError, count
from deqn.processes import distributed, launch
from deqn.processes.comm import Comm
from deqn.training.cpu import configure_cpu
from deqn.training.estimate import estimate_seconds
from deqn.training.monitor import Monitor
from deqn.training.terminal import command_line, tell_of_calibration, terminal
from deqn.training.tracker import Tracking, make_tracker
from deqn.training.trainer import Trainer
from deqn.training.writer import NoWriter

NOT_SOLVED = 6  # exit status of a run that is not judged to have solved its model, where `strict` asks for it


def main() -> None:
    """Trains, or tries the model (`--check`), as `sys.argv` says; ends the process."""
    survive_full_disk()
    try:
        entry.run(train, check, entry.resumed_run(sys.argv[1:]), sweep=lambda: Multirun(train))
    except SystemExit as ended:
        distributed.end(ended.code)
        raise


def train(composed: Composed, watch: Callable[..., Monitor] = Monitor) -> int:
    """One run, from configuration to closing summary; returns the exit status.

    Args:
        watch: makes what shows and records the run.
    """
    comm = distributed.connect()
    try:
        _refuse_other_commands(composed, comm)
        distributed.refuse_shared_gpus(comm, composed.config.device)
        run_dir, point = comm.first(lambda: _where(composed))
        notes = composed.notes
        if point == "NEW" != composed.config.STARTING_POINT:
            notes += (f"STARTING_POINT: LATEST, and there is nothing in {run_dir} to start from: this run starts new.",)
        config = composed.config.model_copy(update={"STARTING_POINT": point})
        composed = dataclasses.replace(composed, run_dir=Path(run_dir), config=config, notes=notes)
        status = _train(composed, comm, watch)
    except BaseException as error:
        # an error of all: together, since a launcher ends the others when the first one is gone
        comm.close(together=isinstance(error, DEQNError) and error.shared)
        raise
    comm.close()
    return status


def _refuse_other_commands(composed: Composed, comm: Comm) -> None:
    """All processes solve one model: what is typed on several machines, and lies there, may differ by a slip."""
    config = composed.config
    own = (
        config.model_dump(exclude={"MODELS_DIR", "device"}),
        files_hash(model_folder(config.MODEL_NAME, config.MODELS_DIR)),
    )
    everyone = [json.loads(text) for text in comm.gather(json.dumps(own))]

    def check() -> None:
        for rank, (tree, files) in enumerate(everyone):
            differences = changes(everyone[0][0], tree)
            if files != everyone[0][1]:
                differences.append(f"the files of {config.MODEL_NAME}")
            if differences:
                raise ConfigError(
                    f"rank {rank} was not started like rank 0: {'; '.join(differences[:5])}. Start all processes with the same "
                    "command and the same files."
                )

    comm.first(check)


def _where(composed: Composed) -> list[str]:
    """The run folder, whose name may hold the time, and the starting point.

    A run that torchrun has started again goes on there. The LATEST of a TensorFlow library's config.yaml starts new where there
    is nothing to start from, as it does there; one that was typed does not.

    Of a run that may be started again nothing is lost either where torchrun itself was: only a NEW that was typed starts it over.
    """
    noted = launch.FolderNote(composed.job).read()
    path, again = noted or composed.run_dir, noted is not None
    point, typed = composed.config.STARTING_POINT, composed.typed("STARTING_POINT")
    if point == "LATEST" and not typed and composed.config.written_for == "tensorflow":
        point = "LATEST" if Checkpoints(path).names() else "NEW"
    if launch.may_be_restarted() and not again:
        before = RunFolder(path).read()
        new = point == "NEW" and not typed
        same = "configuration" in before and not changes(before["configuration"], comparable(composed.config))
        again = new and same and before.get("status") != "finished"
    return [str(path), "LATEST" if again and Checkpoints(path).names() else point]


def _train(composed: Composed, comm: Comm, watch: Callable[..., Monitor] = Monitor) -> int:
    settings = composed.config
    configure_cpu(settings.run.threads)
    folder = RunFolder(composed.run_dir)
    new = settings.STARTING_POINT == "NEW"
    model, report = _link(composed, folder, comm)
    trainer = Trainer(model, folder, comm=comm)
    lines = [] if new else trainer.restore(settings.STARTING_POINT)
    if trainer.without_gain:
        lines.append(
            "training had ended early, since nothing was gained on fresh states: nothing is left to train. Give a larger "
            "run.accuracy.patience to go on."
        )
    elif trainer.state.episode >= settings.run.N_episodes:
        lines.append(
            f"run.N_episodes = {settings.run.N_episodes} are done: nothing is left to train. Give a larger number."
        )
    if comm.rank > 0:
        comm.first(lambda: None)
        model.set_run(LOG_DIR=str(folder.path), summary=NoWriter())
        trainer.fit()
        return 128 + trainer.signal if trainer.signal is not None else 0
    tracking = []

    def acquire() -> None:
        made = make_tracker(settings.tracker, folder.path, comparable(settings))
        folder.acquire(lambda: _prepare(folder, composed, trainer))
        tracking.append(Tracking(made))

    comm.first(acquire)
    lines += folder.notes
    try:
        return _fit(trainer, watch(model, folder, comm=comm, tracking=tracking[0]), report, lines)
    finally:
        folder.release()


def _link(composed: Composed, folder: RunFolder, comm: Comm) -> tuple[Model, Report]:
    """The model, linked and tried; its calibration is that of rank 0, on all processes."""
    settings, made = composed.config, []

    def link() -> dict[str, torch.Tensor]:
        _refuse_to_start_over(composed, folder)
        new = settings.STARTING_POINT == "NEW"
        calibrated = None if new else folder.calibration(settings.constants)
        # files of the TensorFlow library may write there while they are first run
        place = folder.there() if settings.written_for == "tensorflow" else contextlib.nullcontext()
        with place, tell_of_calibration(terminal(), model_folder(settings.MODEL_NAME, settings.MODELS_DIR)):
            model = Model(settings, calibrated, comm.rank, comm.local_rank, folder.path)
            report = probe(model)
        report.notes[:0] = composed.notes
        made.append((model, report))
        calibration.keep(model.calibrated, model.folder, settings.constants)
        return {name: torch.as_tensor(np.array(value, order="C")) for name, value in model.calibration.items()}

    received = comm.first(link)
    if not made:
        arrays = {name: value.numpy() for name, value in received.items()}
        model = Model(settings, arrays, comm.rank, comm.local_rank, folder.path)
        made.append((model, probe(model)))
    return made[0]


def _prepare(folder: RunFolder, composed: Composed, trainer: Trainer) -> None:
    """Writes what a run leaves in its folder before it trains, and removes what an earlier one left."""
    settings, model = composed.config, trainer.model
    # asked once more, now that the folder is taken: another process may have trained there since
    _refuse_to_start_over(composed, folder)
    trainer.saver.refuse_if_it_went_on()
    launch.FolderNote(composed.job).write(folder.path)
    try:
        new = settings.STARTING_POINT == "NEW"
        if new:
            folder.clear()
        here, goal = provenance(), settings.run.N_episodes
        goal = trainer.state.episode if trainer.without_gain else goal
        driven = {
            "processes": trainer.comm.size, "engine": trainer.comm.engine, "device": str(model.device),
            **{key: here[key] for key in ("started", "command", "host", "pid")},
        }  # fmt: skip
        what = {
            "configuration": comparable(settings), "seed": settings.seed, "N_episodes": settings.run.N_episodes,
            "error_filename": settings.error_filename, "model_files": files_hash(model.folder), **here, **driven,
        }  # fmt: skip
        if not folder.begin(what, driven | {"from": trainer.state.episode, "goal": goal}, new):
            return
        if model.calibration:
            calibration.save(model.calibration, folder.calibration_file)
        write_run_configuration(composed, folder.path)
        (folder.path / "ckpt").mkdir(exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or folder.path} cannot be written: {error.strerror}. Give another hydra.run.dir."
        ) from error


def _refuse_to_start_over(composed: Composed, folder: RunFolder) -> None:
    """What stands in the folder is not lost by a start from NEW; the run whose configuration is read only if NEW was typed."""
    if composed.config.STARTING_POINT != "NEW":
        return
    typed = composed.typed("STARTING_POINT")
    if composed.source == composed.run_dir and not typed:
        raise ConfigError(
            f"{composed.run_dir} would be started over. Give STARTING_POINT=LATEST to go on, hydra.run.dir=<a new folder> "
            "for a new run with its configuration, or STARTING_POINT=NEW to start it over."
        )
    folder.refuse_to_start_over(composed.config, typed)


def _fit(trainer: Trainer, monitor: Monitor, report: Report, lines: list[str]) -> int:
    """Trains, and leaves in run.json how it ended."""
    folder = monitor.folder
    monitor.start(report, estimate_seconds(trainer))
    for line in lines:
        monitor.message(line)
    trainer.watcher = monitor
    status = "failed"
    try:
        with monitor:
            state = trainer.fit()
        status = "finished" if trainer.signal is None else "interrupted"
    except TrainingError:
        status = "not finite"
        raise
    except KeyboardInterrupt:  # the second one
        status = "interrupted"
        raise
    finally:
        monitor.write_status(status, trainer.state.episode, trainer.state.step,
                             learning_rate=float(trainer.state.optimizer.param_groups[0]["lr"]))  # fmt: skip
        if status != "finished":
            monitor.end_tracking(status)
    if state.rollbacks.n:
        times = count(state.rollbacks.n, "time")
        monitor.message(f"went back {times} from a number that was not finite: the learning rate is {state.rollbacks.factor:.3g} "
                        "times the configured one.")  # fmt: skip
    if trainer.signal is not None:
        resume = command_line(folder, "train", launch.command())
        monitor.console.print(f"interrupted at episode {state.episode}; resume: {resume}", soft_wrap=True)
        return 128 + trainer.signal
    run = Run(trainer.model, folder.path)
    verdict, accuracy, failed = judge(run), run.accuracy(run.cloud()), None
    exact: dict[str, dict[str, dict[str, float]]] = {}
    own: list[str] = []
    try:
        exact = run.policy_error_table()
        own = run.closing_lines(exact)
    except Exception as error:  # of the model's Hooks.py: what it would have said is all that is lost
        failed = error
    results = {
        "verdict": verdict.record(), "accuracy": accuracy[["mean", "max"]].to_dict("index"),
        **{kind.replace(" ", "_"): errors for kind, errors in exact.items()},
    }  # fmt: skip
    monitor.write_results(**results)
    monitor.end_tracking(status, **results)
    words = [verdict.summary] if verdict.ok else [str(finding) for finding in verdict.findings]
    about = f"simulated {run.sample.name}: {run.sample}"
    monitor.close(accuracy_table(accuracy), [about, *verdict.levels, *own], words, verdict.ok)
    if failed is not None:
        raise failed
    return 0 if verdict.ok or not trainer.config.strict else NOT_SOLVED
