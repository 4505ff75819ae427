"""`lambda x: -tf.nn.softplus(x)`, given as a text -> a function. It is read with `ast`, and never evaluated as Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from deqn.errors import ConfigError

Function = Callable[[Tensor], Any]

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow,
    ast.USub: operator.neg, ast.UAdd: operator.pos,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le,
}  # fmt: skip


def _clamp(x: Any, low: Any, high: Any) -> Any:
    return _minimum(_maximum(x, low), high)


def _maximum(x: Any, y: Any) -> Any:
    return torch.maximum(*torch.broadcast_tensors(*_tensors(x, y)))


def _minimum(x: Any, y: Any) -> Any:
    return torch.minimum(*torch.broadcast_tensors(*_tensors(x, y)))


def _tensors(*values: Any) -> list[Tensor]:
    like = next((value for value in values if isinstance(value, Tensor)), torch.zeros(()))
    return [torch.as_tensor(value, dtype=like.dtype, device=like.device) for value in values]


# functions of several arguments, under the last part of their names; those of one are activations
_SEVERAL: dict[str, Callable[..., Any]] = {
    "maximum": _maximum, "minimum": _minimum, "clip_by_value": _clamp, "clamp": _clamp, "where": torch.where,
    "pow": operator.pow, "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
}  # fmt: skip


def from_text(text: str, where: str, activation: Callable[[str, str], Function]) -> Function:
    """The function behind a lambda of one argument: numbers, + - * / **, comparisons, and functions with known names.

    Args:
        where: the key in the configuration, for the message.
        activation: gives the function of one argument behind a name (`activations.activation`).

    Raises:
        ConfigError: when it holds something else.

    Example:
        >>> from deqn.configuration.activations import activation
        >>> from_text("lambda x: 1 + 2 * tf.nn.relu(x)", "activation", activation)(torch.tensor([-1.0, 3.0]))
        tensor([1., 7.])
    """

    def refuse(what: str) -> ConfigError:
        return ConfigError(
            f"{where} = {text!r}: {what} is not understood. A lambda may hold its argument, numbers, + - * / **, comparisons, "
            "and functions such as tf.nn.softplus, tf.exp, tf.maximum; write anything else as a function in Activations.py of "
            "the model's folder."
        )

    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise refuse(f"its syntax ({error.msg})") from error
    if not isinstance(tree, ast.Lambda) or len(tree.args.args) != 1 or tree.args.defaults or tree.args.vararg:
        raise refuse("a lambda of other than one argument")
    name = tree.args.args[0].arg

    def read(node: ast.expr) -> Function:
        match node:
            case ast.Name(id=known) if known == name:
                return lambda x: x
            case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
                return lambda x: value
            case ast.UnaryOp(op=op, operand=inner) if type(op) in _OPERATORS:
                return _apply(_OPERATORS[type(op)], [read(inner)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _apply(_OPERATORS[type(op)], [read(left), read(right)])
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return _apply(_OPERATORS[type(op)], [read(left), read(right)])
            case ast.Call(func=function, args=arguments, keywords=[]) if arguments and _is_dotted(function):
                dotted = ast.unparse(function)
                several = _SEVERAL.get(dotted.rpartition(".")[2])
                if len(arguments) == 1:
                    return _apply(activation(dotted, where), [read(arguments[0])])
                if several is not None:
                    return _apply(several, [read(argument) for argument in arguments])
        raise refuse(f"`{ast.unparse(node)}`")

    return read(tree.body)


def with_numbers(text: str, constants: Mapping[str, Any]) -> str:
    """A lambda with numbers for the names of constants, which it may use in the TensorFlow library; any other text as it is."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        return text
    if not isinstance(tree.body, ast.Lambda):
        return text
    own = {argument.arg for argument in tree.body.args.args}
    found = False
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            for i, inner in enumerate(value if isinstance(value, list) else [value]):
                if (
                    isinstance(inner, ast.Name)
                    and inner.id not in own
                    and isinstance(constants.get(inner.id), int | float)
                ):
                    number = ast.Constant(constants[inner.id])
                    found = True
                    if isinstance(value, list):
                        value[i] = number
                    else:
                        setattr(node, field, number)
    return ast.unparse(tree) if found else text


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node.value))


def _apply(function: Callable[..., Any], arguments: list[Function]) -> Function:
    return lambda x: function(*(argument(x) for argument in arguments))
