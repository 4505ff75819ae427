"""Runs the files of a model folder against the names of one Model.

Inside a model file, `import State`, `PolicyState`, `Definitions`, `Parameters` and `Globals` give the objects of *this*
Model; the other files of the folder are linked on demand; every other import is Python's own. The binding is lexical and
decided once, so that several models, or two calibrations of one, live in one process.

A model can build on another: `from krusell_smith.Equations import equations` runs that file for *this* Model. What such a
file imports by a bare name is first looked for in this model's folder, then in its own.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import sys
import types
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deqn.columns import Namespace
from deqn.errors import ModelError, count, suggestion

SHIPPED_MODELS = Path(__file__).resolve().parent.parent / "models"

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

    def has(self, file: str) -> bool:
        """Whether the folder has `<file>.py`."""
        return (self.folder / f"{file}.py").is_file()

    def link(self, file: str, folder: Path | None = None) -> types.ModuleType:
        """The module of `<file>.py`, run once; from another model's folder, if one is given.

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
            exec(compile(_source(path), str(path), "exec"), module.__dict__)
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
        head, _, rest = name.partition(".")
        other = None if level or head == self.folder.name else other_model(head, self.folder)
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

    def check(self, known: Mapping[str, Sequence[str]], hints: Mapping[str, str]) -> None:
        """Reads all files of the folder, without running them, and reports names that do not exist.

        Args:
            known: for `State`, `PolicyState`, `Definitions`, `Parameters`: the attributes that exist.
            hints: for each of them, words that say where its names come from.

        Raises:
            ModelError: with every problem found.
        """
        problems: list[str] = []
        for path in sorted(self.folder.glob("*.py")):
            if path.name != "Reference.py":  # independent of the core: sees none of these names
                problems += _check_file(path, f"{self.folder.name}/{path.name}", known, hints)
        if problems:
            raise ModelError(f"{count(len(problems), 'problem')} in {self.folder}", problems)


def other_model(name: str, folder: Path) -> Path | None:
    """The folder of another model, beside `folder` or among the shipped ones; None where there is none."""
    roots = (folder.parent, SHIPPED_MODELS)
    return next((root / name for root in roots if name and (root / name / "Equations.py").is_file()), None)


def model_files(folder: Path) -> list[Path]:
    """The Python files of a model folder, and of the model folders that they import from."""
    folders = [folder]
    for place in folders:  # grows while it is read
        for path in sorted(place.glob("*.py")):
            for head in _imported_packages(path):
                other = other_model(head, folder)
                if other is not None and other not in folders:
                    folders.append(other)
    return [path for place in folders for path in sorted(place.glob("*.py"))]


def _imported_packages(path: Path) -> set[str]:
    try:
        tree = ast.parse(_source(path))
    except (SyntaxError, ModelError):
        return set()  # reported where the file is linked
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {name.partition(".")[0] for name in names}


def is_model_file(path: Path, folder: Path) -> bool:
    """Whether a file lies in the model folder, or in that of another model."""
    return path.parent == folder or (path.parent / "Equations.py").is_file()


def where(error: BaseException, folder: Path) -> str:
    """'x/Equations.py:12' of the last frame of the traceback inside the model folder or one it imports from, or ''."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if is_model_file(path, folder):
            place = f"{path.parent.name}/{path.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def describe(error: BaseException) -> str:
    """Type and message in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: the file is not text in UTF-8 ({error.reason} at byte {error.start}).") from error


def _check_file(path: Path, label: str, known: Mapping[str, Sequence[str]], hints: Mapping[str, str]) -> list[str]:
    try:
        tree = ast.parse(_source(path), filename=str(path))
    except SyntaxError as error:
        return [f"{label}:{error.lineno}: {error.msg}."]
    aliases: dict[str, str] = {}  # name in this file -> State, Parameters, ...
    problems: list[tuple[int, str]] = []
    guarded: set[tuple[str, str]] = set()  # hasattr(Parameters, "x"), getattr(Parameters, "x", ...)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in known:
                    aliases[alias.asname or alias.name] = alias.name
                if alias.name.split(".")[0] in ("tensorflow", "keras"):
                    problems.append(
                        (node.lineno, f"{alias.name} is imported; this library runs on PyTorch: use torch.")
                    )
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in ("tensorflow", "keras"):
                problems.append((node.lineno, f"{node.module} is imported; this library runs on PyTorch: use torch."))
            elif node.module in known:
                for alias in node.names:
                    problems += _unknown(node.lineno, str(node.module), alias.name, known, hints)
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            match node.func, node.args[0], node.args[1]:
                case ast.Name(id="hasattr" | "getattr"), ast.Name(id=owner), ast.Constant(value=str(name)):
                    guarded.add((owner, name))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        owner = node.value.id
        if owner == "torch" and node.attr == "math":
            problems.append(
                (node.lineno, "torch.math is Python's math module: it takes one number and cuts the gradient. Write "
                 "torch.exp, torch.log, ... instead.")
            )  # fmt: skip
        elif owner in aliases and (owner, node.attr) not in guarded:
            problems += _unknown(node.lineno, aliases[owner], node.attr, known, hints)
    return [f"{label}:{line}: {text}" for line, text in sorted(problems)]


def _unknown(
    line: int, owner: str, name: str, known: Mapping[str, Sequence[str]], hints: Mapping[str, str]
) -> list[tuple[int, str]]:
    if name in known[owner] or name == "*" or name.startswith("__"):
        return []
    return [(line, f"{owner} has no {name!r}.{suggestion(name, known[owner])} {hints[owner]}".rstrip())]
