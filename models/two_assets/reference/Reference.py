"""The economy of `two_assets` by the classical method: it shares no code with the model. NumPy, float64.

Households know Z and K, and forecast next period's K by a law log K' = h0(Z) + h1(Z) log K (Krusell and Smith, 1998). Their
problem is solved by endogenous gridpoints in both assets at each node of (Z, K) by time iteration; the law is fitted to a
simulation on a histogram over both assets (Young, 2010), in which the distribution is what it is; and this is repeated until the
law stays the same. Between nodes of K, what households expect is linear in logs. Without aggregate risk it is the stationary
economy, whose K is found by Brent's method.

How sure. The law is one of K alone: `errors` are the largest and the mean distance of its log K' from that of the simulation.

Sources: Carroll (2006), Economics Letters 91, 312-320. Auclert, Bardóczy, Rognlie and Straub (2021), Econometrica 89(5),
2375-2408: the cost of adjustment and the order of the steps. Krusell and Smith (1998), Journal of Political Economy 106(5),
867-896. Rouwenhorst (1995), in Frontiers of Business Cycle Research. Young (2010), Journal of Economic Dynamics and Control
34(1), 36-41.
"""

import numpy as np
from scipy.optimize import brentq

SEED = 11
POINTS_K = 7


def economy(constants, shares=10):
    """Grids and chains of the economy, and its constants.

    Args:
        shares: nodes of the value of b' relative to consumption, of who is at the limit of b.
    """
    k = dict(constants)
    log_e, Pi_e = rouwenhorst(k["nE"], k["rho_e"], k["sd_e"])
    log_Z, Pi_z = rouwenhorst(k["nZ"], k["rho_z"], k["sd_z"])
    e = np.exp(log_e)
    grids = {x: k[f"{x}max"] * (np.arange(k[n]) / (k[n] - 1)) ** k[f"{x}_power"] for x, n in (("a", "nA"), ("b", "nB"))}
    e /= np.linalg.matrix_power(Pi_e, 10_000)[0] @ e
    return k | grids | {"e": e, "Pi_e": Pi_e, "Z": np.exp(log_Z), "Pi_z": Pi_z, "shares": np.arange(1, shares + 1) / (shares + 1)}


def rouwenhorst(n, rho, sd):
    """Nodes [n] and probabilities [n, n] of a chain with this persistence and unconditional standard deviation."""
    stay = (1 + rho) / 2
    Pi = np.ones((1, 1))
    for size in range(2, n + 1):
        larger = np.zeros((size, size))
        for rows, columns, weight in ((0, 0, stay), (0, 1, 1 - stay), (1, 0, 1 - stay), (1, 1, stay)):
            larger[rows : size - 1 + rows, columns : size - 1 + columns] += weight * Pi
        larger[1:-1] /= 2
        Pi = larger
    return np.linspace(-1, 1, n) * sd * (n - 1) ** 0.5, Pi


def prices(p, Z, K):
    """Returns on illiquid and liquid capital, and the wage."""
    r = p["alpha"] * Z * K ** (p["alpha"] - 1) - p["delta"]
    return r, r - p["omega"], (1 - p["alpha"]) * Z * K ** p["alpha"]


# ------------------------------------------------------------------------------------------------ the household


def between(x, nodes):
    """Node below and weight of the one above for each x [..., n] in its row of nodes [..., m]."""
    m, rows = nodes.shape[-1], nodes.reshape(-1, nodes.shape[-1])
    low, high = min(x.min(), nodes.min()), max(x.max(), nodes.max())
    number = np.arange(len(rows))[:, None]  # of the row: all rows are one sorted line, each in its own stretch of it
    line, points = (number + 0.999 * (y - low) / (high - low) for y in (rows, x.reshape(len(rows), -1)))
    lower = np.searchsorted(line.ravel(), points.ravel(), side="right").reshape(points.shape) - 1 - m * number
    lower = np.clip(lower, 0, m - 2).reshape(x.shape)
    left, right = (np.take_along_axis(nodes, lower + i, -1) for i in (0, 1))
    return lower, np.clip((x - left) / (right - left), 0, 1)


def read(values, at):
    """Values [..., m] at what `between` gave."""
    values = np.broadcast_to(values, (*at[0].shape[:-1], values.shape[-1]))
    low, high = (np.take_along_axis(values, at[0] + i, -1) for i in (0, 1))
    return low + at[1] * (high - low)


def cost(p, a_next, x):
    return p["chi1"] / 2 * (a_next - x) ** 2 / (x + p["chi0"])


def choose(p, m, q, Z, K):
    """b', a', cost and c [..., nE, nB, nA] at Z, K [...], given m and q [..., nE, nB, nA] at the nodes of b' and a'."""
    ra, rb, w = (np.asarray(y)[..., None, None, None] for y in prices(p, Z, K))
    x, b = (1 + ra) * p["a"], p["b"][:, None]
    cash = w * p["e"][:, None, None] + (1 + rb) * b + x
    share = p["shares"][:, None]
    m = np.concatenate([share ** (1 / p["gamma"]) * m[..., :1, :], m], -2)
    q = np.concatenate([share * q[..., :1, :], q], -2)
    b = np.concatenate([0 * share, b])
    # chi1 (a' - x) / (x + chi0) = q - 1, solved for x
    tilt = (q - 1) / p["chi1"]
    at = between(np.broadcast_to(x, q.shape), (p["a"] - p["chi0"] * tilt) / (1 + tilt))
    a_next = read(p["a"], at)
    needed = read(m, at) + a_next + b + cost(p, a_next, x)
    at = between(np.swapaxes(cash, -1, -2), np.swapaxes(needed, -1, -2))
    b_next, a_next = (np.swapaxes(read(y, at), -1, -2) for y in (b[:, 0], np.swapaxes(a_next, -1, -2)))
    # who is at the limit of b: one step of Newton's method on c(a') + a' + cost = cash, c(a') by the first-order condition
    first = len(p["shares"])
    here = between(a_next.reshape(*a_next.shape[:-2], -1), np.broadcast_to(p["a"], m[..., first, :].shape))
    m, q = (read(y[..., first, :], here).reshape(a_next.shape) for y in (m, q))
    price = 1 + p["chi1"] * (a_next - x) / (x + p["chi0"])
    c = m * (price / q) ** (1 / p["gamma"])
    slope = price + c * p["chi1"] / (p["gamma"] * price * (x + p["chi0"]))
    better = np.clip(a_next + (cash - c - a_next - cost(p, a_next, x)) / slope, p["a"][0], p["a"][-1])
    a_next = np.where(cash < needed[..., first : first + 1, :], better, a_next)
    paid = cost(p, a_next, x)
    return b_next, a_next, paid, cash - b_next - a_next - paid


def values(p, m, q, Z, K):
    """Of a unit of b and of a at the beginning of the period, in utils: [2, ..., nE, nB, nA]."""
    _, a_next, _, c = choose(p, m, q, Z, K)
    ra, rb, _ = (np.asarray(y)[..., None, None, None] for y in prices(p, Z, K))
    x = (1 + ra) * p["a"]
    move = (a_next - x) / (x + p["chi0"])
    return np.stack([1 + rb + 0 * c, (1 + ra) * (1 + p["chi1"] * (move + move**2 / 2))]) * c ** -p["gamma"]


def expected(p, value):
    """m and q of expected values [2, ..., nE, nB, nA] of next period, in its utils."""
    return (p["beta"] * value[0]) ** (-1 / p["gamma"]), value[1] / value[0]


def over_e(p, value):
    return np.einsum("ef,...fba->...eba", p["Pi_e"], value)


# ------------------------------------------------------------------------------------------- the stationary economy


def stationary_household(p, K, start=None, tolerance=1e-9):
    """m and q [nE, nB, nA] where capital is K for ever."""
    if start is None:
        c = 0.7 * prices(p, 1.0, K)[2] * p["e"][:, None, None] + 0.05 * (p["b"][:, None] + p["a"])
        start = c, np.ones_like(c)
    m, q = start
    for _ in range(5_000):
        new_m, new_q = expected(p, over_e(p, values(p, m, q, 1.0, K)))
        change = max(np.abs(new_m / m - 1).max(), np.abs(new_q / q - 1).max())
        m, q = new_m, new_q
        if change < tolerance:
            return m, q
    raise RuntimeError(f"the stationary household's problem still moves by {change:.1e}")


def stationary(p):
    """K, m, q and masses [nE, nB, nA] where Z is one for ever."""
    found, mass = None, np.full((len(p["e"]), len(p["b"]), len(p["a"])), 1 / (len(p["e"]) * len(p["b"]) * len(p["a"])))

    def excess(K):
        nonlocal found, mass
        found = stationary_household(p, K, found)
        mass, held = steady_mass(p, found, K, mass)
        return held - K

    user_cost = 1 / p["beta"] - 1 + p["delta"]
    patient = (p["alpha"] / user_cost) ** (1 / (1 - p["alpha"]))  # where households would save without end
    K = brentq(excess, 1.02 * patient, 1.5 * patient, xtol=1e-7)
    excess(K)
    return K, *found, mass


def steady_mass(p, found, K, mass):
    """Masses that choices leave as they are, and what households then hold."""
    b_next, a_next, *_ = choose(p, *found, 1.0, K)
    for _ in range(20_000):
        new = move(p, mass, b_next, a_next)
        done, mass = np.abs(new - mass).max() < 1e-11, new
        if done:
            break
    return mass, (mass * (b_next + a_next)).sum()


def move(p, mass, b_next, a_next):
    """Masses [nE, nB, nA] of the next period: a lottery over four nodes, then productivity."""
    (i, s), (j, t) = (between(y.reshape(1, -1), grid[None]) for y, grid in ((b_next, p["b"]), (a_next, p["a"])))
    shape = mass.shape
    e = np.repeat(np.arange(shape[0]), shape[1] * shape[2])
    moved = np.zeros(mass.size)
    for up in (0, 1):
        for right in (0, 1):
            weight = (s if up else 1 - s) * (t if right else 1 - t)
            node = (e * shape[1] + i + up) * shape[2] + j + right
            moved += np.bincount(node.ravel(), (mass.ravel() * weight).ravel(), mass.size)
    return np.einsum("ef,eba->fba", p["Pi_e"], moved.reshape(shape))


# --------------------------------------------------------------------------------------------------- aggregate risk


def solve(constants, periods=2_000, burn_in=200, tolerance=1e-5, quiet=True):
    """What households expect, on a grid of (Z, K).

    Args:
        constants: of the model, a mapping.
        periods: of the path that the law is fitted to, after `burn_in`.
        tolerance: largest change of the log K' that the law says from one round to the next.

    Returns:
        The economy with K_ss, m_ss, q_ss, mass_ss of the stationary one; log_K [nK]; log_m, log_q [nZ, nK, nE, nB, nA]; law
        [nZ, 2] (constant and slope of log K' / K_ss in log K / K_ss); errors [2].
    """
    p = economy(constants)
    K, m, q, mass = stationary(p)
    p |= {"K_ss": K, "m_ss": m, "q_ss": q, "mass_ss": mass}
    z = chain_path(p, np.random.default_rng(SEED).random(periods + burn_in))
    spread = max(6 * np.log(p["Z"][-1]), 1e-4)
    p["log_K"] = np.linspace(-spread, spread, POINTS_K)
    shape = len(p["Z"]), POINTS_K, *m.shape
    p |= {name: np.log(np.broadcast_to(x, shape)) for name, x in (("log_m", m), ("log_q", q))}
    law = np.stack([0.3 * np.log(p["Z"]), np.full(len(p["Z"]), 0.85)], -1)
    for _ in range(40):
        p["law"] = law
        p |= households(p)
        path = np.log(simulate(p, z)["K"][burn_in:] / K)
        here = z[burn_in:-1]
        pairs = [(path[:-1][here == j], path[1:][here == j]) for j in range(len(p["Z"]))]
        fitted = np.array([np.polynomial.polynomial.polyfit(*pair, 1) for pair in pairs])
        change = np.abs((fitted - law) @ np.stack([np.ones(POINTS_K), p["log_K"] / 2])).max()
        misses = np.abs(path[1:] - fitted[here, 0] - fitted[here, 1] * path[:-1])
        if not quiet:
            print(f"log K' of the law moves by {change:.1e}; it misses by {misses.max():.1e}, {misses.mean():.1e}", flush=True)
        if change < tolerance:
            return p | {"errors": np.array([misses.max(), misses.mean()])}
        law = law + 0.7 * (fitted - law)
    raise RuntimeError(f"the law of motion still moves by {change:.1e}")


def chain_path(p, draws):
    """Nodes of Z [T] from the middle one on, each of the cumulated probabilities."""
    cumulated, z = p["Pi_z"].cumsum(1), [len(p["Z"]) // 2]
    for x in draws[1:]:
        z.append(min(int((x >= cumulated[z[-1]]).sum()), len(p["Z"]) - 1))
    return np.array(z)


def households(p, tolerance=1e-8):
    """log_m and log_q on the grid of (Z, K) by time iteration, given the law."""
    log_m, log_q = p["log_m"], p["log_q"]
    K = p["K_ss"] * np.exp(p["log_K"])
    to_K = p["law"][:, :1] + p["law"][:, 1:] * p["log_K"]  # log K' / K_ss [nZ, nK]
    place = np.clip((to_K - p["log_K"][0]) / (p["log_K"][1] - p["log_K"][0]), 0, POINTS_K - 1 - 1e-9)
    lower = place.astype(int)
    weight = (place - lower)[..., None, None, None]
    for _ in range(3_000):
        value = np.log(over_e(p, values(p, np.exp(log_m), np.exp(log_q), p["Z"][:, None], K[None])))
        ahead = 0.0
        for later in range(len(p["Z"])):
            there = (1 - weight) * value[:, later, lower] + weight * value[:, later, lower + 1]
            ahead = ahead + p["Pi_z"][None, :, later, None, None, None, None] * np.exp(there)
        new_m, new_q = (np.log(x) for x in expected(p, ahead))
        change = max(np.abs(new_m - log_m).max(), np.abs(new_q - log_q).max())
        log_m, log_q = new_m, new_q
        if change < tolerance:
            return {"log_m": log_m, "log_q": log_q}
    raise RuntimeError(f"time iteration still moves by {change:.1e}")


def expectations_at(p, node, K):
    """m and q [nE, nB, nA] at a node of Z and capital K; beyond the grid, those of its end."""
    place = np.clip((np.log(K / p["K_ss"]) - p["log_K"][0]) / (p["log_K"][1] - p["log_K"][0]), 0, POINTS_K - 1 - 1e-9)
    i, t = int(place), place - int(place)
    return tuple(np.exp((1 - t) * p[name][node, i] + t * p[name][node, i + 1]) for name in ("log_m", "log_q"))


def simulate(p, z, mass=None):
    """The economy along nodes of Z [T], from the stationary distribution on.

    Returns:
        K, B, C, costs (of adjustment), at_limit, top (mass at the last nodes): [T] each.
    """
    mass, rows = p["mass_ss"] if mass is None else mass, []
    for node in z:
        B, A = mass.sum((0, 2)) @ p["b"], mass.sum((0, 1)) @ p["a"]
        b_next, a_next, paid, c = choose(p, *expectations_at(p, node, A + B), p["Z"][node], A + B)
        top = mass[:, -1].sum() + mass[:, :, -1].sum()
        rows.append((A + B, B, (mass * c).sum(), (mass * paid).sum(), mass[:, 0].sum(), top))
        mass = move(p, mass, b_next, a_next)
    return dict(zip(("K", "B", "C", "costs", "at_limit", "top"), np.array(rows).T, strict=True))
