"""Reads the files of a model, without running them, for names that do not exist."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deqn.economy.files import other_model, source
from deqn.errors import ModelError, count, suggestion


def check_names(
    folder: Path,
    known: Mapping[str, Sequence[str]],
    hints: Mapping[str, str],
    only_for: Sequence[str] | None = None,
) -> None:
    """Reads all files of a model folder, without running them, and reports names that do not exist.

    Args:
        known: for `State`, `PolicyState`, `Definitions`, `Parameters`: the attributes that exist.
        hints: for each of them, words that say where its names come from.
        only_for: names of definitions; where they are given, only files that are linked are read, and of them no function that
            neither these nor anything that is called refer to.

    Raises:
        ModelError: with every problem found.
    """
    problems: list[str] = []
    names: set[str] | None = None
    paths = [path for path in folder.glob("[!.]*.py") if path.name != "Reference.py"]  # which sees none of these names
    if only_for is not None:
        from deqn.tensorflow.folder import alive, linked

        trees = linked(folder)
        paths, names = list(trees), alive(trees, only_for)
    for path in sorted(paths):
        problems += _check_file(path, f"{path.parent.name}/{path.name}", known, hints, names)
    if problems:
        raise ModelError(f"{count(len(problems), 'problem')} in {folder}", problems)


def _check_file(
    path: Path,
    label: str,
    known: Mapping[str, Sequence[str]],
    hints: Mapping[str, str],
    names: set[str] | None = None,
) -> list[str]:
    """Problems of one file; of functions that are not among `names`, nothing."""
    try:
        tree = ast.parse(source(path), filename=str(path))
    except SyntaxError as error:
        return [f"{label}:{error.lineno}: {error.msg}."]
    aliases: dict[str, str] = {}  # name in this file -> State, Parameters, ...
    problems: list[tuple[int, str]] = []
    guarded: set[tuple[str, str]] = set()  # hasattr(Parameters, "x"), getattr(Parameters, "x", ...)
    if names is None:
        nodes = list(ast.walk(tree))
    else:
        from deqn.tensorflow.folder import walk

        nodes = list(walk(tree, names))
    foreign = False
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in known:
                    aliases[alias.asname or alias.name] = alias.name
                foreign |= alias.name.split(".")[0] in ("tensorflow", "keras")
        elif isinstance(node, ast.ImportFrom):
            foreign |= (node.module or "").split(".")[0] in ("tensorflow", "keras")
            if node.module in known:
                for alias in node.names:
                    problems += _unknown(node.lineno, str(node.module), alias.name, known, hints)
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            match node.func, node.args[0], node.args[1]:
                case ast.Name(id="hasattr" | "getattr"), ast.Name(id=owner), ast.Constant(value=str(name)):
                    guarded.add((owner, name))
    if foreign:
        from deqn.tensorflow.folder import unknown_names
        from deqn.tensorflow.names import build

        problems += unknown_names(nodes, build())
    for node in nodes:
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


def functions_of(path: Path) -> list[str]:
    """Names that a file defines at its top level, read without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return []  # reported by the linker, with its line
    names = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


def refuse_misspelt(path: Path, optional: Sequence[str]) -> None:
    """A function with nearly the name of an optional one would never be called, and nothing would be said.

    Raises:
        ModelError: with the name that was meant.
    """
    own = functions_of(path)
    missing = [name for name in optional if name not in own]
    problems = [
        f"{name} is never called. Did you mean {meant}?"
        for name in own
        if name not in optional
        for meant in difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.85)
    ]
    if problems:
        raise ModelError(f"{count(len(problems), 'problem')} in {path.parent.name}/{path.name}", problems)


def equation_names(folder: Path) -> tuple[str, ...] | None:
    """Names of the residuals that `equations()` of a model returns, read without running it.

    None where they cannot be read: where names are made in a loop, or another function returns them.
    """
    path = folder / "Equations.py"
    try:
        tree = ast.parse(source(path))
    except (SyntaxError, ModelError, OSError):
        return None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "equations":
            return _returned_names(node)
        if isinstance(node, ast.ImportFrom) and any(alias.name in ("equations", "*") for alias in node.names):
            model, _, file = (node.module or "").rpartition(".")
            other = other_model(model, folder) if file == "Equations" else None
            if other is not None:
                return equation_names(other)
    return None


def _returned_names(function: ast.FunctionDef) -> tuple[str, ...] | None:
    """Keys of the dictionary that a function returns: of a display, or of a variable that is filled key by key."""
    names: list[str] = []
    returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    variables = {value.id for value in returned if isinstance(value, ast.Name)}
    displays = [value for value in returned if isinstance(value, ast.Dict)]
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id in variables and isinstance(node.value, ast.Dict):
                displays.append(node.value)
            elif (
                isinstance(target, ast.Subscript)
                and isinstance(target.value, ast.Name)
                and target.value.id in variables
            ):
                if not isinstance(target.slice, ast.Constant):
                    return None
                names.append(str(target.slice.value))
    keys = [key for display in displays for key in display.keys]
    if not all(isinstance(key, ast.Constant) for key in keys):
        return None
    names = [*(str(key.value) for key in keys if isinstance(key, ast.Constant)), *names]
    return tuple(dict.fromkeys(names)) or None


def require(folder: Path, module: Any, file: str, names: Sequence[str]) -> None:
    """Refuses a file of a model that lacks a name.

    Raises:
        ModelError: with all that is missing.
    """
    missing = [name for name in names if not hasattr(module, name)]
    if missing:
        raise ModelError(
            f"{folder.name}/{file}.py does not define what a model needs",
            [f"{name} is missing.{suggestion(name, vars(module))}" for name in missing],
        )
