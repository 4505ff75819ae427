"""What each equation adds to the loss before anything is trained."""

from __future__ import annotations

import torch
from rich.markup import escape
from rich.table import Table

from deqn.training.loss import LossTerms
from deqn.training.losses import loss_function
from deqn.training.trainer import Trainer

_STATES = 128


def initial_terms(trainer: Trainer) -> LossTerms:
    """Terms of the loss at initial states; no generator moves.

    With an eligibility trace these are pieces of trajectories whose periods are drawn independently.
    """
    run = trainer.config.run
    n = -(-_STATES // run.N_episode_length) * run.N_episode_length if run.loss.trace_decay else _STATES
    with trainer.state.untouched_generators(), trainer.model.context(), torch.no_grad():
        terms = loss_function(trainer.config, trainer.state.loss_weights)  # not the compiled one, which takes a minute
        return terms(trainer.model, trainer.model.initial_states(n))


def shares_table(trainer: Trainer) -> Table:
    """Of each equation, its weight and its share of the loss at initial states."""
    terms = initial_terms(trainer)
    weights = dict.fromkeys(terms.parts, 1.0) if terms.weights is None else dict(
        zip(terms.parts, terms.weights.tolist(), strict=True)
    )  # fmt: skip
    table = Table(
        title="Untrained network: shares of the loss at initial states", title_justify="left", show_edge=False
    )
    for heading in ("", "weight", "share"):
        table.add_column(heading)
    for name, component in terms.components().items():
        label = f"equation {name}" if name in terms.parts else name
        weight = f"{weights[name]:g}" if name in weights else ""
        table.add_row(escape(label), weight, f"{100 * float(component / terms.loss):.1f} %")
    return table
