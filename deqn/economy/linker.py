"""Runs the files of a model folder against the names of one Model.

Files and names are those of the TensorFlow DEQN library of Scheidegger and co-authors.

Inside a model file, `import State`, `PolicyState`, `Definitions`, `Parameters` and `Globals` give the objects of *this*
Model; the other files of the folder are linked on demand; every other import is Python's own. The binding is lexical and
decided once, so that several models, or two calibrations of one, live in one process.

A model can build on another: `from krusell_smith.Equations import equations` runs that file for *this* Model. What such a
file imports by a bare name is first looked for in this model's folder, then in its own. What this model's file defines anew is
what the functions that it has taken from there use (`deqn/economy/anew.py`).

`import tensorflow as tf` gives names on PyTorch (`deqn/tensorflow`). In a folder written for the TensorFlow library, modules that
lie beside the folder can be imported as there, and NumPy has the names that it has dropped since.

A subfolder of a model folder holds ordinary Python, a reference solution for example: `from reference import Household`. Its
files see no names of the Model, and are neither checked nor counted among the files of the model.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import itertools
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deqn.economy.anew import put_anew
from deqn.economy.columns import Namespace
from deqn.economy.files import describe, other_model, source, subfolder, where
from deqn.errors import ModelError, suggestion

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
        for_tensorflow: whether the folder is written for the TensorFlow library.
        definitions: is given each Definitions.py that is linked, before others see it.

    Attributes:
        all_nodes: whether a step is being taken to all shock nodes at once.
        anew: files of other models in which names are this model's, with these names.
    """

    def __init__(
        self,
        folder: Path,
        names: Mapping[str, Any],
        for_tensorflow: bool = False,
        definitions: Callable[[types.ModuleType], None] = lambda module: None,
    ) -> None:
        self.folder = folder
        self._definitions = definitions
        self.names = dict(names)
        self.for_tensorflow = for_tensorflow
        self.all_nodes: Callable[[], bool] = lambda: False
        self.anew: list[str] = []
        self._running = 0  # files that are being run for the first time
        self._settled = False
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
            raise ModelError(
                f"{folder}: {file}.py is missing. A model folder needs it; see docs/tutorials/writing_a_model.md."
            )
        module = types.ModuleType(f"{self._prefix}_{folder.name}.{file}")
        module.__file__ = str(path)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": partial(self._import, folder)}
        self._modules[path] = module
        sys.modules[module.__name__] = module  # Dynamo looks modules up by name
        self._running += 1
        try:
            exec(self._compiled(path), module.__dict__)
            if file == "Definitions":
                self._definitions(module)
            self._put_anew(folder, module)
        except ModelError:
            self._forget(path)
            raise
        except (Exception, SystemExit) as error:
            self._forget(path)
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            advice = self._instead_of(missing, folder) if missing else ""
            raise ModelError(f"{where(error, self.folder) or path}: {describe(error)}{advice}") from error
        finally:
            self._running -= 1
        return module

    def _put_anew(self, folder: Path, module: types.ModuleType) -> None:
        if self.for_tensorflow or _is_plain(folder):  # there, Python's rule holds
            return
        here = (folder, self.folder)  # what the base finds in the folder of the model stays as it is
        elsewhere = [m for p, m in self._modules.items() if p.parent not in here and not _is_plain(p.parent)]
        if elsewhere:
            self.anew += put_anew(module, elsewhere, self._compiled)

    def _compiled(self, path: Path) -> types.CodeType:
        if not self.for_tensorflow:
            return compile(source(path), str(path), "exec")
        from deqn.tensorflow.methods import compiled  # not for other folders

        return compiled(source(path), path)

    def _instead_of(self, missing: str, folder: Path) -> str:
        """What to do about a module that was not found: a file of nearly that name, or a package to install."""
        places = [folder, folder.parent] if self.for_tensorflow else [folder]
        near = suggestion(missing, [path.stem for place in places for path in place.glob("[!.]*.py")])
        beside = f", or is a file {missing}.py missing beside the model folder" if self.for_tensorflow else ""
        return (near and f".{near}") or f". Is it installed{beside}? pip install {missing.partition('.')[0]}"

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
        if head in ("tensorflow", "keras", "importlib", "numpy") and not level:
            foreign = self._foreign(home, name, fromlist)
            if foreign is not None:
                return foreign
        other = None if level or head == self.folder.name else other_model(head, self.folder)
        beside = [self.folder.parent] if self.for_tensorflow else []
        other = other or (None if level else subfolder(head, self.folder, home, *beside))
        if (
            level or other or head == self.folder.name
        ):  # from . import Dynamics; import bm1972.Dynamics; from bm1972 import Dynamics
            inner = name if level else rest
            own = self._own if self.for_tensorflow else self._resolve
            resolve = partial(own, home) if other is None else partial(self._link_from, other)
            plain = (other or self.folder) / inner
            if inner and fromlist and plain.is_dir() and _is_plain(plain):  # from rbc_labor.reference import Reference
                return Namespace(inner, {entry: self.link(entry, plain) for entry in fromlist})
            if inner and fromlist:
                return resolve(inner)
            wanted = [inner] if inner else list(fromlist or ())
            return Namespace(head, {entry: resolve(entry) for entry in wanted})
        if head in self.names or self.has(head) or (home / f"{head}.py").is_file():
            return self._resolve(home, head)
        if self.for_tensorflow and (self.folder.parent / f"{name}.py").is_file():
            return self.link(name, self.folder.parent)
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _foreign(self, home: Path, name: str, fromlist: Sequence[str] | None) -> Any:
        """What is not Python's own although it has such a name; None where it is."""
        head = name.partition(".")[0]
        if head in ("tensorflow", "keras"):
            from deqn.tensorflow.names import imported

            return imported(self._tensorflow, name, fromlist)
        if head == "importlib" and (name == "importlib" or not fromlist):
            builtins.__import__(name)
            module = types.ModuleType("importlib")
            module.__dict__.update(vars(importlib))
            module.__dict__["import_module"] = partial(self._import_module, home)
            return module
        if head == "numpy" and self.for_tensorflow and (name == "numpy" or not fromlist):
            from deqn.tensorflow.names import old_numpy

            builtins.__import__(name)
            return old_numpy()
        return None

    @functools.cached_property
    def _tensorflow(self) -> Any:
        from deqn.tensorflow.names import build

        return build(self.names.get("Parameters"), self._is_linking, lambda: self.all_nodes())

    def _is_linking(self) -> bool:
        return self._running > 0 and not self._settled

    def settle(self) -> None:
        """The model is linked; files that are linked later, by a function, add nothing to what a checkpoint holds."""
        self._settled = True

    def _import_module(self, home: Path, name: str, package: str | None = None) -> Any:
        """`importlib.import_module`, which finds what `import` finds."""
        if package is not None:
            return importlib.import_module(name, package)
        return self._import(home, name, fromlist=("*",))

    def _resolve(self, home: Path, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        return self.link(name, self.folder if self.has(name) else home)

    def _own(self, home: Path, name: str) -> Any:
        """As in the TensorFlow library: by the model's name one gets the file itself, whose functions have no bounds."""
        return self.link(name) if self.has(name) else self._resolve(home, name)

    def _link_from(self, other: Path, file: str) -> types.ModuleType:
        """A file of another model's folder, or `subfolder.file` there."""
        inner, _, rest = file.partition(".")
        return self.link(rest, other / inner) if rest else self.link(file, other)


def _is_plain(folder: Path) -> bool:
    """Whether a folder is the subfolder of a model: its files import each other and Python's own, nothing of the Model."""
    return not (folder / "Equations.py").is_file() and (folder.parent / "Equations.py").is_file()
