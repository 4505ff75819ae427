"""A model folder linked to one `Model` object: names, constants, dynamics, equations, network."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from deqn.configuration.activations import OF_VARIABLES
from deqn.configuration.schema import Config
from deqn.economy.bounds import NO_BOUND, all_bounds
from deqn.economy.calibration import Calibrated, calibrate, replaced
from deqn.economy.columns import Column, Columns, Namespace, ReadOnly, lay_out
from deqn.economy.define_network import define_network
from deqn.economy.device import pick_device
from deqn.economy.files import describe, model_folder, source, where
from deqn.economy.for_tensorflow import (
    FIRST_EPISODE,
    OwnNames,
    follow_global_draws,
    graphs,
    make_globals,
    more_parameters,
    untaken,
    without_training,
)
from deqn.economy.initial_states import InitialStates
from deqn.economy.linker import Linker
from deqn.economy.names import check_names, functions_of, refuse_misspelt, require
from deqn.economy.sharing import Sharing
from deqn.errors import ConfigError, ModelError, suggestion
from deqn.numerics.at_once import make_expectations
from deqn.numerics.quadrature import gauss_hermite, monomial_rule
from deqn.numerics.rng import Rng
from deqn.tensorflow.folder import asks_for_tensorflow, linked, names_set

if TYPE_CHECKING:
    from deqn.configuration.compose import Composed
    from deqn.tensorflow.variables import Variables

_RUN_PARAMETERS = (
    "N_sim_batch", "N_episode_length", "N_epochs_per_episode", "N_minibatch_size", "N_episodes", "sorted_within_batch",
    "expectation_type", "expectation_pseudo_draws",
)  # fmt: skip
_PARAMETERS = (
    *_RUN_PARAMETERS, "MODEL_NAME", "rng", "policy", "policy_net", "states", "policy_states", "definitions",
    "state_bounds_hard", "policy_bounds_hard", "definition_bounds_hard", "starting_state", "LOG_DIR", "summary",
    "initialize_each_episode", "initialize_states", "device", "dtype", "gradient_steps",
)  # fmt: skip
_HOOKS = {  # of Hooks.py, each optional: its arguments
    "post_init": "", "cycle_hook": "state, i", "progress": "state", "closed_form": "state", "reference": "state",
    "closing_lines": "run", "transversality": "state, policy_state",
}  # fmt: skip


class Model:
    """One economy: its variables, its linked files and its policy network.

    Args:
        config: the checked configuration.
        calibration: what Calibration.py gave in an earlier run; computed anew where it is None.
        rank, local_rank: of this process, and among those of its machine; the first shifts the seed of the draws, not that
            of the network.
        log_dir: `Parameters.LOG_DIR` of files that read it while they are run for the first time; by default a temporary folder,
            which is then removed.

    Attributes:
        sharing: whether definitions are computed once for the same state and policy; the probe decides.
        State, PolicyState: accessors by name, `State.K(x) -> [*batch]`.
        Definitions, Parameters, Globals: what the model's files see under these names.
        network: the trainable module behind `policy`.
        for_tensorflow: whether the folder is written for the TensorFlow library.
        scalar_equations: names of equations with one residual for the whole batch; the probe finds them.
        log_folders: the folders in `Parameters.LOG_DIR` once the files have been run, which may have made them for their plots.
        notes: remarks on the files that are no errors.
        composed_anew: composes the configuration that the model was loaded with once more, with more overrides; None for a model
            that was not made by `load_model` or `model_from`.

    Raises:
        ConfigError, ModelError: with every problem found.
    """

    def __init__(
        self, config: Config, calibration: Mapping[str, Any] | None = None, rank: int = 0, local_rank: int = 0,
        log_dir: str | Path | None = None,
    ) -> None:  # fmt: skip
        self.config = config
        self.name = config.MODEL_NAME
        self.device = pick_device(config.device, local_rank)
        self.dtype: torch.dtype = getattr(torch, config.run.keras_precision)
        self.folder = model_folder(config.MODEL_NAME, config.MODELS_DIR)
        self.for_tensorflow = config.written_for == "tensorflow" or asks_for_tensorflow(self.folder)
        self.notes: list[str] = []
        self.composed_anew: Callable[[Sequence[str]], Composed] | None = None
        self.rng = Rng(config.seed + rank, self.device, self.dtype)
        variables = config.variables
        # their bounds are known once Calibration.py has run
        self.state_columns = lay_out([(v.name, v.shape, NO_BOUND) for v in variables.states])
        self.policy_columns = lay_out([(v.name, v.shape, NO_BOUND) for v in variables.policies])
        self.definition_bounds = {v.name: NO_BOUND for v in variables.definitions}
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory()) if log_dir is None else str(log_dir)
            self._link(calibration, folder)
            self.log_folders = [path.relative_to(folder) for path in sorted(Path(folder).rglob("*")) if path.is_dir()]
            self.set_run(LOG_DIR=None if log_dir is None else folder)

    # -- what the model is ----------------------------------------------------------------------------------------

    @property
    def n_states(self) -> int:
        return self.state_columns[-1].stop

    @property
    def n_policies(self) -> int:
        return self.policy_columns[-1].stop

    def policy(self, states: Tensor) -> Tensor:
        """Policies of the network: `[*batch, n_states]` -> `[*batch, n_policies]`."""
        return self.network(states)

    def equations(self, states: Tensor, policies: Tensor) -> dict[str, Tensor]:
        """Residuals of the equilibrium conditions: by equation, `[batch]` or `[batch, ...]`."""
        if not self._is_in_context():
            with self.context():
                return self.equations(states, policies)
        residuals = self.sharing.run(self._equations, states, policies)
        for name in self.scalar_equations:
            residuals[name] = residuals[name].expand(states.shape[:-1])
        return residuals

    def E_t_gen(self, states: Tensor, policies: Tensor) -> Callable[..., Tensor]:
        """The conditional expectation operator; see `Expectations.E_t_gen`."""
        return self.expectations.E_t_gen(states, policies)

    @property
    def lenient(self) -> bool:
        """Whether what the TensorFlow library passes over is a note: in folders written for it, without `--strict`."""
        return self.for_tensorflow and not self.config.strict

    def step(self, states: Tensor) -> Tensor:
        """One simulated period under the policy, without gradient: `[batch, n_states]` -> `[batch, n_states]`."""
        with torch.no_grad():
            if not self._is_in_context():
                with self.context():
                    return self.step(states)
            return self.sharing.run(self._total_step_random, states, self.policy(states))

    def initial_states(self, n: int) -> Tensor:
        """States drawn from the distributions of the YAML file (1 where there is none): `[n, n_states]`."""
        return self._initial.draw(n)

    @property
    def pseudo_columns(self) -> list[Column]:
        """Columns of the parameters that are states."""
        return self._initial.pseudo_columns

    def with_new_pseudo_states(self, states: Tensor) -> Tensor:
        """`[n, n_states]` with pseudo-states drawn anew."""
        return self._initial.with_new_pseudo_states(states)

    def run_post_init(self) -> None:
        """Calls the hook, without gradient.

        Raises:
            ModelError: where it fails.
        """
        try:
            with torch.no_grad():
                if self.post_init is not None:
                    self.post_init()
        except Exception as error:
            raise self.failed("post_init()", error) from error

    def is_discrete(self, column: Column, values: Tensor) -> bool:
        """Whether a state's simulated values are whole numbers, or those that its `choice` lists: regimes, ages, types."""
        whole, choices = values.round(), self._initial.choices(column)
        if choices is not None:
            whole = torch.as_tensor(choices, dtype=values.dtype, device=values.device)
            whole = whole[(values[:, None] - whole).abs().argmin(-1)]
        return torch.allclose(values, whole, rtol=1e-6, atol=1e-6)

    def fit_normalization(self) -> None:
        """Sets the network's input normalisation from initial states, drawn from a generator of its own."""
        if self.network.normalization is None:
            return
        state = self.rng.get_state()
        self.rng.generator.manual_seed(self.config.seed)
        self.network.fit_inputs(self.initial_states(4096))
        self.rng.set_state(state)

    @contextlib.contextmanager
    def context(self) -> Iterator[None]:
        """New tensors of the model's files get its floating type, and on a GPU its device."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            with torch.device(self.device) if self.device.type != "cpu" else contextlib.nullcontext():
                yield
        finally:
            torch.set_default_dtype(before)

    def _is_in_context(self) -> bool:
        on_device = self.device.type == "cpu" or torch.compiler.is_compiling()
        return torch.get_default_dtype() == self.dtype and (
            on_device or torch.get_default_device().type == self.device.type
        )

    def in_float64(self) -> Model:
        """The same economy in float64, with a network of its own; this one where it is in float64 already."""
        if self.dtype == torch.float64:
            return self
        twin = self.linked_in_float64(self.device)
        twin.Globals.__dict__ = self.Globals.__dict__
        twin.expectations.stacked_step = self.expectations.stacked_step
        twin.expectations.stacked_function = self.expectations.stacked_function
        twin.sharing.on = self.sharing.on
        twin.network.load_state_dict(self.network.state_dict())
        return twin

    def linked_in_float64(self, device: torch.device | str) -> Model:
        """The files linked once more, in float64; what they print has been said, and a training may be under way."""
        run = self.config.run.model_copy(update={"keras_precision": "float64"})
        config = self.config.model_copy(update={"run": run, "device": str(device)})
        devices = [self.device] if self.device.type == "cuda" else []
        state = self.rng.get_state()
        try:
            with torch.random.fork_rng(devices), contextlib.redirect_stdout(io.StringIO()):
                return Model(config, self.calibration, log_dir=self.Parameters.LOG_DIR)
        finally:
            self.rng.set_state(state)

    # -- linking --------------------------------------------------------------------------------------------------

    def _link(self, calibration: Mapping[str, Any] | None, log_dir: str) -> None:
        """Calibration -> Definitions -> Dynamics -> network -> Equations -> Hooks."""
        config = self.config
        self.scalar_equations: list[str] = []
        there = self.for_tensorflow
        switches = {"POST_PROCESSING": False, "DISABLE_SHOCKS": False}
        self.Globals = make_globals(self.folder, switches) if there else Namespace("Globals", switches)
        self.Parameters = OwnNames("Parameters") if there else ReadOnly("Parameters")
        self.Definitions = ReadOnly("Definitions")
        self.sharing = Sharing()
        self.State = Columns(
            "State", self.state_columns,
            {
                "E_t_gen": without_training(self.E_t_gen, 2) if there else self.E_t_gen,
                "monomial_rule": monomial_rule, "gauss_hermite": gauss_hermite,
            },
        )  # fmt: skip
        self.PolicyState = Columns("PolicyState", self.policy_columns)
        names = {
            "State": self.State, "PolicyState": self.PolicyState, "Definitions": self.Definitions,
            "Parameters": self.Parameters, "Globals": self.Globals,
        }  # fmt: skip
        graphs_of = {"Graphs": graphs(self.step)} if there else {}
        self.linker = Linker(self.folder, names | graphs_of, self.for_tensorflow, self.sharing.definitions)
        for name in config.constants:
            if name in _PARAMETERS:
                raise ConfigError(f"constants.{name}: this name is taken by the library (Parameters.{name}).")
        if there and self.linker.has("Model"):
            raise ModelError(
                f"{self.name}/Model.py is not read: the network belongs to the file of the net group, or to Net.py. Networks "
                "with equations and optimizers of their own are not there. Rewrite it as "
                "docs/reference/tensorflow_model_files.md says, and remove it."
            )
        self._set_parameters({name: self._as_constant(value) for name, value in config.constants.items()})
        self._set_parameters(self._built_in_parameters() | {"LOG_DIR": log_dir})
        if there:
            more = more_parameters(config, without_training(self.policy, 1), self.n_states, self.dtype, self.rng)
            self._set_parameters(untaken(more, config.constants))
            self.notes += follow_global_draws(self.rng, self.folder)
        with self.context():
            if calibration is None:
                self.calibrated = calibrate(self.linker, config.constants)
            else:
                self.calibrated = Calibrated(dict(calibration))
            self.calibration = dict(self.calibrated.values)
            made = self._made_in_python()
            self.calibration |= {name: np.asarray(value) for name, value in made.items() if _is_array(value)}
            self._set_parameters({name: value for name, value in made.items() if not _is_array(value)})
            taken = [n for n in self.calibration if n in self.Parameters and n not in config.constants]
            if taken:
                raise ModelError(f"{self.name}/Calibration.py: calibrate() returns {taken[0]!r}, a name that is taken.")
            self.notes += replaced(config.constants, self.calibration)
            self._set_bounds()
            self._initial = InitialStates(config.variables.states, self.state_columns, config.run, self.rng)
            self._set_parameters({key: self._as_parameter(value) for key, value in self.calibration.items()})
            self._check_names()
            definitions = self.linker.link("Definitions")
            self._set_definitions(definitions)
            dynamics = self.linker.link("Dynamics")
            probs = "total_step_spec_probs" if hasattr(dynamics, "total_step_spec_probs") else "shock_probs"
            require(self.folder, dynamics, "Dynamics", [probs, "total_step_spec_shock", "total_step_random"])
            self._total_step_random = dynamics.total_step_random
            run = config.run
            self.expectations = make_expectations(
                dynamics, self.policy, run.expectation_type, run.expectation_pseudo_draws, self.rng
            )
            self.linker.all_nodes = lambda: self.expectations.all_nodes
            self.network = define_network(self)
            self.Parameters.__dict__["policy_net"] = self.network
            equations = self.linker.link("Equations")
            require(self.folder, equations, "Equations", ["equations"])
            self._equations = equations.equations
            self._link_hooks()
            self._initial.resolve(self._constants)
        self.linker.settle()

    @property
    def _constants(self) -> dict[str, Any]:
        """Constants by name, those of Calibration.py too."""
        return {name: getattr(self.Parameters, name) for name in (*self.config.constants, *self.calibration)}

    def _link_hooks(self) -> None:
        hooks: Any = self.linker.link("Hooks") if self.linker.has("Hooks") else None
        if hooks is not None:
            refuse_misspelt(self.linker.folder / "Hooks.py", tuple(_HOOKS))
        found: dict[str, Callable[..., Any] | None] = {name: getattr(hooks, name, None) for name in _HOOKS}
        self.post_init, self.cycle_hook, self.progress = found["post_init"], found["cycle_hook"], found["progress"]
        self.closed_form, self.reference = found["closed_form"], found["reference"]
        self.closing_lines, self.transversality = found["closing_lines"], found["transversality"]
        for name, arguments in _HOOKS.items():
            function = found[name]
            try:
                if function is not None:
                    inspect.signature(function).bind(*arguments.split())
            except TypeError as error:
                raise ModelError(f"{self.folder.name}/Hooks.py: expected {name}({arguments}): {error}.") from error

    def failed(self, what: str, error: BaseException) -> ModelError:
        """The error to raise where a function of the model's files has failed: file, line and reason."""
        place = where(error, self.folder)
        return ModelError(f"{place + ': ' if place else ''}{what} failed: {describe(error)}")

    def _built_in_parameters(self) -> dict[str, Any]:
        config = self.config
        values: dict[str, Any] = {name: getattr(config.run, name) for name in _RUN_PARAMETERS}
        if "n_quad_pts" not in config.constants:
            values["n_quad_pts"] = config.run.n_quad_pts
        values |= {
            "MODEL_NAME": config.MODEL_NAME, "rng": self.rng, "policy": self.policy, "policy_net": None,
            "states": [c.name for c in self.state_columns], "policy_states": [c.name for c in self.policy_columns],
            "definitions": list(self.definition_bounds), **self._bounds_hard(),
            "starting_state": None, "LOG_DIR": None, "summary": None, "initialize_each_episode": config.redraw,
            "initialize_states": lambda N_batch=config.run.N_sim_batch: self.initial_states(N_batch),
            "device": self.device, "dtype": self.dtype, "gradient_steps": 0,
        }  # fmt: skip
        return values

    def _bounds_hard(self) -> dict[str, Any]:
        columns = {"state": self.state_columns, "policy": self.policy_columns}
        bounds = {kind: {c.name: c.bound for c in found} for kind, found in columns.items()}
        bounds["definition"] = self.definition_bounds
        return {f"{kind}_bounds_hard": _bounds_hard(found) for kind, found in bounds.items()}

    def _set_bounds(self) -> None:
        """Gives the accessors the bounds of the configuration, which may be named constants."""
        variables, like = self.config.variables, torch.empty((), dtype=self.dtype, device=self.device)
        states, policies, definitions = all_bounds(variables, self.config.constants | self.calibration, like)
        self.state_columns = [replace(c, bound=b) for c, b in zip(self.state_columns, states, strict=True)]
        self.policy_columns = [replace(c, bound=b) for c, b in zip(self.policy_columns, policies, strict=True)]
        self.definition_bounds = {v.name: b for v, b in zip(variables.definitions, definitions, strict=True)}
        self.State._take(self.state_columns)
        self.PolicyState._take(self.policy_columns)
        from_state = {f"{c.name}_POLICY_FROM_STATE": self._policy_from_state(c.bounded) for c in self.policy_columns}
        self.PolicyState.__dict__.update(from_state)
        self._set_parameters(self._bounds_hard())

    def _set_parameters(self, values: Mapping[str, Any]) -> None:
        self.Parameters.__dict__.update(values)

    def set_run(self, **values: Any) -> None:
        """Sets what only a run knows: starting_state, LOG_DIR, summary, gradient_steps."""
        if self.for_tensorflow and values.get("starting_state") is not None:
            from deqn.tensorflow.tensors import view

            values["starting_state"] = view(values["starting_state"])
        self._set_parameters(values)

    def set_episode(self, done: int) -> None:
        """Tells a folder written for TensorFlow how many episodes have been trained: its `current_episode` is one more."""
        counter = self.Parameters.__dict__.get("ckpt")
        if self.for_tensorflow and isinstance(counter, ReadOnly):
            counter.current_episode.assign(done + FIRST_EPISODE)

    def _as_constant(self, value: Any) -> Any:
        """A list of numbers is an array; in a folder written for the TensorFlow library it stays the list that it is there."""
        return self._as_parameter(value) if not self.for_tensorflow and _is_list_of_numbers(value) else value

    def _as_parameter(self, value: Any) -> Any:
        """Arrays become tensors of the model's type and device; numbers stay numbers."""
        array = np.asarray(value)
        if array.ndim == 0:
            return array.item()
        dtype = self.dtype if np.issubdtype(array.dtype, np.floating) else None
        contiguous = np.array(array, order="C")  # PyTorch does not know every stride
        return torch.as_tensor(contiguous).to(device=self.device, dtype=dtype)

    def _check_names(self) -> None:
        """Reads the files for unknown names before any of them is run."""
        constants = sorted({*self.config.constants, *self.calibration})
        listed = f"constants has: {', '.join(constants)}." if constants else "There are no constants."
        definitions = self.linker.folder / "Definitions.py"
        helpers = functions_of(definitions) if definitions.is_file() else []
        missing = [name for name in self.definition_bounds if name not in helpers]
        if definitions.is_file() and (missing or _makes_names(source(definitions))):
            self._set_definitions(self.linker.link("Definitions"))  # a definition may be made without `def`
            missing = [name for name in missing if name not in self.Definitions]
        if missing and self.lenient:
            self._leave_out(missing)
        elif missing:
            raise ModelError(
                f"{self.folder.name}/Definitions.py does not define what variables.definitions lists",
                [f"{name}(state, policy_state) is missing.{suggestion(name, helpers)}" for name in missing],
            )
        known = {
            "State": list(self.State), "PolicyState": list(self.PolicyState), "Parameters": list(self.Parameters),
            "Definitions": [*helpers, *self.Definitions, *(f"{n}_RAW" for n in self.definition_bounds)],
        }  # fmt: skip
        hints = {"State": "", "PolicyState": "", "Definitions": "", "Parameters": listed}
        if self.for_tensorflow:
            known["Parameters"] += names_set(linked(self.folder), "Parameters")
        check_names(self.folder, known, hints, list(self.definition_bounds) if self.for_tensorflow else None)

    def _leave_out(self, definitions: list[str]) -> None:
        """Listed definitions that no function defines: that library fails only where one of them is asked for."""
        self.definition_bounds = {n: bound for n, bound in self.definition_bounds.items() if n not in definitions}
        bounds = _bounds_hard(self.definition_bounds)
        self._set_parameters({"definitions": list(self.definition_bounds), "definition_bounds_hard": bounds})
        self.notes.append(
            f"{self.folder.name}/Definitions.py does not define {', '.join(definitions)}: left out of variables.definitions."
        )

    def _set_definitions(self, module: Any) -> None:
        """Top-level Definitions: bounded where the YAML has a bound; helpers as they are."""
        entries: dict[str, Any] = {
            name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")
        }
        for name, bound in self.definition_bounds.items():
            if name in entries:
                entries[f"{name}_RAW"] = entries[name]
                if bound.cuts:
                    entries[name] = self.sharing.definition(_bounded(entries[name], bound))
        self.Definitions.__dict__.update(entries)

    def own_activation(self, name: str) -> Any:
        """A function of the model's Activations.py, which the configuration calls `Activations.<name>`; or, as
        `Variables.<policy>`, the one that its Variables.py gives a policy."""
        if name.startswith(OF_VARIABLES):
            policy = name.removeprefix(OF_VARIABLES)
            function = self._variables().activation(policy)
            if function is None:
                raise AttributeError(f"{self.name}/Variables.py gives policy {policy!r} no activation any more.")
            return function
        if not self.linker.has("Activations"):
            raise AttributeError(f"there is no {self.folder / 'Activations.py'}.")
        own = vars(self.linker.link("Activations"))
        if name not in own:
            known = [entry for entry in own if not entry.startswith("_")]
            raise AttributeError(f"{self.name}/Activations.py has no {name!r}.{suggestion(name, known)}")
        return own[name]

    def _variables(self) -> Variables:
        """What the model's Variables.py makes."""
        from deqn.tensorflow import variables  # only for a model that has one

        return variables.read_variables(self.folder, self.config.MODEL_NAME, self.config.run.model_dump())

    def _made_in_python(self) -> dict[str, Any]:
        """Constants of Variables.py that no YAML file can hold: arrays, functions."""
        if not self.linker.has("Variables"):
            return {}
        from deqn.tensorflow import variables  # only for a model that has one

        if not variables.has_variables(self.folder):
            return {}
        made = self._variables().constants
        known = {*self.config.constants, *self.calibration}
        return {name: value for name, value in made.items() if name not in known and not variables.is_plain(value)}

    def _policy_from_state(self, accessor: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda states: accessor(self.policy(states))


def _bounded(function: Callable[[Tensor, Tensor], Any], bound: Any) -> Callable[[Tensor, Tensor], Tensor]:
    @functools.wraps(function)  # an argument that is forgotten is reported under the name of the definition
    def bounded(*arguments: Any) -> Tensor:
        return bound.apply(torch.as_tensor(function(*arguments)))

    return bounded


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | Tensor) and np.asarray(value).dtype.kind in "biuf"


def _is_list_of_numbers(value: Any) -> bool:
    """Whether a constant of the YAML file is a list of numbers, or of equally long lists of numbers."""
    if not isinstance(value, list) or not value:
        return False
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:  # of different lengths
        return False


def _makes_names(text: str) -> bool:
    """Whether a file may define names that cannot be read off it."""
    return "setattr" in text or "globals()" in text


def _bounds_hard(bounds: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """`Parameters.*_bounds_hard` of the TensorFlow library: by side, the variables that have a bound there."""
    sides: dict[str, dict[str, float]] = {"lower": {}, "penalty_lower": {}, "upper": {}, "penalty_upper": {}}
    for name, bound in bounds.items():
        for side in ("lower", "upper"):
            if getattr(bound, side) is not None:
                sides[side][name] = getattr(bound, side)
                sides[f"penalty_{side}"][name] = getattr(bound, f"penalty_{side}")
    return sides
