"""What a file of a model imports, and how its imports change when it is rewritten to PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper

from deqn.tensorflow.port_kinds import File

PACKAGES = ("tensorflow", "keras")


def read(text: str, model: str) -> File:
    """A file with what it imports.

    Raises:
        cst.ParserSyntaxError: where it is no Python.
    """
    tree = MetadataWrapper(cst.parse_module(text)).module
    file = File(tree, {}, {})
    for statement in _imports(tree):
        if isinstance(statement, cst.Import):
            for alias in statement.names:
                name = dotted(alias.name)
                bound = bound_name(alias)
                head, _, rest = name.partition(".")
                if head in PACKAGES:
                    inner = "keras" if head == "keras" else ""
                    deep = ".".join(filter(None, (inner, rest if alias.asname else "")))
                    file.foreign[bound] = deep
                else:
                    file.modules[bound] = name.removeprefix(f"{model}.")
        elif not isinstance(statement.names, cst.ImportStar):
            module = dotted(statement.module) if statement.module else ""
            head, _, rest = module.partition(".")
            prefix = ["keras"] if head == "keras" else []
            for alias in statement.names:
                name = dotted(alias.name)
                if head in PACKAGES and not statement.relative:
                    file.foreign[bound_name(alias)] = ".".join(filter(None, (*prefix, rest, name)))
                elif module in ("", model):
                    file.modules[bound_name(alias)] = name
                else:
                    file.taken[bound_name(alias)] = (module, name)
    for node in tree.body:
        for target, module in imported_by_call(node, model):
            file.modules[target] = module
    return file


class Imports(cst.CSTTransformer):
    """Takes imports out that nothing uses, and puts others in: where the first one goes, or at the top."""

    def __init__(self, unused: set[str], needed: Iterable[str]) -> None:
        super().__init__()
        self._unused, self._needed = unused, [*needed]

    def _without(self, node: Any) -> Any:
        if isinstance(node.names, cst.ImportStar):
            return node
        kept = [alias for alias in node.names if bound_name(alias) not in self._unused]
        if not kept:
            return cst.RemoveFromParent()
        return node.with_changes(names=[*kept[:-1], kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)])

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> Any:
        return self._without(updated_node)

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> Any:
        return self._without(updated_node)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> Any:
        if updated_node.body or not original_node.body:
            return updated_node
        if not self._needed:
            return cst.RemoveFromParent() if not comments(original_node) else updated_node.with_changes(body=[])
        names, self._needed = self._needed, []
        lines = [cst.ensure_type(cst.parse_statement(f"import {name}"), cst.SimpleStatementLine) for name in names]
        first = updated_node.with_changes(body=lines[0].body)
        return cst.FlattenSentinel([first, *lines[1:]])

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        lines = [cst.parse_statement(f"import {name}") for name in self._needed]
        at = next((i for i, node in enumerate(updated_node.body) if not _is_preamble(node)), 0)
        return updated_node.with_changes(body=[*updated_node.body[:at], *lines, *updated_node.body[at:]])


def _is_preamble(node: cst.CSTNode) -> bool:
    if not isinstance(node, cst.SimpleStatementLine) or not node.body:
        return False
    first = node.body[0]
    if isinstance(first, cst.ImportFrom):
        return first.module is not None and dotted(first.module) == "__future__"
    return isinstance(first, cst.Expr) and isinstance(first.value, cst.SimpleString | cst.ConcatenatedString)


def imported_by_call(node: cst.CSTNode, model: str) -> list[tuple[str, str]]:
    """`X = importlib.import_module(Parameters.MODEL_NAME + ".Definitions")` -> [('X', 'Definitions')]."""
    if not isinstance(node, cst.SimpleStatementLine) or len(node.body) != 1:
        return []
    statement = node.body[0]
    if (
        not isinstance(statement, cst.Assign)
        or len(statement.targets) != 1
        or not isinstance(statement.value, cst.Call)
    ):
        return []
    target, call = statement.targets[0].target, statement.value
    if (
        not isinstance(target, cst.Name)
        or dotted(call.func).rpartition(".")[2] != "import_module"
        or len(call.args) != 1
    ):
        return []
    module = cst.Module([]).code_for_node(call.args[0].value).replace("'", '"').replace(" ", "")
    for start in (f'"{model}.', 'Parameters.MODEL_NAME+".', 'MODEL_NAME+".', 'f"{Parameters.MODEL_NAME}.'):
        if module.startswith(start) and module.endswith('"'):
            return [(target.value, module[len(start) : -1])]
    return []


def _imports(tree: cst.CSTNode) -> list[cst.Import | cst.ImportFrom]:
    return [node for node in every(tree) if isinstance(node, cst.Import | cst.ImportFrom)]


def every(node: cst.CSTNode) -> list[cst.CSTNode]:
    return [node, *(inner for child in node.children for inner in every(child))]


def dotted(node: cst.CSTNode) -> str:
    """`a.b.c` as text; '' of anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return f"{dotted(node.value)}.{node.attr.value}"
    return ""


def bound_name(alias: cst.ImportAlias) -> str:
    """The name in the file that an import gives."""
    if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
        return alias.asname.name.value
    return dotted(alias.name).partition(".")[0]


def names_in(node: cst.CSTNode) -> set[str]:
    """Names that stand in a file outside its imports."""
    if isinstance(node, cst.Import | cst.ImportFrom):
        return set()
    own = {node.value} if isinstance(node, cst.Name) else set()
    children = [node.value] if isinstance(node, cst.Attribute) else node.children
    return own.union(*(names_in(child) for child in children))


def comments(node: cst.CSTNode) -> set[str]:
    return {inner.value for inner in every(node) if isinstance(inner, cst.Comment)}
