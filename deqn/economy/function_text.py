"""Functions as the text of a file: each as it stands, behind the functions and classes of its own notebook that it uses.

A file needs no more than its text: the imports are written with it, and what a file would not have is refused by its name.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import symtable
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from typing import Any

from deqn.errors import suggestion

NAMES = ("Definitions", "Globals", "Parameters", "PolicyState", "State")


class Pieces:
    """Functions and classes of one file, each behind those that it uses, and its imports.

    Args:
        shared: by identity, the functions that are imported from Definitions.py.
        constants: of the model.
        problems: gets what cannot be saved.
    """

    def __init__(self, shared: Mapping[int, str], constants: Mapping[str, Any], problems: list[str]) -> None:
        self.shared, self.constants, self.problems = shared, constants, problems
        self.modules: set[str] = set()
        self.texts: list[str] = []
        self.renamed: list[str] = []
        self._seen: dict[int, str] = {}

    def imports(self) -> str:
        """Others' modules first, then the names of the model."""
        names = {f"import {name}" for name in NAMES}
        own = {line for line in self.modules if line in names or line.startswith("from Definitions")}
        blocks = [
            "\n".join(sorted(block, key=lambda line: line.split()[1::-1]))
            for block in (self.modules - own, own)
            if block
        ]
        return "\n".join(f"{block}\n" for block in blocks)

    def add(self, name: str, function: Any) -> None:
        """A function that is given, under the name that the model's files have for it."""
        own = getattr(function, "__name__", "")
        if not isinstance(inspect.unwrap(function) if callable(function) else None, types.FunctionType):
            self.problems.append(f"{name} is of type {type(function).__name__}, expected a function written with def.")
        elif own == "<lambda>":
            self.problems.append(f"{name} is a lambda, which has no source of its own: write it with def {name}(...).")
        else:
            self._write(own, function)
            if own != name:
                self.renamed.append(f"\n\n{name} = {own}\n")

    def _write(self, name: str, thing: Any) -> None:
        if id(thing) in self._seen:
            return
        self._seen[id(thing)] = name
        unwrapped = inspect.unwrap(thing)
        closed = getattr(getattr(unwrapped, "__code__", None), "co_freevars", ())
        if closed:
            self.problems.append(
                f"{name} uses {', '.join(closed)} of the function around it, which a file would not have. Move {name} to the top "
                "of a cell, and give what it needs as constants={...}: Parameters.<name>."
            )
            return
        try:
            text = _source(unwrapped)
        except (OSError, TypeError, SyntaxError):
            self.problems.append(
                f"the source of {name} is not there to be written: define it in a cell of its own or in a file (not by exec(), "
                "nor in a cell that begins with %%time)."
            )
            return
        around = getattr(unwrapped, "__globals__", None) or vars(sys.modules[unwrapped.__module__])
        for used in names_used(text):
            self._need(name, used, around, unwrapped.__module__)
        self.texts.append(text)

    def _need(self, name: str, used: str, around: Mapping[str, Any], module: str) -> None:
        """What a name in the source of a function stands for, as an import or as a piece of this file."""
        if used in NAMES:
            self.modules.add(f"import {used}")
            return
        if used not in around:
            if not hasattr(builtins, used):
                self.problems.append(f"{name} uses {used}, which is not defined.{suggestion(used, around)}")
            return
        value = around[used]
        shared = self.shared.get(id(value))
        origin = getattr(value, "__module__", None)
        if shared is not None:
            self.modules.add(f"from Definitions import {shared}" + (f" as {used}" if used != shared else ""))
        elif isinstance(value, types.ModuleType):
            short = value.__name__ == used
            self.modules.add(f"import {used}" if short else f"import {value.__name__} as {used}")
        elif isinstance(value, type | types.FunctionType) and origin in (module, "__main__"):
            self._write(used, value)
            if value.__name__ != used:
                self.texts.append(f"{used} = {value.__name__}")
        elif (home := _home(value, around)) is not None:
            place, its = home
            self.modules.add(f"from {place} import {its}" + (f" as {used}" if used != its else ""))
        else:
            known = "" if used in self.constants else f" Give it as constants={{{used!r}: ...}}."
            self.problems.append(
                f"{name} uses the variable {used} ({type(value).__name__}), which a file would not have.{known} Write "
                f"Parameters.{used} in the function."
            )


def _source(thing: Any) -> str:
    """The text of a function or class, without the indentation of what is around it.

    Raises:
        OSError, TypeError: where Python does not know it.
    """
    if not isinstance(thing, type):
        return textwrap.dedent(inspect.getsource(thing)).rstrip()
    # the cell that holds one of its functions: Python looks for classes in files alone
    functions = [value for value in vars(thing).values() if isinstance(value, types.FunctionType)]
    if not functions:
        return textwrap.dedent(inspect.getsource(thing)).rstrip()
    lines, _ = inspect.findsource(functions[0])
    for node in ast.parse("".join(lines)).body:
        if isinstance(node, ast.ClassDef) and node.name == thing.__name__:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno]).rstrip()
    raise OSError(f"no class {thing.__name__}")


def names_used(text: str) -> list[str]:
    """Names that a piece of source takes from the module around it, in the order of the alphabet."""

    def used(table: symtable.SymbolTable, top: bool) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (not symbol.is_assigned() if top else symbol.is_global()):
                yield symbol.get_name()
        for inner in table.get_children():
            yield from used(inner, False)

    table = symtable.symtable(text, "<function>", "exec")
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    return sorted({*used(table, True)} - own)


def _home(value: Any, around: Mapping[str, Any]) -> tuple[str, str] | None:
    """The module that a function or class can be imported from, and its name there; None for what is a value."""
    name = getattr(value, "__name__", None)
    if not callable(value) or not isinstance(name, str):
        return None
    places = [getattr(value, "__module__", None), *(v.__name__ for v in around.values() if inspect.ismodule(v))]
    for place in places:
        module = sys.modules.get(place) if place else None
        if module is not None and getattr(module, name, None) is value:
            return str(place), name
    return None
