"""Folders of the TensorFlow library (`--from DIR`): their configuration, and variables that a model makes in Python."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.core.override_parser.types import Override

from deqn import shipped
from deqn.configuration import yaml_files
from deqn.configuration.activations import OF_VARIABLES, activation
from deqn.configuration.lambdas import with_numbers
from deqn.configuration.overrides import is_plain, parse_overrides
from deqn.configuration.schema import Run
from deqn.configuration.validate import known_fields
from deqn.errors import ConfigError, suggestion
from deqn.tensorflow import variables
from deqn.tensorflow.configuration import Translation
from deqn.tensorflow.places import config_of, models_of

_LISTS = ("states", "policies", "definitions")
_NAMED = (
    "tf.identity", "tf.nn.relu", "tf.nn.sigmoid", "tf.nn.softplus", "tf.nn.tanh", "tf.nn.elu", "tf.nn.selu", "tf.nn.swish",
    "tf.exp", "tf.nn.relu6",
)  # fmt: skip
_RUN_DEFAULTS = {name: field.default for name, field in Run.model_fields.items() if not field.is_required()}


class Library:
    """A folder with `config/config.yaml` and model folders.

    Args:
        folder: as it was typed behind `--from`.

    Raises:
        ConfigError: where it is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.config = config_of(folder)
        self.folder = self.config.parent
        self._whole: str | None = None  # the model that `model=` has named, with its files of all groups

    @property
    def models(self) -> list[str]:
        """Its model folders."""
        return models_of(self.folder)

    def expand(self, overrides: Sequence[Override]) -> list[Override]:
        """`model=dice` -> MODEL_NAME=dice, and `<group>=dice` in each group that has such a file and is not typed.

        A group that the defaults list lacks is added to it.
        """
        listed = {group for group, _, _ in yaml_files.default_options(self.config / "config.yaml")}
        typed, result = {o.key_or_group for o in overrides}, list[Override]()
        own_models = (self.config / "model").is_dir()
        for override in self._models_expanded(overrides, typed) if not own_models else overrides:
            group = override.key_or_group
            new = group in yaml_files.GROUPS and group not in listed and is_plain(override)
            result += parse_overrides([f"+{override.input_line}"]) if new else [override]
        return result

    def _models_expanded(self, overrides: Sequence[Override], typed: Collection[str]) -> list[Override]:
        result: list[Override] = []
        for override in overrides:
            if override.key_or_group != "model" or override.is_delete():
                result.append(override)
                continue
            if override.is_sweep_override():
                raise ConfigError(f"{override.input_line}: one model of such a folder at a time.")
            model = str(override.value())
            if model not in self.models:
                raise ConfigError(self.unknown(f"No model {model!r}", model))
            self._whole = model
            groups = [g for g in yaml_files.GROUPS if (self.config / g / f"{model}.yaml").is_file() and g not in typed]
            result += parse_overrides([f"MODEL_NAME={model}", *(f"{group}={model}" for group in groups)])
        return result

    def unknown(self, what: str, model: str) -> str:
        """The message for a model that there is not."""
        known = self.models
        return f"{what} in {self.folder}.{suggestion(model, known)} Known: {', '.join(known) or 'none'}."

    def chosen(self, typed: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """The options of the groups, those of config.yaml where none is typed; and problems in the list of the former."""
        file = self.config / "config.yaml"
        chosen, problems = {}, []
        for group, option, line in yaml_files.default_options(file):
            if group in typed or group not in yaml_files.GROUPS:
                continue
            chosen[group] = option
            if not (self.config / group / f"{option}.yaml").is_file():
                known = ", ".join(yaml_files.options([self.config], group)) or "none"
                problems.append(
                    f"{file}:{line}: there is no {group}/{option}.yaml beside it. Give {group}=<name> on the command line, or "
                    f"change the line. Known: {known}."
                )
        return chosen | dict(typed), problems

    @contextlib.contextmanager
    def files(self, typed: Mapping[str, str], model: str | None = None) -> Iterator[tuple[list[Path], list[str]]]:
        """Folders where Hydra looks before `config/`: of files in which a key stands twice there is a copy with the last one.

        Hydra's remark on a defaults list without `_self_` is not shown: the file's own keys win, as its users are used to.

        Args:
            model: the MODEL_NAME that is typed, if any.

        Yields:
            The folders, and what is to be said of the files.
        """
        chosen, _ = self.chosen(typed)
        files = [Path("config.yaml"), *(Path(group) / f"{option}.yaml" for group, option in chosen.items())]
        with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"[\s\S]*Defaults list is missing `_self_`")
            notes, copies = self._others(chosen, model), []
            for file in files:
                text, said = yaml_files.readable(self.config / file)
                if said:
                    copy = Path(place) / file
                    copy.parent.mkdir(exist_ok=True)
                    copy.write_text(text, encoding="utf-8")
                    copies = [Path(place)]
                    notes += [f"{self.config / file}: {sentence}" for sentence in said]
            yield copies, notes

    def _others(self, chosen: Mapping[str, str], model: str | None) -> list[str]:
        """What MODEL_NAME alone leaves to another model, although there are files of its own."""
        own = [g for g in chosen if chosen[g] != model and (self.config / g / f"{model}.yaml").is_file()]
        if model in (None, self._whole) or not own:
            return []
        others = ", ".join(f"{group}={chosen[group]}" for group in own)
        return [
            f"{others}, as typed or in config.yaml: MODEL_NAME={model} chooses the Python files alone. model={model} chooses the "
            "YAML files of that name too."
        ]


def read(
    tree: dict[str, Any], library: Library | None, recorded: bool, typed: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]] | None:
    """A configuration in the form of this library, and what is to be said of it; None where it has that form already.

    One that this program has composed or written has the key MODELS_DIR; any other is that of a TensorFlow library, or of
    a run of it.

    Args:
        tree: resolved.
        library: the folder behind `--from`.
        recorded: whether it stands in a run folder.
        typed: key -> value of the command line.

    Raises:
        ConfigError: where a Variables.py fails, or the model folder is not there.
    """
    ours = "MODELS_DIR" in tree
    if library is not None and ours and not recorded:
        raise ConfigError("--from names the folder of the models too: leave out MODELS_DIR.")
    if ours and recorded:
        return None if library is None else ({**tree, "MODELS_DIR": str(library.folder)}, [])
    name, models_dir = str(tree.get("MODEL_NAME")), tree.get("MODELS_DIR") if library is None else str(library.folder)
    if library is not None and name not in library.models:
        raise ConfigError(
            library.unknown(f"MODEL_NAME = {name!r}: there is no folder {name}/ with an Equations.py", name)
        )
    folder = shipped.find_model(name, models_dir)
    made_in_python = folder is not None and variables.has_variables(folder)
    if ours:
        if folder is None or not made_in_python:
            return None
        tree = dict(tree)
        return tree, _add_variables(tree, folder, typed)
    if folder is None and not _has_states(tree):
        raise ConfigError(
            f"MODEL_NAME = {name!r}: there is no folder {name}/ with an Equations.py among the shipped models. Give --from "
            "<folder of the TensorFlow library>, or MODELS_DIR=<folder with your models>."
        )
    translation = Translation(tree, known_fields, typed)
    notes = _add_variables(translation.tree, folder, typed) if folder is not None and made_in_python else []
    own_net = folder is not None and (folder / "Net.py").is_file()
    if folder is not None and "net" not in translation.tree:
        if (folder / "Model.py").is_file():
            raise ConfigError(
                f"{name}/Model.py is not read: the network belongs to a file of the net group, or to Net.py, and there is none. "
                "docs/reference/tensorflow_model_files.md says how to rewrite it."
            )
        if own_net:  # which makes all layers
            translation.tree["net"] = {"layers": [{"output": {}}]}
    translation.tree.setdefault("optimizer", {})
    whole = translation.finish(own_net)
    for policy in _policies(whole):
        policy["activation"] = with_numbers(policy["activation"], whole["constants"])
    return {"written_for": "tensorflow", **whole, "MODELS_DIR": models_dir}, [*translation.notes, *notes]


def _policies(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Entries of policies that have an activation with a name."""
    group = tree.get("variables")
    entries = group.get("policies") if isinstance(group, dict) else None
    entries = entries if isinstance(entries, list) and isinstance(tree.get("constants"), dict) else []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("activation"), str)]


def _has_states(tree: Mapping[str, Any]) -> bool:
    group = tree.get("variables")
    return bool(tree.get("states") or (isinstance(group, dict) and group.get("states")))


def _add_variables(tree: dict[str, Any], folder: Path, typed: Mapping[str, str]) -> list[str]:
    """Puts what Variables.py makes into a configuration: its lists, constants that the YAML lacks, settings that nobody typed."""
    file = f"{folder.name}/{variables.FILE}"
    made = variables.read_variables(folder, str(tree.get("MODEL_NAME")), {**_RUN_DEFAULTS, **(tree.get("run") or {})})
    notes = []
    lists = tree["variables"] = dict(tree.get("variables") or {})
    full = [name for name in _LISTS if lists.get(name)]
    if full:
        notes.append(
            f"{file} counts: {', '.join(full)} of config/variables are not read. (Constants of the YAML count.)"
        )
    lists |= {name: [dict(entry) for entry in entries] for name, entries in made.lists.items()}
    for policy in lists["policies"]:
        if callable(policy.get("activation")):
            policy["activation"] = _name_of(policy["activation"], str(policy.get("name")))
    constants = tree["constants"] = dict(tree.get("constants") or {})
    inner = constants
    if isinstance(constants.get("constants"), dict | None) and "constants" in constants:
        inner = constants["constants"] = dict(constants["constants"] or {})
    for name, value in made.constants.items():
        if variables.is_plain(value):
            inner.setdefault(name, value)
    ignored = []
    settings = [(name, value) for name, value in made.config.items() if not isinstance(value, Mapping)]
    settings += [entry for value in made.config.values() if isinstance(value, Mapping) for entry in value.items()]
    for name, value in settings:
        group = next(
            (g for g in ("run", "optimizer") if name in known_fields(g)), "" if name in known_fields("") else None
        )
        if group is None:
            ignored.append(name)
        elif f"{group}.{name}".lstrip(".") not in typed:
            (tree.setdefault(group, {}) if group else tree)[name] = value
    if ignored:
        notes.append(f"{file}: of `config`, {', '.join(ignored)} are not read.")
    return notes


def _name_of(function: Any, policy: str) -> str:
    """The name of an activation that is given as a function; `Variables.<policy>` where no name gives the same numbers."""
    x = torch.linspace(-2.0, 2.0, 9)
    with contextlib.suppress(Exception):  # it may take another shape only
        values = torch.as_tensor(function(x))
        for name in _NAMED:
            if torch.equal(values, activation(name, "")(x)):
                return name
    return f"{OF_VARIABLES}{policy}"
