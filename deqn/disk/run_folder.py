"""The folder of a run: who may write there, what stands there, what may be removed."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from deqn.configuration.schema import Config
from deqn.disk.checkpoint import Checkpoints
from deqn.economy import calibration
from deqn.errors import CheckpointError

EVENT_SUFFIX = ".deqn"  # marks TensorBoard files as ours
RUN_FILE = "run.json"
_LOCK_FILE = "run.lock"
_SECONDS_TO_SAY_WHO = 2.0
CALIBRATION = "calibration.npz"
# how a run is driven, not what it solves: may differ between the starts of one run
_DRIVING = {
    "about", "strict", "STARTING_POINT", "CHECKPOINT_INTERVAL", "MAX_TO_KEEP_NUMBER", "MODELS_DIR", "device",
    "enable_check_numerics",
    "N_simulated_batch_size", "N_simulated_episode_length", "DISABLE_SHOCKS", "error_filename",
    "on_nonfinite", "rollback_factor", "rollback_limit",
}  # fmt: skip
_DRIVING_RUN = {"N_episodes", "compile", "threads"}


class RunFolder:
    """One run folder, held by one process at a time.

    Args:
        path: the folder; made by `acquire`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock = FileLock(self.path / _LOCK_FILE, blocking=False)

    def acquire(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Makes the folder and takes it; the operating system gives it back when the process ends, however it ends.

        Args:
            prepare: what is done first, now that no other process changes what stands there; where it raises, the folder is
                given back, and removed if it is new and empty.

        Raises:
            CheckpointError: when another process uses it, or it cannot be written.
        """
        new = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            owner = self._owner()
            raise CheckpointError(
                f"{self.path} is in use by process {owner.get('pid', '?')} on {owner.get('host', '?')} (started "
                f"{owner.get('started', '?')}). Wait for it, or give another hydra.run.dir."
            ) from None
        except OSError as error:
            raise CheckpointError(
                f"{self.path} cannot be written: {error.strerror}. Give another hydra.run.dir."
            ) from error

        try:
            prepare()
        except BaseException:
            self.release()
            if new and not any(self.path.iterdir()):
                self.path.rmdir()
            raise

    def release(self) -> None:
        # first: afterwards it could be that of the next process; elsewhere it cannot while it is held
        if os.name == "posix":
            (self.path / _LOCK_FILE).unlink(missing_ok=True)
        self._lock.release()

    def _owner(self) -> dict[str, Any]:
        """`run.json` of the process that holds the folder, which writes it some milliseconds after it took it."""
        until = time.monotonic() + _SECONDS_TO_SAY_WHO
        while True:
            found = self.read()
            here = found.get("host") == socket.gethostname()
            if found.get("status") == "running" and (not here or _lives(found.get("pid"))):
                return found
            if time.monotonic() > until:
                return found
            time.sleep(0.01)

    def read(self) -> dict[str, Any]:
        """`run.json`, or nothing where there is none."""
        try:
            content = json.loads((self.path / RUN_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write(self, **values: Any) -> None:
        """Updates `run.json` (whole or not at all)."""
        temporary = self.path / f"{RUN_FILE}.tmp"
        try:
            temporary.write_text(json.dumps(self.read() | values, indent=1), encoding="utf-8")
            os.replace(temporary, self.path / RUN_FILE)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def refuse_to_start_over(self, config: Config, typed: bool) -> None:
        """What stands in the folder must not be lost by a start from NEW.

        A finished run is not started over with another configuration, nor with more episodes unless `STARTING_POINT=NEW` was
        typed; files with the names of ours that this program did not write are not touched.

        Raises:
            CheckpointError: with the keys that differ, or the files.
        """
        before = self.read()
        if not self._is_ours(before):
            names = [CALIBRATION, config.error_filename, RUN_FILE, "ckpt"]
            foreign = [name for name in names if (self.path / name).exists()]
            if foreign:
                raise CheckpointError(
                    f"{self.path} holds {', '.join(foreign)}, which this program did not write there and would overwrite. Give "
                    "another hydra.run.dir."
                )
            return
        differences = changes(before["configuration"], comparable(config))
        done = before.get("N_episodes", config.run.N_episodes)
        length = [f"run.N_episodes {done} -> {config.run.N_episodes}"] if config.run.N_episodes > done else []
        if before.get("status") == "finished" and (differences or (length and not typed)):
            raise CheckpointError(
                f"{self.path} holds a finished run with another configuration ({'; '.join([*differences, *length][:5])}). Give "
                "STARTING_POINT=LATEST to continue it, or another hydra.run.dir for a new run."
            )

    @staticmethod
    def _is_ours(content: Mapping[str, Any]) -> bool:
        return {"status", "configuration", "versions"} <= content.keys()

    @property
    def calibration_file(self) -> Path:
        """What Calibration.py gave for this run: a resumed run and post-processing use the same numbers."""
        return self.path / CALIBRATION

    def calibration(self, constants: Mapping[str, Any]) -> calibration.Calibration | None:
        """What the run was calibrated with; None where there is nothing, or its constants were others."""
        before = self.read().get("configuration", {}).get("constants")
        if before is not None and before != json.loads(json.dumps(dict(constants))):
            return None
        return calibration.load(self.calibration_file)

    def clear(self) -> None:
        """Removes what this program wrote in an earlier run: checkpoints, event files, error file, calibration."""
        before = self.read()
        if not self._is_ours(before):
            return
        Checkpoints(self.path).clear()
        ours = [
            self.path / before.get("error_filename", "error_file.txt"),
            self.path / CALIBRATION,
            *self.path.glob(f"events.out.tfevents.*{EVENT_SUFFIX}"),
        ]
        for path in ours:
            path.unlink(missing_ok=True)


def _lives(pid: Any) -> bool:
    """Whether a process of this machine runs; taken for granted where it cannot be asked."""
    if os.name != "posix" or not isinstance(pid, int):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # that of another user
        return True
    return True


def comparable(config: Config) -> dict[str, Any]:
    """The part of a configuration that makes two runs the same run."""
    tree = config.model_dump(exclude=_DRIVING)
    tree["run"] = {key: value for key, value in tree["run"].items() if key not in _DRIVING_RUN}
    return json.loads(json.dumps(tree))


def config_hash(config: Config) -> str:
    """Short hash of `comparable(config)`."""
    return hashlib.sha256(json.dumps(comparable(config), sort_keys=True).encode()).hexdigest()[:16]


def changes(before: Any, after: Any, path: str = "") -> list[str]:
    """'seed 1 -> 2' for every entry that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        lines = []
        for key in [*before, *(k for k in after if k not in before)]:
            lines += changes(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
        return lines
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            line for i, (b, a) in enumerate(zip(before, after, strict=True)) for line in changes(b, a, f"{path}[{i}]")
        ]
    return [] if before == after else [f"{path} {before} -> {after}"]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    packages = ("torch", "numpy", "hydra-core")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}


def git_revision(folder: Path) -> str | None:
    """Commit of the checkout and whether it has local changes, or None outside a checkout."""
    try:
        output = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return output.stdout.strip() or None


def provenance() -> dict[str, Any]:
    """Who runs what, where and since when."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": datetime.now().isoformat(sep=" ", timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": git_revision(Path(__file__).parent),
        "versions": versions(),
    }
