"""A model folder written from functions: those of a notebook's cells, or of a file.

Each function is written as it stands, with the functions and classes of its own notebook that it uses, and with the imports
that it needs. What is written is a model folder like any other: it can be trained by `deqn train`, resumed and sent to others.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import symtable
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deqn.economy.new import MOVED, refuse_names, yaml_files
from deqn.errors import ConfigError, ModelError, count, suggestion

Function = Callable[..., Any]
Given = Any  # an entry of the YAML file, or a pair of numbers

NAMES = ("Definitions", "Globals", "Parameters", "PolicyState", "State")
HOOKS = ("post_init", "cycle_hook", "progress", "closed_form", "reference", "closing_lines", "transversality")
_MARK = "# written by deqn.model_from, which overwrites this file: remove this line to keep changes of your own"
_NODES = 5  # of each shock
_NORMAL = '''
if Parameters.expectation_type == "monomial":
    shock_values, shock_probs = State.monomial_rule([{deviations}])
else:
    shock_values, shock_probs = State.gauss_hermite([{deviations}], Parameters.n_quad_pts)


{law}


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    shocks = [
        0.0 if Globals.DISABLE_SHOCKS else Parameters.rng.normal(prev_state.shape[:-1], stddev=deviation)
        for deviation in ({deviations},)
    ]
    return {name}(prev_state, policy_state, *shocks)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one shock node."""
    return {name}(prev_state, policy_state, {nodes})
'''
_NONE = '''
shock_probs = torch.ones(1)  # no shocks: one node


{law}


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    return {name}(prev_state, policy_state)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one shock node."""
    return {name}(prev_state, policy_state)
'''


@dataclass
class Economy:
    """What `deqn.model_from` is given; its docstring says what each is."""

    name: str
    states: Mapping[str, Given] | Sequence[str]
    policies: Mapping[str, Given] | Sequence[str]
    equations: Function
    next_state: Function | None = None
    shocks: Mapping[str, float | str] | Function | None = None
    total_step_random: Function | None = None
    total_step_spec_shock: Function | None = None
    shock_probs: Function | None = None
    definitions: Sequence[Function] | Mapping[str, Function] = ()
    definition_bounds: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    hooks: Sequence[Function] = ()
    calibrate: Function | None = None
    guess: Function | None = None
    define_net: Function | None = None
    post_process: Function | None = None
    net: Mapping[str, Any] | str | None = None
    optimizer: Mapping[str, Any] | str | None = None
    run: Mapping[str, Any] | str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


def write_model(economy: Economy, folder: Path) -> list[Path]:
    """Writes `models/<name>/` and `config/` into a folder.

    Returns:
        The files written.

    Raises:
        ConfigError: for names that cannot be used, or files that somebody else has written.
        ModelError: with everything that cannot be saved.
    """
    name = economy.name
    refuse_names(name, list(economy.states), list(economy.policies))
    models, configs = folder / "models", folder / "config"
    texts = {models / name / f"{file}.py": f"{_MARK}\n{text}" for file, text in _Folder(economy).files().items()}
    for group, text in _configuration(economy, models.resolve()).items():
        texts[configs / group / f"{name}.yaml"] = text
    before = [*(models / name).glob("*.py"), *configs.glob(f"*/{name}.yaml")]
    foreign = [str(path) for path in before if not _is_ours(path)]
    if foreign:
        raise ConfigError(
            f"nothing was written: {count(len(foreign), 'file')} of {name!r} {'was' if len(foreign) == 1 else 'were'} not "
            "written by deqn.model_from, or changed by hand since. Give another name, or another folder=...",
            foreign,
        )
    for path in before:
        if path not in texts:  # of an earlier call: that function is no longer given
            path.unlink()
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _is_ours(path: Path) -> bool:
    return _MARK in path.read_text(encoding="utf-8", errors="ignore").splitlines()[:2]


# -- configuration ----------------------------------------------------------------------------------------------------


def _configuration(economy: Economy, models_dir: Path) -> dict[str, str]:
    """The YAML file of each group; none for a group that is another model's."""
    states, policies = _variables(economy.states, _state), _variables(economy.policies, _policy)
    names = [entry["name"] for entry in states], [entry["name"] for entry in policies]
    defaults = {g: yaml.safe_load(text) for g, text in yaml_files(economy.name, *names, None).items()}
    defaults["run"]["n_quad_pts"] = _NODES
    bounds = economy.definition_bounds
    groups: dict[str, Any] = {
        "constants": {"constants": _plain(economy.constants)},
        "variables": {
            "states": states,
            "policies": policies,
            "definitions": [
                {"name": name} | ({"bounds": _plain(bounds[name])} if name in bounds else {})
                for name in _by_name(economy.definitions)
            ],
        },
    }
    unknown = [name for name in bounds if name not in _by_name(economy.definitions)]
    if unknown:
        raise ConfigError(
            f"definition_bounds: {', '.join(unknown)}: no such definition. Known: {', '.join(_by_name(economy.definitions))}."
        )
    chosen = {"constants": economy.name, "variables": economy.name}
    for group, given in (("net", economy.net), ("optimizer", economy.optimizer), ("run", economy.run)):
        chosen[group] = given if isinstance(given, str) else economy.name
        if not isinstance(given, str):
            own = _plain(given or {})
            groups[group] = own if group == "optimizer" and own else defaults[group] | own
    texts = {group: f"{_MARK}\n{_yaml(tree)}" for group, tree in groups.items()}
    model = {"defaults": [{f"override /{group}": name} for group, name in chosen.items()], "MODEL_NAME": economy.name}
    texts["model"] = (
        f"# @package _global_\n{_MARK}\n{_yaml(model)}{_yaml({'MODELS_DIR': str(models_dir)}).rstrip()} {MOVED}\n"
        f"{_yaml(_plain(economy.config))}"
    )
    return texts


def _yaml(tree: Mapping[str, Any]) -> str:
    """A key a line; what has no keys of its own below stands in one line."""

    def dumped(key: str, value: Any) -> str:
        flow = None if isinstance(value, dict | list) and value else False
        return yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=flow)

    return "".join(dumped(key, value) for key, value in tree.items())


def _variables(given: Any, entry: Callable[[Given], dict[str, Any]]) -> list[dict[str, Any]]:
    if not isinstance(given, Mapping):
        given = dict.fromkeys(given)
    return [{"name": name, **entry(value)} for name, value in given.items()]


def _state(given: Given) -> dict[str, Any]:
    """A pair is the range that a state starts from."""
    if _is_pair(given):
        low, high = _plain(given)
        return {"init": {"distribution": "uniform", "kwargs": {"minval": low, "maxval": high}}}
    return _entry(given)


def _policy(given: Given) -> dict[str, Any]:
    """A pair is the range that a policy stays in."""
    if _is_pair(given):
        low, high = _plain(given)
        return {"activation": "implied", "bounds": {"lower": low, "upper": high}}
    return _entry(given)


def _is_pair(given: Given) -> bool:
    return isinstance(given, list | tuple) and len(given) == 2


def _entry(given: Given) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {key: value for key, value in _plain(given).items() if key != "name"}
    raise ConfigError(
        f"a state or policy is given as {given!r}. Expected a pair (low, high), or a dictionary with the keys of the YAML file, "
        "{'init': ..., 'bounds': ...}."
    )


def _plain(value: Any) -> Any:
    """What YAML can hold: arrays and tensors become lists, numbers of NumPy Python's."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(f"{value!r} is a {type(value).__name__}. Expected a number, a text, a list or an array.")


# -- files of the model folder ------------------------------------------------------------------------------------------


class _Folder:
    """The Python files of the model folder."""

    def __init__(self, economy: Economy) -> None:
        self.economy = economy
        self.definitions = _by_name(economy.definitions)
        self.problems: list[str] = []

    def files(self) -> dict[str, str]:
        """By file, its text.

        Raises:
            ModelError: with everything that cannot be saved.
        """
        economy, texts = self.economy, {"Definitions": self._file(self.definitions, own=True)}
        texts["Dynamics"] = self._dynamics()
        texts["Equations"] = self._file({"equations": economy.equations})
        hooks = _by_name(economy.hooks)
        for name in hooks:
            if name not in HOOKS:
                self.problems.append(
                    f"hooks: {name} is no hook.{suggestion(name, HOOKS)} Known: {', '.join(HOOKS)}. What a hook uses is written "
                    "with it, and need not be listed."
                )
        more: dict[str, Mapping[str, Function | None]] = {
            "Calibration": {"calibrate": economy.calibrate},
            "Guess": {"guess": economy.guess},
            "Net": {"define_net": economy.define_net},
            "PostProcess": {"post_process": economy.post_process},
            "Hooks": hooks,
        }
        for file, functions in more.items():
            given = {name: function for name, function in functions.items() if function is not None}
            if given:
                texts[file] = self._file(given)
        if self.problems:
            unique = list(dict.fromkeys(self.problems))
            raise ModelError(f"{economy.name!r} cannot be written: {count(len(unique), 'problem')}", unique)
        return texts

    def _file(self, functions: Mapping[str, Function], own: bool = False) -> str:
        """Text of a file with functions, under the names that they have there.

        Args:
            own: whether it is Definitions.py, whose functions call each other without bounds.
        """
        pieces = self._collect(functions, own)
        return pieces.imports() + "".join(f"\n\n{text}\n" for text in pieces.texts) + "".join(pieces.renamed)

    def _collect(self, functions: Mapping[str, Function], own: bool = False) -> _Pieces:
        shared = {} if own else {id(function): name for name, function in self.definitions.items()}
        pieces = _Pieces(shared, self.economy.constants, self.problems)
        for name, function in functions.items():
            pieces.add(name, function)
        return pieces

    def _dynamics(self) -> str:
        economy = self.economy
        steps = {
            name: function
            for name in ("total_step_random", "total_step_spec_shock", "shock_probs")
            if (function := getattr(economy, name)) is not None
        }
        if economy.next_state is None:
            return self._own_steps(steps)
        if steps:
            self.problems.append(
                f"next_state and {', '.join(steps)} are given: give next_state with shocks={{name: standard deviation}}, or "
                "the three functions of Dynamics.py."
            )
        shocks = economy.shocks or {}
        if not isinstance(shocks, Mapping):
            self.problems.append(
                "shocks: with next_state, expected {name: standard deviation}. For shocks that are not normal, give "
                "total_step_random and total_step_spec_shock in place of next_state."
            )
            return ""
        pieces = self._collect({"next_state": economy.next_state})
        if callable(economy.next_state):
            expected = list(inspect.signature(economy.next_state).parameters)[2:]
            if expected != list(shocks):
                self.problems.append(
                    f"next_state takes the shocks ({', '.join(expected)}), and shocks has ({', '.join(shocks)}). Expected "
                    "next_state(state, policy_state, <name of each shock>) and shocks={<name>: standard deviation}, in one order."
                )
        pieces.modules |= {"import Globals", "import Parameters", "import State"} if shocks else {"import torch"}
        law = "\n\n\n".join(pieces.texts) + "".join(pieces.renamed).rstrip()
        body = (_NORMAL if shocks else _NONE).format(
            law=law,
            name="next_state",
            deviations=", ".join(self._deviation(name, sd) for name, sd in shocks.items()),
            nodes=", ".join(f"shock_values[shock_index, {i}]" for i in range(len(shocks))),
        )
        return pieces.imports() + body

    def _deviation(self, name: str, given: float | str) -> str:
        if not isinstance(given, str):
            return repr(float(given))
        made = self.economy.calibrate is not None  # may give more constants
        if given not in self.economy.constants and not made:
            known = ", ".join(self.economy.constants)
            self.problems.append(
                f"shocks: the standard deviation of {name!r} is {given!r}, which is no constant."
                f"{suggestion(given, self.economy.constants)} Known: {known}."
            )
        return f"Parameters.{given}"

    def _own_steps(self, steps: Mapping[str, Function]) -> str:
        missing = [name for name in ("total_step_random", "total_step_spec_shock") if name not in steps]
        nodes = self.economy.shocks
        if missing:
            self.problems.append(
                f"{' and '.join(missing)} is missing: give next_state(state, policy_state, shock) with "
                "shocks={'shock': standard deviation}, or total_step_random, total_step_spec_shock and shocks."
            )
        if isinstance(nodes, Mapping) or (nodes is None and "shock_probs" not in steps):
            self.problems.append(
                "shocks: beside total_step_random, expected a function without arguments that gives (shock_values, shock_probs), "
                "such as def shocks(): return State.gauss_hermite(Parameters.sigma, 5)."
            )
            return ""
        given = dict(steps) | ({"shocks": nodes} if callable(nodes) else {})
        text = self._file(given)
        if callable(nodes):
            values = "shock_values, shock_probs" if "shock_probs" not in steps else "shock_values, _"
            text += f"\n\n{values} = shocks()\n"
        return text


class _Pieces:
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
        for used in _globals(text):
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


def _globals(text: str) -> list[str]:
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


def _by_name(given: Sequence[Function] | Mapping[str, Function]) -> dict[str, Function]:
    if isinstance(given, Mapping):
        return dict(given)
    return {getattr(function, "__name__", f"entry {i}"): function for i, function in enumerate(given)}
