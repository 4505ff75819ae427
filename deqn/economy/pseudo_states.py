"""Pseudo-states: parameters as states, so that one network solves a model for a range of their values.

Source: Scheidegger and Bilionis (2019), Machine learning for high-dimensional dynamic stochastic economies, Journal of
Computational Science 33, 68-82; Chen, Didisheim and Scheidegger (2021), Deep surrogates for finance: With an application to
option pricing, SSRN 3782722.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from deqn.configuration.schema import Run
from deqn.economy.columns import Column
from deqn.numerics.designs import at_points, points
from deqn.numerics.rng import Rng


def draw_pseudo_states(states: Tensor, drawn: Sequence[tuple[Column, Any]], run: Run, rng: Rng) -> Tensor:
    """States `[n, n_states]` with new values of the pseudo-states, those of all rows together by `run.pseudo_design`.

    Args:
        drawn: each pseudo-state with (method of Rng, its arguments, where it stands in the configuration).
    """
    if not drawn:
        return states
    states, n = states.clone(), len(states)
    widths = [column.stop - column.start for column, _ in drawn]
    design = points(run.pseudo_design, n, sum(widths), rng, run.pseudo_edge_share, run.pseudo_edge_width)
    for (column, (draw, kwargs, _)), part in zip(drawn, design.split(widths, dim=-1), strict=True):
        with rng.drawing_from(partial(at_points, part)):
            states[:, column.start : column.stop] = draw(rng, (n, *column.shape), **kwargs).reshape(n, -1)
    return states


def moving(before: Tensor, after: Tensor, columns: Sequence[Column]) -> list[str]:
    """Names of pseudo-states that a simulated period changes: `[n, n_states]` twice."""
    return [c.name for c in columns if not bool((before[:, c.start : c.stop] == after[:, c.start : c.stop]).all())]
