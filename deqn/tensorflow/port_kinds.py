"""What an expression of a model file is: a number, a tensor, a list. Read without running the file.

It decides between `math.log(x)` and `torch.log(x)`. What cannot be seen is unknown (None), and is handled so that both are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import libcst as cst

NUMBER, TENSOR, LIST, ARRAY = "number", "tensor", "list", "array"
_UNSEEN = ""  # no call of the function has been met so far
Kind = str | None

# one argument: of a number it is a number again, by this function of Python's
OF_NUMBERS = {
    "exp": "math.exp", "log": "math.log", "sqrt": "math.sqrt", "log1p": "math.log1p", "expm1": "math.expm1", "sin": "math.sin",
    "cos": "math.cos", "tan": "math.tan", "tanh": "math.tanh", "erf": "math.erf", "lgamma": "math.lgamma", "abs": "abs",
}  # fmt: skip
# two arguments: operators, which numbers and tensors have
OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "truediv": "/", "pow": "**", "greater": ">",
    "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
_EXTREMES = ("maximum", "minimum")
_PREFIXES = ("math.", "nn.", "linalg.", "keras.backend.", "keras.activations.", "dtypes.")


def key(path: str) -> str:
    """`math.exp` and `exp` are one function: its name without the part that says where it stands."""
    return next((path.removeprefix(prefix) for prefix in _PREFIXES if path.startswith(prefix)), path)


@dataclass
class _Function:
    node: cst.FunctionDef
    file: str
    parameters: dict[str, Kind] = field(default_factory=dict)
    returned: Kind = _UNSEEN
    names: dict[str, Kind] = field(default_factory=dict)


@dataclass
class File:
    """A file on its way.

    Attributes:
        tree: as it was read.
        foreign: name in the file -> what it stands for in TensorFlow: `tf` -> '', `tfm` -> 'math'.
        names: kinds of the names at its top level.
        modules: name in the file -> the module that is imported.
    """

    tree: cst.Module
    foreign: dict[str, str]
    modules: dict[str, str]
    names: dict[str, Kind] = field(default_factory=dict)
    taken: dict[str, tuple[str, str]] = field(default_factory=dict)  # from Parameters import alpha


class Kinds:
    """Kinds in all files of a folder.

    Args:
        files: by the name of the file, without `.py`.
        constants: kinds of `Parameters.<name>`, as far as they are known.
    """

    def __init__(self, files: Mapping[str, File], constants: Mapping[str, Kind]) -> None:
        self._files, self._constants = files, constants
        self._functions: dict[str, list[_Function]] = {}
        self._of_node: dict[cst.CSTNode, _Function] = {}
        for name, file in files.items():
            for node in _walk(file.tree):
                if isinstance(node, cst.FunctionDef):
                    function = _Function(node, name)
                    for parameter in _parameters(node):
                        sure = "state" in parameter.name.value.lower()
                        function.parameters[parameter.name.value] = TENSOR if sure else _UNSEEN
                    self._functions.setdefault(node.name.value, []).append(function)
                    self._of_node[node] = function
        for _ in range(6):
            self._pass()

    def of(self, node: cst.BaseExpression, file: str, function: cst.CSTNode | None) -> Kind:
        """The kind of an expression.

        Args:
            function: the definition that it stands in; None at the top of the file.
        """
        return self._of(node, self._files[file], self._of_node.get(function) if function else None) or None

    def path(self, node: cst.BaseExpression, file: str) -> str | None:
        """What `tf.math.exp` stands for: 'math.exp'; None where it is nothing of TensorFlow."""
        return path(node, self._files[file].foreign)

    def _pass(self) -> None:
        """Kinds of all names, parameters and returned values, from those of the pass before."""
        for file in self._files.values():
            self._assignments(file.tree, file, None, file.names)
        for functions in self._functions.values():
            for function in functions:
                file = self._files[function.file]
                self._assignments(function.node.body, file, function, function.names)
                found: Kind = _UNSEEN
                for node in _own(function.node.body):
                    if isinstance(node, cst.Return) and node.value is not None:
                        found = _join(found, self._of(node.value, file, function))
                function.returned = found
        met: dict[tuple[str, str], Kind] = {}
        for file in self._files.values():
            for node, inside in _with_function(file.tree, None):
                if isinstance(node, cst.Call):
                    self._meet(node, file, self._of_node.get(inside) if inside else None, met)
        for functions in self._functions.values():
            for function in functions:
                for name, before in function.parameters.items():
                    if before != TENSOR or "state" not in name.lower():
                        function.parameters[name] = met.get((function.node.name.value, name), _UNSEEN)

    def _meet(self, call: cst.Call, file: File, inside: _Function | None, met: dict[tuple[str, str], Kind]) -> None:
        """Notes what a function is called with."""
        name = _last(call.func)
        for function in self._functions.get(name, []):
            parameters = _parameters(function.node)
            for i, argument in enumerate(call.args):
                given = argument.keyword.value if argument.keyword else None
                if given is None and (argument.star or i >= len(parameters)):
                    break
                where = (name, given or parameters[i].name.value)
                met[where] = _join(met.get(where, _UNSEEN), self._of(argument.value, file, inside))
            for parameter in parameters:
                if parameter.default is not None:
                    where = (name, parameter.name.value)
                    met[where] = _join(met.get(where, _UNSEEN), self._of(parameter.default, file, inside))

    def _assignments(self, body: cst.CSTNode, file: File, function: _Function | None, names: dict[str, Kind]) -> None:
        found: dict[str, Kind] = {}
        for node in _own(body):
            if isinstance(node, cst.Assign):
                for target in node.targets:
                    self._assign(target.target, self._of(node.value, file, function), found)
            elif isinstance(node, cst.AugAssign) and isinstance(node.target, cst.Name):
                name = node.target.value
                kinds = [found.get(name, _UNSEEN), self._of(node.value, file, function)]
                found[name] = TENSOR if TENSOR in kinds else _join(*kinds)
            elif isinstance(node, cst.For):
                counted = isinstance(node.iter, cst.Call) and _last(node.iter.func) == "range"
                self._assign(node.target, NUMBER if counted else None, found)
            elif isinstance(node, cst.AsName):
                self._assign(node.name, None, found)
        names.clear()
        names.update(found)

    def _assign(self, target: cst.CSTNode, kind: Kind, found: dict[str, Kind]) -> None:
        if isinstance(target, cst.Name):
            found[target.value] = _join(found.get(target.value, _UNSEEN), kind)
        elif isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._assign(element.value, TENSOR if kind == TENSOR else None, found)

    def _of(self, node: cst.BaseExpression, file: File, function: _Function | None) -> Kind:
        def of(inner: cst.BaseExpression) -> Kind:
            return self._of(inner, file, function)

        match node:
            case cst.Integer() | cst.Float():
                return NUMBER
            case cst.List() | cst.Tuple() | cst.ListComp():
                return LIST
            case cst.UnaryOperation():
                return of(node.expression)
            case cst.BinaryOperation():
                return _arithmetic(of(node.left), of(node.right))
            case cst.Comparison():
                return _arithmetic(of(node.left), *(of(part.comparator) for part in node.comparisons))
            case cst.IfExp():
                return _join(of(node.body), of(node.orelse))
            case cst.Name():
                return self._name(node.value, file, function)
            case cst.Attribute():
                return self._attribute(node, file, of(node.value))
            case cst.Subscript():
                if _last(node.value) == "shape":
                    return NUMBER
                base = of(node.value)
                return None if base == LIST else base
            case cst.Call():
                return self._call(node, file, function)
        return None

    def _name(self, name: str, file: File, function: _Function | None) -> Kind:
        if function is not None:
            for names in (function.names, function.parameters):
                if name in names:
                    return names[name]
        if name in file.names:
            return file.names[name]
        owner, entry = file.taken.get(name, ("", ""))
        return self._constants.get(entry) if owner == "Parameters" else None

    def _attribute(self, node: cst.Attribute, file: File, base: Kind) -> Kind:
        owner = file.modules.get(node.value.value, "") if isinstance(node.value, cst.Name) else ""
        name = node.attr.value
        if owner == "Parameters":
            return TENSOR if name == "starting_state" else self._constants.get(name)
        if owner in ("math", "numpy"):
            return NUMBER
        if owner in self._files:
            return self._files[owner].names.get(name)
        if name == "shape":
            return LIST
        return TENSOR if base == TENSOR and name in ("T", "mT", "real") else None

    def _call(self, node: cst.Call, file: File, function: _Function | None) -> Kind:
        kinds = [self._of(argument.value, file, function) for argument in node.args if argument.keyword is None]
        foreign = path(node.func, file.foreign)
        name = _last(node.func)
        if foreign is not None:
            return _of_tensorflow(key(foreign), kinds)
        if isinstance(node.func, cst.Attribute):
            owner = file.modules.get(node.func.value.value, "") if isinstance(node.func.value, cst.Name) else ""
            if owner in ("State", "PolicyState", "torch"):
                return None if name.endswith("_gen") else TENSOR
            if owner == "math":
                return NUMBER
            if owner == "numpy":
                return ARRAY
            if owner in self._files:
                returned = self._returned(name)
                return None if owner == "Definitions" and returned == NUMBER else returned  # a bound makes it a tensor
            if _last(node.func.value) == "rng" or (owner == "Parameters" and name == "policy"):
                return TENSOR
            if name == "numpy":
                return ARRAY
            return self._of(node.func.value, file, function) if name not in ("item", "size", "dim") else NUMBER
        if name in ("float", "int", "len"):
            return NUMBER
        if name in ("list", "tuple", "sorted", "range", "zip"):
            return LIST
        if name in ("abs", "max", "min", "sum") and kinds:
            return kinds[0] if all(kind == kinds[0] for kind in kinds) and kinds[0] in (NUMBER, TENSOR) else None
        if name in self._functions:
            return self._returned(name)
        return TENSOR if name.startswith("E_t") else None

    def _returned(self, name: str) -> Kind:
        found: Kind = _UNSEEN
        for function in self._functions.get(name, []):
            found = _join(found, function.returned)
        return found if name in self._functions else None


def _of_tensorflow(name: str, kinds: list[Kind]) -> Kind:
    """What the rewritten call gives."""
    if name in ("shape", "cond"):
        return LIST if name == "shape" else None
    if name in ("size", "rank"):
        return NUMBER
    stays = name in OF_NUMBERS or name in OPERATORS or name in (*_EXTREMES, "square", "negative")
    if stays and kinds and all(kind in (NUMBER, _UNSEEN) for kind in kinds):
        return NUMBER if NUMBER in kinds else _UNSEEN
    return (TENSOR if TENSOR in kinds else _arithmetic(*kinds)) if name in OPERATORS else TENSOR


def _arithmetic(*kinds: Kind) -> Kind:
    if TENSOR in kinds:
        return TENSOR
    for kind in (None, LIST, ARRAY, NUMBER):
        if kind in kinds:
            return kind
    return _UNSEEN


def _join(a: Kind, b: Kind) -> Kind:
    if a == _UNSEEN or b == _UNSEEN:
        return a or b
    return a if a == b else None


def path(node: cst.BaseExpression, foreign: Mapping[str, str]) -> str | None:
    """What a dotted name stands for in TensorFlow: `tf.math.exp` -> 'math.exp', `tf` -> ''."""
    if isinstance(node, cst.Name):
        return foreign.get(node.value)
    if isinstance(node, cst.Attribute):
        inner = path(node.value, foreign)
        return None if inner is None else f"{inner}.{node.attr.value}".lstrip(".")
    return None


def _last(node: cst.CSTNode) -> str:
    return node.attr.value if isinstance(node, cst.Attribute) else node.value if isinstance(node, cst.Name) else ""


def _parameters(node: cst.FunctionDef) -> list[cst.Param]:
    return [*node.params.posonly_params, *node.params.params, *node.params.kwonly_params]


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _own(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Nodes below, without those of functions and classes."""
    for child in node.children:
        if not isinstance(child, cst.FunctionDef | cst.ClassDef | cst.Lambda):
            yield child
            yield from _own(child)


def _with_function(
    node: cst.CSTNode, function: cst.FunctionDef | None
) -> Iterator[tuple[cst.CSTNode, cst.FunctionDef | None]]:
    for child in node.children:
        inside = child if isinstance(child, cst.FunctionDef) else function
        yield child, inside
        yield from _with_function(child, inside)
