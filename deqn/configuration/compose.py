"""Composes the configuration with Hydra and reads that of a run folder; multirun.py does it for sweeps."""

from __future__ import annotations

import argparse
import contextlib
import os
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deqn.configuration import yaml_files
from deqn.configuration.overrides import (
    forced,
    is_constant,
    is_plain,
    parse_overrides,
    quoted,
    refuse_sweep,
    value_of,
)
from deqn.configuration.places import moved
from deqn.configuration.schema import Config
from deqn.configuration.sources import Sources
from deqn.configuration.validate import parse
from deqn.errors import ConfigError, DEQNError, count

_NEW = "NEW"  # STARTING_POINT where none is typed
_ONE_AT_A_TIME = threading.RLock()  # Hydra keeps what it does in globals


@dataclass(frozen=True)
class Composed:
    """A checked configuration and where it came from.

    Attributes:
        config: the typed configuration.
        tree: the same as Hydra composed it, with its interpolations.
        hydra: Hydra's own part.
        overrides: what was typed.
        run_dir: `hydra.run.dir`, absolute; nothing has been created there.
        source: the run folder that the configuration was read from, if any.
        notes: what was passed over in a configuration of the TensorFlow library, or taken for something else.
        job: which job of a sweep, and what was typed.
    """

    config: Config
    tree: DictConfig
    hydra: DictConfig
    overrides: tuple[str, ...]
    run_dir: Path
    source: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def job(self) -> str:
        return " ".join([str(OmegaConf.select(self.hydra, "job.num", default="")), *self.overrides])

    def typed(self, key: str) -> bool:
        """Whether a key was given on the command line."""
        return any(override.lstrip("+").startswith(f"{key}=") for override in self.overrides)


# what composing raises for a user's mistake: Hydra's own, and a YAML file that cannot be read
COMPOSING = (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError)

Task = Callable[[Composed], int | None]


def argument_parser() -> argparse.ArgumentParser:
    """Hydra's own options and overrides."""
    return get_args_parser()


def compose(
    overrides: Sequence[str] = (),
    config_dir: str | Path | None = None,
    run_dir: str | Path | None = None,
    typed: Mapping[str, str] | None = None,
    library: str | Path | None = None,
) -> Composed:
    """The configuration of a command line, checked; nothing is created.

    Args:
        overrides: `model=bm1972`, `optimizer.learning_rate=1e-4`, ...: Hydra's syntax.
        config_dir: a folder that adds YAML files to the groups (`--config-dir`).
        run_dir: take the merged configuration of this run instead of `config/`.
        typed: by key, what was typed for it where that is not what stands in `overrides`: several values.
        library: a folder of the TensorFlow library, whose `config/` is then the configuration (`--from`).

    Raises:
        ConfigError: with every problem found.
    """
    with a_hydra_of_our_own():
        return _compose(overrides, Sources(config_dir, run_dir, library), typed)


def _compose(overrides: Sequence[str], sources: Sources, typed: Mapping[str, str] | None) -> Composed:
    config_dir, run_dir = sources.config_dir, sources.run_dir
    parsed = sources.read(overrides)
    refuse_sweep(parsed)
    constants = [o for o in parsed if is_constant(o)]
    others = [forced(o) for o in parsed if o not in constants]
    if config_dir is not None:
        others.append(f"hydra.searchpath=[{quoted(f'file://{Path(config_dir).resolve()}')}]")
    if run_dir is not None and not any(o.key_or_group == "hydra.run.dir" for o in parsed):
        others.append(f"hydra.run.dir={quoted(str(Path(run_dir).resolve()))}")
    try:
        with (
            sources.searched(parsed) as notes,
            hydra.initialize_config_dir(str(sources.primary), job_name="run_deepnet", version_base="1.3"),
        ):
            whole = hydra.compose("config", overrides=others, return_hydra_config=True)
        if run_dir is not None:
            forget_start(whole, parsed)
        HydraConfig.instance().set_config(whole)  # for ${hydra:...}
        _set_constants(whole, constants, typed or {})
        replace_mappings(whole, [o for o in parsed if o not in constants])
        out = Path(str(whole.hydra.run.dir)).resolve()
        if not str(whole.hydra.run.dir).strip():
            raise ConfigError(
                "hydra.run.dir is empty: the run would be written into the working directory. Name a folder."
            )
    except DEQNError:
        raise
    except Exception as error:  # whatever Hydra, OmegaConf and YAML raise for what was typed, or stands in a file
        raise as_config_error(error) from error
    source = None if run_dir is None else Path(run_dir).resolve()
    return checked(whole, tuple(overrides), out, source, sources, notes, typed)


def write_run_configuration(composed: Composed, run_dir: Path) -> None:
    """`.hydra/config.yaml`, `hydra.yaml`, `overrides.yaml`, as Hydra writes them.

    STARTING_POINT is not part of a run: later commands do not start from there unasked. A configuration that stands there and
    differs is kept under a number: `.hydra/config.1.yaml`.
    """
    folder = run_dir / ".hydra"
    folder.mkdir(exist_ok=True)
    files = {
        "config.yaml": OmegaConf.to_yaml(OmegaConf.merge(composed.tree, {"STARTING_POINT": _NEW})),
        "hydra.yaml": OmegaConf.to_yaml(OmegaConf.create({"hydra": composed.hydra})),
        "overrides.yaml": OmegaConf.to_yaml(OmegaConf.create(list(composed.overrides))),
    }
    before = folder / "config.yaml"
    if before.is_file() and before.read_text(encoding="utf-8") != files["config.yaml"]:
        number = 1 + len(list(folder.glob("config.*.yaml")))
        os.replace(before, folder / f"config.{number}.yaml")
    for name, text in files.items():
        temporary = folder / f"{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, folder / name)


# ---------------------------------------------------------------------------------------------------------------------


def forget_start(whole: DictConfig, overrides: Sequence[Override]) -> None:
    """The STARTING_POINT that an older run folder has kept is not that of this start."""
    if not any(override.key_or_group == "STARTING_POINT" for override in overrides):
        OmegaConf.update(whole, "STARTING_POINT", _NEW, force_add=True)


def checked(
    whole: DictConfig,
    overrides: tuple[str, ...],
    run_dir: Path,
    source: Path | None,
    sources: Sources,
    notes: Sequence[str] = (),
    typed: Mapping[str, str] | None = None,
) -> Composed:
    """What Hydra has composed, read as a configuration.

    Args:
        sources: where it comes from.
        notes: what was found when it was composed.

    Raises:
        ConfigError: with every problem found.
    """
    tree = OmegaConf.create(OmegaConf.to_container(whole, resolve=False))
    assert isinstance(tree, DictConfig)
    own = tree.pop("hydra")
    if tree.get("MODELS_DIR"):
        tree.MODELS_DIR = str(Path(tree.MODELS_DIR).resolve())
    try:
        container = OmegaConf.to_container(tree, resolve=True, throw_on_missing=True)
    except Exception as error:  # also what a resolver (${...}) raises
        raise as_config_error(error) from error
    assert isinstance(container, dict)
    if typed is None:
        typed = {o.key_or_group: value_of(o) for o in parse_overrides(overrides)}
    whole_tree = {str(key): value for key, value in container.items()}
    translated = sources.translate(whole_tree, typed)
    if translated is not None:
        whole_tree, more = translated
        tree, notes = OmegaConf.create(whole_tree), [*notes, *more]
    config = parse(whole_tree, typed=typed)
    return Composed(config, tree, own, overrides, run_dir, source, tuple(notes))


def as_config_error(error: Exception) -> ConfigError:
    if isinstance(error, yaml.YAMLError):
        mark = getattr(error, "problem_mark", None)
        return ConfigError(f"{'a YAML file' if mark is None else mark.name}{yaml_files.yaml_error(error)}")
    said: BaseException | None = error
    while said is not None and not str(said).strip():  # Hydra wraps some errors in one that says nothing
        said = said.__cause__ or said.__context__
    return ConfigError(first_lines(said or error, 4) or type(error).__name__)


@contextlib.contextmanager
def a_hydra_of_our_own() -> Iterator[None]:
    """Composing leaves the Hydra of the program that it happens in as it is; threads take turns."""
    with _ONE_AT_A_TIME:
        before = dict(Singleton._instances)
        for name in (GlobalHydra, HydraConfig, JobRuntime, VersionBase):
            Singleton._instances.pop(name, None)
        try:
            yield
        finally:
            Singleton._instances.clear()
            Singleton._instances.update(before)


def _set_constants(whole: DictConfig, overrides: Sequence[Override], typed: Mapping[str, str]) -> None:
    """`constants.beta=0.98` and `constants.constants.beta=0.98`, whichever form the YAML file has."""
    problems = []
    for override in overrides:
        try:
            key = constant_key(whole, override, typed.get(override.key_or_group))
            OmegaConf.update(whole, key, override.value(), force_add=True)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(f"{count(len(problems), 'problem')} in the constants", problems)


def constant_key(tree: DictConfig, override: Override, typed: str | None = None) -> str:
    """Where a constant stands, or is added with +; two letters that Python reads as one (\u00b5 and \u03bc) are one.

    Args:
        typed: what was typed for it, where that is not what stands in the override.
    """
    group = tree.get("constants") or OmegaConf.create({})
    nested = isinstance(group.get("constants"), DictConfig)
    names = [
        str(key)
        for key in (group.constants if nested else group)
        if nested or not isinstance(group.get(key), DictConfig)
    ]
    known = {unicodedata.normalize("NFKC", name): name for name in names}
    path = override.key_or_group.removeprefix("constants.").removeprefix("constants.")
    name, dot, rest = path.partition(".")
    name = unicodedata.normalize("NFKC", name)
    if name == "about" and dot:  # what a constant is, beside the constants
        return f"constants.{path}"
    if name not in known and is_plain(override):
        value = value_of(override) if typed is None else typed
        raise ConfigError(
            f"{override.key_or_group}={value}: there is no constant {name!r}.{moved(name, {}, known, value)} "
            f"Known: {', '.join(known)}. To add one, write +constants.{path}={value}."
        )
    return f"{'constants.' if nested else ''}constants.{known.get(name, name)}{dot}{rest}"


def replace_mappings(whole: DictConfig, overrides: Sequence[Override]) -> None:
    """`key={a: 1}` means just that; Hydra would keep the other entries that the YAML file has there."""
    for i, override in enumerate(overrides):
        key = override.key_or_group
        if not is_plain(override) or key.startswith("hydra") or not isinstance(override.value(), dict):
            continue
        OmegaConf.update(whole, key, override.value(), merge=False, force_add=True)
        for later in overrides[i + 1 :]:
            if is_plain(later) and later.key_or_group.startswith(f"{key}."):
                OmegaConf.update(whole, later.key_or_group, later.value(), force_add=True)


def first_lines(error: BaseException, n: int = 3) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:n])
