"""Methods of TensorFlow's tensors that PyTorch's lack, where a file calls them: `x.get_shape()`, `x.shape.as_list()`.

They are rewritten before the file is run, so that tensors stay PyTorch's own; lines of errors stay the file's.
"""

from __future__ import annotations

import ast
from pathlib import Path
from types import CodeType

_METHODS = ("get_shape", "as_list")


class _Rewritten(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        method = node.func
        if not isinstance(method, ast.Attribute) or node.args or node.keywords:
            return node
        if method.attr == "get_shape":
            return ast.copy_location(ast.Attribute(method.value, "shape", ast.Load()), node)
        if method.attr == "as_list":
            return ast.copy_location(ast.Call(ast.Name("list", ast.Load()), [method.value], []), node)
        return node


def compiled(text: str, path: Path) -> CodeType:
    """The code of a file with such calls in PyTorch's form.

    Raises:
        SyntaxError: where it is no Python.
    """
    if not any(f".{name}()" in text for name in _METHODS):
        return compile(text, str(path), "exec")
    return compile(ast.fix_missing_locations(_Rewritten().visit(ast.parse(text, str(path)))), str(path), "exec")
