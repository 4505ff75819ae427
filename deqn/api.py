"""Models from Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deqn.configuration.compose import Composed, compose
from deqn.economy.calibration import keep
from deqn.economy.from_functions import Economy, Function, write_model
from deqn.economy.model import Model
from deqn.economy.probe import probe


def load_model(
    name: str,
    overrides: Sequence[str] = (),
    config_dir: str | Path | None = None,
    check: bool = True,
    library: str | Path | None = None,
) -> Model:
    """A model of `models/` (or of MODELS_DIR) with its untrained network.

    Args:
        name: option of the `model` group, as in `model=<name>`.
        overrides: `["constants.beta=0.95", "MODELS_DIR=my_models"]`, Hydra's syntax.
        config_dir: a folder with YAML files of your own, as in `--config-dir`.
        check: try the model, as `--check` does: its problems are raised, its notes are Python warnings, and expectations are
            evaluated on all nodes at once where that gives the same numbers. Without it loading is faster, training slower.
        library: a folder of the TensorFlow library, as in `--from`; `name` is then a model folder in it.

    Raises:
        ConfigError, ModelError: with every problem found.

    Example:
        >>> model = load_model("brock_mirman", ["constants.delta=0.1"])
        >>> model.equations(states := model.initial_states(3), model.policy(states))["euler"].shape
        torch.Size([3])
    """
    return _loaded(partial(_composed, name, overrides, config_dir, library), check)


def _composed(
    name: str, overrides: Sequence[str], config_dir: str | Path | None, library: str | Path | None, more: Sequence[str] = ()
) -> Composed:  # fmt: skip
    return compose([f"model={name}", *overrides, *more], config_dir, library=library)


def _loaded(make: Callable[..., Composed], check: bool) -> Model:
    composed = make()
    model = Model(composed.config)
    model.composed_anew = make
    if check:
        for note in [*composed.notes, *probe(model).notes]:
            warnings.warn(note, stacklevel=3)
        keep(model.calibrated, model.folder, composed.config.constants)
    return model


def model_from(
    name: str,
    *,
    states: Mapping[str, Any] | Sequence[str],
    policies: Mapping[str, Any] | Sequence[str],
    equations: Function,
    unit_free: Function | None = None,
    next_state: Function | None = None,
    shocks: Mapping[str, float | str] | Function | None = None,
    total_step_random: Function | None = None,
    total_step_spec_shock: Function | None = None,
    shock_probs: Function | None = None,
    definitions: Sequence[Function] | Mapping[str, Function] = (),
    definition_bounds: Mapping[str, Any] = {},
    constants: Mapping[str, Any] = {},
    about: Mapping[str, str] = {},
    hooks: Sequence[Function] = (),
    calibrate: Function | None = None,
    guess: Function | None = None,
    define_net: Function | None = None,
    post_process: Function | None = None,
    activations: Sequence[Function] | Mapping[str, Function] = (),
    net: Mapping[str, Any] | str | None = None,
    optimizer: Mapping[str, Any] | str | None = None,
    run: Mapping[str, Any] | str | None = None,
    config: Mapping[str, Any] = {},
    folder: str | Path | None = None,
    check: bool = True,
) -> Model:
    """A model from functions, such as those in the cells of a notebook: writes its folder and YAML files, and loads it.

    The functions are those of a model folder (docs/tutorials/writing_a_model.md). `State`, `PolicyState`, `Definitions`,
    `Parameters` and `Globals` need no import. A function may call other functions of the notebook, which are written with it.
    What it needs to know stands in `constants`; a variable of the notebook is refused, because a later run would not have it.

    Args:
        name: of the model: `deqn train --config-dir <folder>/config model=<name>` trains it, too.
        states: by name, the pair (low, high) that it starts between, or the entry of the YAML file, `{"init": ...}`.
        policies: by name, the pair (lower, upper) of its bounds, or the entry of the YAML file.
        equations: `equations(state, policy_state)`, the residuals by name.
        unit_free: `unit_free(state, policy_state)`, the same residuals without a unit (docs/howto/economy.md).
        next_state: `next_state(state, policy_state, <shock>, ...)`, the law of motion.
        shocks: with `next_state`, the standard deviation of each normal shock, a number or the name of a constant; without one,
            there is no risk. Beside `total_step_random`, a function `shocks()` that gives `(shock_values, shock_probs)`.
        total_step_random, total_step_spec_shock, shock_probs: the functions of Dynamics.py, where shocks are not normal.
        definitions: functions of (state, policy_state), by their own names or by those of a dictionary.
        definition_bounds: by definition, `{"lower": ..., "penalty_lower": ...}`.
        constants: numbers and arrays: `Parameters.<name>`.
        about: by name of a state, policy, definition or constant, what it is, for reports and figures. Its unit stands at the
            end: `{"K": "capital [goods]"}`.
        hooks: `closed_form`, `cycle_hook` and the other functions of Hooks.py.
        calibrate, guess, define_net, post_process: the functions of Calibration.py, Guess.py, Net.py and PostProcess.py.
        activations: functions of a tensor, as for `definitions`. `net` and `policies` call them `Activations.<name>`.
        net, optimizer, run: keys of these groups, or the name of a model whose group is taken. What `net` and `run` leave out is
            that of the template of `deqn new`; `optimizer` replaces the template's.
        config: keys outside the groups, `{"stationary": False}`.
        folder: gets `models/` and `config/`; by default a new folder with the name of the model. A second call overwrites what
            the first one wrote, and nothing else.
        check: as for `load_model`.

    Raises:
        ConfigError, ModelError: with every problem found.
    """
    into = Path(name if folder is None else folder)
    write_model(
        Economy(
            name=name, states=states, policies=policies, equations=equations, unit_free=unit_free, next_state=next_state,
            shocks=shocks, total_step_random=total_step_random, total_step_spec_shock=total_step_spec_shock,
            shock_probs=shock_probs, definitions=definitions, definition_bounds=definition_bounds, constants=constants,
            about=about, hooks=hooks, calibrate=calibrate, guess=guess, define_net=define_net, post_process=post_process,
            activations=activations, net=net, optimizer=optimizer, run=run, config=config,
        ),
        into,
    )  # fmt: skip
    return _loaded(partial(_composed, name, (), into.resolve() / "config", None), check)
