"""The linear solution of an economy of households: sequence-space Jacobians at its stationary equilibrium.

The method is that of Auclert, Bardóczy, Rognlie and Straub (2021), "Using the sequence-space Jacobian to solve and estimate
heterogeneous-agent models", Econometrica 89(5), 2375-2408, by the package sequence-jacobian. The folder's Linear.py hands over
the model (docs/howto/heterogeneous_agents.md). It is exact to first order in the shock around the stationary equilibrium,
with the whole histogram as the state, and blind to aggregate risk.

Timing. What is predetermined in the folder's own definitions (capital at the beginning of a period) is sequence-jacobian's
variable of the period before, and does not respond on impact. All responses are in levels.

The process of the shock is the chain itself and no AR(1) fitted to it: Tauchen's five nodes of `krusell_smith` are more
persistent than the AR(1) that they stand for (autocorrelation 0.932, where rho_tfp = 0.9). In period t at node j the conditional
expectation of the shock x in h periods is (Pi^h x)[j]. Period t after node i brings the news

    eps_t(h) = (Pi^h x)[j] - (Pi^{h+1} x)[i],    h = 0, 1, ...,

whose first entry is the innovation x_t - E_{t-1} x_t. The linear economy's path is the sum of its responses to all news of the
past, each an expected path of x (its moving-average representation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Linear = dict[str, Any]
Series = dict[str, np.ndarray]


def solve(handed: Mapping[str, Any], periods: int = 400) -> Linear:
    """General-equilibrium Jacobians with respect to expected paths of the shock.

    Args:
        handed: what `sequence_jacobian` of the folder's Linear.py gives.
        periods: T, the horizon at which paths are cut off.

    Returns:
        A dict:
        stationary: {name: number}, the stationary equilibrium.
        jacobian: {name: [T, T]}; [t, s] is the response in period t to news in period 0 that the shock in s is one higher.
        nodes: [nS], of the shock on its chain, less its mean; Pi: [nS, nS].
        sigma, rho: standard deviation and autocorrelation of the shock on the chain.
        news_now, news_past: {name: [T, nS]}, responses to the path of the shock expected from node j today, and to the same
            path as it was expected a period ago from node i. Their difference is the response to the news of i -> j.
    """
    model, shock, outputs = handed["model"], handed["shock"], handed["outputs"]
    stationary = model.steady_state(handed["inputs"])
    options = handed.get("options", {})
    G = model.solve_jacobian(stationary, handed["unknowns"], handed["targets"], [shock], T=periods, options=options)
    jacobian = {name: np.array(G[name][shock]) for name in outputs}
    for name in handed.get("predetermined", ()):  # from the end of a period to the beginning of the next
        jacobian[name] = np.vstack([np.zeros(periods), jacobian[name][:-1]])
    nodes, Pi, pi = (np.asarray(handed[name], dtype=float) for name in ("nodes", "Pi", "pi"))
    nodes = nodes - pi @ nodes  # zero up to rounding where the chain is symmetric
    expected = np.empty((periods + 1, len(nodes)))  # [h, j]: the shock in h periods, from node j
    expected[0] = nodes
    for h in range(periods):
        expected[h + 1] = Pi @ expected[h]
    variance = pi @ nodes**2
    return {
        "stationary": {name: float(stationary[name]) for name in outputs},
        "jacobian": jacobian,
        "nodes": nodes,
        "Pi": Pi,
        "sigma": float(np.sqrt(variance)),
        "rho": float(pi @ (nodes * expected[1]) / variance),
        "news_now": {name: J @ expected[:-1] for name, J in jacobian.items()},
        "news_past": {name: J @ expected[1:] for name, J in jacobian.items()},
    }


def impulse_responses(solution: Linear, shock: float | np.ndarray | None = None) -> Series:
    """Responses to a shock in period 0, in levels: {name: [T]}, and "shock", its path.

    Args:
        solution: of `solve`.
        shock: a number, the innovation, that decays with the chain's autocorrelation; or an array [<= T], the whole
            expected path, zero afterwards. By default one standard deviation.
    """
    T = len(next(iter(solution["jacobian"].values())))
    given = np.asarray(solution["sigma"] if shock is None else shock, dtype=float)
    if given.ndim == 0:
        path = given * solution["rho"] ** np.arange(T)
    else:
        path = np.zeros(T)
        path[: len(given)] = given
    return {name: J @ path for name, J in solution["jacobian"].items()} | {"shock": path}


def node_responses(solution: Linear, node: int, shocked: int) -> Series:
    """Responses in levels, {name: [T]}, to the shock at the node `shocked` instead of `node` in period 0, with the chain's
    expectations from there on: the linear counterpart of a generalised impulse response."""
    return {name: J[:, shocked] - J[:, node] for name, J in solution["news_now"].items()}


def path(solution: Linear, nodes: np.ndarray, logs: tuple[str, ...] = ()) -> Series:
    """The variables under given nodes of the shock: {name: [*batch, n]}.

    Before the first period the economy is in its stationary equilibrium and expects the shock's mean; what is predetermined
    has its stationary value in the first period. News older than T periods no longer count.

    Args:
        solution: of `solve`.
        nodes: [*batch, n], of the periods 0, 1, ..., n - 1 on the chain.
        logs: variables that are linear in their logs, X = X_ss exp(dX / X_ss), which is nearer the nonlinear path
            (Y = Z K^alpha is exactly so); in levels, they satisfy a resource constraint exactly.
    """
    nodes = np.asarray(nodes)
    n = nodes.shape[-1]
    T = min(n, len(next(iter(solution["jacobian"].values()))))
    paths = {}
    for name, now in solution["news_now"].items():
        past = solution["news_past"][name]
        stationary = solution["stationary"][name]
        values = np.zeros(nodes.shape)
        for s in range(T):  # what news of s periods ago contribute
            values[..., s:] += now[s][nodes[..., : n - s]]
            values[..., s + 1 :] -= past[s][nodes[..., : n - s - 1]]
        paths[name] = stationary * np.exp(values / stationary) if name in logs else stationary + values
    return paths
