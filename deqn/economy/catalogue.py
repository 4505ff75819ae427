"""What models there are, read from their files without linking them and without PyTorch."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deqn import shipped
from deqn.economy.names import equation_names
from deqn.errors import ConfigError
from deqn.tensorflow.places import config_of, models_of
from deqn.tensorflow.variables import has_variables

PRESETS = ("smoke", "teaching", "default", "production")


@dataclass(frozen=True)
class Entry:
    """One model: an option of the `model` group and the folder that it names.

    Attributes:
        states, policies: their names.
        equations: the names of the residuals; None where they are made while the file runs.
        title, known_answer, minutes: of `about` in config/model/<name>.yaml.
        presets: that it has, `default` among them.
    """

    name: str
    folder: Path
    states: tuple[str, ...]
    policies: tuple[str, ...]
    equations: tuple[str, ...] | None
    title: str
    known_answer: str
    minutes: float | None
    presets: tuple[str, ...]


def entries(
    config_dir: str | Path | None = None, models_dir: str | Path | None = None, library: str | Path | None = None
) -> list[Entry]:
    """All models that `model=<name>` can choose, by name.

    Args:
        config_dir: a folder with YAML files of one's own, as in `--config-dir`.
        models_dir: a folder with model folders of one's own, as in `MODELS_DIR=`.
        library: a folder of the TensorFlow library, as in `--from`; its models are then all.

    Raises:
        ConfigError: for a folder that does not exist, or a file that cannot be read.
    """
    for what, folder in (("--config-dir", config_dir), ("MODELS_DIR", models_dir)):
        if folder is not None and not Path(folder).is_dir():
            raise ConfigError(f"{what} {folder}: there is no such folder.")
    if library is not None:
        config = config_of(library)
        return [_of_library(name, config) for name in models_of(config.parent)]
    folders = [*([Path(config_dir)] if config_dir is not None else []), shipped.CONFIG]
    files = {file.stem: file for folder in reversed(folders) for file in sorted((folder / "model").glob("[!.]*.yaml"))}
    found = (_entry(name, file, folders, models_dir) for name, file in sorted(files.items()))
    return [entry for entry in found if entry is not None]


def _entry(name: str, file: Path, folders: Sequence[Path], models_dir: str | Path | None) -> Entry | None:
    """None where the model's folder is not there."""
    content = _read(file)
    own = models_dir if models_dir is not None else content.get("MODELS_DIR")
    folder = shipped.find_model(str(content.get("MODEL_NAME", name)), own)
    if folder is None:
        return None
    chosen = {key.rpartition("/")[2]: option for part in content.get("defaults", []) for key, option in _pairs(part)}
    option = chosen.get("variables", name)
    places = (place / "variables" / f"{option}.yaml" for place in folders)
    variables = next((_read(place) for place in places if place.is_file()), {})
    about = content.get("about") or {}
    presets = {preset.parent.name for place in folders for preset in (place / "preset").glob(f"*/{name}.yaml")}
    order = [*(p for p in PRESETS if p in {*presets, "default"}), *sorted(presets - {*PRESETS})]
    return Entry(
        name=name,
        folder=folder,
        states=_names(variables.get("states")),
        policies=_names(variables.get("policies")),
        equations=equation_names(folder),
        title=str(about.get("title", "")),
        known_answer=str(about.get("known_answer", "")),
        minutes=about.get("minutes"),
        presets=tuple(order),
    )


def _of_library(name: str, config: Path) -> Entry:
    """A model of the TensorFlow library; names that its Variables.py makes are not known without running it."""
    folder, file = config.parent / name, config / "variables" / f"{name}.yaml"
    variables = _read(file) if file.is_file() else {}
    made = ("made in Variables.py",) if has_variables(folder) else ()
    states, policies = (made or _names(variables.get(kind)) for kind in ("states", "policies"))
    return Entry(name, folder, states, policies, equation_names(folder), "", "", None, ("default",))


def _pairs(part: Any) -> list[tuple[str, Any]]:
    """`override /net: brock_mirman` of a defaults list, as key and option."""
    return [(str(key), option) for key, option in part.items()] if isinstance(part, dict) else []


def _names(variables: Any) -> tuple[str, ...]:
    if not isinstance(variables, list):
        return ()
    return tuple(
        unicodedata.normalize("NFKC", str(variable.get("name"))) for variable in variables if isinstance(variable, dict)
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    return content if isinstance(content, dict) else {}
