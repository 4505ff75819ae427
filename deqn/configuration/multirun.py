"""What Hydra drives: sweeps (`-m`), `--cfg`, `--help` and the like."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override, ValueType
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from deqn import shipped
from deqn.configuration import compose as composing
from deqn.configuration.compose import Composed, Task
from deqn.configuration.overrides import forced, is_choice, is_constant, parse_overrides, sweep_values, value_of
from deqn.configuration.sources import Sources
from deqn.errors import ConfigError, DEQNError, count
from deqn.processes.launch import is_first, launched
from deqn.processes.once import on_all_processes, show

_SIGNAL = 128  # an exit status above it: ended by a signal, which ends the sweep


class Sweep(Protocol):
    """Who trains the jobs of a sweep and tells of them; `deqn.commands.multirun.Multirun`."""

    def start(self, folder: Path, swept: Mapping[str, str], n_jobs: int | None) -> None:
        """Before the first job.

        Args:
            folder: that of the sweep; the jobs' folders lie in it.
            swept: the keys with several values, and these as they were typed.
            n_jobs: None where only Hydra's sweeper knows.
        """

    def train(self, composed: Composed) -> int | None: ...

    def job_ended(self, number: int, overrides: Sequence[str], folder: Path, code: int, error: str) -> None:
        """After each job: its exit status, and its error."""

    def end(self) -> None:
        """After the last job, or when the sweep is stopped."""


def through_hydra(
    task: Task,
    arguments: Any,
    run_dir: str | None,
    explained: Callable[[Exception], DEQNError | None] | None = None,
    sweep: Callable[[], Sweep] | None = None,
) -> int:
    """Hydra drives, and makes the folders of a sweep's jobs; returns the exit status.

    Of several processes that train the jobs together, Hydra prints and writes in the first only.

    Args:
        task: what is done with each configuration.
        explained: an error as one that the user can mend, or None: Hydra then shows its traceback after the last job.
        sweep: makes what does it instead and tells of it, in the first process of a sweep.
    """
    first = is_first()
    if not first and not arguments.multirun:
        return 0
    if arguments.shell_completion:  # of the shipped files: what it prints is read by a shell
        hydra.main(config_path=str(shipped.CONFIG), config_name="config", version_base="1.3")(lambda tree: None)()
        return 0
    telling = sweep() if sweep is not None and first and arguments.multirun else None
    jobs = _Jobs(task, arguments, run_dir, explained or _mistakes, telling)
    own = {o.key_or_group for o in jobs.parsed}
    GlobalHydra.instance().clear()
    with tempfile.TemporaryDirectory() as nowhere:
        quiet: list[str] = []
        if not first:
            quiet = [f"hydra.sweep.dir={nowhere}", "hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
        elif jobs.sweep is not None and not own & {"hydra/sweeper", "hydra/launcher", "hydra/hydra_logging"}:
            quiet = ["hydra/hydra_logging=disabled"]  # the sweep tells of its jobs itself
        sys.argv[1:] = [
            *_for_hydra(sys.argv[1:], arguments.overrides),
            f"hydra.job.name={Path(sys.argv[0]).stem.replace(' ', '_')}",
            *jobs.typed,
            *quiet,
        ]
        folder = jobs.sources.primary
        try:
            with _hydra_raises(), jobs.sources.searched(jobs.parsed) as jobs.notes:
                hydra.main(config_path=str(folder), config_name="config", version_base="1.3")(jobs.run)()
        except composing.COMPOSING as error:
            raise composing.as_config_error(error) from error
        except OSError as error:
            if jobs.running:
                raise
            raise ConfigError(
                f"{error.filename} cannot be written: {error.strerror}. Give another hydra.sweep.dir."
            ) from error
        finally:
            if jobs.sweep is not None and jobs.began:
                jobs.sweep.end()
    return _status(jobs, first)


def _for_hydra(typed: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """The options that are Hydra's own."""
    kept = [a for a in typed if a not in (*overrides, "--check", "--strict") and not a.startswith("--from=")]
    place = kept.index("--from") if "--from" in kept else len(kept)
    return kept[:place] + kept[place + 2 :]


def _status(jobs: _Jobs, first: bool) -> int:
    """The exit status of jobs that were all tried: 2 where all of them failed, that of `strict` where one is not solved."""
    if jobs.failed and first:
        n = len(jobs.failed) + len(jobs.codes)
        print(f"{len(jobs.failed)} of {count(n, 'job')} failed: {', '.join(jobs.failed)}", file=sys.stderr)
    return 2 if jobs.failed and not jobs.codes else max(jobs.codes, default=0)


def _mistakes(error: Exception) -> DEQNError | None:
    return error if isinstance(error, DEQNError) else None


class _Jobs:
    """The jobs of one command line; without `-m` there is one.

    Attributes:
        parsed: what was typed, with the preset's file.
        typed: the same as Hydra reads it.
        running: whether a job is being done.
        failed: folders of the jobs that failed.
        codes: exit status of the others.
    """

    def __init__(
        self,
        task: Task,
        arguments: Any,
        run_dir: str | None,
        explained: Callable[[Exception], DEQNError | None],
        sweep: Sweep | None,
    ) -> None:
        self.explained = explained
        self.task, self.sweep, self.run_dir = (task if sweep is None else sweep.train), sweep, run_dir
        self.notes: list[str] = []
        self.began = self.running = False
        self.failed: list[str] = []
        self.codes: list[int] = []
        self._ascii: dict[str, str] = {}  # a key that Hydra reads -> the one that was typed
        typed = parse_overrides(arguments.overrides)
        self.sources = Sources(arguments.config_dir, run_dir, getattr(arguments, "library", None))
        self.parsed = self.sources.read(arguments.overrides)
        self._added = {o.key_or_group for o in typed if o.is_add() or o.is_force_add()}
        self.swept = {o.key_or_group: value_of(o) for o in typed if o.is_sweep_override()}
        own_sweeper = any(o.key_or_group.startswith("hydra/sweeper") for o in typed)
        if not own_sweeper:
            _refuse_intervals(typed)
        lines = None if own_sweeper else _job_lines(typed)
        self.n_jobs = None if lines is None else len(lines)
        known = self._first_that_composes(lines) if lines else None
        self.typed = [self._for_hydra(override, known) for override in self.parsed]

    def _first_that_composes(self, lines: Sequence[Sequence[str]]) -> Composed:
        """What is wrong in every job is said before Hydra makes a folder; a job that alone is wrong ends no other."""
        wrong: ConfigError | None = None
        for job in lines:
            try:
                return self._compose(job)
            except ConfigError as error:
                wrong = wrong or error
        if len(lines) > 1:  # with all values that were typed for a key
            typed = {o.key_or_group: value_of(o) for o in self.parsed}
            self._compose(lines[0], typed)
        assert wrong is not None
        raise wrong

    def _compose(self, overrides: Sequence[str], typed: Mapping[str, str] | None = None) -> Composed:
        return composing.compose(
            overrides, self.sources.config_dir, self.run_dir, typed, self.sources.library_dir
        )  # fmt: skip

    def _for_hydra(self, override: Override, known: Composed | None) -> str:
        """An override with the same freedoms as in `compose`."""
        if not is_constant(override):
            return forced(override)
        if known is None:
            known = self._files([o for o in self.parsed if not o.is_sweep_override()])
        key = composing.constant_key(known.tree, override)
        # Hydra reads keys of ASCII letters only; `run` gives a constant its name back
        plain = re.sub(r"[^\x00-\x7f]", lambda letter: f"_x{ord(letter[0]):x}_", key)
        if plain != key:
            self._ascii[plain] = key
        return f"++{plain}={value_of(override)}"

    def _files(self, overrides: Sequence[Override]) -> Composed:
        """What the YAML files that are chosen say, without any key that was typed."""
        choices = [str(o.input_line) for o in overrides if is_choice(o)]
        return self._compose(choices)

    def _refuse_unknown_constants(self, overrides: Sequence[str]) -> None:
        """Where each job has other files, so that a constant may be that of some jobs only."""
        parsed = parse_overrides(overrides)
        constants = [o for o in parsed if is_constant(o) and o.key_or_group not in self._added]
        if constants and {"model", "constants"} & self.swept.keys():
            files = self._files(parsed)
            for override in constants:
                composing.constant_key(files.tree, override)

    def _as_typed(self, line: str) -> str:
        """An override of a job without what `_for_hydra` has made of it."""
        key, equals, value = line.lstrip("+").partition("=")
        return re.sub(r"^constants\.constants\.", "constants.", self._ascii.get(key, key)) + equals + value

    def _swept_of(self, overrides: Sequence[str]) -> list[str]:
        """What tells a job from the others."""
        return [o for o in overrides if o.lstrip("+").partition("=")[0] in self.swept] or [*overrides]

    def _named(self, tree: DictConfig) -> DictConfig:
        """The configuration of a job with the names of its constants."""
        whole = OmegaConf.create(OmegaConf.to_container(tree))
        assert isinstance(whole, DictConfig)
        for plain, key in self._ascii.items():
            group, _, name = plain.rpartition(".")
            constants = OmegaConf.select(whole, group)
            constants[key.rpartition(".")[2]] = constants.pop(name)
        return whole

    def run(self, tree: DictConfig) -> None:
        """One job; what is the user's mistake there is said, and ends no other job."""
        own: Any = copy.deepcopy(HydraConfig.get())
        out = Path(own.runtime.output_dir)
        with read_write(own):
            own.overrides.task = [self._as_typed(line) for line in own.overrides.task]
        overrides = tuple(own.overrides.task)
        if self.sweep is not None and not self.began:
            self.sweep.start(Path(own.runtime.cwd) / own.sweep.dir, self.swept, self.n_jobs)
        self.began = self.running = True
        code, text = 1, ""
        job = f"job {own.job.num} ({' '.join(self._swept_of(overrides))})" if "num" in own.job else ""
        try:
            code = self._run(self._named(tree), own, overrides, out)
        except KeyboardInterrupt:
            code, text = 130, "stopped"
            if is_first():
                print(f"stopped in {job}", file=sys.stderr)
            sys.exit(code)
        except Exception as error:
            known = self.explained(error)
            if known is None:
                text = f"{type(error).__name__}: {error}"
                print(f"{job}: {text}", file=sys.stderr)
                raise  # Hydra keeps it, goes on, and raises it after the last job
            code, text = known.exit_code, known.report
            show(known, job)
            if launched() is not None and not known.shared:  # the other processes have ended, or will
                sys.exit(code)
            self.failed.append(str(out))
        else:
            if code > _SIGNAL:
                sys.exit(code)
            self.codes.append(code)
        finally:
            self.running = False
            if self.sweep is not None:
                self.sweep.job_ended(int(own.job.num), overrides, out, code, text)

    def _run(self, whole: DictConfig, own: DictConfig, overrides: tuple[str, ...], out: Path) -> int:
        with on_all_processes():
            with open_dict(whole):
                whole.hydra = own
                parsed = parse_overrides(overrides)
                if self.run_dir is not None:
                    composing.forget_start(whole, parsed)
                composing.replace_mappings(whole, [o for o in parsed if not is_constant(o)])
            self._refuse_unknown_constants(overrides)
            composed = composing.checked(whole, overrides, out, None, self.sources, self.notes)
        return self.task(composed) or 0


def _refuse_intervals(overrides: Sequence[Override]) -> None:
    for override in overrides:
        if override.value_type == ValueType.INTERVAL_SWEEP:
            key = override.key_or_group
            raise ConfigError(f"{override.input_line}: -m takes single values: {key}=1,2,3 or '{key}=range(1,4)'.")


def _job_lines(overrides: Sequence[Override]) -> list[list[str]] | None:
    """The command line of each job, in Hydra's order; None where only Hydra's sweeper knows the values of a key."""
    lines: dict[str, list[str]] = {}
    for override in overrides:
        key = str(override.input_line).partition("=")[0]
        values = sweep_values(override) if override.is_sweep_override() else [value_of(override)]
        if values is None:
            return None
        lines[key] = [str(override.input_line)] if override.is_delete() else [f"{key}={value}" for value in values]
    return [list(job) for job in itertools.product(*lines.values())]


@contextlib.contextmanager
def _hydra_raises() -> Iterator[None]:
    """Errors leave Hydra as they are; it would print a part of their traceback and end with status 1."""
    before = os.environ.get("HYDRA_FULL_ERROR", "")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        os.environ["HYDRA_FULL_ERROR"] = before
