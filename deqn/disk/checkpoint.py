"""Checkpoints: written whole or not at all, read only when they fit."""

from __future__ import annotations

import errno
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deqn.errors import CheckpointError, suggestion

FORMAT = 1
# what a checkpoint and its header must hold
PAYLOAD: dict[str, type | tuple[type, ...]] = {
    "policy": dict,
    "optimizer": dict,
    "schedule": (dict, type(None)),
    "learning_rate": (float, int),
    "rng": Tensor,
    "torch_rng": Tensor,
    "cuda_rng": list,
    "starting_state": Tensor,
    "episode": int,
    "step": int,
}
HEADER: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "states": list,
    "policies": list,
    "network": str,
    "dtype": str,
    "optimizer": str,
    "configuration": str,
    "model_files": str,
}
_FOLDER = 0x10  # in a zip entry's attributes; PyTorch reads nothing of such an entry and leaves its tensor unfilled
BEST = "ckpt-best"  # of the network that was most accurate on fresh states
_NAME = re.compile(r"ckpt-(\d+)\.pt")


class Checkpoints:
    """The checkpoints of one run folder: `<folder>/ckpt/ckpt-<episode>.pt`.

    Args:
        folder: the run folder.
        keep: number of newest checkpoints kept.
        required: entries without which a file is no checkpoint of a run, and their types.
    """

    def __init__(
        self, folder: Path, keep: int = 10, required: Mapping[str, type | tuple[type, ...]] | None = None
    ) -> None:  # fmt: skip
        self.folder = folder / "ckpt"
        self.keep = keep
        self.required = required or {}

    def names(self) -> list[str]:
        """Names in the order of episodes, `['ckpt-1', 'ckpt-2']`."""
        found = (_NAME.fullmatch(path.name) for path in self.folder.glob("ckpt-*.pt"))
        return [f"ckpt-{episode}" for episode in sorted(int(match[1]) for match in found if match)]

    def best_episode(self) -> int | None:
        """Of which episode the best network is, where one is kept and whole."""
        try:
            return int(self._read(BEST)["episode"]) if self.path(BEST).is_file() else None
        except CheckpointError:
            return None

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.pt"

    def save(self, payload: Mapping[str, Any], episode: int, name: str = "") -> Path:
        """Writes a checkpoint under a temporary name, flushes it to the disk and renames it; then removes old ones.

        Args:
            name: `BEST`; else `ckpt-<episode>`.

        Raises:
            OSError: when it cannot be written; earlier checkpoints are untouched.
            CheckpointError: when a number in it is not finite.
        """
        bad = not_finite(payload)
        if bad:
            raise CheckpointError(f"{bad} is not finite: such a checkpoint is never written.")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(name or f"ckpt-{episode}")
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                torch.save(dict(payload), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _flush_names(self.folder)
        except RuntimeError as error:  # torch's zip writer turns a full disk into this
            temporary.unlink(missing_ok=True)
            raise OSError(str(error).splitlines()[0]) from error
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        for old in self.names()[: -self.keep]:
            if not self.path(old).is_dir():
                self.path(old).unlink(missing_ok=True)
        return path

    def set_aside(self, episode: int) -> list[str]:
        """Renames checkpoints of episodes after `episode` to `<name>.pt.old`: training goes on from an earlier one, and
        LATEST must not return to the path that was left, or to a damaged file. Removes what a killed process left half written.

        Returns:
            their names.
        """
        for path in self.folder.glob("ckpt-*.tmp"):
            if not path.is_dir():
                path.unlink(missing_ok=True)
        later = [name for name in self.names() if int(name.removeprefix("ckpt-")) > episode]
        best = self.best_episode()
        if best is not None and best > episode:
            later.append(BEST)
        for name in later:
            aside = self.path(name).with_suffix(".pt.old")
            while aside.is_dir():  # something of another program: it stays
                aside = aside.with_name(f"{aside.name}.old")
            os.replace(self.path(name), aside)
        return later

    def clear(self) -> None:
        """Removes the checkpoints of this folder, and nothing else."""
        left = [path for pattern in ("ckpt-*.tmp", "ckpt-*.pt.old") for path in self.folder.glob(pattern)]
        for path in [*map(self.path, [*self.names(), BEST]), *left]:
            if not path.is_dir():  # a folder of that name is not ours
                path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def load(
        self,
        starting_point: str,
        fits: Callable[[dict[str, Any], str], None] = lambda payload, name: None,
    ) -> tuple[dict[str, Any], str, list[str]]:
        """The payload of `LATEST` or of a named checkpoint, on the CPU.

        `LATEST` falls back to the newest whole checkpoint that fits; a named one must be whole and fit.

        Args:
            fits: raises a CheckpointError for a payload and its name that this run cannot use.

        Returns:
            payload, name, and warnings about damaged checkpoints that were passed over.

        Raises:
            CheckpointError: when there is none, or the named one is damaged.
        """
        names = self.names()
        if starting_point != "LATEST":
            name = Path(starting_point).name.removesuffix(".pt")
            place = Path(starting_point).parent
            if place != Path(".") and place.resolve() not in (self.folder.resolve(), self.folder.parent.resolve()):
                raise CheckpointError(
                    f"STARTING_POINT={starting_point} is not in this run folder ({self.folder.parent}). Copy the checkpoint "
                    f"into {self.folder}, or give hydra.run.dir=<its run folder>."
                )
            if name not in names and not (name == BEST and self.path(name).is_file()):
                listed = f"It has: {', '.join(names)}." if names else "It has none."
                nearest = suggestion(name, [*names, "NEW", "LATEST"])
                raise CheckpointError(
                    f"STARTING_POINT={starting_point}: no such checkpoint in {self.folder}.{nearest} {listed}"
                )
            payload = self._read(name)
            fits(payload, name)
            return payload, name, []
        if not names:
            raise CheckpointError(
                f"STARTING_POINT=LATEST: no checkpoint in {self.folder}. Start a new run with STARTING_POINT=NEW, or give "
                "hydra.run.dir=<folder of the run to continue>."
            )
        warnings: list[str] = []
        misfit: CheckpointError | None = None
        for name in reversed(names):
            try:
                payload = self._read(name)
            except CheckpointError as error:
                warnings.append(f"{error} Falling back to the one before it.")
                continue
            try:
                fits(payload, name)
            except CheckpointError as error:
                misfit = misfit or error
                warnings.append(f"{error} Falling back to the one before it.")
                continue
            return payload, name, warnings
        if misfit is not None:
            raise misfit
        raise CheckpointError(
            f"STARTING_POINT=LATEST: every checkpoint in {self.folder} is damaged. {warnings[0]} "
            "Start a new run with STARTING_POINT=NEW."
        )

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path(name)
        foreign = f"{path} is not a checkpoint of this program"
        if not path.is_file():
            raise CheckpointError(f"{foreign}: it is a folder.")
        if path.stat().st_size == 0:
            raise CheckpointError(f"{path} is damaged: the file is empty.")
        try:
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()  # the CRC-32 of every entry
                if any(entry.external_attr & _FOLDER for entry in archive.infolist()):
                    raise zipfile.BadZipFile("an entry is marked as a folder")
            payload = None if bad is not None else torch.load(path, map_location="cpu", weights_only=True)
        except zipfile.BadZipFile as error:
            raise CheckpointError(f"{path} is damaged: {error}.") from error
        except pickle.UnpicklingError as error:  # weights_only refuses what is not tensors and plain values
            raise CheckpointError(f"{foreign}: it holds objects, which are never loaded.") from error
        except Exception as error:
            raise CheckpointError(
                f"{path} is damaged: {str(error).splitlines()[0] if str(error) else error!r}"
            ) from error
        if bad is not None:
            raise CheckpointError(f"{path} is damaged: the checksum of {bad} is wrong.")
        if not isinstance(payload, dict) or not isinstance(payload.get("header"), dict):
            raise CheckpointError(f"{foreign}: it has no header.")
        if payload["header"].get("format") != FORMAT:
            raise CheckpointError(f"{path} has format {payload['header'].get('format')}; this program reads {FORMAT}.")
        kinds = [(payload, self.required), (payload["header"], HEADER if self.required else {})]
        wrong = [
            key for part, expected in kinds for key, kind in expected.items() if not isinstance(part.get(key), kind)
        ]
        if self.required and not isinstance(payload.get("others", []), list):
            wrong.append("others")
        if wrong:
            raise CheckpointError(f"{foreign}: {', '.join(wrong)} missing or of another kind.")
        not_a_number = not_finite(payload)
        if not_a_number:
            raise CheckpointError(f"{path} is damaged: {not_a_number} is not finite.")
        return payload


def _flush_names(folder: Path) -> None:
    """Makes the disk know a new name before an older file is removed, where the system can do that for a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems; the file itself is whole
            raise
    finally:
        os.close(descriptor)


def describe(header: Mapping[str, Any]) -> str:
    """'model bm1972, states (K_t), policies (s_t), network 1x50x50x1, float32'."""
    states, policies = (", ".join(_with_shape(entry) for entry in header[kind]) for kind in ("states", "policies"))
    return (
        f"model {header['model']}, states ({states}), policies ({policies}), network {header['network']}, "
        f"{header['optimizer']}, {header['dtype']}"
    )


def _with_shape(entry: Mapping[str, Any]) -> str:
    return entry["name"] + (str(entry["shape"]).replace(" ", "") if entry["shape"] else "")


def check_fit(found: Mapping[str, Any], expected: Mapping[str, Any], name: str, run_dir: Path) -> None:
    """Refuses a checkpoint of another model or network.

    Raises:
        CheckpointError: with both descriptions.
    """
    keys = ("model", "states", "policies", "network", "optimizer", "dtype")
    if any(found[key] != expected[key] for key in keys):
        raise CheckpointError(
            f"{name} was trained with {describe(found)};\n  this run has {describe(expected)}.\n  Start NEW, or use the "
            f"run's own configuration: USE_CONFIG_FROM_RUN_DIR={run_dir}"
        )


def not_finite(tree: Any, path: str = "") -> str:
    """Path of the first floating-point entry that is not finite, or ''."""
    if isinstance(tree, Tensor):
        return path if tree.is_floating_point() and not bool(torch.isfinite(tree).all()) else ""
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, (list, tuple)) else ()
    return next((bad for key, value in items if (bad := not_finite(value, f"{path}.{key}" if path else str(key)))), "")


def snapshot(tree: Any) -> Any:
    """A copy of nested dictionaries and lists with every tensor cloned, so that later steps do not change it."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, Mapping):
        return {key: snapshot(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(snapshot(value) for value in tree)
    return tree


def load_policy(network: torch.nn.Module, payload: Mapping[str, Any], name: str, run_dir: Path) -> None:
    """Fills a network from a checkpoint.

    Raises:
        CheckpointError: when it is that of another network.
    """
    try:
        network.load_state_dict(payload["policy"])
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{name} in {run_dir} has {describe(payload['header'])}, which is not the network of this configuration."
        ) from error
