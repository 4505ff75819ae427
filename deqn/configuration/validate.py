"""Checks a composed configuration and reports every problem at once: path, what was found, what is allowed, nearest name."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deqn.configuration.activations import activation
from deqn.configuration.check_net import check_net
from deqn.configuration.check_training import check_training
from deqn.configuration.distributions import distribution
from deqn.configuration.names import read_constants, read_names
from deqn.configuration.net_schema import Net
from deqn.configuration.optimizers import optimizer_arguments
from deqn.configuration.places import moved
from deqn.configuration.schedules import schedule
from deqn.configuration.schema import (
    Config,
    Group,
    Optimizer,
    PolicyVariable,
    Run,
    StateVariable,
    Step,
    Variable,
    Variables,
    reserved_names,
)
from deqn.errors import ConfigError, count, problems_of, suggestion

RESERVED_FILES = ("run.json", "run.lock", "run.lock.soft", "calibration.npz", "ckpt", "post", "figures", ".hydra")


def parse(
    tree: dict[str, Any], source: str = "the configuration", typed: Mapping[str, str] | None = None
) -> Config:  # fmt: skip
    """The typed configuration; names have the form that Python gives to those of a file (NFKC).

    Args:
        tree: the composed configuration as plain dictionaries and lists.
        source: where it was read, for the message.
        typed: key -> value of the command line, for the line to type instead.

    Raises:
        ConfigError: with every problem found, numbered.
    """
    tree = dict(tree)
    problems: list[str] = []
    tree["constants"], words = read_constants(tree.get("constants"), problems)
    if words:
        own = tree.get("about") or {}
        tree["about"] = own | {"constants": words | (own.get("constants") or {})} if isinstance(own, dict) else own
    tree["variables"] = read_names(tree.get("variables"))
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems += dict.fromkeys(_describe(details, tree, typed or {}) for details in error.errors())
        problems += _check_groups(_valid_groups(tree))
    else:
        problems += _check_groups(dict(config)) + _check_top_level(config)
    if problems:
        raise ConfigError(f"{count(len(problems), 'problem')} in {source}", problems)
    return config


def _valid_groups(tree: dict[str, Any]) -> dict[str, Group]:
    """The groups of a wrong configuration that are right by themselves."""
    groups: dict[str, Group] = {}
    for name, cls in (("net", Net), ("optimizer", Optimizer), ("run", Run), ("variables", Variables)):
        try:
            groups[name] = cls.model_validate(tree.get(name))
        except ValidationError:
            continue  # its problems are in the list already
    return groups


def _path(location: tuple[int | str, ...], tree: Any) -> str:
    """'variables.policies[2] 'nu'.bounds.lower' from a location in the tree."""
    text = ""
    for part in location:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            tree = None
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
        if isinstance(part, int) and isinstance(tree, dict) and isinstance(tree.get("name"), str):
            text += f" {tree['name']!r}"
    return text


_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "finite_number": "a finite number",
}


def _instead(location: tuple[int | str, ...]) -> str:
    """Of a key that others might call so: what it is called here."""
    if location[:2] == ("variables", "policies") and location[-1] == "start":
        return (
            " Write `around`: the value that the untrained network gives, a number or the name of a constant. For a start that "
            "depends on the state, write guess(state) in Guess.py and net.warm_start=guess."
        )
    return ""


_KINDS = ("float", "str", "list[any]")  # of a bound, `around` and `scale`


def _describe(details: ErrorDetails, tree: Any, typed: Mapping[str, str]) -> str:
    """One line from a pydantic error: path, what was found, what was expected, nearest name."""
    location = details["loc"]
    kind, found, context = details["type"], details["input"], details.get("ctx", {})
    if location[-1] in _KINDS:  # one error for each kind that a value could have been
        return f"{_path(location[:-1], tree)} = {_short(found)}: expected a number, the name of a constant or a list of numbers."
    path = _path(location, tree)
    if kind == "extra_forbidden":
        known = _fields_at(location[:-1])
        group = _path(location[:-1], tree)
        where = f"a field of {group}" if group else "a key of the configuration"
        value = typed.get(".".join(map(str, location)))
        from deqn.tensorflow.keys import refusal  # of use here alone

        meant = _instead(location) or refusal(location, _exists) or moved(str(location[-1]), tree, known, value)
        return f"{path} is not {where}.{meant or ' Known: ' + ', '.join(known) + '.'}"
    if kind == "missing":
        return f"{path} is missing."
    if kind == "literal_error":
        options = context["expected"]
        names = [option.strip(" '") for option in options.replace(" or ", ",").split(",")]
        return f"{path} = {found!r}: expected {options}.{suggestion(str(found), names)}"
    if kind == "too_short":
        return f"{path} is empty: expected at least one entry."
    expected = _EXPECTED.get(kind)
    if expected is None:
        for key, words in (("gt", "greater than"), ("ge", "at least"), ("lt", "less than"), ("le", "at most")):
            if key in context:
                expected = f"a number {words} {context[key]}"
    hint = ""
    if kind in ("int_type", "int_from_float") and isinstance(found, float) and found.is_integer():
        hint = f" Write {int(found)}."
    return f"{path} = {_short(found)}: expected {expected or details['msg'].lower()}.{hint}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """Field names of the group at a location of the tree."""
    group: Any = Config
    for part in location:
        if isinstance(part, str):
            annotation = group.model_fields[part].annotation if part in group.model_fields else None
            group = _group_in(annotation) or group
    return list(group.model_fields)


def _group_in(annotation: Any) -> type[Group] | None:
    """The group class inside `X`, `list[X]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Group):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _group_in(inner)
        if found is not None:
            return found
    return None


def known_fields(path: str) -> list[str]:
    """The keys of the schema below a path: '', 'run', 'variables.states', 'net.layers.hidden'."""
    group: Any = Config
    for part in filter(None, path.split(".")):
        field = group.model_fields.get(part)
        group = None if field is None else _group_in(field.annotation)
        if group is None:
            return []
    return list(group.model_fields)


def _exists(key: str) -> bool:
    group, _, name = key.rpartition(".")
    return name in known_fields(group) or group == "optimizer.optimizer_kwargs"


def _check_groups(groups: dict[str, Group]) -> list[str]:
    """What a single field cannot know, for each group that could be read."""
    problems: list[str] = []
    variables, net, run, optimizer = (groups.get(name) for name in ("variables", "net", "run", "optimizer"))
    if isinstance(variables, Variables):
        problems += _check_variables(variables)
    if isinstance(net, Net):
        problems += check_net(net)
    if isinstance(run, Run) and run.N_minibatch_size > run.N_sim_batch * run.N_episode_length:
        problems.append(
            f"run.N_minibatch_size = {run.N_minibatch_size} exceeds one episode (N_sim_batch {run.N_sim_batch} x "
            f"N_episode_length {run.N_episode_length} = {run.N_sim_batch * run.N_episode_length} states): no step would "
            "be taken. Make it smaller, or the episode larger."
        )
    if isinstance(run, Run) and run.box_share and isinstance(variables, Variables):
        without = [variable.name for variable in variables.states if variable.init is None]
        if without:
            problems.append(
                f"run.box_share draws states from their init, and {', '.join(without)} "
                f"{'has' if len(without) == 1 else 'have'} none: give one in variables.states, or leave run.box_share out."
            )
    if isinstance(run, Run):
        problems += check_training(run, optimizer if isinstance(optimizer, Optimizer) else None)
    if isinstance(run, Run) and run.N_states_held is not None:
        at_least = run.N_sim_batch * -(-run.N_minibatch_size // run.N_sim_batch)
        if run.N_states_held < min(at_least, run.N_sim_batch * run.N_episode_length):
            problems.append(
                f"run.N_states_held = {run.N_states_held}: expected at least {at_least}, the smallest number of whole periods "
                f"(N_sim_batch = {run.N_sim_batch} states) that holds a minibatch (N_minibatch_size = {run.N_minibatch_size})."
            )
    if isinstance(optimizer, Optimizer):
        problems += _check_optimizer(optimizer, run if isinstance(run, Run) else None)
    return problems


def _check_optimizer(optimizer: Optimizer, run: Run | None) -> list[str]:
    problems = []
    steps: dict[str, Step] = {f"optimizer.phases[{i}]": phase for i, phase in enumerate(optimizer.phases)}
    steps = steps or {"optimizer": optimizer}
    # a preset sets schedule_kwargs for the model's own optimizer
    beside = sorted(optimizer.model_fields_set - {"phases", "schedule_kwargs"}) if optimizer.phases else []
    if beside:
        problems.append(
            f"optimizer.{beside[0]} stands beside optimizer.phases: each phase has keys of its own. Write "
            f"optimizer.phases.0.{beside[0]}, or leave the phases out."
        )
    for i, phase in enumerate(optimizer.phases):
        ends = phase.N_episodes is not None or phase.until_loss is not None
        last = i == len(optimizer.phases) - 1
        if last and ends:
            problems.append(
                f"optimizer.phases[{i}] is the last phase, which ends with the run (run.N_episodes): leave out its N_episodes "
                "and until_loss."
            )
        elif not last and not ends:
            problems.append(f"optimizer.phases[{i}] needs an end: give its N_episodes, or until_loss, or both.")
    for where, step in steps.items():
        cut = [name for name in ("clipvalue", "clipnorm", "global_clipnorm") if getattr(step, name) is not None]
        if len(cut) > 1:
            problems.append(f"{where}.{cut[0]} and {where}.{cut[1]}: give one of them, as in Keras.")
        problems += problems_of(partial(optimizer_arguments, step.optimizer, step.optimizer_kwargs, where))
        problems += problems_of(partial(schedule, step.learning_rate_schedule, step.schedule_kwargs, 1, where))
        if run is not None and (step.N_minibatch_size or 0) > run.N_sim_batch * run.N_episode_length:
            problems.append(
                f"{where}.N_minibatch_size = {step.N_minibatch_size} exceeds one episode (N_sim_batch {run.N_sim_batch} x "
                f"N_episode_length {run.N_episode_length} = {run.N_sim_batch * run.N_episode_length} states): no step would be "
                "taken. Make it smaller, or the episode larger."
            )
    return problems


def _check_variables(variables: Variables) -> list[str]:
    problems = _check_names(variables)
    for kind in ("states", "policies", "definitions"):
        for i, variable in enumerate(getattr(variables, kind)):
            where = f"variables.{kind}[{i}] {variable.name!r}"
            problems += _check_bounds(where, variable, is_state=kind == "states")
            if isinstance(variable, StateVariable) and variable.pseudo_state and variable.init is None:
                problems.append(f"{where}: a pseudo_state is drawn from its init, and there is none.")
            if isinstance(variable, StateVariable) and variable.init is not None:
                init = variable.init
                problems += problems_of(partial(distribution, init.distribution, init.kwargs, f"{where}.init"))
            if isinstance(variable, PolicyVariable) and variable.activation not in (None, "implied", "relative"):
                problems += problems_of(partial(activation, str(variable.activation), f"{where}.activation"))
    return problems


def _check_top_level(config: Config) -> list[str]:
    described = config.about.constants if config.about is not None else {}
    problems = [
        f"constants.about.{name}: there is no constant {name!r}.{suggestion(name, config.constants)}"
        for name in described
        if name not in config.constants
    ]
    for name in config.constants:
        if config.written_for == "tensorflow" and isinstance(name, str):  # it may be read with getattr
            continue
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            problems.append(f"constants.{name}: not a name that Python can read as Parameters.{name}.")
    if any(mark in config.error_filename for mark in "/\\") or config.error_filename in ("", ".", ".."):
        problems.append(f"error_filename = {config.error_filename!r}: expected the name of a file, without folders.")
    elif config.error_filename in RESERVED_FILES:
        problems.append(
            f"error_filename = {config.error_filename!r}: this name is taken by the run folder's own files."
        )
    if config.net.refit_inputs_at and config.redraw and config.run.N_episode_length == 1:
        problems.append(
            "net.refit_inputs_at takes simulated states, and episodes of one period that begin anew have none: give "
            "initialize_each_episode=false, or a larger run.N_episode_length."
        )
    point = config.STARTING_POINT
    if (point.upper() in ("NEW", "LATEST") and point != point.upper()) or not point:
        problems.append(f"STARTING_POINT = {point!r}: expected NEW, LATEST or the name of a checkpoint.")
    return problems


def _check_names(variables: Variables) -> list[str]:
    problems = []
    for kind in ("states", "policies", "definitions"):
        seen: set[str] = set()
        for i, variable in enumerate(getattr(variables, kind)):
            where = f"variables.{kind}[{i}]"
            name = variable.name
            if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
                problems.append(f"{where}.name = {name!r}: expected a name that Python can read, as in State.K.")
            elif name in reserved_names() or name.endswith(("_RAW", "_POLICY_FROM_STATE")):
                problems.append(f"{where}.name = {name!r}: this name is taken by the library.")
            elif name in seen:
                problems.append(
                    f"{where}.name = {name!r} appears twice in variables.{kind}, as Python reads these names."
                )
            seen.add(name)
    return problems


def _check_bounds(where: str, variable: Variable, *, is_state: bool) -> list[str]:
    problems = []
    bounds = variable.bounds
    numbers = [
        b for b in (bounds.lower, bounds.upper) if isinstance(b, float | int)
    ]  # of the others, once they are known
    implied = isinstance(variable, PolicyVariable) and variable.activation == "implied"
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        problems.append(f"{where}: bounds.lower = {bounds.lower} is not below bounds.upper = {bounds.upper}. "
                        "Swap or change them.")  # fmt: skip
    for side in ("lower", "upper"):
        # a state's bound carries no penalty (its gradient does not reach the network), so zero is fine there
        if not (is_state or implied) and getattr(bounds, side) == 0 and getattr(bounds, f"penalty_{side}") is None:
            problems.append(
                f"{where}: bounds.{side} is 0, so the default penalty 1/bound**2 is infinite. Set bounds.penalty_{side}."
            )
        penalty = getattr(bounds, f"penalty_{side}")
        if getattr(bounds, side) is None and penalty is not None:
            problems.append(
                f"{where}: bounds.penalty_{side} = {penalty:g} is set without bounds.{side}. Set that too, or leave it out."
            )
    if implied:
        missing = [side for side in ("lower", "upper") if getattr(bounds, side) is None]
        if missing:
            problems.append(f"{where}: activation `implied` needs both bounds; bounds.{missing[0]} is missing.")
    return problems
