"""Runs the files of a model folder against the names of one Model.

Files and names are those of the TensorFlow DEQN library of Scheidegger and co-authors.

Inside a model file, `import State`, `PolicyState`, `Definitions`, `Parameters` and `Globals` give the objects of *this*
Model; the other files of the folder are linked on demand; every other import is Python's own. The binding is lexical and
decided once, so that several models, or two calibrations of one, live in one process.

A model can build on another: `from krusell_smith.Equations import equations` runs that file for *this* Model. What such a
file imports by a bare name is first looked for in this model's folder, then in its own.

A subfolder of a model folder holds ordinary Python, a reference solution for example: `from reference import Household`. Its
files see no names of the Model, and are neither checked nor counted among the files of the model.
"""

from __future__ import annotations

import builtins
import itertools
import sys
import types
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deqn.economy.columns import Namespace
from deqn.economy.files import describe, other_model, source, subfolder, where
from deqn.errors import ModelError

# what model files imported before the package had rooms
_MOVED = {
    "deqn.figures": "deqn.analysis.figures",
    "deqn.histogram": "deqn.numerics.histogram",
    "deqn.network": "deqn.economy.network",
}

_serial = itertools.count()


class Linker:
    """Links the files of one model folder.

    Args:
        folder: the model folder.
        names: `State`, `PolicyState`, `Definitions`, `Parameters`, `Globals` of the Model.
    """

    def __init__(self, folder: Path, names: Mapping[str, Any]) -> None:
        self.folder = folder
        self.names = dict(names)
        self._prefix = f"_deqn_{next(_serial)}"
        self._modules: dict[Path, types.ModuleType] = {}

    @property
    def files(self) -> list[Path]:
        """The files that have been linked."""
        return list(self._modules)

    def has(self, file: str) -> bool:
        """Whether the folder has `<file>.py`."""
        return (self.folder / f"{file}.py").is_file()

    def link(self, file: str, folder: Path | None = None) -> types.ModuleType:
        """The module of `<file>.py`, run once; from another model's folder or a subfolder, if one is given.

        Raises:
            ModelError: when the file is missing, does not compile, or fails while it is run.
        """
        folder = folder or self.folder
        path = folder / f"{file}.py"
        if path in self._modules:
            return self._modules[path]
        if not path.is_file():
            raise ModelError(f"{folder}: {file}.py is missing. A model folder needs it; see docs/writing_a_model.md.")
        module = types.ModuleType(f"{self._prefix}_{folder.name}.{file}")
        module.__file__ = str(path)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": partial(self._import, folder)}
        self._modules[path] = module
        sys.modules[module.__name__] = module  # Dynamo looks modules up by name
        try:
            exec(compile(source(path), str(path), "exec"), module.__dict__)
        except ModelError:
            self._forget(path)
            raise
        except (Exception, SystemExit) as error:
            self._forget(path)
            raise ModelError(f"{where(error, self.folder) or path}: {describe(error)}") from error
        return module

    def _forget(self, path: Path) -> None:
        module = self._modules.pop(path)
        sys.modules.pop(module.__name__, None)

    def _import(
        self,
        home: Path,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """`__import__` of the files in the model folder `home`."""
        name = _MOVED.get(name, name)
        head, _, rest = name.partition(".")
        if _is_plain(home):
            if (home / f"{head}.py").is_file():
                return self.link(head, home)
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        other = None if level or head == self.folder.name else other_model(head, self.folder)
        other = other or (None if level else subfolder(head, self.folder, home))
        if (
            level or other or head == self.folder.name
        ):  # from . import Dynamics; import bm1972.Dynamics; from bm1972 import Dynamics
            inner = name if level else rest
            resolve = partial(self._resolve, home) if other is None else partial(self._link_from, other)
            if inner and fromlist:
                return resolve(inner)
            wanted = [inner] if inner else list(fromlist or ())
            return Namespace(head, {entry: resolve(entry) for entry in wanted})
        if head in self.names or self.has(head) or (home / f"{head}.py").is_file():
            return self._resolve(home, head)
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _resolve(self, home: Path, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        return self.link(name, self.folder if self.has(name) else home)

    def _link_from(self, other: Path, file: str) -> types.ModuleType:
        return self.link(file, other)


def _is_plain(folder: Path) -> bool:
    """Whether a folder is the subfolder of a model: its files import each other and Python's own, nothing of the Model."""
    return not (folder / "Equations.py").is_file() and (folder.parent / "Equations.py").is_file()
