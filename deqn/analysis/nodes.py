"""Residuals with another way to take expectations: more nodes, or draws of the simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deqn.analysis.trained import Trained
from deqn.economy.model import Model

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 512
_STATES, _FEWEST = 200, 10
_ENTRIES = (
    3_000_000  # of states and policies at all draws: each draw makes an economy of its own, whose markets have to clear
)


def accuracy_with_other_nodes(run: Trained, states: Tensor) -> tuple[str, pd.DataFrame, pd.DataFrame]:
    """The accuracy table of some of the states, with twice `run.n_quad_pts` nodes of each shock where Dynamics.py heeds it.

    Elsewhere, expectations are means over 512 quasi-random draws of `total_step_random`; that differs from the nodes where a
    model takes expectations of something else than the simulation, and by the sampling error.

    Args:
        states: `[n, n_states]`, of which 200 evenly chosen ones are taken; with draws, fewer where a state has many entries.

    Returns:
        What was done, the table of `accuracy` before, and that with the others.
    """
    model = run.model
    settings = model.config.run
    before = after = _nodes(model, states[:1])
    if any("n_quad_pts" in path.read_text(encoding="utf-8") for path in model.folder.glob("*.py")):
        finer = _with(model, n_quad_pts=2 * settings.n_quad_pts)
        after = _nodes(finer, states[:1])
    described, number = f"{after} nodes in place of {before}", _STATES
    if before == after:
        finer = _with(model, expectation_type="quasi_random", expectation_pseudo_draws=DRAWS)
        described = f"{DRAWS:,} quasi-random draws in place of {before} nodes"
        number = max(_FEWEST, min(_STATES, _ENTRIES // (DRAWS * (model.n_states + model.n_policies))))
    chosen = states[torch.linspace(0, len(states) - 1, min(number, len(states))).long()]
    other = Trained(finer, run.path, run.starting_state)
    return described, run.accuracy(chosen), other.accuracy(chosen)


def _nodes(model: Model, states: Tensor) -> int:
    with model.context(), torch.no_grad():
        return len(model.expectations.probabilities(states, model.policy(states)))


def _with(model: Model, **changes: object) -> Model:
    """The model and its network, with other settings of `run`."""
    config = model.config.model_copy(update={"run": model.config.run.model_copy(update=changes)})
    state = model.rng.get_state()
    other = Model(config, model.calibration, log_dir=model.Parameters.LOG_DIR)
    other.network.load_state_dict(model.network.state_dict())
    other.network.eval()
    other.expectations.stacked_function = model.expectations.stacked_function
    model.rng.set_state(state)
    return other
