"""Typed, frozen schema of the configuration: every key with its type, default and meaning.

The keys are those of the TensorFlow DEQN library; keys of our own are marked "(new)" in their description.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from deqn import resolve
from deqn.columns import Bound
from deqn.errors import ConfigError, count, suggestion

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class Bounds(_Group):
    """Hard bounds; crossing them is penalised by `penalty * (raw - bounded)**2`."""

    lower: Number | None = Field(None, description="lower bound")
    upper: Number | None = Field(None, description="upper bound")
    penalty_lower: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="weight of the penalty below `lower`; default 1 / lower**2"
    )
    penalty_upper: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="weight of the penalty above `upper`; default 1 / upper**2"
    )


class Init(_Group):
    """Distribution of a state at the start."""

    distribution: str = Field(description="normal, uniform, truncated_normal; constant, choice (new)")
    kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="its arguments: mean, stddev; minval, maxval; value; values, probs. A text is the name of a constant (new)",
    )


class Variable(_Group):
    name: str = Field(description="name of the variable; the accessor in the model's files")
    shape: list[PositiveInt] = Field(
        default_factory=list, description="(new) shape of a histogram or a policy on a grid; empty for a number"
    )
    bounds: Bounds = Field(default_factory=lambda: Bounds(), description="hard bounds and penalties")

    def bound(self) -> Bound:
        """The bounds with the default penalties filled in."""
        b = self.bounds
        return Bound(
            b.lower, b.upper, _penalty(b.lower, b.penalty_lower), _penalty(b.upper, b.penalty_upper)
        )  # fmt: skip


class StateVariable(Variable):
    init: Init | None = Field(None, description="distribution at the start; 1 in every place without it")


class PolicyVariable(Variable):
    activation: str | None = Field(
        None,
        description="function of the network's output for this policy: `tf.nn.relu`-style or PyTorch name, dotted path "
        "of a function, or `implied` (a sigmoid between both bounds)",
    )


class DefinitionVariable(Variable):
    pass


class Variables(_Group):
    """`config/variables/*.yaml`: the names of the model."""

    states: list[StateVariable] = Field(min_length=1, description="states, in the order of the columns")
    policies: list[PolicyVariable] = Field(min_length=1, description="policies, in the order of the network's outputs")
    definitions: list[DefinitionVariable] = Field(default_factory=list, description="functions of Definitions.py")


class HiddenLayer(_Group):
    units: PositiveInt = Field(description="width")
    type: Literal["dense"] = Field("dense", description="kind of layer")
    activation: str = Field("linear", description="Keras, TensorFlow or PyTorch name, or dotted path of a function")
    init_scale: PositiveFloat = Field(1.0, description="scale of Keras' VarianceScaling")
    dropout_rate: Rate | None = Field(None, description="dropout before this layer, active in gradient steps only")
    batch_normalize: dict[str, Any] | None = Field(
        None, description="batch normalisation before this layer: momentum, epsilon, center, scale, in Keras' meaning"
    )


class OutputLayer(_Group):
    units: PositiveInt | None = Field(None, description="ignored: one output a policy entry")
    type: Literal["dense"] = Field("dense", description="kind of layer")
    activation: str = Field("linear", description="activation of all outputs, before the policies' own")
    init_scale: PositiveFloat = Field(1.0, description="scale of Keras' VarianceScaling")
    dropout_rate: Rate | None = Field(None, description="dropout before this layer, active in gradient steps only")
    batch_normalize: dict[str, Any] | None = Field(None, description="batch normalisation before this layer")


class Layer(_Group):
    hidden: HiddenLayer | None = Field(None, description="a hidden layer")
    output: OutputLayer | None = Field(None, description="the last layer")


class Net(_Group):
    """`config/net/*.yaml`: the network."""

    layers: list[Layer] = Field(min_length=1, description="`hidden` layers, then one `output` layer")
    net_initializer_mode: Literal["fan_in", "fan_out", "fan_avg"] = Field(
        "fan_in", description="mode of Keras' VarianceScaling"
    )
    net_initializer_distribution: Literal["truncated_normal", "untruncated_normal", "normal", "uniform"] = Field(
        "truncated_normal", description="distribution of Keras' VarianceScaling (`normal` is truncated, as in Keras)"
    )
    normalize_inputs: bool = Field(
        False, description="(new) states minus mean over standard deviation of the initial states"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="(new) options of a model's own Net.py")


class Optimizer(_Group):
    """`config/optimizer/*.yaml`: the optimizer."""

    optimizer: str = Field("Adam", description="a Keras name (Keras' defaults) or a name in torch.optim")
    learning_rate: PositiveFloat = Field(0.001, description="learning rate at the start")
    clipvalue: PositiveFloat | None = Field(None, description="each gradient entry is cut to [-clipvalue, clipvalue]")
    optimizer_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="(new) more arguments: beta_1, epsilon, ... or PyTorch's names"
    )
    learning_rate_schedule: str | None = Field(
        None,
        description="(new) a Keras schedule (CosineDecay, ExponentialDecay, ...) or one of torch.optim.lr_scheduler",
    )
    schedule_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="(new) its arguments, in gradient steps; decay_steps defaults to the whole run",
    )


class Run(_Group):
    """`config/run/*.yaml`: how the model is simulated and trained."""

    N_sim_batch: PositiveInt = Field(description="trajectories simulated in parallel")
    N_episode_length: PositiveInt = Field(description="periods of an episode")
    N_epochs_per_episode: PositiveInt = Field(1, description="passes over the states of an episode")
    N_minibatch_size: PositiveInt = Field(description="states of a gradient step")
    N_episodes: PositiveInt = Field(description="episodes in all; a resumed run ends there")
    sorted_within_batch: bool = Field(False, description="minibatches are contiguous pieces of trajectories")
    expectation_type: Literal["product", "monomial", "pseudo_random"] = Field(
        "product", description="quadrature on the nodes of Dynamics.py, or random draws"
    )
    expectation_pseudo_draws: PositiveInt = Field(5, description="draws of `pseudo_random`")
    keras_precision: Literal["float32", "float64"] = Field("float32", description="floating type, from end to end")
    compile: bool = Field(False, description="(new) torch.compile for the loss and the simulated period")
    threads: PositiveInt = Field(1, description="(new) CPU threads; small networks are fastest with one")


class Config(_Group):
    """`config/config.yaml` and its groups."""

    constants: dict[str, Any] = Field(description="constants of the model: `Parameters.<name>` (config/constants)")
    net: Net = Field(description="the network (config/net)")
    optimizer: Optimizer = Field(description="the optimizer (config/optimizer)")
    run: Run = Field(description="simulation and training (config/run)")
    variables: Variables = Field(description="states, policies, definitions (config/variables)")
    MODEL_NAME: str = Field(description="folder of the model")
    MODELS_DIR: str | None = Field(
        None, description="(new) a folder of your own with model folders; the shipped models stay available"
    )
    seed: Annotated[int, Field(ge=0, lt=2**62)] = Field(0, description="seed of every generator and of the network")
    STARTING_POINT: str = Field("NEW", description="NEW, LATEST, or the name of a checkpoint")
    CHECKPOINT_INTERVAL: PositiveInt = Field(1, description="episodes between checkpoints")
    MAX_TO_KEEP_NUMBER: PositiveInt = Field(10, description="newest checkpoints kept")
    initialize_each_episode: bool | None = Field(
        None, description="draw the states anew for each episode; null: only when an episode is one period long"
    )
    error_filename: str = Field("error_file.txt", description="file in the run folder with the errors of each epoch")
    enable_check_numerics: bool = Field(False, description="name the operation that makes a number not finite (slow)")
    device: str = Field("auto", description="(new) auto, cpu, cuda or cuda:<n>")
    N_simulated_batch_size: PositiveInt | None = Field(None, description="trajectories of post_process.py")
    N_simulated_episode_length: PositiveInt | None = Field(None, description="periods of post_process.py")
    DISABLE_SHOCKS: bool = Field(False, description="(new) Globals.DISABLE_SHOCKS of post_process.py")

    @property
    def redraw(self) -> bool:
        """Whether each episode starts from new initial states."""
        if self.initialize_each_episode is None:
            return self.run.N_episode_length == 1
        return self.initialize_each_episode

    @property
    def states_per_episode(self) -> int:
        return self.run.N_sim_batch * self.run.N_episode_length

    @property
    def steps_per_episode(self) -> int:
        return self.run.N_epochs_per_episode * (self.states_per_episode // self.run.N_minibatch_size)


def parse(tree: dict[str, Any], source: str = "the configuration") -> Config:
    """The typed configuration.

    Args:
        tree: the composed configuration as plain dictionaries and lists.
        source: where it was read, for the message.

    Raises:
        ConfigError: with every problem found, numbered.
    """
    tree = dict(tree)
    problems: list[str] = []
    tree["constants"] = _flat_constants(tree.get("constants"), problems)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems += [_describe(details, tree) for details in error.errors()]
        problems += _check_groups(_valid_groups(tree))
    else:
        problems += _check_groups(dict(config)) + _check_top_level(config)
    if problems:
        raise ConfigError(f"{count(len(problems), 'problem')} in {source}", problems)
    return config


def _valid_groups(tree: dict[str, Any]) -> dict[str, _Group]:
    """The groups of a wrong configuration that are right by themselves."""
    groups: dict[str, _Group] = {}
    for name, cls in (("net", Net), ("optimizer", Optimizer), ("run", Run), ("variables", Variables)):
        try:
            groups[name] = cls.model_validate(tree.get(name))
        except ValidationError:
            continue  # its problems are in the list already
    return groups


def reserved_names() -> set[str]:
    """Names that a variable cannot have: State.<name> is something else."""
    return {"update", "update_dict", "E_t_gen", "monomial_rule", "gauss_hermite"}


def _penalty(bound: float | None, penalty: float | None) -> float:
    if bound is None:
        return 0.0
    if penalty is not None:
        return penalty
    return 1.0 / bound**2 if bound else math.inf


def _flat_constants(group: Any, problems: list[str]) -> Any:
    """Both forms of config/constants/*.yaml: `constants: {alpha: ...}` of the TensorFlow library, and `alpha: ...`."""
    if not isinstance(group, dict) or not isinstance(group.get("constants"), dict):
        return group if group is not None else {}
    nested = dict(group["constants"])
    for name, value in group.items():
        if name == "constants":
            continue
        if name not in nested:
            problems.append(
                f"constants.{name}: there is no constant {name!r}.{suggestion(name, nested)} "
                f"To add one, write +constants.constants.{name}=..."
            )
        nested[name] = value
    return nested


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


def _describe(details: ErrorDetails, tree: Any) -> str:
    """One line from a pydantic error: path, what was found, what was expected, nearest name."""
    location = details["loc"]
    path = _path(location, tree)
    kind, found, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields_at(location[:-1])
        group = _path(location[:-1], tree)
        where = f"a field of {group}" if group else "a key of the configuration"
        return f"{path} is not {where}.{suggestion(str(location[-1]), known)} Known: {', '.join(known)}."
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
    if kind in ("int_type", "int_from_float") and isinstance(found, float) and found == int(found):
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


def _group_in(annotation: Any) -> type[_Group] | None:
    """The group class inside `X`, `list[X]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, _Group):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _group_in(inner)
        if found is not None:
            return found
    return None


def _check_groups(groups: dict[str, _Group]) -> list[str]:
    """What a single field cannot know, for each group that could be read."""
    problems: list[str] = []
    variables, net, run, optimizer = (groups.get(name) for name in ("variables", "net", "run", "optimizer"))
    if isinstance(variables, Variables):
        problems += _check_variables(variables)
    if isinstance(net, Net):
        problems += _check_net(net)
    if isinstance(run, Run) and run.N_minibatch_size > run.N_sim_batch * run.N_episode_length:
        problems.append(
            f"run.N_minibatch_size = {run.N_minibatch_size} exceeds one episode (N_sim_batch {run.N_sim_batch} x "
            f"N_episode_length {run.N_episode_length} = {run.N_sim_batch * run.N_episode_length} states): no step would "
            "be taken."
        )
    if isinstance(optimizer, Optimizer):
        problems += _problems(lambda: _try_optimizer(optimizer))
    return problems


def _check_variables(variables: Variables) -> list[str]:
    problems = _check_names(variables)
    for kind in ("states", "policies", "definitions"):
        for i, variable in enumerate(getattr(variables, kind)):
            where = f"variables.{kind}[{i}] {variable.name!r}"
            problems += _check_bounds(where, variable, is_state=kind == "states")
            if isinstance(variable, StateVariable) and variable.init is not None:
                init = variable.init
                problems += _problems(partial(resolve.distribution, init.distribution, init.kwargs, f"{where}.init"))
            if isinstance(variable, PolicyVariable) and variable.activation not in (None, "implied"):
                problems += _problems(partial(resolve.activation, str(variable.activation), f"{where}.activation"))
    return problems


def _check_net(net: Net) -> list[str]:
    problems = []
    for i, layer in enumerate(net.layers):
        expected = "output" if i == len(net.layers) - 1 else "hidden"
        part = getattr(layer, expected)
        if part is None or (layer.hidden is not None and layer.output is not None):
            problems.append(f"net.layers[{i}]: expected one `{expected}:` entry (hidden layers first, `output` last).")
        else:
            problems += _problems(
                partial(resolve.activation, part.activation, f"net.layers[{i}].{expected}.activation")
            )
    return problems


def _try_optimizer(optimizer: Optimizer) -> None:
    resolve.optimizer_arguments(optimizer.optimizer, optimizer.optimizer_kwargs)
    resolve.schedule(optimizer.learning_rate_schedule, optimizer.schedule_kwargs, total_steps=1)


def _problems(check: Callable[[], object]) -> list[str]:
    """The message of a ConfigError that a check raises."""
    try:
        check()
    except ConfigError as error:
        return [str(error)]
    return []


def _check_top_level(config: Config) -> list[str]:
    problems = []
    for name in config.constants:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            problems.append(f"constants.{name}: not a name that Python can read as Parameters.{name}.")
    if any(mark in config.error_filename for mark in "/\\") or config.error_filename in ("", ".", ".."):
        problems.append(f"error_filename = {config.error_filename!r}: expected the name of a file, without folders.")
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
                problems.append(f"{where}.name = {name!r} appears twice in variables.{kind}.")
            seen.add(name)
    return problems


def _check_bounds(where: str, variable: Variable, *, is_state: bool) -> list[str]:
    problems = []
    bounds = variable.bounds
    if bounds.lower is not None and bounds.upper is not None and bounds.lower >= bounds.upper:
        problems.append(f"{where}: bounds.lower = {bounds.lower} is not below bounds.upper = {bounds.upper}.")
    for side in ("lower", "upper"):
        # a state's bound carries no penalty (its gradient does not reach the network), so zero is fine there
        if not is_state and getattr(bounds, side) == 0 and getattr(bounds, f"penalty_{side}") is None:
            problems.append(
                f"{where}: bounds.{side} is 0, so the default penalty 1/bound**2 is infinite. Set bounds.penalty_{side}."
            )
        if getattr(bounds, side) is None and getattr(bounds, f"penalty_{side}") is not None:
            problems.append(f"{where}: bounds.penalty_{side} is set without bounds.{side}.")
    if isinstance(variable, PolicyVariable) and variable.activation == "implied":
        missing = [side for side in ("lower", "upper") if getattr(bounds, side) is None]
        if missing:
            problems.append(f"{where}: activation `implied` needs both bounds; bounds.{missing[0]} is missing.")
    return problems
