"""Where the code of torch.compile stays for later starts."""

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
    """The processor and this PyTorch: code of one must not be given to another."""
    names = [platform.processor(), torch.backends.cpu.get_cpu_capability(), torch.__version__]
    with contextlib.suppress(OSError):  # Linux alone
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
        kept = ("vendor_id", "cpu family", "model", "stepping")
        names += [line.partition(":")[2].strip() for line in lines if line.startswith(kept)]
    return " ".join(names)


def keep_compiled() -> None:
    """Lets torch.compile keep its code in the user's cache: its own place is a temporary folder, which a reboot empties.

    A user's TORCHINDUCTOR_CACHE_DIR stays as it is. Where the folder cannot be written, PyTorch's own place remains.
    """
    folder = cache_folder() / f"compiled-{hashlib.sha256(machine().encode()).hexdigest()[:16]}"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
