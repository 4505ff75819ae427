"""A call of TensorFlow -> the same in PyTorch, for what has one form there.

Of the names that a folder may use as it is (names.py), those with a one-to-one form. Sources: TensorFlow 2 and PyTorch 2 API.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import libcst as cst
from libcst.helpers import parse_template_expression

from deqn.tensorflow.port_kinds import ARRAY, LIST, NUMBER, OF_NUMBERS, OPERATORS, TENSOR, Kind


class Unported(Exception):
    """There is no simple form; the text says what to do."""


class Argument(NamedTuple):
    """An argument of a call: as it was, with its parts rewritten, its kind, and those of its elements where it is a list."""

    before: cst.BaseExpression
    now: cst.BaseExpression
    kind: Kind
    elements: tuple[Kind, ...] = ()


class Call(NamedTuple):
    """A call of a function of TensorFlow.

    Attributes:
        name: `exp`, `random.normal`.
        node: with its arguments rewritten.
        before: as it was.
        kind: kind of an expression of the file as it was.
        spreads: whether the call only spreads one value over the batch, where a single value does as well.
        inside: whether it is part of a larger formula, so that an operator in it needs brackets.
    """

    name: str
    node: cst.Call
    before: cst.Call
    kind: Callable[[cst.BaseExpression], Kind]
    spreads: bool
    inside: bool


_ELEMENTWISE = {
    "abs": "torch.abs", "acos": "torch.acos", "asin": "torch.asin", "atan": "torch.atan", "ceil": "torch.ceil",
    "cos": "torch.cos", "cosh": "torch.cosh", "erf": "torch.erf", "erfc": "torch.erfc", "erfinv": "torch.erfinv",
    "exp": "torch.exp", "expm1": "torch.expm1", "exponential": "torch.exp", "floor": "torch.floor",
    "is_finite": "torch.isfinite", "is_inf": "torch.isinf", "is_nan": "torch.isnan", "lgamma": "torch.lgamma",
    "log": "torch.log", "log1p": "torch.log1p", "log_sigmoid": "torch.nn.functional.logsigmoid",
    "logical_not": "torch.logical_not", "ndtri": "torch.special.ndtri", "reciprocal": "torch.reciprocal",
    "rint": "torch.round", "round": "torch.round", "rsqrt": "torch.rsqrt", "sigmoid": "torch.sigmoid", "sign": "torch.sign",
    "sin": "torch.sin", "sinh": "torch.sinh", "softplus": "torch.nn.functional.softplus", "sqrt": "torch.sqrt",
    "square": "torch.square", "tan": "torch.tan", "tanh": "torch.tanh", "relu": "torch.relu",
    "relu6": "torch.nn.functional.relu6", "elu": "torch.nn.functional.elu", "selu": "torch.selu",
    "silu": "torch.nn.functional.silu", "swish": "torch.nn.functional.silu", "identity": "torch.clone",
    "stop_gradient": "torch.detach", "det": "torch.linalg.det", "inv": "torch.linalg.inv",
    "cholesky": "torch.linalg.cholesky",
}  # fmt: skip

# TensorFlow's parameters in their order: `*` a tensor, `a>b` is called b there, `-` has no meaning there
_FORMS: dict[str, tuple[str, str]] = {name: (target, "x*>input name-") for name, target in _ELEMENTWISE.items()} | {
    "reduce_sum": ("torch.sum", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_mean": ("torch.mean", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_max": ("torch.amax", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_min": ("torch.amin", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_prod": ("torch.prod", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_any": ("torch.any", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_all": ("torch.all", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_std": ("torch.std", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_variance": ("torch.var", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "reduce_logsumexp": ("torch.logsumexp", "input_tensor*>input axis>dim keepdims>keepdim name-"),
    "cumsum": ("torch.cumsum", "x*>input axis>dim name-"), "cumprod": ("torch.cumprod", "x*>input axis>dim name-"),
    "argmax": ("torch.argmax", "input*>input axis>dim name-"), "argmin": ("torch.argmin", "input*>input axis>dim name-"),
    "softmax": ("torch.softmax", "logits*>input axis>dim name-"),
    "zeros_like": ("torch.zeros_like", "input>input dtype name-"),
    "ones_like": ("torch.ones_like", "input>input dtype name-"),
    "zeros": ("torch.zeros", "shape>size dtype name-"), "ones": ("torch.ones", "shape>size dtype name-"),
    "eye": ("torch.eye", "num_rows>n num_columns>m"), "linspace": ("torch.linspace", "start stop>end num>steps name-"),
    "concat": ("torch.cat", "values>tensors axis>dim name-"), "stack": ("torch.stack", "values>tensors axis>dim name-"),
    "unstack": ("torch.unbind", "value*>input num- axis>dim name-"),
    "expand_dims": ("torch.unsqueeze", "input*>input axis>dim name-"),
    "squeeze": ("torch.squeeze", "input*>input axis>dim name-"), "tile": ("torch.tile", "input*>input multiples>dims name-"),
    "reshape": ("torch.reshape", "tensor*>input shape name-"), "reverse": ("torch.flip", "tensor*>input axis>dims name-"),
    "broadcast_to": ("torch.broadcast_to", "input*>input shape>size name-"),
    "roll": ("torch.roll", "input*>input shift>shifts axis>dims name-"), "atan2": ("torch.atan2", "y*>input x*>other name-"),
    "logical_and": ("torch.logical_and", "x*>input y*>other name-"),
    "logical_or": ("torch.logical_or", "x*>input y*>other name-"), "solve": ("torch.linalg.solve", "matrix*>A rhs*>B name-"),
    "matmul": ("torch.matmul", "a*>input b*>other name-"), "is_tensor": ("torch.is_tensor", "x>obj"),
    "where": ("torch.where", "condition*>condition x>input y>other name-"),
}  # fmt: skip
_NEEDS_DIM = {"cumsum": "0", "cumprod": "0", "argmax": "0", "argmin": "0", "softmax": "-1"}  # TensorFlow's default
_CORRECTED = ("reduce_std", "reduce_variance")
_SHAPES = {"reshape": "shape", "tile": "multiples", "broadcast_to": "shape"}  # where PyTorch takes no bare number

# names as they are, without a call
VALUES = {
    "float32": "Parameters.dtype", "float64": "torch.float64", "double": "torch.float64", "int32": "torch.int32",
    "int64": "torch.int64", "bool": "torch.bool", "newaxis": "None", "Tensor": "torch.Tensor",
} | {name: target for name, target in _ELEMENTWISE.items()}  # fmt: skip

ADVICE = {
    "tensor_scatter_nd_update": 'State.update(state, "K", value) changes one variable',
    "GradientTape": "torch.func.grad, or torch.autograd.grad", "gather_nd": "indices in brackets: x[i, j]",
    "slice": "a slice: x[a:b, c:d]", "function": "nothing; run.compile=true compiles the whole step",
    "Variable": "Parameters.starting_state for what a checkpoint shall hold, a tensor of PyTorch otherwise",
    "summary.create_file_writer": "Parameters.summary, the run's TensorBoard writer", "while_loop": "Python's while",
    "map_fn": "torch.stack([f(x) for x in xs])", "divide_no_nan": "torch.where(y == 0, 0, x / torch.where(y == 0, 1, y))",
    "one_hot": "torch.nn.functional.one_hot", "debugging.check_numerics": "enable_check_numerics=true",
    "gather": "indices in brackets: x[i], x[:, i]", "case": "Python's if",
}  # fmt: skip


def rewrite(call: Call) -> cst.BaseExpression:
    """The call in PyTorch.

    Raises:
        Unported: where there is no simple form.
    """
    special = _SPECIAL.get(call.name)
    if special is not None:
        return special(call)
    if call.name in OPERATORS:
        return _operator(call)
    if call.name in OF_NUMBERS:
        x = next(iter(_bound(call, "x name").values()), None)
        if x is not None and x.kind == NUMBER:
            return _template(f"{OF_NUMBERS[call.name]}({{x}})", x=x.now)
    if call.name in _FORMS:
        return _form(call, *_FORMS[call.name])
    raise Unported(ADVICE.get(call.name, ""))


def _bound(call: Call, parameters: str) -> dict[str, Argument]:
    """Arguments by the names of TensorFlow's parameters."""
    names = parameters.split()
    bound = {}
    for i, (before, now) in enumerate(zip(call.before.args, call.node.args, strict=True)):
        if before.star or (before.keyword is None and i >= len(names)):
            raise Unported("")
        name = before.keyword.value if before.keyword else names[i]
        if name not in names:
            raise Unported(f"{name}= has no form there")
        listed = before.value.elements if isinstance(before.value, cst.List | cst.Tuple) else ()
        kinds = tuple(call.kind(element.value) for element in listed)
        bound[name] = Argument(before.value, now.value, call.kind(before.value), kinds)
    if "dtype" in bound and _is_float32(bound["dtype"].now):
        del bound["dtype"]
    return bound


def _is_float32(node: cst.BaseExpression) -> bool:
    return cst.Module([]).code_for_node(node) == "Parameters.dtype"


def _template(text: str, **parts: cst.BaseExpression) -> cst.BaseExpression:
    """An expression with parts put in: of `({x}) + 1`, the brackets stay where x needs them."""
    for name, part in parts.items():
        if isinstance(part, _ATOMS) or part.lpar:
            text = re.sub(rf"(?<![\w\]])\(\{{{name}\}}\)", f"{{{name}}}", text)
    return parse_template_expression(text, **parts)


_ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.List, cst.ListComp, cst.Dict)


def _tensor(x: Argument) -> cst.BaseExpression:
    """The argument as a tensor."""
    if x.kind == TENSOR:
        return x.now
    if TENSOR in x.elements:
        return _template("torch.stack({x})", x=_listed(x))
    if x.kind == ARRAY or (x.kind == LIST and not x.elements):
        return _template("torch.as_tensor({x}, dtype=Parameters.dtype)", x=x.now)
    return _template("torch.as_tensor({x})", x=x.now)


def _listed(x: Argument) -> cst.BaseExpression:
    """A list whose elements are all tensors."""
    assert isinstance(x.now, cst.List | cst.Tuple)
    elements = [
        element.with_changes(value=_template("torch.as_tensor({x})", x=element.value)) if kind == NUMBER else element
        for element, kind in zip(x.now.elements, x.elements, strict=True)
    ]
    return x.now.with_changes(elements=elements)


def _form(call: Call, target: str, parameters: str) -> cst.BaseExpression:
    """The same call under another name, with other names of its arguments; its layout is kept."""
    entries = [entry.partition(">") for entry in parameters.split()]
    here = {entry[0].rstrip("*-"): entry[2] or entry[0].rstrip("*-") for entry in entries}
    tensors = {entry[0].rstrip("*") for entry in entries if entry[0].endswith("*")}
    dropped = {entry[0].rstrip("-") for entry in entries if entry[0].endswith("-")}
    bound = _bound(call, " ".join(here))
    if "keepdims" in bound and "axis" not in bound:
        raise Unported("torch needs dim= beside keepdim=")
    if call.name == "reduce_logsumexp" and "axis" not in bound:
        raise Unported("torch.logsumexp needs dim=")
    if call.name == "where" and len(bound) < 3:
        raise Unported("torch.nonzero")
    arguments = []
    for i, (name, argument) in enumerate(zip(_names(call, list(here)), call.node.args, strict=True)):
        if name in dropped or name not in bound:
            continue
        value = _tensor(bound[name]) if name in tensors else argument.value
        if name == "values" and bound[name].elements:
            value = _listed(bound[name])
        if _SHAPES.get(call.name) == name and bound[name].kind == NUMBER:
            value = _template("[{x}]", x=value)
        keyword = cst.Name(here[name]) if argument.keyword or len(arguments) < i else None
        equal = argument.equal if argument.keyword else _EQUAL if keyword else cst.MaybeSentinel.DEFAULT
        arguments.append(argument.with_changes(value=value, keyword=keyword, equal=equal))
    if call.name in _NEEDS_DIM and "axis" not in bound:
        arguments = _more(arguments, "dim", _NEEDS_DIM[call.name])
    if call.name in _CORRECTED:
        arguments = _more(arguments, "correction", "0")
    if arguments and len(arguments) < len(call.node.args):
        arguments[-1] = arguments[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return call.node.with_changes(func=_template(target), args=arguments)


_EQUAL = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def _names(call: Call, parameters: list[str]) -> list[str]:
    return [a.keyword.value if a.keyword else parameters[i] for i, a in enumerate(call.before.args)]


def _more(arguments: list[cst.Arg], name: str, value: str) -> list[cst.Arg]:
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    last = [arguments[-1].with_changes(comma=comma)] if arguments else []
    return [*arguments[:-1], *last, cst.Arg(_template(value), keyword=cst.Name(name), equal=_EQUAL)]


def _operator(call: Call) -> cst.BaseExpression:
    """`tf.add(x, y)` is `(x + y)`, for numbers and tensors."""
    x, y = _two(call)
    sides = [_tensor(side) if side.kind in (LIST, ARRAY) else side.now for side in (x, y)]
    left, right = ("(", ")") if call.inside else ("", "")
    return _template(f"{left}({{x}}) {OPERATORS[call.name]} ({{y}}){right}", x=sides[0], y=sides[1])


def _two(call: Call) -> tuple[Argument, Argument]:
    try:
        x, y = (argument for name, argument in _bound(call, "x y name").items() if name != "name")
    except ValueError:
        raise Unported("") from None
    return x, y


def _extreme(call: Call) -> cst.BaseExpression:
    x, y = _two(call)
    side = "min" if call.name == "maximum" else "max"
    kinds = {x.kind, y.kind}
    if kinds == {NUMBER}:
        return _template(f"{'max' if side == 'min' else 'min'}({{x}}, {{y}})", x=x.now, y=y.now)
    if kinds == {NUMBER, TENSOR}:
        tensor, bound = (x, y) if x.kind == TENSOR else (y, x)
        return _template(f"torch.clamp({{x}}, {side}={{y}})", x=tensor.now, y=bound.now)
    return _template(f"torch.{call.name}({{x}}, {{y}})", x=_tensor(x), y=_tensor(y))


def _clip(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "t clip_value_min clip_value_max name")
    low, high, x = bound["clip_value_min"], bound["clip_value_max"], _tensor(bound["t"])
    if TENSOR in (low.kind, high.kind) and low.kind != high.kind:
        return _template("torch.clamp(torch.clamp({x}, min={low}), max={high})", x=x, low=low.now, high=high.now)
    return _template("torch.clamp({x}, min={low}, max={high})", x=x, low=low.now, high=high.now)


def _constant(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "value dtype shape name")
    x, shape, dtype = bound["value"], bound.get("shape"), bound.get("dtype")
    if shape is not None:
        if call.spreads and x.kind != NUMBER:
            return x.now
        if x.kind == NUMBER and dtype is None:
            return _template("torch.full({shape}, {x})", shape=_shape(shape), x=x.now)
        made = _template("({x}).reshape({shape})", x=_made(x, dtype), shape=shape.now)
        return made if x.kind == LIST else _template("({x}).expand({shape})", x=_made(x, dtype), shape=_shape(shape))
    return _made(x, dtype)


def _made(x: Argument, dtype: Argument | None) -> cst.BaseExpression:
    """A tensor of the values, of the run's type where they are decimal numbers without a type of their own."""
    if x.kind == TENSOR:
        return x.now if dtype is None else _template("({x}).to({t})", x=x.now, t=dtype.now)
    if TENSOR in x.elements:
        return _template("torch.stack({x})", x=_listed(x))
    if dtype is not None:
        return _template("torch.tensor({x}, dtype={t})", x=x.now, t=dtype.now)
    if x.kind == NUMBER or _of_numbers(x.before):
        return _template("torch.tensor({x})", x=x.now)
    if x.kind in (LIST, ARRAY):
        return _template("torch.tensor({x}, dtype=Parameters.dtype)", x=x.now)
    return _template("torch.as_tensor({x}, dtype=Parameters.dtype)", x=x.now)


def _of_numbers(node: cst.BaseExpression) -> bool:
    """Whether it is a list, or a list of lists, of numbers that are written there."""
    if isinstance(node, cst.List | cst.Tuple):
        return bool(node.elements) and all(_of_numbers(element.value) for element in node.elements)
    if isinstance(node, cst.UnaryOperation):
        return _of_numbers(node.expression)
    if isinstance(node, cst.BinaryOperation):
        return _of_numbers(node.left) and _of_numbers(node.right)
    return isinstance(node, cst.Integer | cst.Float)


def _shape(shape: Argument) -> cst.BaseExpression:
    """A shape as PyTorch takes it: no bare number."""
    return _template("({x},)", x=shape.now) if shape.kind == NUMBER else shape.now


def _spread(call: Call) -> cst.BaseExpression:
    """`tf.repeat`, `tf.fill`: one value, where the value alone does as well; an expression on all nodes at once then."""
    bound = _bound(call, "dims value name" if call.name == "fill" else "input repeats axis name")
    x = bound["value" if call.name == "fill" else "input"]
    if call.spreads and "axis" not in bound:
        return x.now
    if call.name == "fill":
        shape = _shape(bound["dims"])
        if x.kind == NUMBER:
            return _template("torch.full({shape}, {x})", shape=shape, x=x.now)
        return _template("({x}).expand({shape})", x=_tensor(x), shape=shape)
    text = "torch.repeat_interleave({x}, {n}" + (", dim={axis})" if "axis" in bound else ")")
    axis = {"axis": bound["axis"].now} if "axis" in bound else {}
    times = bound["repeats"]
    n = _tensor(times) if times.kind in (LIST, ARRAY) else times.now
    return _template(text, x=_tensor(x), n=n, **axis)


def _cast(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "x dtype name")
    kind = bound["dtype"].now if "dtype" in bound else _template("Parameters.dtype")
    return _template("({x}).to({t})", x=_tensor(bound["x"]), t=kind)


def _gather(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "params indices validate_indices axis batch_dims name")
    axis = cst.Module([]).code_for_node(bound["axis"].now) if "axis" in bound else "0"
    places = {"0": "{i}", "1": ":, {i}", "2": ":, :, {i}", "-1": "..., {i}"}
    if "batch_dims" in bound or axis not in places:
        raise Unported(ADVICE["gather"])
    i = bound["indices"]
    x = _tensor(bound["params"])
    index = i.now if i.kind in (TENSOR, NUMBER, None) else _template("torch.as_tensor({i})", i=i.now)
    return _template(f"({{x}})[{places[axis]}]", x=x, i=index)


def _draw(call: Call) -> cst.BaseExpression:
    """`tf.random.normal`, `uniform`: from the run's generator, which a checkpoint holds."""
    kind = call.name.partition(".")[2]
    names = {"normal": "mean stddev", "truncated_normal": "mean stddev", "uniform": "minval maxval"}[kind]
    bound = _bound(call, f"shape {names} dtype seed name")
    if "dtype" in bound:
        raise Unported("")
    given = {name: bound[name].now for name in names.split() if name in bound}
    text = "".join(f", {name}={{{name}}}" for name in given)
    return _template(f"Parameters.rng.{kind}({{shape}}{text})", shape=_shape(bound["shape"]), **given)


def _categorical(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "logits num_samples dtype seed name")
    if not {"logits", "num_samples"} <= set(bound):
        raise Unported("Parameters.rng.categorical(probabilities)")
    text = "Parameters.rng.categorical(torch.softmax({x}, dim=-1)[..., None, :].expand(-1, {n}, -1))"
    return _template(text, x=_tensor(bound["logits"]), n=bound["num_samples"].now)


def _of_shape(call: Call) -> cst.BaseExpression:
    x = _bound(call, "input out_type name")["input"]
    return _template({"shape": "({x}).shape", "size": "({x}).numel()", "rank": "({x}).ndim"}[call.name], x=_tensor(x))


def _transpose(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "a perm name")
    x = _tensor(bound["a"])
    return _template("torch.permute({x}, {p})", x=x, p=bound["perm"].now) if "perm" in bound else _template("({x}).T", x=x)


def _branches(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "pred true_fn false_fn name")
    parts = []
    for name in ("true_fn", "false_fn"):
        now = bound[name].now
        plain = isinstance(now, cst.Lambda)
        parts.append(now.body if isinstance(now, cst.Lambda) and plain else _template("({f})()", f=now))
    return _template("(({a}) if {c} else ({b}))", a=parts[0], b=parts[1], c=bound["pred"].now)


def _negative(call: Call) -> cst.BaseExpression:
    x = _bound(call, "x name")["x"]
    return _template("(-({x}))", x=_tensor(x) if x.kind in (LIST, ARRAY) else x.now)


def _square(call: Call) -> cst.BaseExpression:
    x = _bound(call, "x name")["x"]
    return _template("(({x}) ** 2)", x=x.now) if x.kind == NUMBER else _form(call, *_FORMS["square"])


def _printed(call: Call) -> cst.BaseExpression:
    kept = [a for a in call.node.args if a.keyword is None or a.keyword.value in ("sep", "end")]
    return call.node.with_changes(func=cst.Name("print"), args=kept)


def _counted(call: Call) -> cst.BaseExpression:
    if any(argument.keyword for argument in call.node.args):
        raise Unported("torch.arange")
    return call.node.with_changes(func=_template("torch.arange"))


def _einsum(call: Call) -> cst.BaseExpression:
    if any(argument.keyword for argument in call.node.args):
        raise Unported("torch.einsum")
    return call.node.with_changes(func=_template("torch.einsum"))


_SPECIAL: dict[str, Callable[[Call], cst.BaseExpression]] = {
    "maximum": _extreme, "minimum": _extreme, "clip_by_value": _clip, "constant": _constant, "convert_to_tensor": _constant,
    "repeat": _spread, "fill": _spread, "cast": _cast, "gather": _gather, "random.normal": _draw, "random.uniform": _draw,
    "random.truncated_normal": _draw, "random.categorical": _categorical, "shape": _of_shape, "size": _of_shape,
    "rank": _of_shape, "transpose": _transpose, "cond": _branches, "negative": _negative, "square": _square,
    "print": _printed, "range": _counted, "einsum": _einsum,
}  # fmt: skip
