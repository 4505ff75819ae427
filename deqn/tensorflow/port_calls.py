"""A call of TensorFlow -> the same in PyTorch, for what has one form there.

Of the names that a folder may use as it is (names.py), those with a one-to-one form. Sources: TensorFlow 2 and PyTorch 2 API.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import libcst as cst
from libcst.helpers import parse_template_expression

from deqn.tensorflow.port_kinds import ARRAY, LIST, NUMBER, OF_NUMBERS, OPERATORS, TENSOR, Kind
from deqn.tensorflow.port_names import ADVICE, CORRECTED, FORMS, NEEDS_DIM, SHAPES


class Unported(Exception):
    """There is no simple form; the text says what to do."""


class Argument(NamedTuple):
    """An argument of a call: as it was, with its parts rewritten, its kind, those of its elements where it is a list.

    `plain`: numbers of Python, or lists of them.
    """

    before: cst.BaseExpression
    now: cst.BaseExpression
    kind: Kind
    elements: tuple[Kind, ...] = ()
    plain: bool = False


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
    if call.name in FORMS:
        return _form(call, *FORMS[call.name])
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
        plain = _plain(before.value, call.kind)
        bound[name] = Argument(before.value, now.value, call.kind(before.value), kinds, plain)
    if "dtype" in bound and _is_float32(bound["dtype"].now):
        del bound["dtype"]
    return bound


def _is_float32(node: cst.BaseExpression) -> bool:
    return cst.Module([]).code_for_node(node) in ("Parameters.dtype", "global_default_dtype")


def _template(text: str, **parts: Any) -> cst.BaseExpression:
    """An expression with parts put in: of `({x}) + 1`, the brackets stay where x needs them."""
    for name, part in parts.items():
        text, bracketed = re.subn(rf"(?<![\w\]])\(\{{{name}\}}\)", f"{{{name}}}", text)
        if bracketed and not isinstance(part, ATOMS):
            parts[name] = in_brackets(part)
    return parse_template_expression(text, **parts)


ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.List, cst.ListComp, cst.Dict, cst.Integer, cst.Float)


def in_brackets(node: cst.BaseExpression) -> cst.BaseExpression:
    return node if node.lpar else node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _tensor(x: Argument) -> cst.BaseExpression:
    """The argument as a tensor."""
    if x.kind == TENSOR:
        return x.now
    if _holds_tensors(x):
        return _template("torch.stack({x})", x=_listed(x))
    if x.kind == ARRAY or (x.kind == LIST and not x.elements):
        return _template("torch.as_tensor({x}, dtype=Parameters.dtype)", x=x.now)
    return _template("torch.as_tensor({x})", x=x.now)


def _holds_tensors(x: Argument) -> bool:
    """Whether it is a list that stands there, with an entry that is a tensor or may be one."""
    return not x.plain and bool(x.elements) and not {LIST, ARRAY} & {*x.elements}


def _listed(x: Argument) -> cst.BaseExpression:
    """A list whose elements are all tensors."""
    assert isinstance(x.now, cst.List | cst.Tuple)
    elements = [
        element.with_changes(value=_template("torch.as_tensor({x})", x=element.value)) if kind != TENSOR else element
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
    arguments: list[cst.Arg] = []
    for i, (name, argument) in enumerate(zip(_names(call, list(here)), call.node.args, strict=True)):
        if name in dropped or name not in bound:
            continue
        value = _tensor(bound[name]) if name in tensors else argument.value
        if name == "values" and bound[name].elements:
            value = _listed(bound[name])
        if SHAPES.get(call.name) == name and bound[name].kind == NUMBER:
            value = _template("[{x}]", x=value)
        keyword = (
            cst.Name(here[name]) if argument.keyword or len(arguments) < i or (i and call.name in CORRECTED) else None
        )
        equal = argument.equal if argument.keyword else _EQUAL if keyword else cst.MaybeSentinel.DEFAULT
        arguments.append(argument.with_changes(value=value, keyword=keyword, equal=equal))
    if call.name in NEEDS_DIM and "axis" not in bound:
        arguments = _more(arguments, "dim", NEEDS_DIM[call.name])
    if call.name in CORRECTED:
        arguments = _more(arguments, "correction", "0")
    if len(arguments) < len(call.node.args):
        arguments = ended(arguments)
    return call.node.with_changes(func=_template(target), args=arguments)


def ended(arguments: list[cst.Arg]) -> list[cst.Arg]:
    """Without the comma that stood before an argument that is gone."""
    return [*arguments[:-1], arguments[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if arguments else []


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
    if _holds_tensors(x):
        return _template("torch.stack({x})", x=_listed(x))
    if dtype is not None:
        return _template("torch.tensor({x}, dtype={t})", x=x.now, t=dtype.now)
    if x.plain:
        return _template("torch.tensor({x})", x=x.now)
    if x.kind in (LIST, ARRAY):
        return _template("torch.tensor({x}, dtype=Parameters.dtype)", x=x.now)
    return _template("torch.as_tensor({x}, dtype=Parameters.dtype)", x=x.now)


def _plain(node: cst.BaseExpression, kind: Callable[[cst.BaseExpression], Kind]) -> bool:
    """Whether it is a number, or a list, or a list of lists, of numbers."""
    if isinstance(node, cst.List | cst.Tuple):
        return bool(node.elements) and all(_plain(element.value, kind) for element in node.elements)
    return kind(node) == NUMBER


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
    return (
        _template("torch.permute({x}, {p})", x=x, p=bound["perm"].now) if "perm" in bound else _template("({x}).T", x=x)
    )


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
    return _template("(({x}) ** 2)", x=x.now) if x.kind == NUMBER else _form(call, *FORMS["square"])


def _matmul(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "a b transpose_a transpose_b name")
    sides = {}
    for name in ("a", "b"):
        flag = cst.Module([]).code_for_node(bound[f"transpose_{name}"].now) if f"transpose_{name}" in bound else "False"
        if flag not in ("True", "False"):
            raise Unported("x.mT")
        side = _tensor(bound[name])
        sides[name] = _template("({x}).mT", x=side) if flag == "True" else side
    return _template("torch.matmul({a}, {b})", **sides)


def _sort(call: Call) -> cst.BaseExpression:
    bound = _bound(call, "values axis name")
    axis = bound["axis"].now if "axis" in bound else _template("-1")
    return _template("torch.sort({x}, dim={axis}).values", x=_tensor(bound["values"]), axis=axis)


def _add_n(call: Call) -> cst.BaseExpression:
    x = _bound(call, "inputs name")["inputs"]
    return _template("torch.stack({x}).sum(0)", x=_listed(x) if x.elements else x.now)


def _printed(call: Call) -> cst.BaseExpression:
    kept = [a for a in call.node.args if a.keyword is None or a.keyword.value in ("sep", "end")]
    return call.node.with_changes(func=cst.Name("print"), args=ended(kept) if len(kept) < len(call.node.args) else kept)


def _renamed(call: Call) -> cst.BaseExpression:
    target = {"range": "torch.arange", "einsum": "torch.einsum"}[call.name]
    if any(argument.keyword for argument in call.node.args):
        raise Unported(target)
    return call.node.with_changes(func=_template(target))


_SPECIAL: dict[str, Callable[[Call], cst.BaseExpression]] = {
    "maximum": _extreme, "minimum": _extreme, "clip_by_value": _clip, "constant": _constant, "convert_to_tensor": _constant,
    "repeat": _spread, "fill": _spread, "cast": _cast, "gather": _gather, "random.normal": _draw, "random.uniform": _draw,
    "random.truncated_normal": _draw, "random.categorical": _categorical, "shape": _of_shape, "size": _of_shape,
    "rank": _of_shape, "transpose": _transpose, "cond": _branches, "negative": _negative, "square": _square,
    "matmul": _matmul, "sort": _sort, "add_n": _add_n, "print": _printed, "range": _renamed, "einsum": _renamed,
}  # fmt: skip
