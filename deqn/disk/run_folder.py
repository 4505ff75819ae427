"""The folder of a run: who may write there, what stands there, what may be removed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from deqn.configuration.schema import Config
from deqn.disk.checkpoint import Checkpoints
from deqn.economy import calibration
from deqn.errors import CheckpointError

EVENT_SUFFIX = ".deqn"  # marks TensorBoard files as ours
RUN_FILE = "run.json"
MEASURED = "fresh_accuracy.csv"  # on fresh states, while it is trained
_LOCK_FILE = "run.lock"
_SOFT_LOCK_FILE = "run.lock.soft"  # on a file system without locks
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)
_SECONDS_TO_SAY_WHO = 2.0
CALIBRATION = "calibration.npz"
# how a run is driven, not what it solves: may differ between the starts of one run
_DRIVING = {
    "about", "strict", "STARTING_POINT", "CHECKPOINT_INTERVAL", "MAX_TO_KEEP_NUMBER", "MODELS_DIR", "device",
    "enable_check_numerics", "written_for",
    "N_simulated_batch_size", "N_simulated_episode_length", "DISABLE_SHOCKS", "error_filename",
    "on_nonfinite", "rollback_factor", "rollback_limit", "tracker",
}  # fmt: skip
_DRIVING_RUN = {"N_episodes", "accuracy", "compile", "threads", "hook_counts_from"}


class RunFolder:
    """One run folder, held by one process at a time.

    Args:
        path: the folder; made by `acquire`.

    Attributes:
        notes: what the user should know of the folder once it is taken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.notes: list[str] = []
        self._lock: BaseFileLock = FileLock(self.path / _LOCK_FILE, blocking=False)
        self._keep_record = False

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
            self._take()
        except Timeout as held:
            owner = self._owner()
            gone = f" If it is gone, remove {held.lock_file}." if isinstance(self._lock, SoftFileLock) else ""
            raise CheckpointError(
                f"{self.path} is in use by process {owner.get('pid', '?')} on {owner.get('host', '?')} (started "
                f"{owner.get('started', '?')}). Wait for it, or give another hydra.run.dir.{gone}"
            ) from None
        except OSError as error:
            raise self._not_written(error) from error

        try:
            prepare()
        except BaseException:
            self.release()
            if new and not any(self.path.iterdir()):
                self.path.rmdir()
            raise

    def _take(self) -> None:
        try:
            self._lock.acquire()
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            (self.path / _LOCK_FILE).unlink(missing_ok=True)
            # of another name: a second process that tries the first kind leaves it alone
            self._lock = SoftFileLock(self.path / _SOFT_LOCK_FILE, blocking=False)
            self._lock.acquire()
            self.notes.append(
                f"The file system of {self.path} has no locks ({error.strerror}). The file {_SOFT_LOCK_FILE} stands for one: "
                "remove it where a process on another machine was killed and left it."
            )

    def in_use(self) -> bool:
        """Whether another process holds the folder."""
        if not any((self.path / name).exists() for name in (_LOCK_FILE, _SOFT_LOCK_FILE)):
            return False
        try:
            self._take()
        except Timeout:
            return True
        self.release()
        return False

    def release(self) -> None:
        # first: afterwards it could be that of the next process; elsewhere it cannot while it is held
        if os.name == "posix" and not isinstance(self._lock, SoftFileLock):
            (self.path / _LOCK_FILE).unlink(missing_ok=True)
        self._lock.release()

    def _owner(self) -> dict[str, Any]:
        """`run.json` of the process that holds the folder, which writes it some milliseconds after it took it."""
        until = time.monotonic() + _SECONDS_TO_SAY_WHO
        while True:
            found = self.read()
            last = _starts(found)[-1:]
            if last and last[0]["ended"] == "running":
                found |= last[0] | {"status": "running"}
            here = found.get("host") == socket.gethostname()
            if found.get("status") == "running" and (not here or _lives(found.get("pid"))):
                return found
            if time.monotonic() > until:
                return found
            time.sleep(0.01)

    def _not_written(self, error: OSError) -> CheckpointError:
        return CheckpointError(f"{self.path} cannot be written: {error.strerror}. Give another hydra.run.dir.")

    @contextlib.contextmanager
    def there(self) -> Iterator[None]:
        """Inside, the folder is there; after an error it is gone again, unless something was written into it."""
        made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._not_written(error) from error
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                for path in made:
                    path.rmdir()
            raise

    def read(self) -> dict[str, Any]:
        """`run.json`, or nothing where there is none."""
        try:
            content = json.loads((self.path / RUN_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write(self, **values: Any) -> None:
        """Updates `run.json` (whole or not at all)."""
        self._write(self.read() | values)

    def begin(self, what: Mapping[str, Any], start: Mapping[str, Any], new: bool) -> bool:
        """Notes a start in `run.json`; what the run is stays as it was where nothing is left to train.

        Such a start ends a run only where all episodes of the run are done: it was killed after its last one.

        Args:
            what: what the run is: configuration, versions, ...
            start: how it is driven from here on, `from` which episode to its `goal`.
            new: whether another run begins in the folder.

        Returns:
            Whether the run's record is that of this start.
        """
        before = {} if new else self.read()
        idle = self._is_ours(before) and start["from"] >= start["goal"]
        all_done = start["from"] >= before.get("N_episodes", start["goal"])
        judged = before.get("status") == "finished" and "verdict" in before  # it may have been killed between the two
        self._keep_record = idle and (judged or not all_done)
        # the folder is held by this process: what has not ended was killed
        starts = [one | {"ended": "killed"} if one["ended"] == "running" else one for one in _starts(before)]
        starts.append({**start, "ended": "running"})
        if idle:
            status = "killed" if before["status"] == "running" else before["status"]
            self._write({**before, "status": status, "starts": starts})
            return False
        changed = changes(before["configuration"], what["configuration"]) if "configuration" in before else []
        if changed:
            starts[-1]["changed"] = changed
        # a run that goes on keeps its random numbers: its seed is that of its first start
        first: dict[str, Any] = {key: before[key] for key in ("seed", "versions", "git") if key in before}
        self._write({**before, **what, **first, "status": "running", "starts": starts})
        return True

    def end(self, status: str, episode: int, step: int, seconds: float, **values: Any) -> None:
        """Notes how a start ended; a run of which nothing was left to train stays as it was."""
        content = self.read()
        starts = content.get("starts", [])
        if starts:
            starts[-1] |= {"to": episode, "seconds": seconds, "ended": status}
            seconds = sum(one.get("seconds", 0.0) for one in starts if one.get("to", 0) > one["from"])
        if not self._keep_record:
            content |= {"status": status, "episode": episode, "step": step, "seconds": seconds, **values}
        self._write(content)

    def conclude(self, **results: Any) -> None:
        """Notes what was found after training, unless it is that of a run which had ended before this start."""
        if not self._keep_record:
            self.write(**results)

    def _write(self, content: Mapping[str, Any]) -> None:
        self.write_whole(RUN_FILE, json.dumps(content, indent=1))

    def write_whole(self, name: str, text: str) -> None:
        """Writes a file of the folder, whole or not at all."""
        temporary = self.path / f"{name}.tmp"
        try:
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, self.path / name)
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
            self.path / MEASURED,
            *self.path.glob(f"events.out.tfevents.*{EVENT_SUFFIX}"),
        ]
        for path in ours:
            path.unlink(missing_ok=True)


def _starts(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The starts of a run; one for a record of before they were listed."""
    if "starts" in record or "status" not in record:
        return list(record.get("starts", []))
    known = {key: record[key] for key in ("started", "command", "host", "pid", "seconds") if key in record}
    return [known | {"from": 0, "to": record.get("episode", 0), "ended": record["status"]}]


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
    for kind, variables in tree["variables"].items():
        tree["variables"][kind] = [{k: v for k, v in entry.items() if k != "about"} for entry in variables]
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
