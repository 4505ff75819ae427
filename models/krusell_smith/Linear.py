"""The linear solution of the same economy: sequence-space Jacobians at the stationary equilibrium at Z = 1.

The method is that of Auclert, Bardóczy, Rognlie and Straub (2021), "Using the sequence-space Jacobian to solve and
estimate heterogeneous-agent models", Econometrica 89(5), 2375-2408, by the package sequence-jacobian. Households are those of
Calibration.py on the same asset grid, so that grid errors are common to it and the network. It is exact to first order
in Z around the stationary equilibrium, with the whole histogram as the state, and blind to aggregate risk.

Timing. K_t is the capital of the histogram at the beginning of period t, as in Definitions.K: it was chosen in t - 1
(sequence-jacobian's K(-1)), and does not respond on impact. C_t, Y_t and r_t are those of period t. All responses are
in levels: K, C, Y in units of the good, r in units per quarter.

The process of Z is the chain itself and no AR(1) fitted to it: Tauchen's five nodes are more persistent than the AR(1)
that they stand for (autocorrelation 0.932, where rho_tfp = 0.9). In period t at node j the conditional expectation of
log Z_{t+h} is (Pi^h log z)[j]. Period t after node i brings the news

    eps_t(h) = (Pi^h log z)[j] - (Pi^{h+1} log z)[i],    h = 0, 1, ...,

whose first entry is the innovation log Z_t - E_{t-1} log Z_t. The linear economy's path is the sum of its responses to
all news of the past, each an expected path of log Z (its moving-average representation).
"""

import Calibration
import numpy as np

VARIABLES = ("K", "C", "Y", "r")


def solve(constants, periods=400, calibration=None):
    """General-equilibrium Jacobians of K, C, Y and r with respect to expected paths of log Z.

    Args:
        constants: those of the model, a mapping.
        periods: T, the horizon at which paths are cut off.
        calibration: what Calibration.calibrate(constants) gives, if it is at hand.

    Returns:
        A dict:
        stationary: {name: number}, the stationary equilibrium at Z = 1.
        jacobian: {name: [T, T]}; [t, s] is the response in period t to news in period 0 that log Z_s is one higher.
        log_tfp: [nZ], log Z on the nodes of the chain. Pi_tfp: [nZ, nZ].
        sigma, rho: standard deviation and autocorrelation of log Z on the chain.
        news_now, news_past: {name: [T, nZ]}, responses to the path of log Z expected from node j today, and to the same
            path as it was expected a period ago from node i. Their difference is the response to the news of i -> j.
    """
    p = dict(constants)
    found = Calibration.calibrate(p) if calibration is None else calibration
    found = {name: np.asarray(value, dtype=float) for name, value in found.items()}
    stationary, jacobian = equilibrium(p, found, periods)
    log_tfp, Pi = np.log(found["tfp_grid"]), found["Pi_tfp"]
    log_tfp = log_tfp - found["pi_tfp"] @ log_tfp  # zero up to rounding: the chain is symmetric
    expected = np.empty((periods + 1, len(log_tfp)))  # [h, j]: log Z in h periods, from node j
    expected[0] = log_tfp
    for h in range(periods):
        expected[h + 1] = Pi @ expected[h]
    variance = found["pi_tfp"] @ log_tfp**2
    return {
        "stationary": stationary,
        "jacobian": jacobian,
        "log_tfp": log_tfp,
        "Pi_tfp": Pi,
        "sigma": float(np.sqrt(variance)),
        "rho": float(found["pi_tfp"] @ (log_tfp * expected[1]) / variance),
        "news_now": {name: G @ expected[:-1] for name, G in jacobian.items()},
        "news_past": {name: G @ expected[1:] for name, G in jacobian.items()},
    }


def equilibrium(p, calibration, periods):
    """Stationary values {name: number} and Jacobians {name: [T, T]} with respect to log Z."""
    import sequence_jacobian as ssj

    @ssj.simple
    def firm(K, Z, L, alpha, delta):
        Y = Z * K(-1) ** alpha * L ** (1 - alpha)
        r = alpha * Y / K(-1) - delta
        w = (1 - alpha) * Y / L
        return r, w, Y

    @ssj.simple
    def market_clearing(A, K):
        asset_market = A - K
        return asset_market

    household = Calibration.household_block(p, calibration["a_grid"])
    economy = ssj.create_model([household, firm, market_clearing], name="krusell_smith")
    inputs = {name: p[name] for name in ("beta", "eis", "alpha", "delta", "L")}
    inputs |= {"a_grid": calibration["a_grid"], "e_grid": calibration["e_grid"], "Pi": calibration["Pi_e"]}
    inputs |= {"K": float(calibration["K_ss"]), "Z": 1.0}
    stationary = economy.steady_state(inputs)
    accurate = {"household": {"twosided": True}}
    G = economy.solve_jacobian(stationary, ["K"], ["asset_market"], ["Z"], T=periods, options=accurate)
    jacobian = {name: np.array(G[name]["Z"]) for name in VARIABLES}  # d Z = d log Z at Z = 1
    jacobian["K"] = np.vstack(
        [np.zeros(periods), jacobian["K"][:-1]]
    )  # from the end of a period to the beginning of the next
    return {name: float(stationary[name]) for name in VARIABLES}, jacobian


def impulse_responses(solution, shock=None):
    """Responses of K, C, Y, r to a shock to log Z in period 0, in levels: {name: [T]}, and "Z", its path of log Z.

    Args:
        solution: of `solve`.
        shock: a number, the innovation in log Z, that decays with the chain's autocorrelation; or an array [<= T], the
            whole expected path of log Z, zero afterwards. By default one standard deviation of log Z.
    """
    T = len(solution["jacobian"]["K"])
    shock = np.asarray(solution["sigma"] if shock is None else shock, dtype=float)
    if shock.ndim == 0:
        log_Z = shock * solution["rho"] ** np.arange(T)
    else:
        log_Z = np.zeros(T)
        log_Z[: len(shock)] = shock
    return {name: G @ log_Z for name, G in solution["jacobian"].items()} | {"Z": log_Z}


def node_responses(solution, node, shocked):
    """Responses in levels, {name: [T]}, to Z_0 at the node `shocked` instead of `node`, with the chain's expectations
    from there on: the linear counterpart of a generalised impulse response."""
    return {name: G[:, shocked] - G[:, node] for name, G in solution["news_now"].items()}


def path(solution, z_indices, logs=False):
    """K, C, Y and r under given productivities: {name: [*batch, n]}.

    Before the first period the economy is in its stationary equilibrium and expects log Z = 0; K of the first period is
    therefore K_ss. News older than T periods no longer count.

    Args:
        solution: of `solve`.
        z_indices: [*batch, n], the nodes of Z_0, Z_1, ..., Z_{n-1} on the chain.
        logs: whether K, C and Y are linear in their logs, X = X_ss exp(dX / X_ss), which is nearer the nonlinear path
            (Y = Z K^alpha is exactly so); in levels, the default, they satisfy the resource constraint exactly.
    """
    nodes = np.asarray(z_indices)
    n = nodes.shape[-1]
    T = min(n, len(solution["jacobian"]["K"]))
    paths = {}
    for name, now in solution["news_now"].items():
        past = solution["news_past"][name]
        stationary = solution["stationary"][name]
        values = np.zeros(nodes.shape)
        for s in range(T):  # what news of s periods ago contribute
            values[..., s:] += now[s][nodes[..., : n - s]]
            values[..., s + 1 :] -= past[s][nodes[..., : n - s - 1]]
        paths[name] = stationary * np.exp(values / stationary) if logs and name != "r" else stationary + values
    return paths
