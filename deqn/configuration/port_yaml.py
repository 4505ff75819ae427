"""The YAML files of a model that was configured for the TensorFlow library, for this one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from deqn.configuration.compose import Composed
from deqn.configuration.yaml_files import GROUPS

_NOT_WRITTEN = ("MODEL_NAME", "MODELS_DIR", "written_for", "STARTING_POINT", "about")


def yaml_files(composed: Composed, config: Path, models: Path, name: str) -> tuple[dict[str, str], list[str]]:
    """The files, by their path in a `config/`, and what to say of them.

    A file whose keys mean the same here keeps its text; what the library has by default and this one has not is put behind it.

    Args:
        composed: the configuration, translated.
        config: the folder that it was read from.
        models: where the model folder will stand.
        name: of the model.
    """
    tree = OmegaConf.to_container(composed.tree, resolve=True)
    assert isinstance(tree, dict)
    choices = composed.hydra.runtime.choices
    files, remarks = {}, []
    for group in GROUPS:
        source = config / group / f"{choices.get(group)}.yaml"
        wanted = {str(key): value for key, value in (tree.get(group) or {}).items()}
        text = source.read_text(encoding="utf-8") if source.is_file() else ""
        kept = _kept(text, wanted)
        if kept is None:
            kept = dump(wanted)
            if any(line.lstrip().startswith("#") or " #" in line for line in text.splitlines()):
                remarks.append(f"config/{group}/{source.name} is written anew, without its comments.")
        files[f"{group}/{name}.yaml"] = kept
    top = {str(key): value for key, value in tree.items() if key not in (*GROUPS, *_NOT_WRITTEN)}
    lines = ["# @package _global_", "defaults:", *(f"  - override /{group}: {name}" for group in GROUPS), ""]
    place = yaml.safe_dump(str(models), width=1000, allow_unicode=True).removesuffix("...\n").strip()
    lines += [f"MODEL_NAME: {name}", f"MODELS_DIR: {place} # change it where the folder moves"]
    files[f"model/{name}.yaml"] = "\n".join(lines) + "\n" + dump(top)
    return files, remarks


def _kept(text: str, wanted: Mapping[str, Any]) -> str | None:
    """The text of a file, with what it lacks behind it; None where it says something else."""
    said = _read(text)
    if said is None:
        return None
    if [*said] == ["constants"]:  # config/constants/x.yaml may have its entries one level lower
        return text if said["constants"] == wanted else None
    more = dump({key: value for key, value in wanted.items() if key not in said})
    whole = (
        f"{text.rstrip()}\n# what the TensorFlow library does by itself, or Variables.py says\n{more}" if more else text
    )
    return whole if _read(whole) == wanted else None


def _read(text: str) -> dict[str, Any] | None:
    """What a file says; None where it cannot be read, for example since a key stands twice."""
    try:
        said = OmegaConf.to_container(OmegaConf.create(text), resolve=False) if text.strip() else {}
    except (yaml.YAMLError, ValueError):
        return None
    return {str(key): value for key, value in said.items()} if isinstance(said, dict) else None


def dump(values: Mapping[str, Any]) -> str:
    """As YAML: a line a key, short lists and entries on one line."""
    return "".join(
        yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=120,
                       default_flow_style=None if isinstance(value, dict | list) and value else False)
        for key, value in values.items()
    )  # fmt: skip
