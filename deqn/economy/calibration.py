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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deqn.economy.files import describe, files_hash, mentioned, model_files, where
from deqn.economy.linker import Linker
from deqn.economy.reads import fingerprint, listen
from deqn.errors import CheckpointError, ModelError, text_constants

Calibration = dict[str, Any]

_READS = "what was read"  # no name of a constant


@dataclass(frozen=True)
class Calibrated:
    """What Calibration.py gave.

    Attributes:
        values: by name.
        reads: path -> fingerprint of the files that it has read besides those of the model; None where it is not to be kept.
        notes: what the user should know of it.
    """

    values: Calibration
    reads: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()


def calibrate(linker: Linker, constants: Mapping[str, Any]) -> Calibrated:
    """What `calibrate(constants)` of the model's Calibration.py gives, or gave before (`keep`); nothing without such a file.

    Raises:
        ModelError: when it fails, or gives something else than numbers and arrays of numbers.
    """
    if not linker.has("Calibration"):
        return Calibrated({})
    folder = linker.folder
    found = _load_kept(folder, constants)
    notes = []
    if found is not None:
        values, before = found
        changed = next((name for name, content in before.items() if fingerprint(name) != content), None)
        if changed is None:
            return Calibrated(values)
        how = "has changed" if os.path.exists(changed) else "is gone"
        notes.append(f"{folder.name}/Calibration.py was run anew: {changed} {how}.")
    with listen() as reads:
        values = _compute(linker, constants)
    reads.finish(known=model_files(folder), linked=linker.files)
    if reads.unknown:
        notes.append(
            f"{folder.name}/Calibration.py is run at every start, since {reads.unknown}: what it gives may change with what "
            "cannot be seen from here."
        )
    return Calibrated(values, None if reads.unknown else reads.files, tuple(notes))


def replaced(constants: Mapping[str, Any], calibration: Calibration) -> list[str]:
    """A remark on each constant whose name Calibration.py has given to another value, which is the one that counts."""
    return [
        f"Calibration.py replaces constants.{name} = {constants[name]}: Parameters.{name} is {_shown(value)}."
        for name, value in calibration.items()
        if name in constants and not np.array_equal(np.asarray(value), np.asarray(constants[name], dtype=object))
    ]


def _shown(value: Any) -> str:
    array = np.asarray(value)
    return f"{array.item():.6g}" if array.ndim == 0 else f"an array {[*array.shape]}"


def keep(calibrated: Calibrated, folder: Path, constants: Mapping[str, Any]) -> None:
    """Keeps a calibration beside the model's compiled files, in its `__pycache__`, for the next start.

    It is taken from there while the model's files, those that it has read, the constants and the versions stay as they are: a
    steady state costs more than all other preparations of a run. To be called for a model that has passed its probe.
    """
    if not calibrated.values or calibrated.reads is None or not os.access(folder, os.W_OK):
        return
    path = _kept(folder, constants)
    # the folder: a copy of it has data files of its own
    reads = np.array(json.dumps({"folder": str(folder.resolve()), "files": calibrated.reads}))
    with contextlib.suppress(OSError):  # computed anew at the next start
        path.parent.mkdir(exist_ok=True)
        save({**calibrated.values, _READS: reads}, path)


def _load_kept(folder: Path, constants: Mapping[str, Any]) -> tuple[Calibration, dict[str, str]] | None:
    """What `keep` has kept, and what was read for it; None where it is not there, damaged, of another folder, or without that."""
    try:
        values = load(_kept(folder, constants))
    except CheckpointError:
        return None
    if values is None or _READS not in values:
        return None
    reads = json.loads(str(values.pop(_READS)))
    if reads["files"] and reads["folder"] != str(folder.resolve()):
        return None
    return values, reads["files"]


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
        with torch.device("cpu"):  # many small operations, which a GPU is slow at; and the same digits on every device
            given = dict(module.calibrate(dict(constants)))
        named = {unicodedata.normalize("NFKC", name): value for name, value in given.items()}  # as Python reads names
        result = {n: v for n, v in named.items() if n not in constants or v is not constants[n]}  # {**constants, ...}
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{folder.name}/Calibration.py needs {error.name}, which is not installed: pip install {error.name}"
        ) from error
    except Exception as error:
        hints = " ".join(text_constants(describe(error), mentioned(constants, folder)))
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
