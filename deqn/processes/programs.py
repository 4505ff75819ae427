"""How one types a program of this environment: by its name where PATH leads to it, else by its path."""

from __future__ import annotations

import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path

_MODULES = {"tensorboard": "tensorboard.main", "torchrun": "torch.distributed.run", "deqn": "deqn"}


def to_type(line: str) -> str:
    """A command line that starts this environment's program and Python, whether or not the environment is activated."""
    first, *others = line.split(" ")
    return " ".join([_program(first), *(_program(word) if word == "python" else word for word in others)])


def _program(name: str) -> str:
    """A program of this environment: its name where PATH leads to it, else its path; another program's name as it is."""
    here = Path(sys.executable)
    for known in (name, here.name) if name == "python" else (name,):
        found = shutil.which(known)
        if found and here.parent.samefile(Path(found).parent) and (name != "python" or here.samefile(found)):
            return known
    own = sys.executable if name == "python" else shutil.which(name, path=str(here.parent))
    if own is None and name in _MODULES and shutil.which(name) is None:
        return f"{_program('python')} -m {_MODULES[name]}"
    return shlex.quote(from_here(Path(own))) if own else name


def from_here(path: Path) -> str:
    """A path as one types it in the working directory."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
