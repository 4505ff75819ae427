"""A model folder written for TensorFlow, read without running it: which files are linked, what in them is alive, which names it
takes from TensorFlow."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow", "keras")
# files that are linked by their own name, and what is called in them
_CONTRACT = {
    "Definitions": (), "Dynamics": ("total_step_random", "total_step_spec_shock", "total_step_spec_probs", "shock_probs"),
    "Equations": ("equations",), "Hooks": ("cycle_hook", "post_init", "progress", "closed_form", "reference",
        "closing_lines", "transversality"),
    "Net": ("define_net",), "Calibration": ("calibrate",), "Guess": ("guess",), "Activations": (),
    "PostProcess": ("post_process",),
}  # fmt: skip

Trees = dict[Path, ast.Module]


def asks_for_tensorflow(folder: Path) -> bool:
    """Whether a file of the folder that is linked imports TensorFlow or Keras."""
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("[!.]*.py")}
    if not any(package in text for text in texts.values() for package in PACKAGES):
        return False
    return any(any(_imports(tree, folder.name, PACKAGES)) for tree in linked(folder).values())


def linked(folder: Path) -> Trees:
    """The files of the contract and those that they import, from the folder or from beside it: none that is left over.

    Of a file that is no Python, the tree is empty.
    """
    waiting = [folder / f"{name}.py" for name in _CONTRACT]
    trees: Trees = {}
    while waiting:
        path = waiting.pop()
        if path in trees or not path.is_file():
            continue
        try:
            trees[path] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        except (SyntaxError, UnicodeDecodeError):
            trees[path] = ast.Module([], [])
        for name in _imports(trees[path], folder.name):
            places = (folder / f"{name}.py", folder.parent / f"{name}.py")
            waiting += [place for place in places[: 1 if name in _CONTRACT else 2] if place.is_file()][:1]
    return trees


def _imports(tree: ast.Module, model: str, only: tuple[str, ...] = ()) -> Iterator[str]:
    """Names of the modules that a file imports, those of its own folder by their bare name."""
    for node in ast.walk(tree):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            own = node.level > 0 or node.module == model
            found = [alias.name for alias in node.names] if own else []
            found += [node.module] if node.module else []
        elif isinstance(node, ast.Call) and node.args and _called(node) == "import_module":
            found = [_module(node.args[0])]
        for name in found:
            head = name.removeprefix(f"{model}.").removeprefix(".").partition(".")[0]
            if not only or head in only:
                yield head


def _called(node: ast.Call) -> str:
    function = node.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _module(node: ast.expr) -> str:
    """`X` of `MODEL_NAME + ".X"`, of a text, of a text with something put in; '' where it cannot be read."""
    if isinstance(node, ast.BinOp):
        return _module(node.right)
    if isinstance(node, ast.JoinedStr):
        return _module(node.values[-1]) if node.values else ""
    return str(node.value) if isinstance(node, ast.Constant) else ""


def alive(trees: Trees, definitions: Iterable[str]) -> set[str]:
    """Names that something refers to: from what is called, through every function that is referred to."""
    names = {name for names in _CONTRACT.values() for name in names} | set(definitions)
    functions: dict[str, set[str]] = {}
    for tree in trees.values():
        names |= _mentioned(tree, functions)
    waiting = list(names)
    while waiting:
        for name in functions.pop(waiting.pop(), set()):
            if name not in names:
                names.add(name)
                waiting.append(name)
    return names


def _mentioned(tree: ast.AST, functions: dict[str, set[str]]) -> set[str]:
    """Names in a file outside its functions; those in each function go under the function's name."""
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        inner = _mentioned(node, functions)
        if isinstance(node, ast.FunctionDef):
            functions.setdefault(node.name, set()).update(inner)
            names |= {name for decorator in node.decorator_list for name in _mentioned(decorator, functions)}
            continue
        names |= inner | _own_names(node)
    return names | (_own_names(tree) if isinstance(tree, ast.expr) else set())


def _own_names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Attribute):
        return {node.attr}
    if isinstance(node, ast.alias):
        return {node.name}
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        return {node.value}  # getattr(Definitions, "C")
    return set()


def walk(tree: ast.Module, names: set[str]) -> Iterator[ast.AST]:
    """The nodes of a file without functions that nothing refers to, or that a later one of the same name replaces."""
    last = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                replaced = isinstance(node, ast.Module) and last[child.name] is not child
                if replaced or child.name not in names:
                    continue
            waiting.append(child)


def unknown_names(nodes: list[ast.AST], root: Any) -> list[tuple[int, str]]:
    """Names that a file takes from TensorFlow and that are not there: line and text.

    Args:
        root: `names.Names`, with what is there.
    """
    from deqn.tensorflow.names import Names, imported

    problems: list[tuple[int, str]] = []
    known: dict[str, Any] = {}  # name in this file -> what it is bound to

    def bind(line: int, name: str, module: str, fromlist: tuple[str, ...] = ()) -> None:
        try:
            value = imported(root, module, fromlist)
            known[name] = getattr(value, fromlist[0]) if fromlist else value
        except AttributeError as error:
            problems.append((line, f"{error}"))

    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in PACKAGES:
                    deep = alias.asname is not None and "." in alias.name
                    module, _, entry = alias.name.rpartition(".")
                    bind(node.lineno, alias.asname or alias.name.split(".")[0], module if deep else alias.name,
                         (entry,) if deep else ())  # fmt: skip
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES and not node.level:
            for alias in node.names:
                if alias.name != "*":
                    bind(node.lineno, alias.asname or alias.name, str(node.module), (alias.name,))

    def value_of(node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return known.get(node.id)
        base = value_of(node.value) if isinstance(node, ast.Attribute) else None
        return vars(base).get(node.attr) if isinstance(node, ast.Attribute) and isinstance(base, Names) else None

    for node in nodes:
        if isinstance(node, ast.Attribute):
            base = value_of(node.value)
            if isinstance(base, Names) and node.attr not in base and not node.attr.startswith("__"):
                problems.append((node.lineno, base.missing(node.attr)))
    return problems


def switches(trees: Trees) -> list[str]:
    """Names that files read from `Globals`."""
    return sorted(
        {
            node.attr
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Globals"
        }
    )


def names_set(trees: Trees, owner: str) -> list[str]:
    """Names that files give a value in a namespace: `Parameters.x = 1`."""
    return sorted(
        {
            node.attr
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == owner
        }
    )
