"""DICE-2016R by direct optimisation over the controls of all periods, in NumPy and SciPy; shares no code with the library.

The controls are the savings rate and the mitigation rate of each period. The gradient of welfare comes from the costates,
backwards in time. L-BFGS-B comes near the optimum; Newton's method on the controls that are at no bound, with a Hessian of
differences of gradients, ends it. As in Nordhaus' program, the first mitigation rate and the last ten savings rates are given.

Sources: Nordhaus (2017), Revisiting the social cost of carbon, Proceedings of the National Academy of Sciences 114(7), 1518-1523,
and its program, DICE2016R-091916ap.gms; Byrd, Lu, Nocedal and Zhu (1995), A limited memory algorithm for bound constrained
optimization, SIAM Journal on Scientific Computing 16(5), 1190-1208.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

YEARS = 5  # of a period
CARBON = 3.666  # mass of CO2 over that of its carbon
INITIAL = ("K_0", "M_0", "U_0", "L_0", "T_0", "O_0")
LAST = 10  # periods with a given savings rate


@dataclass(frozen=True)
class Path:
    """The optimum, each `[periods]`.

    Attributes:
        year: 2015, 2020, ...
        K: capital [trillion 2010 US$].
        M, U, L: carbon in the atmosphere, the upper and the lower ocean [GtC].
        T, O: warming of the atmosphere and of the lower ocean since 1900 [C].
        s, mu: savings rate and mitigation rate.
        Y, C: output net of damages and abatement, and consumption [trillion 2010 US$ a year].
        scc: social cost of carbon, the price of carbon in the atmosphere at the end of the period [2010 US$ per tCO2].
        price_U, price_L: the same in the two oceans.
        price_T, price_O: of a degree in the atmosphere and in the lower ocean [trillion 2010 US$].
    """

    year: np.ndarray
    K: np.ndarray
    M: np.ndarray
    U: np.ndarray
    L: np.ndarray
    T: np.ndarray
    O: np.ndarray
    s: np.ndarray
    mu: np.ndarray
    Y: np.ndarray
    C: np.ndarray
    scc: np.ndarray
    price_U: np.ndarray
    price_L: np.ndarray
    price_T: np.ndarray
    price_O: np.ndarray


def exogenous(p: Mapping[str, float], n: int) -> dict[str, np.ndarray]:
    """What does not depend on the controls, `[n]` each: people, productivity, intensity, backstop, land, forcing, discounting."""
    people, productivity, intensity = np.empty(n), np.empty(n), np.empty(n)
    people[0], productivity[0], intensity[0] = p["pop_0"], p["A_0"], p["e_0"] / (p["q_0"] * (1 - p["mu_0"]))
    falls = p["g_sigma"]  # a year
    for t in range(n - 1):
        people[t + 1] = people[t] * (p["pop_inf"] / people[t]) ** p["pop_speed"]
        productivity[t + 1] = productivity[t] / (1 - p["g_A"] * np.exp(-p["d_A"] * YEARS * t))
        intensity[t + 1] = intensity[t] * np.exp(falls * YEARS)
        falls *= (1 - p["d_sigma"]) ** YEARS
    t = np.arange(n)
    backstop = p["backstop"] * (1 - p["g_backstop"]) ** t
    return {
        "people": people,
        "scale": productivity * (people / 1000) ** (1 - p["gamma"]),
        "intensity": intensity,
        "backstop": backstop,
        "cost": backstop * intensity / p["theta"] / 1000,
        "land": p["land_0"] * (1 - p["d_land"]) ** t,
        "forcing": p["forcing_0"] + (p["forcing_1"] - p["forcing_0"]) * np.minimum(t / 17, 1),
        "weight": (1 + p["rho"]) ** (-YEARS * t),
        "most": np.where(t < p["limit_period"], 1.0, p["mu_limit"]),
    }


class Problem:
    """Welfare and its gradient."""

    def __init__(self, p: Mapping[str, float], n: int) -> None:
        self.p, self.n, self.x = p, n, exogenous(p, n)
        from_above, from_below = p["b_12"] * p["M_eq"] / p["U_eq"], p["b_23"] * p["U_eq"] / p["L_eq"]
        self.flows = np.array([  # to atmosphere, upper and lower ocean, from each of them
            [1 - p["b_12"], from_above, 0],
            [p["b_12"], 1 - from_above - p["b_23"], from_below],
            [0, p["b_23"], 1 - from_below],
        ])  # fmt: skip
        feedback = p["forcing_2x"] / p["sensitivity"]
        self.warms = np.array([
            [1 - p["c_1"] * (feedback + p["c_3"]), p["c_1"] * p["c_3"]],
            [p["c_4"], 1 - p["c_4"]],
        ])  # fmt: skip
        self.kept = (1 - p["delta"]) ** YEARS

    def forward(self, s: np.ndarray, mu: np.ndarray) -> dict[str, np.ndarray]:
        """Paths under controls `[n, batch]`: states `[n + 1, ..., batch]`, flows `[n, batch]`, and welfare `[batch]`."""
        p, x, n = self.p, self.x, self.n
        batch = s.shape[1]
        K, carbon, warmth = np.empty((n + 1, batch)), np.empty((n + 1, 3, batch)), np.empty((n + 1, 2, batch))
        K[0] = p["K_0"]
        carbon[0] = np.array([p["M_0"], p["U_0"], p["L_0"]])[:, None]
        warmth[0] = np.array([p["T_0"], p["O_0"]])[:, None]
        gross, net = np.empty((n, batch)), np.empty((n, batch))
        for t in range(n):
            gross[t] = x["scale"][t] * K[t] ** p["gamma"]
            net[t] = 1 - p["damage"] * warmth[t, 0] ** 2 - x["cost"][t] * mu[t] ** p["theta"]
            K[t + 1] = self.kept * K[t] + YEARS * s[t] * net[t] * gross[t]
            carbon[t + 1] = self.flows @ carbon[t]
            carbon[t + 1, 0] += (x["intensity"][t] * gross[t] * (1 - mu[t]) + x["land"][t]) * YEARS / CARBON
            forcing = p["forcing_2x"] * np.log2(carbon[t + 1, 0] / p["M_eq"]) + x["forcing"][min(t + 1, n - 1)]
            warmth[t + 1] = self.warms @ warmth[t]
            warmth[t + 1, 0] += p["c_1"] * forcing
        C = (1 - s) * net * gross
        a_head = 1000 * C / x["people"][:, None]
        utility = a_head ** (1 - p["eta"]) / (1 - p["eta"])
        welfare = ((x["weight"] * x["people"])[:, None] * utility).sum(0)
        marginal = 1000 * x["weight"][:, None] * a_head ** -p["eta"]
        return {
            "K": K, "carbon": carbon, "warmth": warmth, "gross": gross, "net": net, "C": C, "welfare": welfare,
            "marginal": marginal,
        }  # fmt: skip

    def gradient(self, s: np.ndarray, mu: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        """The paths; derivatives of welfare with respect to s and mu, `[n, batch]`, and to stocks at the end of the periods.

        The latter are `[n, 5, batch]`: carbon in three boxes [GtC], with the warming it has caused by then, and warmth in two.
        """
        p, x = self.p, self.x
        path = self.forward(s, mu)
        d_s, d_mu, d_stocks = np.empty_like(s), np.empty_like(s), np.empty((self.n, 5, s.shape[1]))
        to_K, to_carbon, to_warmth = np.zeros(s.shape[1]), np.zeros((3, s.shape[1])), np.zeros((2, s.shape[1]))
        for t in reversed(range(self.n)):
            K, T, gross, net = path["K"][t], path["warmth"][t, 0], path["gross"][t], path["net"][t]
            to_carbon[0] += to_warmth[0] * p["c_1"] * p["forcing_2x"] / (np.log(2) * path["carbon"][t + 1, 0])
            of_emissions = to_carbon[0] * YEARS / CARBON
            of_output = path["marginal"][t] * (1 - s[t]) + to_K * YEARS * s[t]
            d_s[t] = gross * net * (to_K * YEARS - path["marginal"][t])
            d_mu[t] = -gross * (
                of_output * x["cost"][t] * p["theta"] * mu[t] ** (p["theta"] - 1) + of_emissions * x["intensity"][t]
            )
            d_stocks[t, :3], d_stocks[t, 3:] = to_carbon, to_warmth
            of_gross = of_output * net + of_emissions * x["intensity"][t] * (1 - mu[t])
            to_K = of_gross * p["gamma"] * gross / K + to_K * self.kept
            to_carbon = self.flows.T @ to_carbon
            to_warmth = self.warms.T @ to_warmth
            to_warmth[0] -= of_output * gross * 2 * p["damage"] * T
        return path, d_s, d_mu, d_stocks


def solve(constants: Mapping[str, float], periods: int = 100, baseline: bool = False) -> Path:
    """The optimum.

    Args:
        constants: of the model, `config/constants/dice.yaml`.
        periods: after which the world ends, of five years each.
        baseline: Nordhaus' business as usual, where until 2235 the price of carbon is at most 2 US$, growing by 2 % a year.

    Raises:
        RuntimeError: where Newton's method does not settle.
    """
    p = {name: float(value) for name, value in constants.items()}
    problem, n = Problem(p, periods), periods
    t = np.arange(n)
    low, high = np.concatenate([np.full(n, 0.01), np.full(n, 1e-4)]), np.concatenate([np.full(n, 0.99), problem.x["most"]])
    if baseline:
        price = np.minimum(2 * 1.02 ** (YEARS * t) / problem.x["backstop"], 1) ** (1 / (p["theta"] - 1))
        high[n:] = np.where(t < 45, np.minimum(price, high[n:]), high[n:])
    else:
        low[n] = high[n] = p["mu_0"]
    last = p["gamma"] * (p["delta"] + 0.004) / (p["delta"] + 0.004 * p["eta"] + p["rho"])
    low[n - LAST : n] = high[n - LAST : n] = last

    def derivatives(controls: np.ndarray) -> np.ndarray:
        """Of welfare, `[2 n, batch]`."""
        _, d_s, d_mu, _ = problem.gradient(controls[:n], controls[n:])
        return np.concatenate([d_s, d_mu])

    start = np.clip(np.concatenate([np.full(n, last), np.linspace(0.1, 1.2, n)]), low, high)
    unit = 1 / np.sqrt(np.tile(problem.x["weight"] / problem.x["weight"].sum(), 2))
    unit[n:] *= 5  # of the controls, so that their second derivatives are of one size
    size = abs(problem.forward(start[:n, None], start[n:, None])["welfare"][0])

    def objective(y: np.ndarray) -> tuple[float, np.ndarray]:
        controls = (y * unit)[:, None]
        path, d_s, d_mu, _ = problem.gradient(controls[:n], controls[n:])
        return -path["welfare"][0] / size, -np.concatenate([d_s, d_mu])[:, 0] * unit / size

    bounds = list(zip(low / unit, high / unit, strict=True))
    near = minimize(objective, start / unit, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-13})
    controls = np.clip(near.x * unit, low, high)
    for _ in range(100):
        gradient = derivatives(controls[:, None])[:, 0]
        free = np.flatnonzero(((controls > low) | (gradient > 0)) & ((controls < high) | (gradient < 0)) & (low < high))
        h = 1e-5
        moved = np.zeros((2 * n, len(free)))
        moved[free, np.arange(len(free))] = h
        both = (derivatives(controls[:, None] + moved) - derivatives(controls[:, None] - moved)) / (2 * h)
        hessian = 0.5 * (both[free] + both[free].T)
        step = -np.linalg.solve(hessian, gradient[free])
        controls[free] = np.clip(controls[free] + np.clip(step, -0.1, 0.1), low[free], high[free])
        largest = np.abs(step).max()
        if largest < 1e-9:
            break
    else:
        raise RuntimeError(f"Newton's method on the controls has not settled: its last step was {largest:.1e}")
    path, _, _, d_stocks = problem.gradient(controls[:n, None], controls[n:, None])
    prices, dollars = -d_stocks[..., 0] / path["marginal"], 1000 * YEARS / CARBON  # a ton of CO2
    path = {name: values[..., 0] for name, values in path.items()}
    return Path(
        year=2015 + YEARS * t,
        K=path["K"][:n],
        **{name: path["carbon"][:n, i] for i, name in enumerate("MUL")},
        **{name: path["warmth"][:n, i] for i, name in enumerate("TO")},
        s=controls[:n],
        mu=controls[n:],
        Y=path["net"] * path["gross"],
        C=path["C"],
        scc=dollars * prices[:, 0],
        price_U=dollars * prices[:, 1],
        price_L=dollars * prices[:, 2],
        price_T=YEARS * prices[:, 3],
        price_O=YEARS * prices[:, 4],
    )
