"""A new model from a template: `python -m deqn new mymodel --states k,z --policies s`."""

from __future__ import annotations

import importlib.util
import json
import keyword
from collections.abc import Sequence
from pathlib import Path

from deqn import shipped
from deqn.configuration.schema import reserved_names
from deqn.errors import ConfigError, count

MOVED = "# change it where the folder moves; a relative path counts from the working directory"


def new_model(name: str, states: Sequence[str], policies: Sequence[str], into: Path | None = None) -> list[Path]:
    """Writes a model folder and its YAML files; they train as they are, and say what to replace.

    Args:
        name: name of the model.
        states, policies: names of the variables.
        into: a folder of one's own that gets `models/` and `config/`; the checkout's own folders by default.

    Returns:
        The files written.

    Raises:
        ConfigError: for a name that Python cannot read, or a file that is there already.
    """
    refuse_names(name, states, policies)
    models, configs = (shipped.MODELS, shipped.CONFIG) if into is None else (into / "models", into / "config")
    files = {models / name / file: text for file, text in _model_files(name, states, policies).items()}
    own = None if into is None else models.resolve()
    files |= {configs / group / f"{name}.yaml": text for group, text in yaml_files(name, states, policies, own).items()}
    existing = [str(path) for path in files if path.exists()]
    if existing:
        raise ConfigError(f"nothing was written: {count(len(existing), 'file')} would be overwritten", existing)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


def refuse_names(name: str, states: Sequence[str], policies: Sequence[str]) -> None:
    """Raises ConfigError for names that Python cannot read, or that mean something else."""
    problems = []
    for what, names in (("model", [name]), ("states", states), ("policies", policies)):
        if not any(names):
            problems.append(f"{what}: expected at least one name.")
        for entry in names:
            if not entry.isidentifier() or keyword.iskeyword(entry) or entry in reserved_names():
                problems.append(f"{what}: {entry!r} is no name that Python can read, or is taken by the library.")
        if what == "model" and _is_module(name):
            problems.append(f"model: {name!r} is a Python module, which model files would then no longer find.")
        if len(set(names)) < len(names):
            problems.append(f"{what}: a name appears twice.")
    if problems:
        raise ConfigError(f"{count(len(problems), 'problem')} with the names", problems)


def _is_module(name: str) -> bool:
    """Whether `import <name>` finds a file; a folder without one, in which somebody may stand, does not count."""
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    return spec is not None and spec.origin is not None


def _model_files(name: str, states: Sequence[str], policies: Sequence[str]) -> dict[str, str]:
    state, policy = states[0], policies[0]
    updates = "\n".join(
        f'            "{s}": Parameters.rho * State.{s}(state){" + shock" if s == states[-1] else ""},' for s in states
    )
    residuals = "\n".join(
        f'        "eq_{p}": PolicyState.{p}(policy_state) - E_t(lambda s, p: Definitions.target(s, p)),'
        for p in policies
    )
    definitions = f'''"""{name}: quantities as functions of state and policy. Each is listed in config/variables/{name}.yaml."""

import torch

import Parameters
import PolicyState
import State


def target(state, policy_state):
    """Replace: what the equations of this template ask the policies to be next period, a number between 0 and 1."""
    return torch.sigmoid(State.{state}(state))


def gap(state, policy_state):
    """Replace: another quantity of the model."""
    return PolicyState.{policy}(policy_state) - target(state, policy_state)
'''
    dynamics = f'''"""{name}: how states move from one period to the next. Replace the law of motion by the model's own."""

import Globals
import Parameters
import State

shock_values, shock_probs = State.gauss_hermite(Parameters.sigma, 5)


def next_state(state, policy_state, shock):
    return State.update_dict(
        state,
        {{
{updates}
        }},
    )


def total_step_random(prev_state, policy_state):
    """Next period's state in the simulation."""
    shock = 0.0 if Globals.DISABLE_SHOCKS else Parameters.rng.normal(prev_state.shape[:-1], stddev=Parameters.sigma)
    return next_state(prev_state, policy_state, shock)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """Next period's state at one shock node."""
    return next_state(prev_state, policy_state, shock_values[shock_index, 0])
'''
    equations = f'''"""{name}: equilibrium conditions. Each residual is zero where its condition holds."""

import Definitions
import Parameters
import PolicyState
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    # Replace: an Euler equation, for example
    #   1 - Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p))
    return {{
{residuals}
    }}
'''
    hooks = f'''"""{name}: what is drawn and said during training."""


def cycle_hook(state, i):
    """After each episode: draw into Parameters.LOG_DIR, log with Parameters.summary (a TensorBoard SummaryWriter)."""
'''
    return {"Definitions.py": definitions, "Dynamics.py": dynamics, "Equations.py": equations, "Hooks.py": hooks}


def yaml_files(
    name: str, states: Sequence[str], policies: Sequence[str], models_dir: Path | None
) -> dict[str, str]:  # fmt: skip
    """By group, the YAML file of a new model."""
    state_entries = "\n".join(
        f"  - name: {s}\n    init:\n      distribution: normal\n      kwargs: {{mean: 0.0, stddev: 0.1}}"
        for s in states
    )
    policy_entries = "\n".join(
        f"  - name: {p}\n    activation: implied\n    bounds: {{lower: 0.01, upper: 0.99}}" for p in policies
    )
    groups = ("constants", "net", "optimizer", "run", "variables")
    return {
        "model": "# @package _global_\ndefaults:\n"
        + "".join(f"  - override /{group}: {name}\n" for group in groups)
        + f"\nMODEL_NAME: {name}\n"
        + ("" if models_dir is None else f"MODELS_DIR: {json.dumps(str(models_dir), ensure_ascii=False)} {MOVED}\n"),
        "constants": "constants:\n  beta: 0.96\n  rho: 0.9\n  sigma: 0.02\n",
        "variables": "# `about: capital [goods]` below a name says what it is, in `deqn info`, reports and figures\n"
        f"states:\n{state_entries}\n\npolicies:\n{policy_entries}\n\n"
        "definitions:\n  - name: target\n  - name: gap\n",
        "net": "normalize_inputs: true\nlayers:\n  - hidden: {units: 32, activation: silu}\n"
        "  - hidden: {units: 32, activation: silu}\n  - output: {activation: linear, init_scale: 0.1}\n",
        "optimizer": "# more accurate in seconds, where the network is not large: optimizer=levenberg_marquardt\n"
        "optimizer: Adam\nlearning_rate: 0.003\nlearning_rate_schedule: CosineDecay # down to alpha * learning_rate at the end\n"
        "schedule_kwargs: {alpha: 0.003}\n",
        "run": "N_sim_batch: 128\nN_episode_length: 20\nN_epochs_per_episode: 1\nN_minibatch_size: 128\nN_episodes: 300\n",
    }
