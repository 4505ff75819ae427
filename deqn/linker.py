"""Runs the files of a model folder against the names of one Model.

Inside a model file, `import State`, `PolicyState`, `Definitions`, `Parameters` and `Globals` give the objects of *this*
Model; the other files of the folder are linked on demand; every other import is Python's own. The binding is lexical and
decided once, so that several models, or two calibrations of one, live in one process.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deqn.columns import Namespace
from deqn.errors import ModelError, count, suggestion

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
        self._prefix = f"_deqn_{next(_serial)}_{folder.name}"
        self._modules: dict[str, types.ModuleType] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}

    def has(self, file: str) -> bool:
        """Whether the folder has `<file>.py`."""
        return (self.folder / f"{file}.py").is_file()

    def link(self, file: str) -> types.ModuleType:
        """The module of `<file>.py`, run once.

        Raises:
            ModelError: when the file is missing, does not compile, or fails while it is run.
        """
        if file in self._modules:
            return self._modules[file]
        path = self.folder / f"{file}.py"
        if not path.is_file():
            raise ModelError(
                f"{self.folder}: {file}.py is missing. A model folder needs it; see docs/writing_a_model.md."
            )
        module = types.ModuleType(f"{self._prefix}.{file}")
        module.__file__ = str(path)
        module.__dict__["__builtins__"] = self._builtins
        self._modules[file] = module
        sys.modules[module.__name__] = module  # Dynamo looks modules up by name
        try:
            exec(compile(_source(path), str(path), "exec"), module.__dict__)
        except ModelError:
            self._forget(file)
            raise
        except (Exception, SystemExit) as error:
            self._forget(file)
            raise ModelError(f"{where(error, self.folder) or path}: {describe(error)}") from error
        return module

    def _forget(self, file: str) -> None:
        module = self._modules.pop(file)
        sys.modules.pop(module.__name__, None)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """`__import__` of the model's files."""
        head, _, rest = name.partition(".")
        if (
            level or head == self.folder.name
        ):  # from . import Dynamics; import bm1972.Dynamics; from bm1972 import Dynamics
            inner = name if level else rest
            if inner and fromlist:
                return self._resolve(inner)
            wanted = [inner] if inner else list(fromlist or ())
            return Namespace(self.folder.name, {entry: self._resolve(entry) for entry in wanted})
        if head in self.names or self.has(head):
            return self._resolve(head)
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _resolve(self, name: str) -> Any:
        return self.names[name] if name in self.names else self.link(name)

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


def where(error: BaseException, folder: Path) -> str:
    """'models/x/Equations.py:12' of the last frame of the traceback inside the model folder, or ''."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.parent == folder:
            place = f"{folder.name}/{path.name}:{trace.tb_lineno}"
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
