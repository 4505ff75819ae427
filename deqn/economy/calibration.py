"""Derived constants of a model: computed by its Calibration.py, kept for the next start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deqn.economy.files import describe, files_hash, where
from deqn.economy.linker import Linker
from deqn.errors import CheckpointError, ModelError, text_constants

Calibration = dict[str, Any]


def calibrate(linker: Linker, constants: Mapping[str, Any]) -> Calibration:
    """What `calibrate(constants)` of the model's Calibration.py gives, or gave before (`keep`); nothing without such a file.

    Raises:
        ModelError: when it fails, or gives something else than numbers and arrays of numbers.
    """
    if not linker.has("Calibration"):
        return {}
    try:
        found = load(_kept(linker.folder, constants))
    except CheckpointError:
        found = None  # damaged: computed anew
    return _compute(linker, constants) if found is None else found


def keep(calibration: Calibration, folder: Path, constants: Mapping[str, Any]) -> None:
    """Keeps a calibration beside the model's compiled files, in its `__pycache__`, for the next start.

    It is taken from there while the model's files, the constants and the versions stay as they are: a steady state costs more
    than all other preparations of a run. To be called for a model that has passed its probe.
    """
    path = _kept(folder, constants)
    if not calibration or path.is_file() or not os.access(folder, os.W_OK):
        return
    with contextlib.suppress(OSError):  # computed anew at the next start
        path.parent.mkdir(exist_ok=True)
        save(calibration, path)


def _kept(folder: Path, constants: Mapping[str, Any]) -> Path:
    """Where a calibration is kept; the name changes with the model's files, the constants, Python and numpy."""
    content = json.dumps(constants, sort_keys=True, default=str)
    key = f"{files_hash(folder)} {content} {platform.python_version()} {np.__version__}"
    return folder / "__pycache__" / f"calibration-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def _compute(linker: Linker, constants: Mapping[str, Any]) -> Calibration:
    folder = linker.folder
    module = linker.link("Calibration")
    if not hasattr(module, "calibrate"):
        raise ModelError(f"{folder.name}/Calibration.py does not define calibrate(constants).")
    try:
        given = dict(module.calibrate(dict(constants)))
        result = {unicodedata.normalize("NFKC", name): value for name, value in given.items()}  # as Python reads names
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{folder.name}/Calibration.py needs {error.name}, which is not installed: pip install {error.name}"
        ) from error
    except Exception as error:
        hints = " ".join(text_constants(describe(error), constants))
        raise ModelError(f"{where(error, folder)}: calibrate() failed: {describe(error)}. {hints}".rstrip()) from error
    for name, value in result.items():
        if np.asarray(value).dtype.kind not in "biuf":
            raise ModelError(
                f"{folder.name}/Calibration.py: calibrate() returns {name!r} as {type(value).__name__}, expected a number or "
                "an array of numbers."
            )
    return result


def save(calibration: Calibration, path: Path) -> None:
    """Writes numbers and arrays as .npz, whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.npz")
    arrays: dict[str, Any] = {key: np.asarray(value) for key, value in calibration.items()}
    try:
        np.savez(temporary, **arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path) -> Calibration | None:
    """Reads what `save` wrote, or None where there is no such file.

    Raises:
        CheckpointError: when the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged: {error}. Remove it; it is computed anew.") from error
