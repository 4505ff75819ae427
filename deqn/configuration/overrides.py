"""What is typed on a command line, read and checked before Hydra composes the configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from deqn.configuration import yaml_files
from deqn.configuration.typed import explain
from deqn.errors import ConfigError, count, suggestion

RUN_DIR_VARIABLE = "USE_CONFIG_FROM_RUN_DIR"
PRESET = "preset"
_DEFAULT_MODEL = "bm1972"  # of config/config.yaml
GROUPS = ("model", *yaml_files.GROUPS)


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
    raise_all(problems, "on the command line")
    return parsed


def _parse(line: str) -> Override | None:
    """None where Hydra cannot read it."""
    try:
        override = OverridesParser.create().parse_override(line)
    except HydraException:
        return None
    return override if override.key_or_group else None


def quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()


def raise_all(problems: Sequence[str], where: str) -> None:
    if len(problems) == 1:
        raise ConfigError(problems[0])
    if problems:
        raise ConfigError(f"{count(len(problems), 'problem')} {where}", problems)


def value_of(override: Override) -> str:
    """What stands behind the = as it was typed."""
    return str(override.input_line).partition("=")[2]


def is_plain(override: Override) -> bool:
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
        if override.key_or_group != PRESET or not is_plain(override):
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
    if is_plain(override) and not is_choice(override) and not override.key_or_group.startswith("hydra"):
        return f"++{line}"
    return line


Chosen = Callable[[Mapping[str, str]], tuple[dict[str, str], list[str]]]


def check_groups(
    overrides: Sequence[Override], folders: Sequence[Path], run_dir: str | Path | None, chosen_in: Chosen | None = None
) -> None:  # fmt: skip
    """group=option must name a file, and that file must be right, before Hydra looks for it.

    Args:
        chosen_in: of a TensorFlow library: the options that hold with those that are typed, and what is wrong with the others.
    """
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
        if isinstance(override.value(), dict | list):
            problems.append(_not_a_file(override))
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
    raise_all(problems, "on the command line")
    if run_dir is None:
        chosen = {o.key_or_group: str(o.value()) for o in overrides if is_choice(o) and not o.is_sweep_override()}
        chosen = {group: option.removesuffix(".yaml") for group, option in chosen.items()}
        wrong: list[str] = []
        if chosen_in is None:
            _refuse_a_name_without_its_files(overrides, chosen, folders)
        else:
            swept = {o.key_or_group: "" for o in overrides if is_choice(o) and o.is_sweep_override()}
            chosen, wrong = chosen_in(chosen | swept)
        raise_all(wrong + yaml_files.problems_in_files(folders, chosen, chosen_in is not None), "in the YAML files")


def _not_a_file(override: Override) -> str:
    group, value = override.key_or_group, override.value()
    keys = [f"{group}.{key}=..." for key in value] if isinstance(value, dict) else []
    instead = f", or set single keys: {' '.join(keys)}" if keys else ""
    return f"{override.input_line}: expected the name of a file of config/{group}/{instead}."


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


def refuse_sweep(overrides: Sequence[Override]) -> None:
    """Several values for one key are a sweep."""
    for override in overrides:
        if override.is_sweep_override():
            raise ConfigError(
                f"{override.input_line} has several values. Give -m to train one run for each, [a,b] for a list, or quote a "
                "text with commas."
            )
