"""Generalised impulse responses of the network to the aggregate shock, beside the linear ones where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch import Tensor

from deqn.analysis import figures
from deqn.analysis.heterogeneous import linear as linear_solution
from deqn.analysis.heterogeneous.economy import Economy, NotOffered, array
from deqn.analysis.heterogeneous.linear import Linear

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VARIABLES = ("K", "C", "Y", "r")  # those of them that are definitions
RATES = ("r",)  # in units per period, not in logs


def table(economy: Economy, linear: Linear | None = None, economies: int = 100, periods: int = 100) -> pd.DataFrame:
    """Responses of log K, log C and log Y, and of r [1/period].

    Histograms are drawn from the simulation; each is the period before one economy at every node of the shock, and all of them
    see the same uniform draws afterwards. The response at a node is the mean of the economies that start one node up, less
    the mean of those that start at it. (The response to one node down is that of the node below, with the other sign.)

    The linear solution is put through the same nodes; what is averaged is the network's difference less the
    linear one, to which the linear expectation is then added (a control variate). The mean is that of the plain average
    whatever the linear solution is, and the sampling error far smaller: in `krusell_smith`, with 100 economies, below 0.1 % of
    the peak of K, instead of 8 %.

    Args:
        linear: of `linear.solve`, with at least `periods` + 1 periods.
        economies: number of histograms; `economies * nS` economies are simulated.
        periods: last period shown.

    Returns:
        A table, one row for each node but the last, variable and period: `Z` and `Z_shocked`, the two nodes;
        `variable`; `period`; `network`; `error`, its standard error over draws. With a linear solution also `plain` and
        `plain_error`, the average without the control variate; `linear`.
    """
    if not _variables(economy):
        raise NotOffered(f"none of {', '.join(VARIABLES)} is a definition of {economy.model.folder.name}")
    Z, chain = economy.chain()
    starts = economy.run.simulate(batch=economies, length=50)[-1]
    nodes = draw_nodes(economy, chain, economies, periods + 1)
    network = simulate_nodes(economy, starts, nodes)
    lines = None if linear is None else linear_solution.path(linear, np.moveaxis(nodes, 0, -1))
    tables = []
    for i in range(len(Z) - 1):
        for name, values in network.items():
            in_logs = name not in RATES and (values > 0).all()
            values = np.log(values) if in_logs else values
            response = plain = values[:, i + 1] - values[:, i]  # [periods + 1, economies]
            columns = {"Z": Z[i], "Z_shocked": Z[i + 1], "variable": name, "period": range(periods + 1)}
            if lines is not None and linear is not None and name in lines:
                unit = linear["stationary"][name] if in_logs else 1.0  # to first order, d log X = d X / X
                expected = linear_solution.node_responses(linear, i, i + 1)[name][: periods + 1] / unit
                response = plain - (lines[name][i + 1] - lines[name][i]).T / unit + expected[:, None]
                columns |= {"plain": plain.mean(-1), "plain_error": standard_error(plain), "linear": expected}
            columns |= {"network": response.mean(-1), "error": standard_error(response)}
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def standard_error(draws: np.ndarray) -> np.ndarray:
    """Of the mean over the last dimension."""
    return np.asarray(draws.std(-1, ddof=1) / draws.shape[-1] ** 0.5)


def draw_nodes(economy: Economy, chain: np.ndarray, economies: int, periods: int) -> np.ndarray:
    """Nodes of the shock from every node on, with common draws: [periods, nS, economies], int.

    One uniform number picks next period's node from the cumulated probabilities, so that economies that have met at a
    node stay together.

    Args:
        chain: [nS, nS], probabilities from row to column.
    """
    cumulated = chain.cumsum(-1)[:, :-1]
    draws = array(economy.model.rng.uniform([periods, 1, economies, 1]))
    nodes = np.empty((periods, len(cumulated), economies), dtype=int)
    nodes[0] = np.arange(len(cumulated))[:, None]
    for t in range(1, periods):
        nodes[t] = (draws[t] >= cumulated[nodes[t - 1]]).sum(-1)
    return nodes


def simulate_nodes(economy: Economy, starts: Tensor, nodes: np.ndarray) -> dict[str, np.ndarray]:
    """`VARIABLES` under the policy at given nodes: {name: [periods, nS, economies]}, float64.

    Args:
        starts: [economies, n_states], the states in the period before.
        nodes: [periods, nS, economies], int.
    """
    states = starts.repeat(nodes.shape[1], 1)
    names = _variables(economy)
    rows = []
    for shocks in nodes.reshape(len(nodes), -1):
        states = economy.moved(states, economy.policy(states), shocks)
        policy = economy.policy(states)
        rows.append([array(getattr(economy.Definitions, name)(states, policy)) for name in names])
    values = np.moveaxis(np.array(rows), 1, 0)
    return dict(zip(names, values.reshape(len(names), *nodes.shape), strict=True))


def _variables(economy: Economy) -> list[str]:
    return [name for name in VARIABLES if name in economy.model.definition_bounds]


def draw(responses: pd.DataFrame) -> Figure:
    """Responses to one node up at each node of the shock, per 1 % of it, in percent: the network's solid with two standard
    errors on either side, the linear ones dashed. Those differ by node because the chain's persistence does."""
    n = responses["variable"].nunique()
    figure, axes = figures.new(rows=-(-n // 2), columns=min(n, 2))
    for axis in axes[n:]:
        axis.remove()
    for axis, (name, table) in zip(axes, responses.groupby("variable", sort=False), strict=False):
        for _, rows in table.groupby("Z"):
            Z, shocked = (float(rows[name].iloc[0]) for name in ("Z", "Z_shocked"))
            scale = 1 / (
                np.log(shocked / Z) if Z > 0 else shocked - Z
            )  # 100 times the response, to 100 times the shock
            period, network, error = rows["period"], scale * rows["network"], scale * rows["error"]
            (line,) = axis.plot(period, network, label=f"network, Z = {Z:.3f} to {shocked:.3f}")
            axis.fill_between(period, network - 2 * error, network + 2 * error, color=line.get_color(), alpha=0.2)
            if "linear" in rows:
                axis.plot(period, scale * rows["linear"], "k--", linewidth=0.8, label="_")
        if "linear" in table:
            axis.plot([], [], "k--", linewidth=0.8, label="linear")
        if table["error"].max() > 0:
            axis.fill_between([], [], [], color="grey", alpha=0.2, label="two standard errors either way")
        axis.set(title=f"{name} after a shock of 1 % to Z", xlabel="period")
        axis.set_ylabel("percentage points a period" if name in RATES else "percent")
    axes[n - 1].legend(fontsize="small")
    return figure
