"""Pseudo-states: parameters as states, so that one network solves a model for a range of their values.

Source: Scheidegger and Bilionis (2019), Machine learning for high-dimensional dynamic stochastic economies, Journal of
Computational Science 33, 68-82; Chen, Didisheim and Scheidegger (2021), Deep surrogates for finance: With an application to
option pricing, SSRN 3782722.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from deqn.configuration.schema import Run
from deqn.economy.columns import Column
from deqn.errors import ModelError
from deqn.numerics.designs import at_points, points
from deqn.numerics.rng import Rng

Draw = Callable[[Rng, int, Column], Tensor]


def draw_pseudo_states(states: Tensor, drawn: Sequence[tuple[Column, Draw]], run: Run, rng: Rng) -> Tensor:
    """States `[n, n_states]` with new values of the pseudo-states, those of all rows together by `run.pseudo_design`.

    Args:
        drawn: each pseudo-state with what draws `[n, entries]` of it.
    """
    if not drawn:
        return states
    states, n = states.clone(), len(states)
    widths = [column.stop - column.start for column, _ in drawn]
    design = points(run.pseudo_design, n, sum(widths), rng, run.pseudo_edge_share, run.pseudo_edge_width)
    for (column, draw), part in zip(drawn, design.split(widths, dim=-1), strict=True):
        with rng.drawing_from(partial(at_points, part)):
            states[:, column.start : column.stop] = draw(rng, n, column)
    return states


def refuse_moving(before: Tensor, after: Tensor, columns: Sequence[Column], model: str) -> None:
    """A simulated period leaves pseudo-states as they are: `[n, n_states]` twice.

    Raises:
        ModelError: with the first that it changes.
    """
    for c in columns:
        if not bool((before[:, c.start : c.stop] == after[:, c.start : c.stop]).all()):
            error = ModelError(
                f"variables.states {c.name!r} is a pseudo_state, and {model}/Dynamics.py changes it: let State.update leave it "
                "as it is."
            )
            error.shared = True  # every process finds it
            raise error
