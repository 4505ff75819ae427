"""The economy by backward induction with proxy distributions, in NumPy; shares no code with the library.

At each node of the spread there are some histograms, means of simulated ones, which differ in equality, (E sqrt a)^2 / B.
Backward induction finds what is expected, by node and histogram: marginal utility of who leaves the quarter with each node of
bonds, and inflation. In each, output clears the market for bonds. Where the economy is in the next quarter is read off by
equality, linear between the histograms. Then the economy is simulated with the full histogram, and the proxies are made anew.

Source: Reiter (2010), Solving the incomplete markets model with aggregate uncertainty by backward induction, Journal of Economic
Dynamics and Control 34(1), 28-35. Here the proxies are those of a simulation, and no reference distribution is shifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import brentq

Economy = dict[str, Any]


def economy(constants: Mapping[str, Any]) -> Economy:
    """Constants, grids and chains; beta and the stationary m and mass."""
    p: Economy = dict(constants)
    x, p["Pi_e"] = chain(p["rho_e"], p["sd_e"], p["nE"])
    p["e"] = np.exp(x) / (long_run(p["Pi_e"]) @ np.exp(x))
    p["b"], p["Pi_b"] = chain(p["rho_b"], p["sd_b"], p["nB"])
    p["a"] = p["amax"] * np.linspace(0, 1, p["nA"]) ** p["grid_power"]
    q = np.exp(-p["r_ss"])
    low, high = 0.95 * q, 0.9995 * q
    for _ in range(45):
        p["beta"] = (low + high) / 2
        m, mass = stationary(p, q)
        low, high = (p["beta"], high) if (mass @ p["a"]).sum() < p["B"] else (low, p["beta"])
    return p | {"m": m, "mass": mass}


def chain(rho: float, sd: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rouwenhorst's chain with that persistence and unconditional standard deviation: nodes [n], probabilities [n, n]."""
    keep, Pi = (1 + rho) / 2, np.ones((1, 1))
    for _ in range(n - 1):
        larger = np.zeros((4, len(Pi) + 1, len(Pi) + 1))
        larger[0, :-1, :-1] = larger[3, 1:, 1:] = keep * Pi
        larger[1, :-1, 1:] = larger[2, 1:, :-1] = (1 - keep) * Pi
        Pi = larger.sum(0)
        Pi /= Pi.sum(1, keepdims=True)
    return sd * (n - 1) ** 0.5 * np.linspace(-1, 1, n), Pi


def long_run(Pi: np.ndarray) -> np.ndarray:
    """Stationary distribution, [n]."""
    return np.linalg.matrix_power(Pi, 4096)[0]


def choose(p: Economy, m: np.ndarray, q: float, after_tax: float) -> tuple[np.ndarray, np.ndarray]:
    """Bonds and consumption at each node, [nE, nA] each."""
    cash = p["a"] + after_tax * p["e"][:, None]
    needed = q ** (1 / p["gamma"]) * m + q * p["a"]
    bonds = np.array([np.interp(have, need, p["a"]) for have, need in zip(cash, needed, strict=True)])
    return bonds, cash - q * bonds


def lottery(p: Economy, bonds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The node below and the share that goes there."""
    below = np.clip(np.searchsorted(p["a"], bonds, side="right") - 1, 0, len(p["a"]) - 2)
    return below, (p["a"][below + 1] - bonds) / (p["a"][below + 1] - p["a"][below])


def move(p: Economy, mass: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Next quarter's histogram (Young, 2010)."""
    below, share = lottery(p, bonds)
    n = len(p["a"])
    later = [
        np.bincount(i, d * s, n) + np.bincount(i + 1, d * (1 - s), n) for i, d, s in zip(below, mass, share, strict=True)
    ]
    return p["Pi_e"].T @ np.array(later)


def stationary(p: Economy, q: float) -> tuple[np.ndarray, np.ndarray]:
    """m and histogram at the price q, without shocks to the spread."""
    after_tax, gamma = 1 - (1 - q) * p["B"], p["gamma"]
    c = 0.1 * p["a"] + after_tax * p["e"][:, None]
    for _ in range(5_000):
        m = (p["beta"] * p["Pi_e"] @ c**-gamma) ** (-1 / gamma)
        bonds, new = choose(p, m, q, after_tax)
        change, c = np.abs(new / c - 1).max(), new
        if change < 1e-10:
            break
    below, share = lottery(p, bonds)
    nE, nA = bonds.shape
    T = np.zeros((nE, nA, nE, nA))
    for e, a in np.ndindex(nE, nA):
        T[e, a, :, below[e, a]] = share[e, a] * p["Pi_e"][e]
        T[e, a, :, below[e, a] + 1] = (1 - share[e, a]) * p["Pi_e"][e]
    system = np.eye(nE * nA) - T.reshape(nE * nA, -1).T
    system[0] = 1  # masses add up to one
    return m, np.linalg.solve(system, np.eye(nE * nA)[0]).reshape(nE, nA)


def quarter(p: Economy, mass: np.ndarray, m: np.ndarray, expected: float, b: float) -> dict[str, Any]:
    """The quarter in which the market for bonds clears: y, pi, rule, i, q; bonds and c [nE, nA]."""

    def at(y: float) -> dict[str, Any]:
        pi = p["slope"] * y + p["beta"] * expected
        rule = p["r_ss"] + p["pi_target"] + p["phi_pi"] * pi + p["phi_y"] * y - p["track"] * b
        i = max(0.0, rule) if p["zero_bound"] else rule
        q = np.exp(-(i - p["pi_target"] - expected + b))
        bonds, c = choose(p, m, q, np.exp(y) - (1 - q) * p["B"])
        return {"y": y, "pi": pi, "rule": rule, "i": i, "q": q, "bonds": bonds, "c": c}

    def excess(y: float) -> float:
        return float((mass * at(y)["bonds"]).sum() - p["B"])

    if excess(-p["y_range"]) > 0:
        raise RuntimeError("at the bound, deflation that is expected lowers output without end: expected a smaller sd_b or slope")
    return at(brentq(excess, -p["y_range"], p["y_range"], xtol=1e-12))


def equality(p: Economy, mass: np.ndarray) -> float:
    return float((mass.sum(0) @ p["a"] ** 0.5) ** 2 / p["B"])


def between(nodes: np.ndarray, z: float) -> np.ndarray:
    """Weights of the histograms with equality `nodes` at equality z, linear between them."""
    return np.array([np.interp(z, nodes, unit) for unit in np.eye(len(nodes))])


def solve(
    constants: Mapping[str, Any], rounds: int = 3, periods: int = 3_000, parts: int = 9, seed: int = 0, tolerance: float = 1e-8
) -> Economy:
    """Backward induction, `rounds` times, each with the proxies of the simulation before, `parts` for each node.

    Returns:
        The economy with m [nB, n, nE, nA], expected [nB, n] and the equality of the proxies, nodes [nB, n].
    """
    p = economy(constants)
    nB = len(p["b"])
    proxies = np.broadcast_to(p["mass"], (nB, 1, *p["mass"].shape))
    m, expected = np.broadcast_to(p["m"], proxies.shape).copy(), np.zeros((nB, 1))
    draws = np.random.default_rng(seed).random(periods)
    for number in range(rounds):
        found = backward(p, proxies, m, expected, tolerance)
        if number < rounds - 1:
            shocks = chain_path(found, draws)
            path = simulate(found, shocks, keep=True)
            proxies = make_proxies(path["equality"], path["mass"], shocks, nB, parts)
            again = [[read(found, j, equality(p, mass)) for mass in proxies[j]] for j in range(nB)]
            m = np.array([[one[0] for one in row] for row in again])
            expected = np.array([[one[1] for one in row] for row in again])
    return found


def make_proxies(z: np.ndarray, masses: np.ndarray, shocks: np.ndarray, nB: int, parts: int) -> np.ndarray:
    """Means of as many parts of the simulated histograms at each node, by their equality: [nB, parts, nE, nA]."""
    rows = []
    for j in range(nB):
        here = np.flatnonzero(shocks == j)
        rows.append([masses[part].mean(0) for part in np.array_split(here[np.argsort(z[here])], parts)])
    return np.array(rows)


def backward(p: Economy, proxies: np.ndarray, m: np.ndarray, expected: np.ndarray, tolerance: float) -> Economy:
    """Iterates until neither consumption nor inflation moves by more than the tolerance."""
    nB, n = proxies.shape[:2]
    nodes = np.array([[equality(p, mass) for mass in row] for row in proxies])
    before, change = None, np.inf
    for _ in range(2_000):
        found = [[quarter(p, proxies[j, k], m[j, k], expected[j, k], p["b"][j]) for k in range(n)] for j in range(nB)]
        c, pi = (np.array([[one[name] for one in row] for row in found]) for name in ("c", "pi"))
        if before is not None:
            change = max(np.abs(c / before[0] - 1).max(), np.abs(pi - before[1]).max())
        if change < tolerance:
            return p | {"m": m, "expected": expected, "nodes": nodes}
        before = c, pi
        m, expected = np.empty_like(m), np.empty_like(expected)
        for j, k in np.ndindex(nB, n):
            z = equality(p, move(p, proxies[j, k], found[j][k]["bonds"]))
            weights = p["Pi_b"][j][:, None] * np.array([between(nodes[later], z) for later in range(nB)])
            value = p["Pi_e"] @ np.einsum("jk,jkea->ea", weights, c ** -p["gamma"])
            m[j, k], expected[j, k] = (p["beta"] * value) ** (-1 / p["gamma"]), (weights * pi).sum()
    raise RuntimeError(f"backward induction did not converge: the last change was {change:.1e}")


def read(solution: Economy, j: int, z: float) -> tuple[np.ndarray, float]:
    """m [nE, nA] and expected inflation at a node of the spread and equality z."""
    weights = between(solution["nodes"][j], z)
    return np.tensordot(weights, solution["m"][j], 1), float(weights @ solution["expected"][j])


def chain_path(p: Economy, draws: np.ndarray) -> np.ndarray:
    """Nodes of the spread, from the middle one on."""
    cumulated, nodes = p["Pi_b"].cumsum(1)[:, :-1], [len(p["b"]) // 2]
    for draw in draws[1:]:
        nodes.append(int((draw >= cumulated[nodes[-1]]).sum()))
    return np.array(nodes)


def simulate(solution: Economy, shocks: np.ndarray, keep: bool = False) -> dict[str, np.ndarray]:
    """Y, pi, i, rule and equality along nodes of the spread [T], from the stationary histogram; mass [T, nE, nA] if kept."""
    p, mass = solution, solution["mass"]
    rows: dict[str, list[Any]] = {name: [] for name in ("Y", "pi", "i", "rule", "equality", "mass")}
    for j in shocks:
        z = equality(p, mass)
        now = quarter(p, mass, *read(p, j, z), p["b"][j])
        values = {"Y": np.exp(now["y"]), "equality": z} | {name: now[name] for name in ("pi", "i", "rule")}
        for name, value in values.items():
            rows[name].append(value)
        if keep:
            rows["mass"].append(mass)
        mass = move(p, mass, now["bonds"])
    return {name: np.array(values) for name, values in rows.items() if values}
