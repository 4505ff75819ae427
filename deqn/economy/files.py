"""Which files make up a model, and which line of them an error comes from."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deqn import shipped
from deqn.errors import ConfigError, ModelError, suggestion


def model_folder(name: str, models_dir: str | None) -> Path:
    """The folder of a model: in `MODELS_DIR` if there is one, else among the shipped models.

    Raises:
        ConfigError: with the names that exist.
    """
    if models_dir and not Path(models_dir).is_dir():
        raise ConfigError(
            f"MODELS_DIR = {models_dir!r}: there is no such folder. Give MODELS_DIR=<folder with your models>, or change it in "
            "the file of config/model/ that sets it."
        )
    folder = shipped.find_model(name, models_dir)
    if folder is not None:
        return folder
    roots = shipped.model_folders(models_dir)
    known = sorted({path.parent.name for root in roots for path in root.glob("*/Equations.py")})
    below = next(iter(roots[0].glob(f"*/{name}/Equations.py")), None) if models_dir else None
    hint = f" There is {below}: give MODELS_DIR={below.parent.parent}." if below else suggestion(name, known)
    raise ConfigError(
        f"MODEL_NAME = {name!r}: no folder {name}/ with an Equations.py in {' or '.join(map(str, roots))}."
        f"{hint} Known: {', '.join(known)}."
    )


def other_model(name: str, folder: Path) -> Path | None:
    """The folder of another model, beside `folder` or among the shipped ones; None where there is none."""
    roots = (folder.parent, shipped.MODELS)
    return next((root / name for root in roots if name and (root / name / "Equations.py").is_file()), None)


def subfolder(name: str, *folders: Path) -> Path | None:
    """The subfolder with Python files that the first of some model folders has; None where none of them has it."""
    places = (folder / name for folder in folders if name.isidentifier())
    return next((place for place in places if place.is_dir() and any(place.glob("[!.]*.py"))), None)


def model_files(folder: Path) -> list[Path]:
    """The Python files of a model folder, and of the model folders that they import from."""
    folders = [folder]
    for place in folders:  # grows while it is read
        for path in sorted(place.glob("[!.]*.py")):
            for head in _imported_packages(path):
                other = other_model(head, folder)
                if other is not None and other not in folders:
                    folders.append(other)
    return [path for place in folders for path in sorted(place.glob("[!.]*.py"))]


def _imported_packages(path: Path) -> set[str]:
    try:
        tree = ast.parse(source(path))
    except (SyntaxError, ModelError):
        return set()  # reported where the file is linked
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {name.partition(".")[0] for name in names}


def mentioned(constants: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Those constants whose names stand in the Python files of a model."""
    texts = [path.read_text(encoding="utf-8", errors="ignore") for path in model_files(folder)]
    return {
        n: value for n, value in constants.items() if any(re.search(rf"\b{re.escape(n)}\b", text) for text in texts)
    }


def is_model_file(path: Path, folder: Path) -> bool:
    """Whether a file lies in the model folder or that of another model, or in a subfolder of one."""
    places = (path.parent, path.parent.parent)
    return any(place == folder or (place / "Equations.py").is_file() for place in places)


def where(error: BaseException, folder: Path) -> str:
    """'x/Equations.py:12' of the last frame of the traceback inside the model folder or one it imports from, or ''."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if is_model_file(path, folder):
            place = f"{path.parent.name}/{path.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def describe(error: BaseException) -> str:
    """Type and message in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def source(path: Path) -> str:
    """Text of a file.

    Raises:
        ModelError: when it is not in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: the file is not text in UTF-8 ({error.reason} at byte {error.start}).") from error


def files_hash(folder: Path) -> str:
    """Short hash of the Python files of a model (`model_files`): tells whether they changed since the run."""
    digest = hashlib.sha256()
    for path in model_files(folder):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
