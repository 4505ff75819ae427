"""Huggett's economy with aggregate risk by backward induction: it shares no code with the model. NumPy, float64.

Households see Z, the debt B of all debtors and the share u of those without work. Nothing else about the distribution counts
for them: at each point of a grid of (Z, B, u) it is a proxy that has this B and this u (Reiter, 2010). So prices and next
period's B need no law that is fitted. Next period's consumption gives what households pay for a bond (Carroll, 2006); that
gives the price at which the proxy clears the market, consumption, and what is owed next. It is iterated until consumption
stays the same. Then the economy is simulated on a histogram (Young, 2010), where the distribution is what it is, and the
market clears in every period. The proxies are regressions of the simulated histograms on (1, B, u, BB, Bu, uu) at each Z. All
this is repeated until prices stay the same.

A law of the price that is fitted to the simulation, as in Krusell and Smith (1997), did not converge here by simple iteration:
what households demand today answers many times over to a small change of all prices to come.

How sure. `errors` of the solution are the distances between what was expected in a period of the simulation and what came: of
log q (largest, mean), and of log B'.

Sources: Carroll (2006), Economics Letters 91, 312-320. Krusell and Smith (1997), Macroeconomic Dynamics 1(2), 387-422. Reiter
(2010), Solving the incomplete markets model with aggregate uncertainty by backward induction, Journal of Economic Dynamics and
Control 34(1), 28-35. Rouwenhorst (1995), in Frontiers of Business Cycle Research. Young (2010), as Reiter, 36-41.
"""

import numpy as np
from scipy.optimize import brentq

POINTS_B, POINTS_U = 5, 3
SEED = 5


def solve(constants, n_assets=None, periods=4_000, burn_in=500, tolerance=1e-7, quiet=True):
    """Policies on the grid.

    Args:
        constants: of the model, a mapping.
        n_assets: nodes of bonds, if not constants.nA.
        periods: of the path that the proxies are fitted to, after `burn_in`.
        tolerance: largest change of log q on the grid from one round to the next.

    Returns:
        A dict of arrays: a [nA]; Z [nZ]; B_grid [nB], u_grid [nu]; m [nZ, nB, nu, nE, nA], consumption at the price one of who
        leaves with a node; q, B_next [nZ, nB, nu]; errors [4]; of the stationary economy q_ss, B_ss, D_ss [nE, nA]; and the
        constants.
    """
    p = economy(constants, n_assets)
    z = chain_path(p, np.random.default_rng(SEED).random(periods + burn_in))
    still = p | {"Z": np.ones(1), "Pi_z": np.ones((1, 1)), "work": p["work"][[len(p["Z"]) // 2]]}
    q, m, mass = stationary(still)
    s = p | {"q_ss": q, "B_ss": owed(p, mass), "D_ss": mass}
    # the first path: who has Z times the stationary endowment does as in the stationary economy
    path = simulate(s, z, lambda node, B, u: p["Z"][node] * m)
    s["B_grid"] = middle_of(path["K"], 0.3, POINTS_B)
    s["u_grid"] = middle_of(path["u"], 0.1, POINTS_U)
    c = p["Z"][:, None, None, None, None] * consumption(still, m, q, 0) * np.ones((1, POINTS_B, POINTS_U, 1, 1))
    s |= {"c": c, "q": np.full(c.shape[:3], q), "B_next": np.broadcast_to(s["B_grid"][:, None], c.shape[:3]).copy()}
    for _ in range(30):
        before = s["q"]
        s |= households(s, proxies(s, z[burn_in:], {name: x[burn_in:] for name, x in path.items()}))
        path = simulate(s, z)
        change = np.abs(np.log(s["q"] / before)).max()
        errors = forecast_errors(s, z[burn_in:], {name: x[burn_in:] for name, x in path.items()})
        if not quiet:
            print(f"log q moves by {change:.1e}; errors of log q, log B': {errors}", flush=True)
        if change < tolerance:
            return s | {"errors": errors}
    raise RuntimeError(f"log q still moves by {change:.1e} from one round to the next")


def middle_of(x, share, n):
    """[n] nodes over the range of x and beyond it by a share of it on either side; of what does not move, near it."""
    low, high = x.min(), x.max()
    beyond = max(share * (high - low), 0.01 * abs(low))
    return np.linspace(low - beyond, high + beyond, n)


def economy(constants, n_assets=None):
    """Grids and chains of the economy, from its constants."""
    k = constants
    step = k["sigma_z"] * (k["nZ"] - 1) ** 0.5
    log_Z = np.linspace(-step, step, k["nZ"])
    stay = (1 + k["rho_z"]) / 2
    Pi = np.array([[stay, 1 - stay], [1 - stay, stay]])
    for n in range(3, k["nZ"] + 1):  # Rouwenhorst (1995)
        larger = np.zeros((n, n))
        for rows, columns, weight in ((0, 0, stay), (0, 1, 1 - stay), (1, 0, 1 - stay), (1, 1, stay)):
            larger[rows : n - 1 + rows, columns : n - 1 + columns] += weight * Pi
        larger[1:-1] /= 2
        Pi = larger
    keep = k["p_high_high"] + k["job_risk"] * log_Z
    low = np.full_like(keep, k["p_low_low"])
    work = np.stack([np.stack([low, 1 - low], -1), np.stack([1 - keep, keep], -1)], 1)
    n = n_assets or k["nA"]
    a = k["amin"] + (k["amax"] - k["amin"]) * (np.arange(n) / (n - 1)) ** k["grid_power"]
    endowment = np.array([k["e_low"], k["e_high"]])
    return {"Z": np.exp(log_Z), "Pi_z": Pi, "work": work, "a": a, "e": endowment, "beta": k["beta"], "gamma": k["gamma"]}


def chain_path(p, draws):
    """Nodes of Z [T] from the middle one on, each of the cumulated probabilities."""
    cumulated, z = p["Pi_z"].cumsum(1), [len(p["Z"]) // 2]
    for x in draws[1:]:
        z.append(min(int((x >= cumulated[z[-1]]).sum()), len(p["Z"]) - 1))
    return np.array(z)


def unemployment(p, z):
    """Share without work along a path of Z [T]: it depends on nothing else."""
    middle = p["work"][len(p["Z"]) // 2]
    u = [middle[1, 0] / (middle[1, 0] + middle[0, 1])]
    for now in z[1:]:
        u.append(u[-1] * p["work"][now, 0, 0] + (1 - u[-1]) * p["work"][now, 1, 0])
    return np.array(u)


def owed(p, mass):
    """What all debtors owe together, of masses [nE, nA]."""
    return mass.sum(0) @ np.maximum(-p["a"], 0)


def basis(s, B, u):
    """Polynomials of second order in debt and unemployment: [..., 6]."""
    x, y = B / s["B_ss"] - 1, u / s["D_ss"][0].sum() - 1
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)


def proxies(s, z, path):
    """Distributions [nZ, nB, nu, nE, nA] with the debt and the unemployment of the grid's points.

    They are linear in the basis, so that mass, mean bonds (none), debt and unemployment are what they should be.
    """
    B, u = np.meshgrid(s["B_grid"], s["u_grid"], indexing="ij")
    x, points, found = basis(s, path["K"], path["u"]), basis(s, B, u), []
    for node in range(len(s["Z"])):
        here = z == node
        coefficients = np.linalg.lstsq(x[here], path["mass"][here].reshape(here.sum(), -1), rcond=1e-9)[0]
        found.append((points @ coefficients).reshape(*B.shape, *path["mass"].shape[1:]))
    return np.array(found)


def forecast_errors(s, z, path):
    """|log q| and |log B'| of the grid less those of the path: largest, mean, largest, mean."""
    read = [np.log([np.tensordot(weights(s, B, u), s[name][node], 2) for node, B, u in zip(z, path["K"], path["u"], strict=True)])
            for name in ("q", "B_next")]  # fmt: skip
    gaps = np.abs(read[0] - np.log(path["q"])), np.abs(read[1][:-1] - np.log(path["K"][1:]))
    return np.array([f(gap) for gap in gaps for f in (np.max, np.mean)])


def consumption(p, m, q, z):
    """At the nodes [nE, nA] at the price q, where m [nE, nA] is consumption at the price one of who leaves with a node."""
    a_next = savings(p, m, q, z)
    return p["a"] + p["Z"][z] * p["e"][:, None] - q * a_next


def savings(p, m, q, z):
    """Bonds to leave the period with: endogenous gridpoints (Carroll, 2006), within the grid."""
    cash = p["a"] + p["Z"][z] * p["e"][:, None]
    needed = q ** (1 / p["gamma"]) * m + q * p["a"]
    return np.stack([np.interp(have, need, p["a"]) for have, need in zip(cash, needed, strict=True)])


def implied(p, weights, c):
    """m of next period's consumption: probabilities [nS, nE, nE'] of ways on, c [nS, nE', nA]."""
    return (p["beta"] * np.einsum("sef,sfa->ea", weights, c ** -p["gamma"])) ** (-1 / p["gamma"])


def stationary(p):
    """Price, m [nE, nA] and masses [nE, nA] where Z is one for ever."""
    low, high = p["beta"], p["beta"] * 1.1
    m = np.broadcast_to(0.2 + 0.02 * (p["a"] - p["a"][0]), (len(p["e"]), len(p["a"]))).copy()
    mass = np.full_like(m, 1 / m.size)
    while high - low > 1e-13:
        q = (low + high) / 2
        for _ in range(20_000):
            new = implied(p, p["work"], consumption(p, m, q, 0)[None])
            done, m = np.abs(new / m - 1).max() < 1e-12, new
            if done:
                break
        a_next = savings(p, m, q, 0)
        for _ in range(200_000):
            new = move(p, mass, a_next, 0)
            done, mass = np.abs(new - mass).max() < 1e-15, new
            if done:
                break
        supply = mass.sum(0) @ p["a"]
        low, high = (q, high) if supply > 0 else (low, q)
    return q, m, mass


def move(p, mass, a_next, z_next):
    """Masses [nE, nA] of the next period: lotteries, then work by z_next."""
    return p["work"][z_next].T @ lottery(p, mass, a_next)


def lottery(p, mass, a_next):
    """Masses [nE, nA] after savings, each split between the two nodes around it (Young, 2010)."""
    a = p["a"]
    lower = np.searchsorted(a, a_next, side="right").clip(1, len(a) - 1) - 1
    upper = mass * (a_next - a[lower]) / (a[lower + 1] - a[lower])
    moved = np.zeros_like(mass)
    for e in range(len(mass)):
        moved[e] = np.bincount(lower[e], mass[e] - upper[e], len(a)) + np.bincount(lower[e] + 1, upper[e], len(a))
    return moved


def households(s, proxies):
    """Policies on the grid by time iteration, where the proxies [nZ, nB, nu, nE, nA] clear the market: c, m, q and B_next."""
    shape, c, q, B_next = s["c"].shape, s["c"], s["q"].ravel(), s["B_next"].ravel()
    nZ, nB, nu, nE, nA = shape
    nodes, u = np.repeat(np.arange(nZ), nB * nu), np.tile(s["u_grid"], nZ * nB)
    masses, odds = proxies.reshape(-1, nE, nA), s["Pi_z"][nodes][:, :, None, None] * s["work"]
    ahead = [u * s["work"][later, 0, 0] + (1 - u) * s["work"][later, 1, 0] for later in range(nZ)]
    in_u = [np.stack([lagrange(s["u_grid"], x) for x in u_next]) for u_next in ahead]
    for _ in range(20_000):
        in_B = np.stack([lagrange(s["B_grid"], x) for x in B_next])
        reads = [np.einsum("nb,nu->nbu", in_B, w).reshape(len(nodes), -1) for w in in_u]
        following = [(read @ then.reshape(nB * nu, -1)).reshape(-1, nE, nA) for read, then in zip(reads, c, strict=True)]
        m = np.stack([implied(s, *at) for at in zip(odds, np.stack(following, 1), strict=True)])
        q = np.array([clear(s, *at) for at in zip(m, masses, nodes, q, strict=True)])
        a_next = np.stack([savings(s, *at) for at in zip(m, q, nodes, strict=True)])
        B_next = np.array([owed(s, lottery(s, *at)) for at in zip(masses, a_next, strict=True)]).clip(*s["B_grid"][[0, -1]])
        new = (s["a"] + (s["Z"][:, None, None] * s["e"][:, None])[nodes] - q[:, None, None] * a_next).reshape(shape)
        new = np.maximum(new, 0.01 * s["e"][0])  # on the way there, prices can be such that the poorest cannot pay
        change, c = np.abs(new / c - 1).max(), new
        if change < 1e-9:
            return {"c": c, "m": m.reshape(shape), "q": q.reshape(shape[:3]), "B_next": B_next.reshape(shape[:3])}
    raise RuntimeError(f"time iteration still moves consumption by {change:.1e}")


def weights(s, B, u):
    """[nB, nu], of the grid's points: polynomials in debt and unemployment through all of them."""
    return np.outer(lagrange(s["B_grid"], B), lagrange(s["u_grid"], u))


def lagrange(nodes, x):
    """Weights [n] of the polynomial through all nodes at x."""
    return np.array([np.prod([(x - b) / (a - b) for b in nodes if b != a]) for a in nodes])


def m_at(s, z, B, u):
    """m [nE, nA] at a node of Z, debt and unemployment; beyond the grid, that of its end."""
    inside = np.clip(B, *s["B_grid"][[0, -1]]), np.clip(u, *s["u_grid"][[0, -1]])
    return np.tensordot(weights(s, *inside), s["m"][z], 2)


def simulate(s, z, policy=None):
    """The economy along nodes of Z [T], from the stationary distribution on; the market clears in every period.

    Args:
        policy: of node, debt and unemployment, m [nE, nA]; that of the solution if not given.

    Returns:
        q, r, u, C, at_limit, K (debt) and clearing, [T] each; mass [T, nE, nA].
    """
    policy = policy or (lambda *at: m_at(s, *at))
    mass, q, rows, masses = s["D_ss"], s["q_ss"], [], []
    for t, node in enumerate(z):
        B, u = owed(s, mass), mass[0].sum()
        m = policy(node, B, u)
        q = clear(s, m, mass, node, q)
        a_next = savings(s, m, q, node)
        C = (mass * (s["a"] + s["Z"][node] * s["e"][:, None] - q * a_next)).sum()
        rows.append((q, 1 / q - 1, u, C, mass[:, 0].sum(), B, (mass * a_next).sum()))
        masses.append(mass)
        if t + 1 < len(z):
            mass = move(s, mass, a_next, z[t + 1])
    names = ("q", "r", "u", "C", "at_limit", "K", "clearing")
    return dict(zip(names, np.array(rows).T, strict=True)) | {"mass": np.array(masses)}


def clear(s, m, mass, z, guess):
    """The price at which households want no bonds on average: secant steps, and bisection where they lead nowhere."""

    def demand(q):
        return (mass * savings(s, m, q, z)).sum()

    x0, x1 = guess, guess * 1.00002
    f0, f1 = demand(x0), demand(x1)
    for _ in range(8):
        if abs(f1) < 1e-12 or f1 == f0:
            break
        x0, f0, x1 = x1, f1, x1 - f1 * (x1 - x0) / (f1 - f0)
        f1 = demand(x1)
    return x1 if abs(f1) < 1e-12 else brentq(demand, 0.9 * s["q_ss"], 1.1 * s["q_ss"], xtol=1e-15)
