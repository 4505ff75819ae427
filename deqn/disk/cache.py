"""Where the code of torch.compile stays for later starts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import sys
from pathlib import Path

import torch

_TRIAL = "cpp.vec_isa_ok"  # a setting of PyTorch: whether the C++ compiler takes the processor's vector instructions


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

    A user's TORCHINDUCTOR_CACHE_DIR stays as it is. Where the folder cannot be written, PyTorch's own place remains. What
    `keep_trial` has written there is not tried again.
    """
    folder = cache_folder() / f"compiled-{hashlib.sha256(machine().encode()).hexdigest()[:16]}"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
    from torch._inductor import config  # looks for the folder while it is imported

    if _TRIAL not in config._cache_config_ignore_prefix:
        config._cache_config_ignore_prefix.append(_TRIAL)  # the code is the same with and without
    if config.cpp.vec_isa_ok is None and _note().exists():
        config.cpp.vec_isa_ok = True


def keep_trial() -> None:
    """After compiling: leaves a note beside the code where the C++ compiler takes all instructions that the processor has.

    PyTorch tries them in every start, in processes of their own, which cost as much as reading the code itself.
    """
    found = sys.modules.get("torch._inductor.cpu_vec_isa")  # not imported where nothing was compiled
    if found is None or _note().exists():
        return
    has = found.x86_isa_checker()
    possible = [isa for isa in found.supported_vec_isa_list if all(flag in has for flag in str(isa).split())]
    if possible and found.valid_vec_isa_list() == possible:
        with contextlib.suppress(OSError):
            _note().touch()


def _note() -> Path:
    """Where `keep_trial` writes, by processor and compiler; a folder of the user's may be shared by several machines."""
    compiler = shutil.which(os.environ.get("CXX", "g++")) or ""
    name = hashlib.sha256(f"{machine()} {Path(compiler).resolve()}".encode()).hexdigest()[:16]
    return Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or os.devnull) / f"deqn-all-instructions-{name}"
