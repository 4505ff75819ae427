"""A folder of the user's where things stay that are found out once on a machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
from pathlib import Path

import torch


def cache_folder() -> Path:
    """DEQN_CACHE_DIR where it is set, else `deqn` in the user's cache folder: XDG_CACHE_HOME, or that of the system."""
    if os.environ.get("DEQN_CACHE_DIR"):
        return Path(os.environ["DEQN_CACHE_DIR"]).expanduser()
    system = {"darwin": "~/Library/Caches", "win32": os.environ.get("LOCALAPPDATA") or "~/AppData/Local"}
    return Path(os.environ.get("XDG_CACHE_HOME") or system.get(sys.platform, "~/.cache")).expanduser() / "deqn"


def machine() -> str:
    """The processor and this PyTorch: what is fast on one may be slow on another."""
    names = [platform.processor(), torch.backends.cpu.get_cpu_capability(), torch.__version__]
    with contextlib.suppress(OSError):  # Linux alone
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
        kept = ("vendor_id", "cpu family", "model", "stepping")
        names += [line.partition(":")[2].strip() for line in lines if line.startswith(kept)]
    return " ".join(names)


def keep_compiled() -> None:
    """Lets torch.compile keep its code in the user's cache: its own place is a temporary folder, which a reboot empties.

    A user's TORCHINDUCTOR_CACHE_DIR stays as it is. Code of one processor is not given to another.
    """
    folder = kept_file("compiled", "", "")
    with contextlib.suppress(OSError):  # PyTorch's own place remains
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def kept_file(kind: str, key: str, suffix: str) -> Path:
    """Where something of a key is kept: the name changes with the key and the machine."""
    return cache_folder() / f"{kind}-{hashlib.sha256(f'{key} {machine()}'.encode()).hexdigest()[:16]}{suffix}"


def keep(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all, unless it is there; nothing where the folder cannot be written."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # found out anew at the next start
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            if not path.exists():
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
