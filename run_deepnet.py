"""Trains a model: `python run_deepnet.py model=krusell_smith`. See README.md."""

from __future__ import annotations

from deqn import calibration, config, post
from deqn.checkup import checkup_table
from deqn.config import Composed
from deqn.cpu import configure_cpu
from deqn.distributed import refuse_several_processes
from deqn.errors import CheckpointError, ConfigError, TrainingError
from deqn.model import Model
from deqn.monitor import Monitor, command_line, show_header, show_model, terminal
from deqn.probe import Report
from deqn.run_folder import RunFolder, comparable, files_hash, provenance
from deqn.trainer import Trainer


def train(composed: Composed) -> int:
    """One run, from configuration to closing summary; returns the exit status."""
    refuse_several_processes()
    settings = composed.config
    configure_cpu(settings.run.threads)
    folder = RunFolder(composed.run_dir)
    new = settings.STARTING_POINT == "NEW"
    if new:
        folder.refuse_to_start_over(settings, _typed_new(composed))
    model = Model(settings, None if new else calibration.of_run(folder, settings.constants))
    report = model.probe()
    calibration.keep(model.calibration, model.folder, settings.constants)
    trainer = Trainer(model, folder)
    lines = [] if new else trainer.restore(settings.STARTING_POINT)
    if trainer.state.episode >= settings.run.N_episodes:
        lines.append(
            f"run.N_episodes = {settings.run.N_episodes} are done: nothing is left to train. Give a larger number."
        )
    folder.acquire()
    try:
        _prepare(folder, composed, model, new)
        return _fit(trainer, Monitor(model, folder), report, lines)
    finally:
        folder.release()


def _prepare(folder: RunFolder, composed: Composed, model: Model, new: bool) -> None:
    """Writes what a run leaves in its folder before it trains, and removes what an earlier one left."""
    settings = composed.config
    try:
        if new:
            folder.clear()
        folder.write(
            status="running", configuration=comparable(settings), seed=settings.seed, N_episodes=settings.run.N_episodes,
            error_filename=settings.error_filename, model_files=files_hash(model.folder), **provenance(),
        )  # fmt: skip
        if model.calibration:
            calibration.save(model.calibration, folder.calibration_file)
        config.write_run_configuration(composed, folder.path)
        (folder.path / "ckpt").mkdir(exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or folder.path} cannot be written: {error.strerror}. Give another hydra.run.dir."
        ) from error


def _typed_new(composed: Composed) -> bool:
    """Whether STARTING_POINT=NEW was typed; the run whose configuration is read is started over, and so lost, only then."""
    typed = any(override.startswith("STARTING_POINT=") for override in composed.overrides)
    if composed.source == composed.run_dir and not typed:
        raise ConfigError(
            f"{composed.run_dir} would be started over. Give STARTING_POINT=LATEST to go on, hydra.run.dir=<a new folder> "
            "for a new run with its configuration, or STARTING_POINT=NEW to start it over."
        )
    return typed


def _fit(trainer: Trainer, monitor: Monitor, report: Report, lines: list[str]) -> int:
    """Trains, and leaves in run.json how it ended."""
    folder = monitor.folder
    monitor.start(report, trainer.estimate_seconds())
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
    finally:
        monitor.write_status(status, trainer.state.episode, trainer.state.step)
    if trainer.signal is not None:
        resume = command_line(folder, "run_deepnet.py")
        monitor.console.print(f"interrupted at episode {state.episode}; resume: {resume}", soft_wrap=True)
        return 128 + trainer.signal
    run = post.Run(trainer.model, folder.path)
    monitor.close(post.accuracy_table(run.accuracy(run.cloud())), run.closing_lines())
    return 0


def check(composed: Composed) -> int:
    """`--check`: links the model and tries it on seven states; writes nothing."""
    model = Model(composed.config)
    report = model.probe()
    Trainer(model)  # optimizer and schedule
    calibration.keep(model.calibration, model.folder, composed.config.constants)
    console = terminal()
    show_header(console, model)
    show_model(console, model, report)
    console.print(checkup_table(post.Run(model, composed.run_dir)))
    console.print("check passed: nothing was trained or written")
    return 0


if __name__ == "__main__":
    config.main(train, check)
