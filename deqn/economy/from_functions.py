"""A model folder written from functions: those of a notebook's cells, or of a file.

What is written is a model folder like any other: it can be trained by `deqn train`, resumed and sent to others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deqn.economy.function_text import Pieces
from deqn.economy.new import MOVED, refuse_names, yaml_files
from deqn.errors import ConfigError, ModelError, count, suggestion

Function = Callable[..., Any]
Given = Any  # an entry of the YAML file, or a pair of numbers

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
    unit_free: Function | None = None
    next_state: Function | None = None
    shocks: Mapping[str, float | str] | Function | None = None
    total_step_random: Function | None = None
    total_step_spec_shock: Function | None = None
    shock_probs: Function | None = None
    definitions: Sequence[Function] | Mapping[str, Function] = ()
    definition_bounds: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    hooks: Sequence[Function] = ()
    calibrate: Function | None = None
    guess: Function | None = None
    define_net: Function | None = None
    post_process: Function | None = None
    activations: Sequence[Function] | Mapping[str, Function] = ()
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
    _describe(economy.about, groups)
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


def _describe(about: Mapping[str, str], groups: dict[str, Any]) -> None:
    """Puts what names mean beside variables, and behind the constants."""
    variables = {entry["name"]: entry for entries in groups["variables"].values() for entry in entries}
    constants = groups["constants"]["constants"]
    for name, words in about.items():
        if not isinstance(words, str):
            raise ConfigError(f"about: {name!r} is given as {words!r}. Expected a text, such as 'capital [goods]'.")
        if name in variables:
            variables[name]["about"] = words
        elif name in constants:
            groups["constants"].setdefault("about", {})[name] = words
        else:
            known = [*variables, *constants]
            raise ConfigError(
                f"about: {name!r} is no state, policy, definition or constant.{suggestion(name, known)} "
                f"Known: {', '.join(known)}."
            )


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
        unit_free = {} if economy.unit_free is None else {"unit_free": economy.unit_free}
        texts["Equations"] = self._file({"equations": economy.equations, **unit_free})
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
            "Activations": _by_name(economy.activations),
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

    def _collect(self, functions: Mapping[str, Function], own: bool = False) -> Pieces:
        shared = {} if own else {id(function): name for name, function in self.definitions.items()}
        pieces = Pieces(shared, self.economy.constants, self.problems)
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


def _by_name(given: Sequence[Function] | Mapping[str, Function]) -> dict[str, Function]:
    if isinstance(given, Mapping):
        return dict(given)
    return {getattr(function, "__name__", f"entry {i}"): function for i, function in enumerate(given)}
