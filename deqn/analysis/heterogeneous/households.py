"""What households do and have in one state of the path: a figure for any economy with a histogram of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deqn.analysis import figures
from deqn.analysis.heterogeneous.economy import array
from deqn.analysis.heterogeneous.path import Path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POORER, _MOST = 0.5, 0.99  # shares of households up to whose wealth savings, and the rest, are drawn
_LEAST_NODES = 10
_NAMED = 8  # states e that all have a name in the legend


def draw(path: Path) -> Figure:
    """Savings beside the 45-degree line, consumption, and who has how much, a line for each e, in the state with the median K."""
    economy, model = path.economy, path.economy.model
    K = economy.summary(path.states)
    middle = int(np.argsort(K)[len(K) // 2])
    state = path.states[middle : middle + 1]
    c, a_next = (values[0] for values in economy.households(state, economy.policy(state)))
    a, masses = economy.a_grid, array(economy.distribution(state)[0])
    figure, (left, centre, right) = figures.new(columns=3)
    numbers = {column.name: float(column.raw(state)) for column in model.state_columns if not column.shape}
    where = ", ".join(f"{name} = {value:.4g}" for name, value in {"K": K[middle], **numbers}.items())
    figure.suptitle(f"Households at {where}: the state with the median K of {len(K):,} periods")
    poorer, most = (_nodes(masses, share) for share in (_POORER, _MOST))
    for e, label in enumerate(economy.labels):
        style = {"label": label if _is_named(e, economy.nE) else None, "color": _colour(e, economy.nE)}
        left.plot(a[:poorer], a_next[e, :poorer], **style)
        centre.plot(a[:most], c[e, :most], **style)
        if masses[e].sum() > 0:
            right.plot(a[:most], 100 * (masses[e].cumsum() / masses[e].sum())[:most], **style)
    left.plot(a[:poorer], a[:poorer], "k--", linewidth=0.8, label="a' = a")
    left.set(title="Savings of the poorer half", ylabel="a' [goods]")
    centre.set(title="Consumption", ylabel="c [goods a period]")
    right.set(title="Households with at most that", ylabel="share of those with the same e [%]")
    for axis in (left, centre, right):
        axis.set_xlabel("assets a [goods]")
    left.legend(fontsize="small")
    return figure


def _nodes(masses: np.ndarray, share: float) -> int:
    """Nodes of assets, from the first on, with so large a share of all households."""
    cumulated = masses.sum(0).cumsum()
    return min(len(cumulated), max(_LEAST_NODES, int(np.searchsorted(cumulated, share * cumulated[-1])) + 1))


def _is_named(e: int, nE: int) -> bool:
    return nE <= _NAMED or e in (0, nE // 2, nE - 1)


def _colour(e: int, nE: int) -> object:
    """One of its own for each of a few states e, a scale for many."""
    from matplotlib import colormaps

    return f"C{e}" if nE <= _NAMED else colormaps["viridis"](e / (nE - 1))
