"""Composes the configuration with Hydra and reads that of a run folder. Only this file and multirun.py know Hydra."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
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
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from deqn import shipped
from deqn.configuration import yaml_files
from deqn.configuration.places import moved
from deqn.configuration.schema import Config
from deqn.configuration.search_path import own_files_first
from deqn.configuration.typed import explain
from deqn.configuration.validate import parse
from deqn.errors import ConfigError, DEQNError, count, suggestion

RUN_DIR_VARIABLE = "USE_CONFIG_FROM_RUN_DIR"
PRESET = "preset"
_NEW = "NEW"  # STARTING_POINT where none is typed
_DEFAULT_MODEL = "bm1972"  # of config/config.yaml
GROUPS = ("model", *yaml_files.GROUPS)
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
        job: which job of a sweep, and what was typed.
    """

    config: Config
    tree: DictConfig
    hydra: DictConfig
    overrides: tuple[str, ...]
    run_dir: Path
    source: Path | None = None

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
) -> Composed:
    """The configuration of a command line, checked; nothing is created.

    Args:
        overrides: `model=bm1972`, `optimizer.learning_rate=1e-4`, ...: Hydra's syntax.
        config_dir: a folder that adds YAML files to the groups (`--config-dir`).
        run_dir: take the merged configuration of this run instead of `config/`.
        typed: by key, what was typed for it where that is not what stands in `overrides`: several values.

    Raises:
        ConfigError: with every problem found.
    """
    with a_hydra_of_our_own():
        return _compose(overrides, config_dir, run_dir, typed)


def _compose(
    overrides: Sequence[str],
    config_dir: str | Path | None,
    run_dir: str | Path | None,
    typed: Mapping[str, str] | None,
) -> Composed:
    folders = group_folders(config_dir, run_dir)
    primary = shipped.CONFIG if run_dir is None else hydra_folder(Path(run_dir))
    parsed = with_preset(parse_overrides(overrides), folders, run_dir)
    check_groups(parsed, folders, run_dir)
    _refuse_sweep(parsed)
    constants = [o for o in parsed if is_constant(o)]
    others = [forced(o) for o in parsed if o not in constants]
    if config_dir is not None:
        others.append(f"hydra.searchpath=[{_quoted(f'file://{Path(config_dir).resolve()}')}]")
    if run_dir is not None and not any(o.key_or_group == "hydra.run.dir" for o in parsed):
        others.append(f"hydra.run.dir={_quoted(str(Path(run_dir).resolve()))}")
    try:
        with (
            own_files_first(config_dir if run_dir is None else None),
            hydra.initialize_config_dir(str(primary), job_name="run_deepnet", version_base="1.3"),
        ):
            whole = hydra.compose("config", overrides=others, return_hydra_config=True)
        if run_dir is not None:
            forget_start(whole, parsed)
        HydraConfig.instance().set_config(whole)  # for ${hydra:...}
        _set_constants(whole, constants, typed or {})
        _replace_mappings(whole, [o for o in parsed if o not in constants])
        out = Path(str(whole.hydra.run.dir)).resolve()
        if not str(whole.hydra.run.dir).strip():
            raise ConfigError(
                "hydra.run.dir is empty: the run would be written into the working directory. Name a folder."
            )
    except DEQNError:
        raise
    except Exception as error:  # whatever Hydra, OmegaConf and YAML raise for what was typed, or stands in a file
        raise as_config_error(error) from error
    return checked(whole, tuple(overrides), out, None if run_dir is None else Path(run_dir).resolve(), typed)


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
        whole.STARTING_POINT = _NEW


def checked(
    whole: DictConfig,
    overrides: tuple[str, ...],
    run_dir: Path,
    source: Path | None,
    typed: Mapping[str, str] | None = None,
) -> Composed:
    """What Hydra has composed, read as a configuration.

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
    config = parse({str(key): value for key, value in container.items()}, typed=typed)
    return Composed(config, tree, own, overrides, run_dir, source)


def hydra_folder(run_dir: Path) -> Path:
    folder = run_dir.resolve() / ".hydra"
    if not (folder / "config.yaml").is_file():
        raise ConfigError(
            f"{RUN_DIR_VARIABLE}={run_dir}: there is no {folder / 'config.yaml'}. Give the folder of a run, the one that "
            "holds .hydra/ (runs/<model>/<date>/<time>)."
        )
    return folder


def group_folders(config_dir: str | Path | None, run_dir: str | Path | None) -> list[Path]:
    """Where the files of the groups are looked for: in none where the configuration is that of a run."""
    if run_dir is not None:
        return []
    return [shipped.CONFIG, *_config_dirs(config_dir)]


def _config_dirs(config_dir: str | Path | None) -> list[Path]:
    if config_dir is None:
        return []
    folder = Path(config_dir).resolve()
    if not folder.is_dir():
        raise ConfigError(f"--config-dir {config_dir}: there is no such folder.")
    if (folder / "config.yaml").is_file() and folder != shipped.CONFIG:
        raise ConfigError(
            f"{Path(config_dir) / 'config.yaml'} is not read: Hydra takes the shipped file of that name. Move its keys to "
            f"{Path(config_dir) / 'model' / '<name>.yaml'}, whose first line is `# @package _global_`, and choose it with "
            "model=<name>; or give them on the command line."
        )
    return [folder]


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of each line; a constant may have any name that Python can read."""
    parsed, problems = [], []
    for line in overrides:
        constant = re.match(r"(\+{0,2}constants\.(?:constants\.)?)([^=]+)(=.*)", line, re.DOTALL)
        if constant and constant[2].isidentifier() and not constant[2].isascii():
            override = _parse(f"{constant[1]}x{constant[3]}")
            if override is not None:
                override.key_or_group = f"{constant[1].lstrip('+')}{constant[2]}"
                override.input_line = line
        else:
            override = _parse(line)
        if override is None:
            problems.append(explain(line, lambda other: _parse(other) is not None))
        else:
            parsed.append(override)
    _raise(problems, "on the command line")
    return parsed


def _parse(line: str) -> Override | None:
    """None where Hydra cannot read it."""
    try:
        override = OverridesParser.create().parse_override(line)
    except HydraException:
        return None
    return override if override.key_or_group else None


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()


def _raise(problems: Sequence[str], where: str) -> None:
    if len(problems) == 1:
        raise ConfigError(problems[0])
    if problems:
        raise ConfigError(f"{count(len(problems), 'problem')} {where}", problems)


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


def value_of(override: Override) -> str:
    """What stands behind the = as it was typed."""
    return str(override.input_line).partition("=")[2]


def _is_plain(override: Override) -> bool:
    """key=value, with none of Hydra's prefixes."""
    return not (override.is_add() or override.is_delete() or override.is_force_add())


def is_constant(override: Override) -> bool:
    """constants.beta=0.9 or +constants.gamma=2, which are set in whichever form the YAML file has."""
    return override.key_or_group.startswith("constants.") and not override.is_delete()


def is_choice(override: Override) -> bool:
    """group=option."""
    return override.key_or_group in GROUPS and not override.is_delete()


def with_preset(
    overrides: list[Override], folders: Sequence[Path], run_dir: str | Path | None
) -> list[Override]:  # fmt: skip
    """`preset=smoke` -> the file config/preset/smoke/<model>.yaml, for the model that is chosen; `default` changes nothing."""
    result: list[Override] = []
    for override in overrides:
        if override.key_or_group != PRESET or not _is_plain(override):
            result.append(override)
            continue
        if override.is_sweep_override():
            raise ConfigError(f"{override.input_line}: one preset for all jobs of a sweep.")
        word = str(override.value())
        if run_dir is not None:
            raise ConfigError(f"{override.input_line}: {RUN_DIR_VARIABLE} takes the sizes and lengths of {run_dir}.")
        models = [o for o in overrides if o.key_or_group in ("model", "MODEL_NAME")]
        if any(o.is_sweep_override() for o in models):
            raise ConfigError(f"{override.input_line}: a preset is that of one model. Start a sweep for each model.")
        chosen = {o.key_or_group: str(o.value()) for o in models}
        model = chosen.get("model", chosen.get("MODEL_NAME", _DEFAULT_MODEL))
        words = {path.parent.name for folder in folders for path in (folder / PRESET).glob(f"[!.]*/{model}.yaml")}
        known = sorted({*words, "default"})
        if word not in known:
            raise ConfigError(
                f"Model {model!r} has no preset {word!r}.{suggestion(word, known)} Known: {', '.join(known)}."
            )
        if word != "default":
            result += parse_overrides([f"+{PRESET}={word}/{model}"])
    return result


def forced(override: Override) -> str:
    """An override that also sets keys that the YAML leaves to their defaults; the schema refuses unknown ones."""
    line = str(override.input_line)
    if _is_plain(override) and not is_choice(override) and not override.key_or_group.startswith("hydra"):
        return f"++{line}"
    return line


def check_groups(overrides: Sequence[Override], folders: Sequence[Path], run_dir: str | Path | None) -> None:
    """group=option must name a file, and that file must be right, before Hydra looks for it."""
    problems = []
    for override in overrides:
        if not is_choice(override):
            continue
        if override.is_sweep_override():
            problems += _unknown_options_of_a_sweep(override, folders, run_dir)
            continue
        if override.value() is None and override.key_or_group != "model":
            problems.append(f"{override.input_line}: expected the name of a file of config/{override.key_or_group}/.")
            continue
        if override.value() is None:
            continue
        group, option = override.key_or_group, str(override.value()).removesuffix(".yaml")
        if run_dir is not None:
            problems.append(
                f"{override.input_line}: {RUN_DIR_VARIABLE} takes the merged configuration of {run_dir}, where there is no "
                f"group to choose from. Change single keys ({group}.<key>=...), or unset {RUN_DIR_VARIABLE}."
            )
            continue
        unknown = yaml_files.unknown_option(folders, group, option)
        problems += [unknown] if unknown else []
    _raise(problems, "on the command line")
    if run_dir is None:
        chosen = {o.key_or_group: str(o.value()) for o in overrides if is_choice(o) and not o.is_sweep_override()}
        _refuse_a_name_without_its_files(overrides, chosen, folders)
        chosen = {group: option.removesuffix(".yaml") for group, option in chosen.items()}
        _raise(yaml_files.problems_in_files(folders, chosen), "in the YAML files")


def sweep_values(override: Override) -> list[str] | None:
    """The values of `key=1,2`, as one types them; None where only Hydra's sweeper knows them (`interval`, `glob`)."""
    if override.value_type in (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP, ValueType.RANGE_SWEEP):
        return list(override.sweep_string_iterator())
    return None


def _unknown_options_of_a_sweep(
    override: Override, folders: Sequence[Path], run_dir: str | Path | None
) -> list[str]:  # fmt: skip
    if run_dir is not None:
        return []
    found = [
        yaml_files.unknown_option(folders, override.key_or_group, option) for option in sweep_values(override) or []
    ]
    return [problem for problem in found if problem]


def _refuse_a_name_without_its_files(
    overrides: Sequence[Override], chosen: Mapping[str, str], folders: Sequence[Path]
) -> None:  # fmt: skip
    """MODEL_NAME chooses the Python files only: without `model=` or the groups, the YAML files are those of the default."""
    names = [o for o in overrides if o.key_or_group == "MODEL_NAME" and not o.is_sweep_override()]
    if not names or "model" in chosen or {"constants", "variables"} <= {*chosen}:
        return
    name = str(names[-1].value())
    if name != _DEFAULT_MODEL and name in yaml_files.options(folders, "model"):
        raise ConfigError(
            f"{names[-1].input_line} chooses the Python files of {name} alone; constants, variables and the like would be those "
            f"of {_DEFAULT_MODEL}. Write model={name}, which chooses all of them."
        )


def _refuse_sweep(overrides: Sequence[Override]) -> None:
    """Several values for one key are a sweep."""
    for override in overrides:
        if override.is_sweep_override():
            raise ConfigError(
                f"{override.input_line} has several values. Give -m to train one run for each, [a,b] for a list, or quote a "
                "text with commas."
            )


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
    known = {unicodedata.normalize("NFKC", str(key)): str(key) for key in (group.constants if nested else group)}
    path = override.key_or_group.removeprefix("constants.").removeprefix("constants.")
    name, dot, rest = path.partition(".")
    name = unicodedata.normalize("NFKC", name)
    if name not in known and _is_plain(override):
        value = value_of(override) if typed is None else typed
        raise ConfigError(
            f"{override.key_or_group}={value}: there is no constant {name!r}.{moved(name, {}, known, value)} "
            f"Known: {', '.join(known)}. To add one, write +constants.{path}={value}."
        )
    return f"{'constants.' if nested else ''}constants.{known.get(name, name)}{dot}{rest}"


def _replace_mappings(whole: DictConfig, overrides: Sequence[Override]) -> None:
    """`key={a: 1}` means just that; Hydra would keep the other entries that the YAML file has there."""
    for i, override in enumerate(overrides):
        key = override.key_or_group
        if not _is_plain(override) or key.startswith("hydra") or not isinstance(override.value(), dict):
            continue
        OmegaConf.update(whole, key, override.value(), merge=False, force_add=True)
        for later in overrides[i + 1 :]:
            if _is_plain(later) and later.key_or_group.startswith(f"{key}."):
                OmegaConf.update(whole, later.key_or_group, later.value(), force_add=True)


def first_lines(error: BaseException, n: int = 3) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:n])
