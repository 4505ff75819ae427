"""Grids, chains and the stationary equilibrium at Z = 1.

The stationary policy is where the network begins, the stationary distribution where simulations start. Households choose by
`deqn.portfolio`; the distribution that their choices leave as it is solves a sparse linear system.
"""

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.sparse import coo_array, eye_array
from scipy.sparse.linalg import splu

from deqn import histogram, markov, portfolio


def calibrate(constants):
    """Derived constants of the economy.

    Returns:
        b_grid [nB], a_grid [nA], e_grid [nE] (mean one), Pi_e [nE, nE], z_grid [nZ], Pi_z [nZ, nZ], pi_z [nZ]; of the stationary
        equilibrium: K_ss, B_ss; m_ss, q_ss [nE, nB, nA] (what households that leave a period with the nodes of b and a would
        consume, and what a unit of a is worth to them in units of b), D_ss [nE, nB, nA] (masses). K_scale, B_scale, q_scale: by
        how much log K, log B and log q usually move, for the network.
    """
    p = constants
    x, Pi_e = markov.rouwenhorst(p["rho_e"], p["sd_e"] * (1 - p["rho_e"] ** 2) ** 0.5, p["nE"])
    log_z, Pi_z = markov.rouwenhorst(p["rho_z"], p["sd_z"] * (1 - p["rho_z"] ** 2) ** 0.5, p["nZ"])
    grids = {
        "b_grid": p["bmax"] * np.linspace(0, 1, p["nB"]) ** p["b_power"],
        "a_grid": p["amax"] * np.linspace(0, 1, p["nA"]) ** p["a_power"],
        "e_grid": np.exp(x) / (markov.stationary(Pi_e) @ np.exp(x)),
    }
    K, found, D = stationary_equilibrium(p, grids, Pi_e)
    return grids | {
        "Pi_e": Pi_e, "z_grid": np.exp(log_z), "Pi_z": Pi_z, "pi_z": markov.stationary(Pi_z), "K_ss": K,
        "B_ss": float((D * found["b"]).sum()), "m_ss": found["m"], "q_ss": found["q"], "D_ss": D,
        "K_scale": 1.5 * p["sd_z"], "B_scale": 5 * p["sd_z"], "q_scale": 0.5 * p["sd_z"],
    }  # fmt: skip


def prices(p, K):
    """Returns on the illiquid and the liquid asset, and the wage, at Z = 1."""
    r = p["alpha"] * K ** (p["alpha"] - 1) - p["delta"]
    return {"ra": r, "rb": r - p["omega"], "w": (1 - p["alpha"]) * K ** p["alpha"]}


def stationary_equilibrium(p, grids, Pi_e):
    """K that households hold in both assets together, what they do, and their distribution [nE, nB, nA]."""
    before = None

    def economy(K):
        nonlocal before
        before = household(p, grids, Pi_e, prices(p, K), before)
        D = stationary_distribution(before, grids, Pi_e)
        return before, D

    def excess(K):
        found, D = economy(K)
        return (D * (found["a"] + found["b"])).sum() - K

    # where r is 1 / beta - 1, households would save without end
    lowest = (p["alpha"] / (1 / p["beta"] - 1 + p["delta"])) ** (1 / (1 - p["alpha"]))
    K = brentq(excess, 1.02 * lowest, 1.5 * lowest, xtol=1e-7)
    return K, *economy(K)


def household(p, grids, Pi_e, prices, before=None, tolerance=1e-9):
    """Values of a unit of each asset and choices where prices stay as they are, by time iteration: a dict of `step`."""
    e, b, a = grids["e_grid"][:, None, None], grids["b_grid"][:, None], grids["a_grid"]
    value = (prices["w"] * e + 0.02 * (b + a)) ** -p["gamma"]
    before = before or {"Vb": value, "Va": value * np.linspace(1.02, 0.98, len(a))}
    for _ in range(10_000):
        expected = (np.tensordot(Pi_e, before[name], 1) for name in ("Vb", "Va"))
        found = step(p, *expected, **grids, **prices)
        change = max(np.abs(found[name] / before[name] - 1).max() for name in ("Vb", "Va"))
        before = found
        if change < tolerance:
            return found
    raise RuntimeError(f"the stationary household's problem still moves by {change:.1e}")


def step(p, Vb, Va, b_grid, a_grid, e_grid, rb, ra, w):
    """A period of households' backward induction.

    Args:
        Vb, Va: expected values of a unit of each asset at the beginning of the next period, [nE, nB, nA], in its utils.

    Returns:
        Vb, Va at the beginning of this period; b, a, chi (the cost of adjustment), c; m, q. [nE, nB, nA] each.
    """
    adjustment = portfolio.Adjustment(p["chi0"], p["chi1"])
    kept = torch.as_tensor((1 + ra) * a_grid)
    m, q = (p["beta"] * Vb) ** (-1 / p["gamma"]), Va / Vb
    cash = w * e_grid[:, None, None] + (1 + rb) * b_grid[:, None] + (1 + ra) * a_grid
    given = (torch.as_tensor(x) for x in (cash, kept, m, q, b_grid, a_grid))
    cash, kept, m_, q_, *nodes = given
    choice = portfolio.choose(cash, kept, m_, q_, tuple(nodes), adjustment, p["gamma"])
    value_a = (1 + ra) * adjustment.value_kept(choice.a_next, kept).cpu().numpy()
    b, a, chi, c = (x.cpu().numpy() for x in choice)
    return {
        "Vb": (1 + rb) * c ** -p["gamma"], "Va": value_a * c ** -p["gamma"], "b": b, "a": a, "chi": chi, "c": c, "m": m, "q": q,
    }  # fmt: skip


def stationary_distribution(found, grids, Pi_e):
    """Masses [nE, nB, nA] that choices and productivities leave as they are."""
    shape = found["b"].shape
    place = histogram.lottery_weights(torch.as_tensor(found["b"]), torch.as_tensor(grids["b_grid"]))
    row, right = (x.cpu().numpy() for x in place)
    place = histogram.lottery_weights(torch.as_tensor(found["a"]), torch.as_tensor(grids["a_grid"]))
    column, up = (x.cpu().numpy() for x in place)
    n, start = found["b"].size, np.arange(found["b"].size).reshape(shape)
    entries = []
    for later in range(shape[0]):
        odds = Pi_e[:, later, None, None]
        for i, in_b in ((0, 1 - right), (1, right)):
            for j, in_a in ((0, 1 - up), (1, up)):
                end = np.ravel_multi_index((np.full(shape, later), row + i, column + j), shape)
                entries.append((end.ravel(), start.ravel(), (odds * in_b * in_a).ravel()))
    rows, columns, masses = (np.concatenate(x) for x in zip(*entries, strict=True))
    moves = coo_array((masses, (rows, columns)), shape=(n, n)).tocsc()
    solver, D = splu(moves - (1 + 1e-9) * eye_array(n, format="csc")), np.full(n, 1 / n)
    for _ in range(3):  # inverse iteration
        D = solver.solve(D)
        D = D / D.sum()
    return np.maximum(D, 0).reshape(shape)
