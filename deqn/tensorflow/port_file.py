"""One file of a model folder, written for the TensorFlow library -> the same for this one; comments and layout stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import libcst as cst
from libcst.helpers import parse_template_expression
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider

from deqn.tensorflow.port_calls import Call, Unported, ended, in_brackets, rewrite
from deqn.tensorflow.port_imports import Imports, comments, dotted, every, imported_by_call, names_in
from deqn.tensorflow.port_kinds import NUMBER, File, Kinds, key, path
from deqn.tensorflow.port_names import ADVICE, VALUES

# settings of the machine, which stand in the configuration here
_SETTINGS = ("config.", "keras.backend.set_floatx", "get_logger", "compat.v1.", "autograph.", "random.set_seed",
             "keras.utils.set_random_seed", "debugging.enable_check_numerics", "debugging.disable_check_numerics",
             "keras.backend.clear_session", "summary.flush")  # fmt: skip
_OLD_NUMPY = {
    "int": "int", "float": "float", "bool": "bool", "object": "object", "str": "str", "complex": "complex",
    "Inf": "np.inf", "Infinity": "np.inf", "infty": "np.inf", "PINF": "np.inf", "NINF": "-np.inf", "NaN": "np.nan",
    "NAN": "np.nan", "float_": "np.float64", "product": "np.prod", "cumproduct": "np.cumprod", "alltrue": "np.all",
    "sometrue": "np.any", "round_": "np.round",
}  # fmt: skip
_ONLY_THERE = (
    "current_episode", "ckpt", "n_states", "ENABLE_TB", "VERBOSE", "writer", "model", "horovod", "horovod_worker",
    "error_filename", "N_simulated_batch_size", "N_simulated_episode_length", "optimizer_starting_iteration",
)  # fmt: skip
_ASSIGN = {"assign": "copy_", "assign_add": "add_", "assign_sub": "sub_"}
_SWITCHES = ("POST_PROCESSING", "DISABLE_SHOCKS")
_DRAWN = ("states", "policy_states", "definitions")


class Remark(NamedTuple):
    """What a person has to look at: line in the original, text."""

    line: int
    text: str


class Known(NamedTuple):
    """What is known of the model beside its files.

    Attributes:
        name: of the model.
        constants: those of the configuration.
        drawn: states, policies and definitions, whose histograms the run draws; None where they are not known.
        bounded: definitions with bounds; None where they are not known.
    """

    name: str
    constants: Collection[str] = ()
    drawn: Collection[str] | None = None
    bounded: Collection[str] | None = None


def rewritten(file: File, label: str, kinds: Kinds, known: Known) -> tuple[str, list[Remark]]:
    """The text of a file on PyTorch, and what is left.

    Args:
        label: name of the file without `.py`.
    """
    wrapper = MetadataWrapper(file.tree, unsafe_skip_copy=True)
    rewriter = _Rewriter(file, label, kinds, known, wrapper)
    tree = wrapper.module.visit(rewriter)
    if label == "Variables":  # which runs before there is a model
        tree = cst.parse_module(tree.code.replace("Parameters.dtype", "torch.get_default_dtype()"))
    used = names_in(tree)
    unused = {
        n for n in (*file.foreign, *(n for n, m in file.modules.items() if m in ("importlib", "sys"))) if n not in used
    }
    before = names_in(file.tree)
    unused -= {name for name in unused if name not in file.foreign and name not in before}
    bound = {*file.modules, *file.taken}
    needed = [name for name in ("math", "torch", "Parameters") if name in used and name not in bound]
    tree = tree.visit(Imports(unused, needed))
    remarks = rewriter.remarks
    return tree.code, sorted(set(remarks))


class _Rewriter(cst.CSTTransformer):
    def __init__(self, file: File, label: str, kinds: Kinds, known: Known, wrapper: MetadataWrapper) -> None:
        super().__init__()
        self._file, self._label, self._kinds, self._known = file, label, kinds, known
        self._places: Mapping[Any, Any] = wrapper.resolve(PositionProvider)
        self._parents: Mapping[Any, Any] = wrapper.resolve(ParentNodeProvider)
        self._raw = {
            target for node in file.tree.body for target, m in imported_by_call(node, known.name) if m == "Definitions"
        }
        self.remarks: list[Remark] = []

    # -- what a node is -------------------------------------------------------------------------------------------

    def _say(self, node: cst.CSTNode, text: str) -> None:
        self.remarks.append(Remark(self._places[node].start.line, text))

    def _up(self, node: cst.CSTNode) -> cst.CSTNode:
        found: cst.CSTNode = self._parents[node]
        return found

    def _function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        while not isinstance(node, cst.Module):
            node = self._up(node)
            if isinstance(node, cst.FunctionDef):
                return node
        return None

    def _path(self, node: cst.BaseExpression) -> str | None:
        return path(node, self._file.foreign)

    def _owner(self, node: cst.BaseExpression) -> str:
        """The module whose attribute this is: 'Parameters' of `Parameters.x`."""
        inner = node.value if isinstance(node, cst.Attribute) else None
        return self._file.modules.get(inner.value, "") if isinstance(inner, cst.Name) else ""

    def _spreads(self, node: cst.BaseExpression) -> bool:
        """Whether one value does as well as one a state: in a formula, or as what a variable is set to."""
        parent = self._up(node)
        if isinstance(parent, cst.BinaryOperation):
            return True
        if isinstance(parent, cst.Arg):
            call = self._up(parent)
            return isinstance(call, cst.Call) and dotted(call.func) == "State.update"
        if isinstance(parent, cst.DictElement):
            argument = self._up(self._up(parent))
            return isinstance(argument, cst.Call) and dotted(argument.func) == "State.update_dict"
        function = self._function(node)
        if isinstance(parent, cst.Assign) and len(parent.targets) == 1 and function is not None:
            target = parent.targets[0].target
            if isinstance(target, cst.Name):
                uses = [
                    n
                    for n in every(function.body)
                    if isinstance(n, cst.Name) and n.value == target.value and n is not target
                ]
                return bool(uses) and all(
                    not isinstance(self._up(use), cst.Assign) and self._spreads(use) for use in uses
                )
        return False

    # -- expressions ----------------------------------------------------------------------------------------------

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.ImportFrom:
        """`from Parameters import global_default_dtype`, and what is not there."""
        module = original_node.module
        if module is None or dotted(module) != "Parameters" or isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        aliases = []
        for alias in updated_node.names:
            name = dotted(alias.name)
            if name in self._known.constants:
                pass
            elif name == "global_default_dtype":
                asname = alias.asname or cst.AsName(cst.Name(name))
                alias = alias.with_changes(name=cst.Name("dtype"), asname=asname)
            elif name in _ONLY_THERE:
                self._say(original_node, f"Parameters.{name} is only there for folders of the TensorFlow library.")
            aliases.append(alias)
        return updated_node.with_changes(names=aliases)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        return self._path(node) is None

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        found, name = self._path(original_node), original_node.attr.value
        parent = self._up(original_node)
        if found is not None:
            called = isinstance(parent, cst.Call) and parent.func is original_node
            return updated_node if called else self._value(found, original_node, updated_node)
        owner = self._owner(original_node)
        if owner == "numpy" and name in _OLD_NUMPY:
            alias = cst.Module([]).code_for_node(original_node.value)
            return parse_template_expression(_OLD_NUMPY[name].replace("np.", f"{alias}."))
        if owner == "Globals" and name == "DISABLE_SCHOCKS":
            return updated_node.with_changes(attr=cst.Name("DISABLE_SHOCKS"))
        if owner == "Globals" and name not in _SWITCHES:
            self._say(original_node, f"Globals.{name} is only there for folders of the TensorFlow library.")
        if owner == "Parameters" and name not in self._known.constants:
            if name == "global_default_dtype":
                return updated_node.with_changes(attr=cst.Name("dtype"))
            if name in _ONLY_THERE:
                self._say(original_node, f"Parameters.{name} is only there for folders of the TensorFlow library.")
        if isinstance(original_node.value, cst.Name) and original_node.value.value in self._raw:
            if self._known.bounded is None:
                self._say(original_node, f"it had no bounds; where {name} has some, write Definitions.{name}_RAW.")
            elif name in self._known.bounded:
                return updated_node.with_changes(attr=cst.Name(f"{name}_RAW"))
        return updated_node

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        found, parent = self._path(original_node), self._up(original_node)
        of_another = isinstance(parent, cst.Attribute) and parent.attr is original_node
        named = isinstance(parent, cst.Arg) and parent.keyword is original_node
        called = isinstance(parent, cst.Call) and parent.func is original_node
        if not found or of_another or named or called or isinstance(parent, cst.Param | cst.AssignTarget):
            return updated_node
        return self._value(found, original_node, updated_node)

    def _value(self, found: str, node: cst.BaseExpression, updated: cst.BaseExpression) -> cst.BaseExpression:
        """A name of TensorFlow that is not called."""
        target = VALUES.get(key(found))
        if target is None:
            decorated = isinstance(self._up(node), cst.Decorator)
            if not decorated:
                self._say(node, self._left(found))
            return updated
        return parse_template_expression(target)

    def _left(self, found: str, advice: str = "") -> str:
        from deqn.tensorflow.names import torch_name

        text = advice or ADVICE.get(key(found), "")
        return f"tf.{found} is left as it is.{f' Here: {text}.' if text else torch_name(found.rpartition('.')[2])}"

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        found = self._path(original_node.func)
        if found is None:
            return self._other_call(original_node, updated_node)
        function = self._function(original_node)
        if found.startswith("summary."):
            return self._summary(found, original_node, updated_node)
        if found == "function" and len(updated_node.args) == 1 and not updated_node.args[0].keyword:
            return in_brackets(updated_node.args[0].value)
        if _is_setting(found):
            return updated_node  # removed with its line
        parent = self._up(original_node)
        inside = not isinstance(
            parent, cst.Arg | cst.Assign | cst.Return | cst.Element | cst.DictElement | cst.AugAssign
        )
        call = Call(
            key(found), updated_node, original_node, lambda node: self._kinds.of(node, self._label, function),
            self._spreads(original_node), inside,
        )  # fmt: skip
        try:
            new = rewrite(call)
        except (Unported, KeyError) as error:
            advice = str(error) if isinstance(error, Unported) else ""
            self._say(original_node, self._left(found, advice))
            return updated_node
        if comments(original_node) - comments(new):
            self._say(original_node, "a comment inside this call is lost.")
        if original_node.lpar and not new.lpar:
            new = new.with_changes(lpar=original_node.lpar, rpar=original_node.rpar)
        return new

    def _summary(self, found: str, node: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        kind = {"scalar": "add_scalar", "histogram": "add_histogram", "text": "add_text"}.get(found.partition(".")[2])
        names = ["name", "data", "step"]
        given = {(a.keyword.value if a.keyword else names[min(i, 2)]): a.value for i, a in enumerate(updated.args)}
        if kind is None or not {"name", "data"} <= set(given):
            self._say(node, self._left(found))
            return updated
        step = given.get("step", parse_template_expression("Parameters.gradient_steps"))
        text = f"Parameters.summary.{kind}({{name}}, {{data}}, {{step}})"
        return parse_template_expression(text, name=given["name"], data=given["data"], step=step)

    def _other_call(self, node: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        """Methods of tensors, and functions of the library with arguments that they lack here."""
        function = node.func
        name = dotted(function).rpartition(".")[2] if isinstance(function, cst.Attribute | cst.Name) else ""
        base = function.value if isinstance(function, cst.Attribute) else None
        if name in _ASSIGN and len(node.args) == 1 and base is not None and dotted(base).endswith("starting_state"):
            number = self._kinds.of(node.args[0].value, self._label, self._function(node)) == NUMBER
            here = cst.Name("fill_" if name == "assign" and number else _ASSIGN[name])
            return updated.with_changes(func=cst.ensure_type(updated.func, cst.Attribute).with_changes(attr=here))
        if base is not None and name == "numpy" and not node.args:
            inner = cst.ensure_type(updated.func, cst.Attribute).value
            if self._kinds.of(base, self._label, self._function(node)) == NUMBER:
                return inner
            return parse_template_expression("{x}.detach().cpu().numpy()", x=inner)
        if base is not None and name in ("get_shape", "as_list") and not node.args:
            inner = cst.ensure_type(updated.func, cst.Attribute).value
            return parse_template_expression("{x}.shape" if name == "get_shape" else "list({x})", x=inner)
        if base is not None and dotted(base) == "Parameters.rng":
            kept = [a for a in updated.args if a.keyword is None or a.keyword.value != "dtype"]
            return updated.with_changes(args=ended(kept))
        if name == "E_t_gen" or dotted(function) == "Parameters.policy":
            return updated.with_changes(
                args=ended([a for a in updated.args if not a.keyword or a.keyword.value != "training"])
            )
        return updated

    # -- statements -----------------------------------------------------------------------------------------------

    def leave_Decorator(
        self, original_node: cst.Decorator, updated_node: cst.Decorator
    ) -> cst.Decorator | cst.RemovalSentinel:
        inner = original_node.decorator
        found = self._path(inner.func if isinstance(inner, cst.Call) else inner)
        if found in ("function", "autograph.experimental.do_not_convert"):
            self.remarks = [r for r in self.remarks if r.line != self._places[original_node].start.line]
            return cst.RemoveFromParent()
        return updated_node

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.RemovalSentinel:
        first = original_node.body[0]
        if len(original_node.body) > 1:
            return updated_node
        if isinstance(first, cst.Expr) and isinstance(first.value, cst.Call):
            if self._drawn(first.value) or _is_setting(self._called(first.value)):
                if not self._drawn(first.value):
                    text = cst.Module([]).code_for_node(first.value)
                    self._say(original_node, f"removed: {text}. It is set in the configuration here.")
                return cst.RemoveFromParent()
            entry = _set_here(first.value)
            if entry is not None and isinstance(self._up(original_node), cst.Module):
                value = cst.ensure_type(cst.ensure_type(updated_node.body[0], cst.Expr).value, cst.Call).args[2].value
                assigned = cst.Assign([cst.AssignTarget(cst.Name(entry))], value)
                return updated_node.with_changes(body=[assigned])
        for target, module in imported_by_call(original_node, self._known.name):
            text = f"import {module}" + (f" as {target}" if target != module else "")
            statement = cst.ensure_type(cst.parse_statement(text), cst.SimpleStatementLine)
            return updated_node.with_changes(body=statement.body)
        return updated_node

    def _called(self, node: cst.Call) -> str:
        """The path of a call, also of one on what another gives: `tf.get_logger().setLevel(...)`."""
        function: cst.BaseExpression = node.func
        while isinstance(function, cst.Attribute) and isinstance(function.value, cst.Call):
            function = function.value.func
        return self._path(function) or ""

    def _drawn(self, node: cst.Call) -> bool:
        """Whether it draws a histogram that the run draws by itself."""
        if self._path(node.func) != "summary.histogram" or not node.args:
            return False
        name = node.args[0].value
        if isinstance(name, cst.SimpleString):
            text = str(name.evaluated_value)
            return text.startswith("hist_") and self._known.drawn is not None and text[5:] in self._known.drawn
        looped = None
        if isinstance(name, cst.BinaryOperation) and isinstance(name.left, cst.SimpleString):
            looped = name.right if name.left.evaluated_value == "hist_" else None
        elif isinstance(name, cst.FormattedString) and len(name.parts) == 2:
            first, second = name.parts
            if isinstance(first, cst.FormattedStringText) and isinstance(second, cst.FormattedStringExpression):
                looped = second.expression if first.value == "hist_" else None
        up: cst.CSTNode = node
        while isinstance(looped, cst.Name) and not isinstance(up, cst.Module):
            up = self._up(up)
            if isinstance(up, cst.For) and isinstance(up.target, cst.Name) and up.target.value == looped.value:
                return dotted(up.iter).rpartition(".")[2] in _DRAWN
        return False

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        if updated_node.body or not original_node.body:
            return updated_node
        return updated_node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])

    def leave_For(self, original_node: cst.For, updated_node: cst.For) -> cst.BaseStatement | cst.RemovalSentinel:
        return cst.RemoveFromParent() if _emptied(original_node.body, updated_node.body) else updated_node


def _is_setting(found: str) -> bool:
    return bool(found) and found.startswith(_SETTINGS)


def _emptied(before: cst.BaseSuite, now: cst.BaseSuite) -> bool:
    def only_pass(suite: cst.BaseSuite) -> bool:
        return len(suite.body) == 1 and isinstance(suite.body[0], cst.SimpleStatementLine) and all(
            isinstance(small, cst.Pass) for small in suite.body[0].body
        )  # fmt: skip

    return only_pass(now) and not only_pass(before)


def _set_here(node: cst.Call) -> str | None:
    """The name that `setattr(sys.modules[__name__], "name", x)` sets in its own file."""
    code = cst.Module([]).code_for_node
    if not isinstance(node.func, cst.Name) or node.func.value != "setattr" or len(node.args) != 3:
        return None
    name = node.args[1].value
    here = code(node.args[0].value) == "sys.modules[__name__]" and isinstance(name, cst.SimpleString)
    text = str(name.evaluated_value) if isinstance(name, cst.SimpleString) else ""
    return text if here and text.isidentifier() else None
