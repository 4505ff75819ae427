"""Where a configuration comes from: the shipped `config/`, a folder of one's own, a TensorFlow library's, or a run's."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override

from deqn import shipped
from deqn.configuration.overrides import PRESET, RUN_DIR_VARIABLE, check_groups, is_choice, parse_overrides, with_preset
from deqn.configuration.search_path import own_files_first
from deqn.errors import ConfigError

if TYPE_CHECKING:
    from deqn.configuration.library import Library


class Sources:
    """Where a configuration comes from.

    Args:
        config_dir: a folder that adds YAML files to the groups (`--config-dir`).
        run_dir: the run whose merged configuration is taken instead.
        library: a folder of the TensorFlow library, whose `config/` is then the configuration (`--from`).
    """

    def __init__(
        self, config_dir: str | Path | None = None, run_dir: str | Path | None = None, library: str | Path | None = None
    ) -> None:  # fmt: skip
        self.config_dir, self.run_dir, self.library_dir = config_dir, run_dir, library

    @cached_property
    def library(self) -> Library | None:
        if self.library_dir is None:
            return None
        from deqn.configuration.library import Library  # only for who has one

        return Library(self.library_dir)

    @property
    def primary(self) -> Path:
        """The folder of config.yaml."""
        if self.run_dir is not None:
            return hydra_folder(Path(self.run_dir))
        return shipped.CONFIG if self.library is None else self.library.config

    @property
    def folders(self) -> list[Path]:
        """Where the files of the groups are looked for: in none where the configuration is that of a run."""
        if self.run_dir is not None:
            return []
        if self.library is not None:
            return [self.library.config, *_config_dirs(self.config_dir), shipped.CONFIG]
        return [shipped.CONFIG, *_config_dirs(self.config_dir)]

    def read(self, overrides: Sequence[str]) -> list[Override]:
        """The overrides of a command line, with the preset's file, checked against the files that there are.

        Raises:
            ConfigError: with every problem found.
        """
        library = None if self.run_dir is not None else self.library
        parsed = parse_overrides(overrides)
        if library is not None:
            typed = next((o.input_line for o in parsed if o.key_or_group == PRESET), None)
            if typed is not None:
                raise ConfigError(
                    f"{typed}: presets are those of shipped models. Write run.N_sim_batch=..., run.N_episodes=..."
                )
            parsed = library.expand(parsed)
        folders = self.folders
        parsed = with_preset(parsed, folders, self.run_dir)
        check_groups(parsed, folders, self.run_dir, None if library is None else library.chosen)
        return parsed

    @contextlib.contextmanager
    def searched(self, parsed: Sequence[Override]) -> Iterator[list[str]]:
        """Inside, Hydra finds the files; gives what is to be said of them."""
        with contextlib.ExitStack() as stack:
            first, last, notes = [], [], list[str]()
            if self.run_dir is None:
                first = _config_dirs(self.config_dir)
                if self.library is not None:
                    typed = {
                        o.key_or_group: str(o.value()) for o in parsed if is_choice(o) and not o.is_sweep_override()
                    }
                    model = next((str(o.value()) for o in parsed if o.key_or_group == "MODEL_NAME"), None)
                    copies, notes = stack.enter_context(self.library.files(typed, model))
                    first, last = [*first, *copies], [shipped.CONFIG]
            stack.enter_context(own_files_first(first, last))
            yield notes

    def translate(self, tree: dict[str, Any], typed: Mapping[str, str]) -> tuple[dict[str, Any], list[str]] | None:
        """A composed configuration in the form of this library, and what is to be said of it; None where it has that form."""
        if "MODELS_DIR" in tree and self.library is None:
            folder = (
                None
                if self.run_dir is not None
                else shipped.find_model(str(tree.get("MODEL_NAME")), tree["MODELS_DIR"])
            )
            if folder is None or not (folder / "Variables.py").is_file():
                return None
        from deqn.configuration.library import read  # not for models of this library

        return read(tree, self.library, self.run_dir is not None, typed)


def hydra_folder(run_dir: Path) -> Path:
    folder = run_dir.resolve() / ".hydra"
    if not (folder / "config.yaml").is_file():
        raise ConfigError(
            f"{RUN_DIR_VARIABLE}={run_dir}: there is no {folder / 'config.yaml'}. Give the folder of a run, the one that "
            "holds .hydra/ (runs/<model>/<date>/<time>)."
        )
    return folder


def _config_dirs(config_dir: str | Path | None) -> list[Path]:
    if config_dir is None:
        return []
    folder = Path(config_dir).resolve()
    if not folder.is_dir():
        raise ConfigError(f"--config-dir {config_dir}: there is no such folder.")
    if (folder / "config.yaml").is_file() and folder != shipped.CONFIG:
        raise ConfigError(
            f"{Path(config_dir) / 'config.yaml'} is not read behind --config-dir, whose files join those of this library. If "
            f"{config_dir} is the config/ of a TensorFlow library, write --from {shlex.quote(str(folder.parent))} in its place. "
            f"Otherwise move its keys to {Path(config_dir) / 'model' / '<name>.yaml'}, whose first line is `# @package "
            "_global_`, and choose it with model=<name>; or give them on the command line."
        )
    return [folder]
