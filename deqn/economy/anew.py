"""What a file takes from another model's file and then defines anew.

A file that begins with `from growth.Definitions import *` and defines Y itself means its own Y wherever the functions that it has
taken ask for Y, as a class does that derives from another. Python by itself lets them go on with the Y beside which they were
written.
"""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deqn.economy.columns import Namespace
from deqn.errors import ModelError


def put_anew(
    module: types.ModuleType, others: Iterable[types.ModuleType], compiled: Callable[[Path], types.CodeType]
) -> list[str]:  # fmt: skip
    """Gives the functions that a file has taken from other models' files the names that it defines anew.

    Args:
        module: the file, run.
        others: the files of other models that have been run for the same Model, and for no other.
        compiled: the code of a file.

    Returns:
        '<folder>/<file>.py with <names>' for each of those that were changed.

    Raises:
        ModelError: where a file has used such a name already while it was run, or a new function calls the old one by way of
            the file.
    """
    own, linked = vars(module), {id(vars(other)): other for other in others}
    asked = dict.fromkeys(_asked(own.values(), linked))
    anew: dict[str, list[str]] = {}
    for place, name in asked:
        other = linked[place]
        old = vars(other)[name]
        if name not in own or own[name] is old or name.startswith("_") or not _is_of(old, linked):
            continue
        if isinstance(own[name], types.ModuleType | Namespace):
            continue
        _refuse_used(module, other, name, compiled(Path(str(other.__file__))))
        _refuse_detour(module, other, name)
        anew.setdefault(_label(other), []).append(name)
    for place, name in asked:
        if name in anew.get(_label(linked[place]), ()):
            vars(linked[place])[name] = own[name]
    return [f"{label} with {', '.join(names)}" for label, names in anew.items()]


def _asked(values: Iterable[Any], linked: Mapping[int, types.ModuleType]) -> Iterator[tuple[int, str]]:
    """The file and the name of all that functions of other models' files ask for, and those that these call."""
    left, seen = [function for value in values if (function := _function(value, linked))], set()
    while left:
        function = left.pop()
        if function in seen:
            continue
        seen.add(function)
        there = function.__globals__
        for name in _read(function.__code__, "LOAD_GLOBAL"):
            if name in there:
                yield id(there), name
                called = _function(there[name], linked)
                left += [called] if called else []


def _function(value: Any, linked: Mapping[int, types.ModuleType]) -> types.FunctionType | None:
    """The function behind a value, without what wraps it, where it was written in another model's file."""
    if isinstance(value, type) or not callable(value):
        return None
    function = inspect.unwrap(value)
    return function if isinstance(function, types.FunctionType) and id(function.__globals__) in linked else None


def _is_of(value: Any, linked: Mapping[int, types.ModuleType]) -> bool:
    """Whether a value is a model's own: no module, and no function or class of a library."""
    if isinstance(value, types.ModuleType | Namespace):
        return False
    return not callable(value) or _function(value, linked) is not None


def _read(code: types.CodeType, how: str) -> dict[str, int]:
    """Names that code reads, and that functions inside it do: with the line."""
    names: dict[str, int] = {}
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        line = (instruction.positions and instruction.positions.lineno) or line
        if instruction.opname == how:
            names.setdefault(instruction.argval, line)
    if how == "LOAD_GLOBAL":
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                names = _read(constant, how) | names
    return names


def _refuse_used(module: types.ModuleType, other: types.ModuleType, name: str, code: types.CodeType) -> None:
    line = _read(code, "LOAD_NAME").get(name)
    if line is not None:
        raise ModelError(
            f"{_label(module)} defines {name} anew, and {_label(other)} has used its own {name} already, in line {line}: what it "
            f"made there would stay as it was. Write what depends on {name} in {_label(module)}, or give yours another name."
        )


def _refuse_detour(module: types.ModuleType, other: types.ModuleType, name: str) -> None:
    """A new function that calls the old one as `growth.Y` would call itself."""
    new = inspect.unwrap(vars(module)[name]) if callable(vars(module)[name]) else None
    if not isinstance(new, types.FunctionType) or new.__globals__ is not vars(module):
        return
    for alias in _read(new.__code__, "LOAD_GLOBAL"):
        value = vars(module).get(alias)
        if value is other or (isinstance(value, Namespace) and other in vars(value).values()):
            file = Path(str(other.__file__))
            raise ModelError(
                f"{_label(module)} defines {name} anew, and reads the old one from {alias}, where the new one is put, too. Write "
                f"`from {file.parent.name}.{file.stem} import {name} as old_{name}` and call old_{name}."
            )


def _label(module: types.ModuleType) -> str:
    file = Path(str(module.__file__))
    return f"{file.parent.name}/{file.name}"
