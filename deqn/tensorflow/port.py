"""A model folder written for the TensorFlow library -> the files of one for this library, and what a person has to look at."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deqn.errors import ConfigError
from deqn.tensorflow.folder import linked
from deqn.tensorflow.port_file import Known, rewritten
from deqn.tensorflow.port_imports import read
from deqn.tensorflow.port_kinds import LIST, NUMBER, TENSOR, File, Kinds

VARIABLES = "Variables.py"


@dataclass
class Ported:
    """What `deqn port` writes.

    Attributes:
        files: path in the model folder -> content.
        remarks: what needs a person: 'dice/Hooks.py:12: ...'.
        rewritten: names of the files that have changed.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)


def port_folder(
    folder: Path,
    constants: Mapping[str, Any],
    drawn: Collection[str] | None,
    bounded: Collection[str] | None,
    keep_variables: bool,
) -> Ported:
    """The files of the folder on PyTorch. Nothing is run and nothing is written.

    Args:
        constants: `Parameters.<name>`, as far as they are known; an array is a tensor there.
        drawn: states, policies and definitions, whose histograms the run draws by itself; None where they are not known.
        bounded: definitions with bounds; None where they are not known.
        keep_variables: whether Variables.py stays.

    Raises:
        ConfigError: for a file that is no Python.
    """
    result = Ported()
    paths = {path.stem: path for path in linked(folder)}
    if keep_variables and (folder / VARIABLES).is_file():
        paths["Variables"] = folder / VARIABLES
    files = {name: _read(path, folder.name) for name, path in paths.items()}
    kinds = Kinds(files, {name: _kind(value) for name, value in constants.items()})
    known = Known(folder.name, [*constants], drawn, bounded)
    for name, path in sorted(paths.items()):
        text, remarks = rewritten(files[name], name, kinds, known)
        label = f"{path.parent.name}/{path.name}"
        result.files[f"{name}.py"] = text.encode()
        result.remarks += [f"{label}:{line}: {said}" for line, said in remarks]
        if text != files[name].tree.code:
            result.rewritten.append(path.name)
        if path.parent != folder:
            result.remarks.append(f"{label} lies beside the model folder; its copy is inside it.")
        result.remarks += _packages(files[name], folder, label)
    _others(folder, paths, keep_variables, result)
    return result


def _read(path: Path, model: str) -> File:
    try:
        text = path.read_bytes().decode("utf-8")
        ast.parse(text)
        return read(text, model)
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}: this is no Python: {error.msg}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: this is no text in UTF-8: {error}.") from error


def _kind(value: Any) -> str | None:
    if isinstance(value, bool | int | float):
        return NUMBER
    if isinstance(value, list):
        return LIST
    return TENSOR if hasattr(value, "ndim") else None


def _packages(file: File, folder: Path, label: str) -> list[str]:
    """Packages that lie beside the model folder, where only folders of that library find them."""
    heads = {module.partition(".")[0] for module in (*file.modules.values(), *(m for m, _ in file.taken.values()))}
    return [
        f"{label}: the package {head} lies beside the model folder. Copy it into the new one."
        for head in sorted(heads - {folder.name, ""})
        if (folder.parent / head).is_dir() and not (folder / head).is_dir()
    ]


def _others(folder: Path, paths: Mapping[str, Path], keep_variables: bool, result: Ported) -> None:
    """Files that are no part of the model's Python: copied, except for what is left over."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or any(part.startswith((".", "__pycache__")) for part in name.parts):
            continue
        if len(name.parts) == 1 and path.suffix == ".py":
            if path.name == "Model.py":
                result.remarks.append(
                    f"{folder.name}/Model.py is left out: see Model.py in docs/reference/tensorflow_model_files.md."
                )
            elif path.stem not in paths and (path.name != VARIABLES or keep_variables):
                result.remarks.append(f"{folder.name}/{path.name} is left out: no file of the model imports it.")
            continue
        if path.suffix == ".py" and b"tensorflow" in path.read_bytes():
            result.remarks.append(f"{folder.name}/{name} is copied as it is, and imports TensorFlow.")
        result.files[name.as_posix()] = path.read_bytes()
